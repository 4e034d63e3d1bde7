"""Coordinate reference systems: going from one to another, and distances on the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import CRS, Geod, Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.exceptions import CRSError, ProjError
from pyproj.transformer import TransformerGroup

from georeg.errors import InputError, SettingsError
from georeg.quietly import QUIETLY

Array = npt.NDArray[np.float64]

_CYLINDRICAL = (  # how PROJ's names of the methods in which x is proportional to longitude begin
    "Mercator",
    "Popular Visualisation",
    "Equidistant Cylindrical",
    "Equirectangular",
    "Lambert Cylindrical",
)


def parse_crs(text: str) -> CRS:
    """A CRS from an authority code, WKT, PROJ string or PROJJSON.

    Raises:
        SettingsError: the text is no CRS, or one without positions on a map.
    """
    short = text if len(text) < 60 else text[:57] + "..."
    try:
        crs = CRS.from_user_input(text)
    except CRSError:
        raise SettingsError(f"'{short}' is not a CRS: give e.g. EPSG:32633 or WKT") from None
    if len(crs.axis_info) == 1 or crs.is_geocentric:
        kind = "geocentric" if crs.is_geocentric else "vertical"
        raise SettingsError(f"'{short}' is a {kind} CRS: give a projected or geographic one")
    return crs


def wrap_longitude(x: Array, around: float | Array, period: float) -> Array:
    """Coordinates moved by whole turns to within half a turn of `around` (antimeridian)."""
    with np.errstate(invalid="ignore"):  # infinity, where a projection has no value
        turned = np.asarray(around + (x - around + period / 2) % period - period / 2)
    # Modulo costs the last bits: keep what needs no turn exactly as it is.
    return np.where(np.abs(x - around) <= period / 2, x, turned)


@lru_cache(maxsize=32)
def turn(crs: CRS | None) -> float | None:
    """The length of a full turn of longitude along x, in the CRS's own unit.

    None unless x is longitude, or proportional to it (Mercator, equidistant cylindrical).
    """
    if crs is None:
        return None
    flat = crs.to_2d()
    if flat.is_bound and flat.source_crs is not None:  # by +towgs84: its operation is that shift
        flat = flat.source_crs.to_2d()
    if flat.is_geographic:
        return 2 * math.pi / float(flat.axis_info[0].unit_conversion_factor)
    operation = flat.coordinate_operation
    if operation is None or flat.geodetic_crs is None:
        return None
    if not operation.method_name.startswith(_CYLINDRICAL):
        return None
    quarter = 0.5 * math.pi / float(flat.geodetic_crs.axis_info[0].unit_conversion_factor)
    start = np.array([[_central_meridian(operation), 0.0]])
    x = CrsPath(flat.geodetic_crs, flat).forward(start + [[0.0, 0.0], [quarter, 0.0]])[:, 0]
    length = 4 * abs(float(x[1] - x[0]))
    return length if math.isfinite(length) and length > 0 else None


def beside(xy: Array, x: Array, crs: CRS | None) -> Array:
    """(N, 2) positions moved by whole turns to within half a turn of the (N,) x, where finite."""
    period = turn(crs)
    if period is None:
        return xy
    moved = wrap_longitude(xy[:, 0], np.where(np.isfinite(x), x, xy[:, 0]), period)
    return np.stack([moved, xy[:, 1]], axis=1)


def _central_meridian(operation: Any) -> float:
    names = ("Longitude of natural origin", "Longitude of false origin")
    return float(next((p.value for p in operation.params if p.name in names), 0.0))


@dataclass(frozen=True)
class CrsPath:
    """Coordinates from `source` to `target` and back; identity where they are equal or unknown.

    x is always easting or longitude, y northing or latitude. Longitudes come out within half a
    turn of `source_x` and `target_x`, so rasters on the two sides of the antimeridian meet.
    """

    source: CRS | None
    target: CRS | None
    source_x: float | None = None
    target_x: float | None = None

    def forward(self, xy: Array) -> Array:
        """(N, 2) source coordinates -> (N, 2) target coordinates; inf where undefined."""
        return _transform(self._way, self._target_turn, xy, self.target_x)

    def inverse(self, xy: Array) -> Array:
        """(N, 2) target coordinates -> (N, 2) source coordinates; inf where undefined."""
        return _transform(self._back, self._source_turn, xy, self.source_x)

    # Called for every tile: to compare CRSs takes longer than to transform some coordinates.
    @cached_property
    def _way(self) -> Transformer | None:
        return _way(self.source, self.target)

    @cached_property
    def _back(self) -> Transformer | None:
        return _way(self.target, self.source)

    @cached_property
    def _target_turn(self) -> float | None:
        return None if self.target_x is None else turn(self.target)

    @cached_property
    def _source_turn(self) -> float | None:
        return None if self.source_x is None else turn(self.source)


def _transform(
    way: Transformer | None, period: float | None, xy: Array, around: float | None
) -> Array:
    if way is None:
        out = np.array(xy, dtype=np.float64)
    else:
        x, y = way.transform(xy[:, 0], xy[:, 1])
        out = np.stack([x, y], axis=1)
    if around is not None and period is not None:
        out[:, 0] = wrap_longitude(out[:, 0], around, period)
    return out


def _way(source: CRS | None, target: CRS | None) -> Transformer | None:
    """None where nothing is to be transformed."""
    if source is None or target is None or source == target:
        return None
    return _transformer(source, target)


@lru_cache(maxsize=32)
def _transformer(source: CRS, target: CRS) -> Transformer:
    try:
        return Transformer.from_crs(source, target, always_xy=True)
    except ProjError as error:
        raise InputError(
            f"no transformation from {crs_name(source)} to {crs_name(target)}: {error}"
        ) from None


def crs_name(crs: CRS | None) -> str:
    """A short name for messages: EPSG:32633 where there is a code, else the CRS's own name."""
    if crs is None:
        return "no CRS"
    authority = crs.to_authority(min_confidence=100)
    if authority:
        return ":".join(authority)
    return "a CRS without a name" if crs.name in ("", "unknown") else str(crs.name)


def ballpark_warning(
    source: CRS | None, target: CRS | None, lonlat: Array, pixel: float | None = None
) -> str | None:
    """A sentence if PROJ only has a ballpark datum shift here, naming the grid that is missing.

    Args:
        source: CRS of the moving raster.
        target: CRS of the reference raster.
        lonlat: (N, 2) degrees, outline of the area in question.
        pixel: metres; a second-best transformation that is accurate to half of it is fine.
    """
    if source is None or target is None or source == target:
        return None
    try:
        with QUIETLY:  # it says what we are about to say
            group = TransformerGroup(source, target, always_xy=True, area_of_interest=_area(lonlat))
    except ProjError:
        return None
    used = group.transformers[0] if group.transformers else None
    ballpark = used is None or "ballpark" in used.description.lower()
    accuracy = None if used is None or used.accuracy < 0 else float(used.accuracy)
    grids = dict.fromkeys(
        grid.short_name
        for operation in group.unavailable_operations
        for grid in operation.grids
        if not grid.available
    )
    if not ballpark:
        if group.best_available:
            return None
        if accuracy is not None and pixel is not None and accuracy <= pixel / 2:
            return None
    elif not grids and _same_ellipsoid(source, target):
        return None  # no datum is named on one side, and a shift would be next to nothing
    known = "of unknown accuracy" if accuracy is None else f"accurate to {accuracy:g} m"
    kind = "ballpark" if ballpark else "second-best"
    text = (
        f"PROJ has only a {kind} transformation from {crs_name(source)} to {crs_name(target)} "
        f"here ({known}"
    )
    if grids:
        return (
            f"{text}; missing grid: {', '.join(grids)}); install it with 'projsync' for an exact "
            "datum shift"
        )
    return f"{text}): the datum shift between them is unknown, positions are taken as they are"


def _area(lonlat: Array) -> Any:
    """The area of interest; west of 180 and east of it where longitudes jump between."""
    if not lonlat.size or not np.isfinite(lonlat).all():
        return None
    longitude = wrap_longitude(lonlat[:, 0], float(lonlat[0, 0]), 360.0)
    south, north = np.clip([lonlat[:, 1].min(), lonlat[:, 1].max()], -90, 90).tolist()
    west, east = float(longitude.min()), float(longitude.max())
    if east - west >= 359:
        west, east = -180.0, 180.0
    return AreaOfInterest(_within(west), south, _within(east), north)


def _within(longitude: float) -> float:
    """The same longitude in [-180, 180]."""
    return longitude if abs(longitude) <= 180 else (longitude + 180) % 360 - 180


def _same_ellipsoid(one: CRS, other: CRS) -> bool:
    """Whether the ellipsoids agree to a metre (WGS 84 and GRS 80 do)."""
    shapes = []
    for crs in (one, other):
        if crs.ellipsoid is None:
            return False
        shapes.append((crs.ellipsoid.semi_major_metre, crs.ellipsoid.semi_minor_metre))
    return all(abs(a - b) < 1.0 for a, b in zip(*shapes, strict=True))


def to_lonlat(crs: CRS | None, xy: Array) -> Array:
    """(N, 2) coordinates in `crs` -> (N, 2) degrees on the CRS's own datum."""
    if crs is None:
        return np.full_like(xy, np.nan)
    if crs.geodetic_crs is None:
        return np.full_like(xy, np.nan)
    out = CrsPath(crs, crs.geodetic_crs).forward(xy)
    per_radian = crs.geodetic_crs.axis_info[0].unit_conversion_factor
    return np.asarray(np.degrees(out * per_radian))


def metres_per_unit(crs: CRS | None, at: Array) -> tuple[float, float] | None:
    """Ground metres for one unit of x and of y at the map position `at` (2,), on the ellipsoid.

    None where the CRS is unknown; of a local or engineering CRS its unit counts.
    """
    if crs is None or not np.isfinite(at).all():
        return None
    if not (crs.is_geographic or crs.is_projected):
        units = crs.axis_info
        return (units[0].unit_conversion_factor,) * 2 if units else None
    geod = crs.get_geod() or Geod(ellps="WGS84")
    step = 1e-4 if crs.is_geographic else 10.0
    around = np.add(at, [[0.0, 0.0], [step, 0.0], [0.0, step]])
    lonlat = to_lonlat(crs, around)
    if not np.isfinite(lonlat).all():
        return None
    _, _, dx = geod.inv(*lonlat[0], *lonlat[1])
    _, _, dy = geod.inv(*lonlat[0], *lonlat[2])
    return float(dx / step), float(dy / step)


def in_metres(value: float) -> str:
    """A length on the ground in words: '1.3 cm', '12.5 m', '2.7 km'."""
    size = abs(value)
    if size >= 10_000:
        return f"{value / 1000:.0f} km"
    if size >= 999.5:  # rounds to 1000, which three digits write as 1e+03
        return f"{value / 1000:.1f} km"
    if size < 0.1:
        return f"{value * 100:.1f} cm"
    return f"{value:.3g} m"
