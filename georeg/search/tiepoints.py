"""Tie points in the frame, and parts of them."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.search.thinning import best_of_cells

Array = npt.NDArray[np.float64]

log = logging.getLogger(__name__)

COLUMNS = ("claimed", "true", "score", "sigma")  # of tie points
MANY, PREDICT = 4000, 800  # tie points that are too many to predict with, and that are enough


@dataclass(frozen=True, eq=False)
class TiePoints:
    """Matches in the frame.

    Attributes:
        claimed: (N, 2) frame pixels by the moving raster's georeference.
        true: (N, 2) frame pixels by the reference.
        score: (N,) probability of being right.
        sigma: (N,) standard deviation in frame pixels.
        templates: how many places were looked at to find them.
        block: frame pixels below which two points aren't independent.
        tiles: (T, 4) x, y, width, height in frame pixels of the windows that were matched.
        dense: whether they were read off templates' surfaces, or are key points.
        sparse: whether displacements change between the tiles, and more tiles could be matched.
    """

    claimed: Array
    true: Array
    score: Array
    sigma: Array
    templates: int
    block: float
    tiles: Array | None = None
    dense: bool = False
    sparse: bool = False

    def __len__(self) -> int:
        """Number of tie points."""
        return len(self.claimed)


def no_points() -> TiePoints:
    """None at all."""
    empty = np.zeros((0, 2))
    return TiePoints(empty, empty, np.zeros(0), np.zeros(0), 0, 0.0)


def some(points: TiePoints, keep: npt.NDArray[Any]) -> TiePoints:
    """Those of an index or a mask."""
    chosen = {name: getattr(points, name)[keep] for name in COLUMNS}
    return replace(points, **chosen)


def enough(points: TiePoints, cells: int = PREDICT) -> TiePoints:
    """The best of so many even cells, where there are more points than predict the next level.

    Seconds go by with all of them, in which a GPU has nothing to do.
    """
    if len(points) <= MANY:
        return points
    area = float(np.prod(np.ptp(points.claimed, axis=0)))
    if points.tiles is not None:  # there may be gaps between them
        area = min(area, float(points.tiles[:, 2:].prod(axis=1).sum()))
    side = max(1.0, math.sqrt(area / cells))  # points on a line span no area
    keep = best_of_cells(points.claimed, points.score, side, 1)
    log.info("the best %d of %d tie points predict the next level", len(keep), len(points))
    return some(points, keep)
