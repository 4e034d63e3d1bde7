"""Do tie points from a file make sense for two rasters? If not, what is wrong with the file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from georeg import transforms
from georeg.crs import CrsPath, crs_name, parse_crs
from georeg.errors import InputError, PointsError
from georeg.inputs.georef import Georef
from georeg.writers.points import PointTable
from georeg.writers.sides import Side, Sides

Array = npt.NDArray[np.float64]

_LEAST = 3  # one of two can't be left out to see whether the other one predicts it
_SLACK = 0.1  # of a raster's sides: hands also click a bit beyond an edge
_THIN = 1e-3  # width of the points' cloud by its length: on a line, but for rounding to pixels
_STIFF = ("shift", "similarity")  # what points on one line still determine
_GEOGRAPHIC = "EPSG:4326"


def check_plausible(table: PointTable, sides: Sides, transform: str = "auto") -> None:
    """Look at tie points before a fit is made of them.

    Args:
        table: as the file has them; what is disabled isn't looked at.
        sides: both rasters.
        transform: what will be fitted.

    Raises:
        PointsError: they are too few or on a line, or most of them lie outside of a raster, or they
            mirror the one raster onto the other; says what the file's mistake looks like.
    """
    used = table.select(table.enabled)
    _check_count(len(used), transform)
    if sides.moving is not None:
        _check_inside(used.moving_xy, sides.moving, "moving")
    if sides.reference is not None:
        side = sides.reference
        true = used.reference_pixels(side.layer, side.crs, side.shape)
        _check_true(used, true, side, sides.moving)
    _check_spread(used.moving_xy, transform)
    if sides.moving is not None and sides.reference is not None:
        _check_orientation(used.moving_xy, true, sides.moving, sides.reference)


def _check_count(count: int, transform: str) -> None:
    auto = transform == "auto"
    least = _LEAST if auto else transforms.load(transform).min_points + 1
    if count < least:
        have = {0: "no tie point is", 1: "only one tie point is"}
        said = have.get(count, f"only {count} tie points are")
        what = "a fit" if auto else f"a fit of '{transform}'"
        raise PointsError(
            f"{said} enabled: {what} needs at least {least}, so that it can be checked"
        )


def _check_inside(xy: Array, side: Side, which: str) -> None:
    """Most pixels must lie in their raster."""
    inside = side.holds(xy, _SLACK)
    if 2 * inside.sum() >= len(xy):
        return
    rows, columns = side.shape
    said = (
        f"{int((~inside).sum())} of {len(xy)} {which} positions lie outside of {side.name} "
        f"({columns} x {rows} pixels)"
    )
    for wrong, mistake in _mistakes(xy, rows):
        if side.holds(wrong, _SLACK).all():
            raise PointsError(f"{said}: {mistake}")
    raise PointsError(f"{said}: are they points of that raster?")


def _mistakes(xy: Array, rows: int) -> Iterator[tuple[Array, str]]:
    yield xy[:, ::-1], "x and y look swapped, x is the column"
    yield xy * [1, -1], "y looks negative, rows count downwards from the upper edge"
    yield xy * [1, -1] + [0, rows], "y looks counted upwards, rows count down from the upper edge"


def _check_true(table: PointTable, true: Array, reference: Side, moving: Side | None) -> None:
    """Most true positions must lie in the reference; where they came from the map, say why not."""
    by_map = ~np.isfinite(table.reference_xy).all(axis=1)
    inside = reference.holds(true, _SLACK)
    if 2 * inside.sum() >= len(inside):
        return
    if not by_map.any():
        _check_inside(true, reference, "reference")
        return
    own = None if table.crs is None else parse_crs(table.crs)
    own = own or reference.crs
    said = (
        f"{int((~inside).sum())} of {len(inside)} points lie outside of {reference.name} by their "
        f"map positions in {crs_name(own)}"
    )
    places = table.map_xy[by_map]
    if _fits(places[:, ::-1], own, reference):
        raise PointsError(f"{said}: their x and y look swapped, x is easting or longitude")
    for crs in (reference.crs, None if moving is None else moving.crs, parse_crs(_GEOGRAPHIC)):
        if crs is None or crs == own:
            continue
        if _fits(places, crs, reference):
            raise PointsError(f"{said}: they would be right in {crs_name(crs)}, name that CRS")
        if _fits(places[:, ::-1], crs, reference):
            raise PointsError(f"{said}: they look like y, x in {crs_name(crs)}")
    raise PointsError(f"{said}: the CRS is wrong, or they are points of another place")


def _fits(places: Array, crs: CRS | None, reference: Side) -> bool:
    """Whether map positions would lie in the reference, were they in that CRS."""
    try:
        xy = CrsPath(crs, reference.crs).forward(places)
    except InputError:
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        pixels = reference.layer.to_pixel(np.where(np.isfinite(xy), xy, np.nan))
        return bool(reference.holds(pixels, _SLACK).all())


def _check_spread(xy: Array, transform: str) -> None:
    """Points on a line say nothing about what is beside it."""
    if transform in _STIFF:
        return
    spread = np.linalg.svd(xy - xy.mean(axis=0), compute_uv=False)
    if spread[0] <= 0:
        raise PointsError(f"all {len(xy)} tie points lie at one place: spread them over the raster")
    if spread[-1] < _THIN * spread[0]:
        raise PointsError(
            f"all {len(xy)} tie points lie on one line: add some beside it, or use "
            "--transform similarity"
        )


def _check_orientation(pixels: Array, true: Array, moving: Side, reference: Side) -> None:
    """No raster is another one's mirror image."""
    known = np.isfinite(true).all(axis=1)
    design = np.column_stack([pixels[known], np.ones(int(known.sum()))])
    matrix, _, rank, _ = np.linalg.lstsq(design, true[known], rcond=None)
    if rank < 3:
        return
    expected = _handedness(moving.layer, moving) * _handedness(reference.layer, reference)
    if np.linalg.det(matrix[:2]) * expected > 0:
        return
    raise PointsError(
        f"the tie points mirror {moving.name} onto {reference.name}: x and y are swapped on one "
        "side, or rows are counted upwards there"
    )


def _handedness(georef: Georef, side: Side) -> float:
    """-1 for rows that count downwards on the map, 1 for a raster stored upside down."""
    rows, columns = side.shape
    middle = np.array([columns / 2, rows / 2])
    at = georef.to_map(middle + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    return float(np.sign(np.linalg.det(at[1:] - at[0])))
