"""Coordinate reference systems: going from one to another, and distances on the ground."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import CRS, Geod, Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.exceptions import CRSError, ProjError
from pyproj.transformer import TransformerGroup

from georeg.errors import InputError, SettingsError

Array = npt.NDArray[np.float64]


def parse_crs(text: str) -> CRS:
    """A CRS from an authority code, WKT, PROJ string or PROJJSON.

    Raises:
        SettingsError: the text is no CRS.
    """
    try:
        return CRS.from_user_input(text)
    except CRSError:
        short = text if len(text) < 60 else text[:57] + "..."
        raise SettingsError(
            f"'{short}' is not a CRS: give e.g. EPSG:32633, WKT or a file"
        ) from None


def wrap_longitude(x: Array, around: float, period: float) -> Array:
    """Coordinates moved by whole turns to within half a turn of `around` (antimeridian)."""
    turned = np.asarray(around + (x - around + period / 2) % period - period / 2)
    # Modulo costs the last bits: keep what needs no turn exactly as it is.
    return np.where(np.abs(x - around) <= period / 2, x, turned)


def _period(crs: CRS | None) -> float | None:
    """The length of a full turn of longitude in the CRS's own unit, if it is geographic."""
    if crs is None or not crs.is_geographic:
        return None
    per_radian = crs.axis_info[0].unit_conversion_factor
    return float(2 * np.pi / per_radian)


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
        return _transform(self.source, self.target, xy, self.target_x)

    def inverse(self, xy: Array) -> Array:
        """(N, 2) target coordinates -> (N, 2) source coordinates; inf where undefined."""
        return _transform(self.target, self.source, xy, self.source_x)


def _transform(source: CRS | None, target: CRS | None, xy: Array, around: float | None) -> Array:
    if source is None or target is None or source == target:
        out = np.array(xy, dtype=np.float64)
    else:
        x, y = _transformer(source, target).transform(xy[:, 0], xy[:, 1])
        out = np.stack([x, y], axis=1)
    period = _period(target)
    if around is not None and period is not None:
        out[:, 0] = wrap_longitude(out[:, 0], around, period)
    return out


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
    authority = crs.to_authority()
    return ":".join(authority) if authority else str(crs.name)


def ballpark_warning(source: CRS | None, target: CRS | None, lonlat: Array) -> str | None:
    """A sentence if PROJ only has a ballpark datum shift here, naming the grid that is missing.

    Args:
        source: CRS of the moving raster.
        target: CRS of the reference raster.
        lonlat: (N, 2) degrees, outline of the area in question.
    """
    if source is None or target is None or source == target:
        return None
    area: Any = None  # pyproj declares another class of that name than it documents
    if lonlat.size and np.isfinite(lonlat).all():
        west, south = np.clip(lonlat.min(axis=0), [-180, -90], [180, 90])
        east, north = np.clip(lonlat.max(axis=0), [-180, -90], [180, 90])
        area = AreaOfInterest(float(west), float(south), float(east), float(north))
    try:
        group = TransformerGroup(source, target, always_xy=True, area_of_interest=area)
    except ProjError:
        return None
    used = group.transformers[0] if group.transformers else None
    ballpark = used is None or "ballpark" in used.description.lower()
    if group.best_available and not ballpark:
        return None
    grids = [
        grid.short_name
        for operation in group.unavailable_operations
        for grid in operation.grids
        if not grid.available
    ]
    accuracy = "of unknown accuracy"
    if used is not None and used.accuracy is not None and used.accuracy >= 0:
        accuracy = f"accurate to {used.accuracy:g} m"
    missing = f"; missing grid: {', '.join(dict.fromkeys(grids))}" if grids else ""
    kind = "ballpark" if ballpark else "second-best"
    return (
        f"PROJ has only a {kind} transformation from {crs_name(source)} to {crs_name(target)} "
        f"here ({accuracy}{missing}); install it with 'projsync' for an exact datum shift"
    )


def to_lonlat(crs: CRS | None, xy: Array) -> Array:
    """(N, 2) coordinates in `crs` -> (N, 2) degrees on the CRS's own datum."""
    if crs is None:
        return np.full_like(xy, np.nan)
    if crs.geodetic_crs is None:
        return np.full_like(xy, np.nan)
    out = _transform(crs, crs.geodetic_crs, xy, None)
    per_radian = crs.geodetic_crs.axis_info[0].unit_conversion_factor
    return np.asarray(np.degrees(out * per_radian))


def metres_per_unit(crs: CRS | None, at: Array) -> tuple[float, float] | None:
    """Ground metres for one unit of x and of y at the map position `at` (2,), on the ellipsoid.

    None where the CRS is unknown or has no ground (local or engineering CRS).
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
