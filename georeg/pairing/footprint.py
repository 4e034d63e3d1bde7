"""What ground a raster covers, in the CRS of another, and how far apart two of them lie."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyproj import CRS, Geod
from shapely import MultiPoint, Polygon, box
from shapely.geometry.base import BaseGeometry

from georeg.crs import CrsPath, metres_per_unit, to_lonlat, turn
from georeg.errors import NoOverlapError
from georeg.grid import outline
from georeg.inputs.georef import Georef

Array = npt.NDArray[np.float64]


def footprint(
    georef: Georef, shape: tuple[int, int], path: CrsPath, ground: Array | None = None
) -> BaseGeometry:
    """A raster's outline in the path's target CRS.

    A raster of the whole world can't be outlined in, say, UTM. Then only the part of it is that
    lies under `ground`.

    Args:
        georef: of the raster.
        shape: (rows, columns).
        path: its CRS -> target CRS.
        ground: (N, 2) positions in the target CRS, all over the other raster.

    Raises:
        NoOverlapError: hardly any of the outline can be transformed.
    """
    rows, columns = shape
    xy, whole = _outlined(georef, path, (0.0, 0.0, columns, rows))
    if not whole and ground is not None:
        seen = georef.to_pixel(path.inverse(ground))
        with np.errstate(invalid="ignore"):
            seen = seen[((seen >= 0) & (seen <= [columns, rows])).all(axis=1)]
        if len(seen):
            low, high = seen.min(axis=0), seen.max(axis=0)
            margin = 0.25 * (high - low) + 2
            low = np.maximum(low - margin, 0)
            high = np.minimum(high + margin, [columns, rows])
            xy, _ = _outlined(georef, path, (*low.tolist(), *high.tolist()))
    if len(xy) < 12:
        raise NoOverlapError(
            "the outline can't be transformed to the reference's CRS: check the CRS of both"
        )
    full = turn(path.target)
    if full is not None and np.ptp(xy[:, 0]) >= 0.99 * full and path.target_x is not None:
        low, high = path.target_x - full / 2, path.target_x + full / 2
        return box(low, xy[:, 1].min(), high, xy[:, 1].max())  # all around the globe
    polygon = Polygon(xy)
    return polygon if polygon.is_valid else MultiPoint(xy).convex_hull


def _outlined(
    georef: Georef, path: CrsPath, area: tuple[float, float, float, float]
) -> tuple[Array, bool]:
    """The edge of an area (left, top, right, bottom) in pixels, as far as it can be transformed.

    Beyond the range of a projection PROJ gives infinity, or nonsense that leads back elsewhere.
    """
    left, top, right, bottom = area
    pixels = outline(right - left, bottom - top, 33) + [left, top]
    xy = path.forward(georef.to_map(pixels))
    with np.errstate(invalid="ignore"):
        back = georef.to_pixel(path.inverse(xy))
        error = np.hypot(*(back - pixels).T)
        good = np.isfinite(xy).all(axis=1) & (error < 1.0 + 1e-3 * (right - left + bottom - top))
    return xy[good], bool(good.all())


def lattice(shape: tuple[int, int]) -> Array:
    """(N, 2) pixel positions all over a raster, edges included."""
    x, y = np.meshgrid(np.linspace(0, shape[1], 33), np.linspace(0, shape[0], 33))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def all_over(shape: tuple[int, int]) -> Array:
    """(N, 2) pixel positions along a raster's edge and inside: the pole may lie in there."""
    return np.concatenate([outline(shape[1], shape[0], 41), lattice(shape)])


def gap(
    pixels: float, rx: float, crs: CRS | None, middle: Array, max_shift: float, advice: str
) -> str:
    """Says that two rasters lie too far apart for the search, in pixels and on the ground."""
    size = metres_per_unit(crs, middle)
    length = "" if size is None else f" ({_length(pixels * rx * size[0])})"
    return (
        f"the rasters don't overlap: they lie {pixels:.0f} working pixels{length} apart, more than "
        f"the search reaches ({max_shift:.0f} pixels); "
        f"{advice or 'check the CRS of both or raise --max-shift'}"
    )


def far_apart(
    moving: tuple[Georef, tuple[int, int]],
    reference: tuple[Georef, tuple[int, int]],
    path: CrsPath,
    advice: str,
) -> str:
    """Says how far apart two rasters lie whose outlines have no common CRS."""
    lonlat = []
    for (georef, (rows, columns)), crs in ((moving, path.source), (reference, path.target)):
        lonlat.append(to_lonlat(crs, georef.to_map(np.array([[columns / 2, rows / 2]])))[0])
    if not np.isfinite(lonlat).all():
        advice = advice or "name the right --moving-crs or --reference-crs"
        return f"the rasters don't overlap: one of them lies where its CRS isn't defined; {advice}"
    _, _, metres = Geod(ellps="WGS84").inv(*lonlat[0], *lonlat[1])
    places = " and ".join(f"longitude {x:.2f}, latitude {y:.2f}" for x, y in lonlat)
    return (
        f"the rasters don't overlap: their middles lie {_length(metres)} apart, at {places}; "
        f"{advice or 'check the CRS of both'}"
    )


def _length(metres: float) -> str:
    return f"{metres:.0f} m" if metres < 10_000 else f"{metres / 1000:,.0f} km"
