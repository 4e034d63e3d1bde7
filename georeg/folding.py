"""Which tie points are left out together: whole blocks of neighbours.

Roberts et al., Ecography 40(8), 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FOLDS = 5
BLOCKS = 10  # along the longer side of the points' bounding box


@dataclass(frozen=True)
class Folding:
    """A grid of blocks; whole blocks go to one fold, neighbours to different ones."""

    x: float
    y: float
    side: float
    folds: int = FOLDS

    @classmethod
    def over(cls, xy: Array, block: float, blocks: float = BLOCKS) -> Folding:
        """So many blocks along the points' bounding box; fewer, if `block` is wider.

        With infinitely many, blocks are as narrow as `block`, which must be wider than nothing.
        """
        low, size = xy.min(axis=0), np.ptp(xy, axis=0)
        longest = max(float(size.max()), 1e-9)
        # At least two blocks along the longer side, or there is nothing to leave out.
        side = min(max(longest / blocks, block), longest / 2 * 1.001)
        return cls(float(low[0]), float(low[1]), side)

    def blocks(self, xy: Array) -> npt.NDArray[np.int64]:
        """(N, 2) column and row of the block that each position lies in."""
        return np.floor((xy - [self.x, self.y]) / self.side).astype(np.int64)

    def fold(self, xy: Array) -> npt.NDArray[np.int64]:
        """(N,) fold of each position."""
        column, row = self.blocks(xy).T
        # Steps of a knight's move (2 along x for 1 along y) keep blocks of one fold apart.
        return np.asarray((column + 2 * row) % self.folds)

    def splits(self, xy: Array, gap: float) -> list[tuple[Mask, Mask]]:
        """Of each fold which points are left out, and which are far enough from them to train.

        Args:
            xy: (N, 2) positions.
            gap: points closer than that to a left-out one take no part in its fold.
        """
        fold = self.fold(xy)
        out = []
        for left_out in (fold == k for k in range(self.folds)):
            apart = ~left_out
            if gap > 0 and left_out.any():
                # No neighbour nearer than the gap has an infinite distance.
                apart &= np.isinf(cKDTree(xy[left_out]).query(xy, distance_upper_bound=gap)[0])
            out.append((left_out, apart))
        return out
