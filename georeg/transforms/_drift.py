"""Drift: a translation that changes steadily from row to row, as a line scanner's may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from georeg.errors import PointsError
from georeg.transforms._linear import Linear
from georeg.transforms.base import Array, Transform

_LEAST_SPREAD = 1e-6  # of the rows, relative to their size: less is no slope


@dataclass(frozen=True, eq=False)
class Drift(Linear):
    """reference = moving + t + y d: both coordinates move on by d from one row to the next.

    Fraser and Hanley (2003) call it shift and drift. It makes sense in the pixels of a sensor's
    image only, whose rows follow each other in time; so it is no `--transform` value.
    """

    name: ClassVar[str] = "drift"
    min_points: ClassVar[int] = 2

    @classmethod
    def _solve(cls, moving: Array, reference: Array, weights: Array) -> Array:
        share = weights / weights.sum()
        difference = reference - moving
        middle, mean = float(share @ moving[:, 1]), share @ difference
        y = moving[:, 1] - middle
        spread = float(share @ y**2)
        if not spread > (_LEAST_SPREAD * max(1.0, abs(middle))) ** 2:
            raise PointsError("drift needs points in different rows")
        slope = (share * y) @ difference / spread
        matrix = np.eye(3)
        matrix[:2, 1] += slope
        matrix[:2, 2] = mean - slope * middle
        return matrix


MODEL: type[Transform] = Drift
