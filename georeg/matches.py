"""Tie points: correspondences between two rasters, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georeg.errors import PointsError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Matches:
    """N correspondences in full-resolution pixels of either raster (edge convention).

    Attributes:
        moving_xy: (N, 2) pixels of the moving raster.
        reference_xy: (N, 2) pixels of the reference raster.
        score: (N,) probability in [0, 1] that the match is right.
        sigma: (N,) standard deviation in reference pixels.
    """

    moving_xy: Array
    reference_xy: Array
    score: Array
    sigma: Array

    def __post_init__(self) -> None:
        """Check that the arrays belong together and freeze them."""
        n = len(self.moving_xy)
        shapes = [a.shape for a in (self.moving_xy, self.reference_xy, self.score, self.sigma)]
        if shapes != [(n, 2), (n, 2), (n,), (n,)]:
            raise PointsError(f"tie points need arrays of (N, 2), (N, 2), (N,), (N,), not {shapes}")
        for array in (self.moving_xy, self.reference_xy, self.score, self.sigma):
            array.flags.writeable = False

    def __len__(self) -> int:
        """Number of tie points."""
        return len(self.moving_xy)

    @classmethod
    def none(cls) -> Matches:
        """No tie points."""
        return cls(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros(0))

    @classmethod
    def concat(cls, parts: Sequence[Matches]) -> Matches:
        """All tie points of the parts, in order."""
        if not parts:
            return cls.none()
        return cls(
            np.concatenate([p.moving_xy for p in parts]),
            np.concatenate([p.reference_xy for p in parts]),
            np.concatenate([p.score for p in parts]),
            np.concatenate([p.sigma for p in parts]),
        )

    def select(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Matches:
        """Some of the tie points."""
        return Matches(
            self.moving_xy[keep], self.reference_xy[keep], self.score[keep], self.sigma[keep]
        )

    def thin(self, most: int) -> Matches:
        """At most `most` tie points (1 or more), evenly spread: the best ones of each grid cell."""
        if len(self) <= most:
            return self
        low, size = self.reference_xy.min(axis=0), np.ptp(self.reference_xy, axis=0)
        # At least as wide as for points on a line, of which no area tells how dense they are.
        cell = max(float(np.sqrt(size.prod() / most)), float(size.max()) / most) or 1.0
        while True:
            place = np.floor((self.reference_xy - low) / cell).astype(np.int64)
            number = place[:, 1] * (int(place[:, 0].max()) + 1) + place[:, 0]
            if len(np.unique(number)) <= most:
                break
            cell *= 1.05
        order = np.lexsort((-self.score, number))
        rank = np.arange(len(self)) - np.searchsorted(number[order], number[order], side="left")
        # As many of each cell as there is room for.
        depth = int(np.searchsorted(np.cumsum(np.bincount(rank)), most, side="right"))
        return self.select(np.sort(order[rank < depth]))
