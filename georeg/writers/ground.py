"""What a GIS can show of an alignment, in map coordinates: displacements, tiles and footprints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from georeg.crs import CrsPath, beside, metres_per_unit, parse_crs, turn, wrap_longitude
from georeg.inputs.georef import Georef
from georeg.writers.points import PointTable
from georeg.writers.sides import Side, Sides

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ground:
    """Positions in the CRS of the tie points.

    Attributes:
        crs: of everything here; None if unknown.
        true: (N, 2) true map positions of the tie points.
        claimed: (N, 2) where the moving raster's georeference says that they are; NaN if unknown.
        metres: (N,) distances between the two on the ground; NaN if unknown.
        azimuth: (N,) direction of the residuals in degrees, clockwise from the map's y axis.
        tiles: (T, 5, 2) closed outlines of the tiles.
        footprints: names and (P, 2) closed outlines of what the rasters cover.
    """

    crs: CRS | None
    true: Array
    claimed: Array
    metres: Array
    azimuth: Array
    tiles: Array
    footprints: tuple[tuple[str, Array], ...]


def on_the_ground(table: PointTable, sides: Sides) -> Ground:
    """What is known about tie points and rasters, on the map.

    Args:
        table: tie points with map positions.
        sides: the rasters, as far as they are known.
    """
    crs = None if table.crs is None else parse_crs(table.crs)
    if crs is None and sides.reference is not None:
        crs = sides.reference.crs
    around = float(np.nanmean(table.map_xy[:, 0]))
    claimed = beside(_claimed(table.moving_xy, sides, crs), table.map_xy[:, 0], crs)
    return Ground(
        crs,
        table.map_xy,
        claimed,
        _metres(claimed, table.map_xy, crs),
        _azimuth(table, sides.reference, crs),
        _tiles(sides, crs, around),
        tuple(_footprints(sides, crs, around)),
    )


def _in_one_piece(outlines: Array, crs: CRS | None, around: float) -> Array:
    """(..., P, 2) outlines that the antimeridian doesn't tear, within half a turn of `around`.

    One that goes all the way around the Earth stays as long as that.
    """
    period = turn(crs)
    if period is None:
        return outlines
    with np.errstate(invalid="ignore"):
        x = np.unwrap(outlines[..., 0], period=period)
        middle = (x.min(axis=-1, keepdims=True) + x.max(axis=-1, keepdims=True)) / 2
        x = x + (wrap_longitude(middle, around, period) - middle)
    return np.stack([np.where(np.isfinite(x), x, outlines[..., 0]), outlines[..., 1]], axis=-1)


def _claimed(pixels: Array, sides: Sides, crs: CRS | None) -> Array:
    moving = sides.moving
    if moving is None:
        return np.full_like(pixels, np.nan)
    georef: Georef | None = moving.georef
    own = moving.crs
    if sides.fit is not None and sides.fit.placement is not None:
        georef, own = sides.fit.georef_of(moving.header, moving.name)
    if georef is None:
        return np.full_like(pixels, np.nan)
    return _finite(CrsPath(own, crs).forward(georef.to_map(pixels)))


def _metres(claimed: Array, true: Array, crs: CRS | None) -> Array:
    middle = np.nanmean(true, axis=0)
    scale = metres_per_unit(crs, middle)
    if scale is None:
        return np.full(len(true), np.nan)
    return np.asarray(np.hypot(*((true - claimed) * scale).T))


def _azimuth(table: PointTable, reference: Side | None, crs: CRS | None) -> Array:
    if reference is None:  # rows count downwards
        step = table.residual_xy * [1.0, -1.0]
    else:
        path = CrsPath(reference.crs, crs)
        at = reference.layer.to_pixel(path.inverse(table.map_xy))
        fitted = path.forward(reference.layer.to_map(at + table.residual_xy))
        step = beside(fitted, table.map_xy[:, 0], crs) - table.map_xy
    return np.asarray(np.degrees(np.arctan2(step[:, 0], step[:, 1])) % 360.0)


def _tiles(sides: Sides, crs: CRS | None, around: float) -> Array:
    fit = sides.fit
    if fit is None or sides.tiles is None or not len(sides.tiles):
        return np.zeros((0, 5, 2))
    low, size = sides.tiles[:, None, :2], sides.tiles[:, None, 2:]
    corners = low + size * np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], np.float64)
    on_map = CrsPath(fit.frame.crs, crs).forward(fit.frame.to_map(corners.reshape(-1, 2)))
    return _in_one_piece(on_map.reshape(-1, 5, 2), crs, around)


def _footprints(sides: Sides, crs: CRS | None, around: float) -> list[tuple[str, Array]]:
    found = []
    if sides.reference is not None and (sides.reference.georef is not None or crs is None):
        side = sides.reference
        path = CrsPath(side.crs, crs)
        found.append(("reference", path.forward(side.layer.to_map(side.outline()))))
    if sides.moving is not None:
        edge = sides.moving.outline()
        if sides.fit is None or sides.fit.placement is None:  # else there is no claim but ours
            found.append(("moving, as it claims", _claimed(edge, sides, crs)))
        if sides.fit is not None:
            path = CrsPath(sides.fit.frame.crs, crs)
            true = sides.fit.corrected(
                sides.moving.header, sides.moving.name, edge, sides.fit.frame.crs
            )
            found.append(("moving, aligned", path.forward(true)))
    whole = [(name, _in_one_piece(_finite(xy), crs, around)) for name, xy in found]
    closed = [(name, np.concatenate([xy, xy[:1]])) for name, xy in whole]
    return [(name, xy) for name, xy in closed if np.isfinite(xy).all()]


def _finite(xy: Array) -> Array:
    return np.where(np.isfinite(xy), xy, np.nan)
