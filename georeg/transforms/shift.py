"""Shift: one translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from georeg.transforms._linear import Linear
from georeg.transforms.base import Array, Transform


@dataclass(frozen=True, eq=False)
class Shift(Linear):
    """reference = moving + t; `matrix` holds t, in frame pixels, in its last column.

    The fit is the weighted mean of the differences, reference minus moving.
    """

    name: ClassVar[str] = "shift"
    min_points: ClassVar[int] = 1

    @classmethod
    def _solve(cls, moving: Array, reference: Array, weights: Array) -> Array:
        matrix = np.eye(3)
        matrix[:2, 2] = (weights / weights.sum()) @ (reference - moving)
        return matrix


MODEL: type[Transform] = Shift
