"""Key points thinned, so that rich corners and doubles don't outvote the rest."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from georeg.matching.protocol import TilePoints

Array = npt.NDArray[np.float64]

CELL, _PER_CELL = 32.0, 4  # level pixels, and key points that count in each such square
_MOST_POINTS = 20_000  # more of them add time, not evidence
_TWINS = 2.0  # level pixels (both sides together) within which two tiles' points are the same


def thinned(points: TilePoints) -> TilePoints:
    """The best few points of every cell, so that one rich corner doesn't outvote the rest.

    Dense matchers have even points by nature; key points come in clusters. Cells grow where there
    are more points than a fit needs. What two neighbouring tiles found alike counts once.
    """
    points = points.select(best_of_cells(points.moving_xy, points.score, CELL, _PER_CELL))
    if len(points) > _MOST_POINTS:
        side = CELL * math.sqrt(len(points) / _MOST_POINTS)
        points = points.select(best_of_cells(points.moving_xy, points.score, side, _PER_CELL))
    return points.select(_distinct(points))


def best_of_cells(xy: Array, score: Array, side: float, most: int) -> npt.NDArray[np.int64]:
    """Indices, in order, of the `most` best ones in each cell.

    Args:
        xy: (N, 2) positions.
        score: (N,) the more, the better.
        side: of the cells, in the unit of positions.
        most: that are kept in each.
    """
    cell = np.floor(xy / side).astype(np.int64)
    order = np.lexsort((-score, cell[:, 0], cell[:, 1]))
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(cell[order], axis=0) != 0).any(axis=1)
    first = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    return np.sort(order[np.arange(len(order)) - first < most])


def _distinct(points: TilePoints) -> npt.NDArray[np.bool_]:
    """(N,) False for points next to a better one of another tile that says the same."""
    keep = np.ones(len(points), np.bool_)
    both = np.concatenate([points.moving_xy, points.reference_xy], axis=1)
    if not len(both):
        return keep
    for one, other in cKDTree(both).query_pairs(_TWINS, output_type="ndarray"):
        if points.tile[one] != points.tile[other] and keep[one] and keep[other]:
            keep[one if points.score[one] < points.score[other] else other] = False
    return keep
