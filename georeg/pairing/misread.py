"""What a header would have to say for two rasters to meet that don't, as it is most often wrong.

No pixel is looked at: that numbers which lie nowhere near lie just there if they are read in
another way is evidence enough to name that way.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyproj import CRS
from shapely import MultiPoint
from shapely.geometry.base import BaseGeometry

from georeg.crs import CrsPath, crs_name, to_lonlat
from georeg.errors import GeoregError
from georeg.inputs.georef import Georef
from georeg.pairing.footprint import all_over

Array = npt.NDArray[np.float64]
Side = tuple[Georef, tuple[int, int]]

_DEGREES, _WEB = 4326, 3857
_UTM = (32700, 32600)  # south, north; the zone is added


def misread(moving: Side, reference: Side, path: CrsPath) -> str:
    """Says what would make two rasters meet.

    Args:
        moving: georeference and shape (rows, columns).
        reference: the same of the reference.
        path: moving CRS -> reference CRS.

    Returns:
        What to do, to be part of a message; empty if nothing does, or a CRS is unknown.
    """
    if path.source is None or path.target is None:
        return ""
    sides = (
        ("moving", moving, path.source, reference, path.target),
        ("reference", reference, path.target, moving, path.source),
    )
    for exchanged in (False, True):
        for name, (georef, shape), own, (other, other_shape), there in sides:
            seen = georef.to_map(all_over(shape))
            ground = other.to_map(all_over(other_shape))
            found = _found(seen[:, ::-1] if exchanged else seen, own, ground, there, exchanged)
            if found is not None:
                return _said(name, found, own, exchanged)
    return ""


def _found(seen: Array, own: CRS, ground: Array, there: CRS, exchanged: bool) -> CRS | None:
    """The first CRS in which positions as they are told lie on the ground of the other raster.

    Args:
        seen: (N, 2) positions of the one that may be told wrongly.
        own: their CRS as it is told.
        ground: (N, 2) positions of the other one.
        there: its CRS.
        exchanged: whether x and y of `seen` are exchanged.
    """
    shape = _hull(seen)
    if shape is None:
        return None
    # The corner of a raster is what is exchanged: it lies beside its place then, not on it.
    left, bottom, right, top = shape.bounds
    beside = max(right - left, top - bottom) if exchanged else 0.0
    degrees = bool(np.abs(seen[:, 0]).max() <= 360 and np.abs(seen[:, 1]).max() <= 90)
    crs: CRS
    for crs in (*((own,) if exchanged else ()), there, *_usual(ground, there, degrees)):
        if crs == own and not exchanged:
            continue
        try:
            place = _hull(CrsPath(there, crs).forward(ground))
        except GeoregError:  # no way from one to the other: on other planets
            continue
        if place is not None and shape.distance(place) <= beside:
            return crs
    return None


def _usual(ground: Array, crs: CRS, degrees: bool) -> list[CRS]:
    """Of all CRSs those that are mixed up: degrees, the ground's own UTM zone, web maps'."""
    if degrees:
        return [CRS.from_epsg(_DEGREES)]
    lonlat = to_lonlat(crs, ground)
    lonlat = lonlat[np.isfinite(lonlat).all(axis=1)]
    if not len(lonlat):
        return []
    x, y = np.median(lonlat, axis=0)
    zone = int((x + 180) % 360 // 6) + 1
    return [CRS.from_epsg(_UTM[int(y >= 0)] + zone), CRS.from_epsg(_WEB)]


def _hull(xy: Array) -> BaseGeometry | None:
    """Around (N, 2) positions, as far as they are any."""
    xy = xy[np.isfinite(xy).all(axis=1)]
    return MultiPoint(xy).convex_hull if len(xy) > 2 else None


def _said(side: str, crs: CRS, own: CRS, exchanged: bool) -> str:
    names = {"moving": "the moving raster", "reference": "the reference"}
    name, who = crs_name(crs), names[side]
    other = next(text for key, text in names.items() if key != side)
    if not exchanged:
        return (
            f"read as {name} instead of {crs_name(own)}, {who} would lie on {other}: if that is "
            f"what it is, name it with --{side}-crs {name}"
        )
    read = "" if crs == own else f", read as {name},"
    return (
        f"with x and y exchanged{read} {who} would lie where {other} does: if its header has "
        "them the wrong way round, write its corners anew (gdal_translate -a_ullr, x first)"
    )
