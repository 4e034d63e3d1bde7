"""What a DEM's heights are counted from, and the way from there to the ellipsoid.

RPCs want heights above the ellipsoid of WGS 84, DEMs mostly have heights above a geoid: up to a
hundred metres apart. The separation comes from PROJ's grids or from the user's own file; where a
grid is missing that is an error, because zero would look like an answer.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import CRS, Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.datadir import get_data_dir, get_user_data_dir  # type: ignore[attr-defined]
from pyproj.exceptions import ProjError
from pyproj.transformer import TransformerGroup

from georeg.crs import CrsPath, crs_name
from georeg.errors import InputError, SettingsError
from georeg.quietly import QUIETLY
from georeg.settings import DATUMS as DATUMS
from georeg.writers.pipelines import quoted

Array = npt.NDArray[np.float64]

log = logging.getLogger(__name__)

WGS84 = CRS.from_epsg(4326)
_WGS84_3D = CRS.from_epsg(4979)
# Names of the grids, the exacter and the more common first.
_GRIDS = {
    "egm96": ("us_nga_egm96_15.tif", "egm96_15.gtx"),
    "egm2008": ("us_nga_egm08_25.tif", "egm08_25.gtx"),
}
_CODES = {"5773": "egm96", "3855": "egm2008"}
_FOLDERS = ("/usr/share/proj", "/usr/local/share/proj")  # where distributions put PROJ's grids
_US_FOOT = 1200 / 3937
_UNITS = {  # metres by names without blanks, marks and capitals
    "": 1.0, "m": 1.0, "metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0,
    "ft": 0.3048, "foot": 0.3048, "feet": 0.3048,
    "internationalfoot": 0.3048, "internationalfeet": 0.3048,
    "ussurveyfoot": _US_FOOT, "ussurveyfeet": _US_FOOT, "usft": _US_FOOT, "ftus": _US_FOOT,
    "usfoot": _US_FOOT, "usfeet": _US_FOOT, "footus": _US_FOOT, "feetus": _US_FOOT,
    "mm": 0.001, "cm": 0.01, "dm": 0.1, "km": 1000.0,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Vertical:
    """From a DEM's heights to metres above the ellipsoid: factor * height + separation.

    Attributes:
        name: of the datum: ellipsoid, egm96, egm2008, the name of a CRS or of a grid file.
        note: where that comes from, for people.
        assumed: whether nobody said so.
        factor: metres per unit of the DEM's heights; negative for depths.
        path: the DEM's horizontal CRS -> longitude and latitude.
        transformer: takes (x, y, 0) to (x, y, separation); None where that is zero.
        own: whether the transformer starts from the DEM's own coordinates, not degrees.
    """

    name: str
    note: str
    assumed: bool
    factor: float
    path: CrsPath
    transformer: Transformer | None = None
    own: bool = False

    def separation(self, xy: Array) -> Array:
        """(N,) metres from the ellipsoid up to the datum, at (N, 2) coordinates of the DEM's CRS.

        Raises:
            InputError: the geoid grid doesn't cover a place.
        """
        if self.transformer is None:
            return np.zeros(len(xy))
        at = xy if self.own else self.path.forward(xy)
        usable = np.isfinite(at).all(axis=1)
        out = np.full(len(xy), np.nan)
        x, y = at[usable].T
        _, _, out[usable] = self.transformer.transform(x, y, np.zeros(len(x)))
        lost = usable & ~np.isfinite(out)
        if lost.any():
            lon, lat = self.path.forward(xy[lost][:1])[0]
            raise InputError(
                f"{self.note} doesn't cover longitude {lon:.3f}, latitude {lat:.3f}: give a geoid "
                "grid that does with --geoid, or --dem-datum ellipsoid if the heights need none"
            )
        return out


def vertical_of(
    datum: str, geoid: str | None, crs: CRS, unit: str | None, name: str, around: Array
) -> Vertical:
    """The vertical datum of a DEM.

    Args:
        datum: ellipsoid, egm96, egm2008, or auto: by the CRS, and the ellipsoid without a word
            in it, as GDAL takes it.
        geoid: the user's own grid (GTX, GeoTIFF), or None.
        crs: of the DEM, compound where it says anything about heights.
        unit: of the band, as the file has it.
        name: of the DEM, for messages.
        around: (N, 2) corners of the area, in the DEM's CRS.

    Raises:
        InputError: a grid is missing or unreadable, or the datum unknown to PROJ.
        SettingsError: datum and geoid contradict each other.
    """
    path = CrsPath(crs.to_2d(), WGS84)
    part = _vertical_part(crs)
    factor = _factor(part, unit, name)
    if datum == "ellipsoid":
        if geoid is not None:
            raise SettingsError("--dem-datum ellipsoid needs no --geoid: give one of the two")
        return Vertical("ellipsoid", "--dem-datum", False, factor, path)
    if geoid is not None:
        label = os.path.basename(geoid)
        return Vertical(
            label if datum == "auto" else datum, f"the geoid grid {label}", False, factor, path,
            _from_grid(geoid),
        )  # fmt: skip
    said = "--dem-datum"
    if datum == "auto":
        said = f"the CRS of {name}"
        if part is None:
            if len(crs.axis_info) == 3:
                return Vertical("ellipsoid", said, False, factor, path)
            return Vertical("ellipsoid", "assumed: the DEM doesn't say", True, factor, path)
        known = _CODES.get((part.to_authority(min_confidence=80) or ("", ""))[1])
        known = known or next((key for key in _GRIDS if key in _plain(part.name)), None)
        if known is None or _bound(part):
            return _by_proj(crs, part, name, path, around)
        datum = known
    grid = find_grid(datum)
    if grid is None:
        raise InputError(
            f"{name} has heights above {datum.upper()} (by {said}), but PROJ's grid for it is "
            f"missing: install {' or '.join(_GRIDS[datum])} into {_searched()[0]} (projsync, or a "
            "package like proj-data), or name a geoid grid with --geoid"
        )
    note = f"the geoid grid {os.path.basename(grid)}"
    return Vertical(datum, note, False, factor, path, _from_grid(grid))


def find_grid(datum: str) -> str | None:
    """The file of PROJ's grid for a geoid, None where there is none."""
    for folder in _searched():
        for name in _GRIDS[datum]:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                return path
    return None


def _searched() -> list[str]:
    """Folders in which PROJ, this one or another, may have its grids."""
    named = [os.environ.get(key, "") for key in ("PROJ_DATA", "PROJ_LIB")]
    own = [get_user_data_dir(), get_data_dir()]
    parts = [part for text in (*named, *own) for part in text.split(os.pathsep) if part]
    return list(dict.fromkeys([*parts, *_FOLDERS]))


def _from_grid(path: str) -> Transformer:
    """Degrees and height above a geoid -> degrees and height above the ellipsoid.

    Raises:
        InputError: the grid can't be read, or not be named.
    """
    if not os.path.isfile(path):
        raise InputError(f"geoid grid {path}: no such file")
    grid = quoted(os.path.abspath(path))  # other names PROJ looks for among its own grids
    turned = "+step +proj=unitconvert +xy_in={} +xy_out={}"
    try:
        return Transformer.from_pipeline(
            f"+proj=pipeline {turned.format('deg', 'rad')} "
            f"+step +proj=vgridshift +grids={grid} +multiplier=1 {turned.format('rad', 'deg')}"
        )
    except ProjError:
        raise InputError(
            f"geoid grid {path} can't be read: PROJ takes GTX and GeoTIFF in degrees"
        ) from None


def _by_proj(crs: CRS, part: CRS, name: str, path: CrsPath, around: Array) -> Vertical:
    """Any other vertical CRS: PROJ knows the way, or which grid is missing on it."""
    lonlat = path.forward(around)
    area: Any = None
    if np.isfinite(lonlat).all():
        (west, south), (east, north) = lonlat.min(axis=0), lonlat.max(axis=0)
        area = AreaOfInterest(west, south, east, north) if east - west < 180 else None
    problem = ""
    try:
        with QUIETLY:
            group = TransformerGroup(crs, _WGS84_3D, always_xy=True, area_of_interest=area)
    except ProjError as error:
        group, problem = None, str(error)
    used = group.transformers[0] if group is not None and group.transformers else None
    if used is None or "ballpark" in used.description.lower():
        found = group.unavailable_operations if group is not None else ()
        grids = dict.fromkeys(g.short_name for o in found for g in o.grids if not g.available)
        which, install = problem or "none is known", ""
        if grids:
            which = f"the grid {' or '.join(list(grids)[:3])} is missing"
            install = "install it with 'projsync', or "
        raise InputError(
            f"{name} has heights of {crs_name(part)} ({part.name}), and PROJ has no way from there "
            f"to the ellipsoid: {which}; {install}name a geoid grid with --geoid or the datum with "
            "--dem-datum"
        )
    x, y = around.mean(axis=0)
    heights = np.array([used.transform(x, y, z)[2] for z in (0.0, 1.0)])
    factor = float(heights[1] - heights[0])
    if not np.isfinite(factor) or factor == 0:
        raise InputError(f"{name}: PROJ can't transform heights of {part.name} there")
    return Vertical(part.name, f"PROJ's transformation of {part.name}", False, factor, path,
                    used, own=True)  # fmt: skip


def _vertical_part(crs: CRS) -> CRS | None:
    """The vertical CRS of a compound one."""
    if not crs.is_compound:
        return None
    return next((part for part in crs.sub_crs_list if part.is_vertical), None)


def _bound(part: CRS) -> bool:
    """Whether the CRS itself names a grid."""
    return bool(part.is_bound)


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _factor(part: CRS | None, unit: str | None, name: str) -> float:
    """Metres per unit of height."""
    source = part.source_crs if part is not None and part.is_bound else part
    axes = [] if source is None else source.axis_info
    if axes:
        factor = float(axes[0].unit_conversion_factor)
        return -factor if axes[0].direction == "down" else factor
    known = _UNITS.get(_plain(unit or ""))
    if known is None:
        log.warning("%s: heights in '%s', a unit that isn't known: taken as metres", name, unit)
        return 1.0
    if known != 1.0:
        log.info("%s: heights in '%s', taken as %g m", name, unit, known)
    return known
