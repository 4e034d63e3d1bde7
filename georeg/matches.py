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
        apart: reference pixels below which two matches aren't independent, since what they were
            found by overlaps; 0 if none do.
    """

    moving_xy: Array
    reference_xy: Array
    score: Array
    sigma: Array
    apart: float = 0.0

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
            max(p.apart for p in parts),
        )

    def select(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Matches:
        """Some of the tie points."""
        return Matches(
            self.moving_xy[keep],
            self.reference_xy[keep],
            self.score[keep],
            self.sigma[keep],
            self.apart,
        )
