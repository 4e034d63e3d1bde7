"""Shift: one translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from georeg.transforms._linear import Linear
from georeg.transforms._stored import no_options
from georeg.transforms.base import Array, Transform, checked


@dataclass(frozen=True, eq=False)
class Shift(Linear):
    """reference = moving + t; `matrix` holds t, in frame pixels, in its last column."""

    name: ClassVar[str] = "shift"
    min_points: ClassVar[int] = 1

    @classmethod
    def from_points(
        cls, moving_xy: Array, reference_xy: Array, weights: Array | None = None, **options: Any
    ) -> Shift:
        """The weighted mean of the differences, reference minus moving.

        Args:
            moving_xy: (N, 2) claimed positions in frame pixels.
            reference_xy: (N, 2) true positions in frame pixels.
            weights: (N,) weights of the squared residuals in reference pixels; equal if None.
            options: none.

        Raises:
            PointsError: no points, or malformed ones.
            SettingsError: an option.
        """
        no_options(cls.name, options)
        moving, reference, w = checked(moving_xy, reference_xy, weights, cls.min_points, cls.name)
        matrix = np.eye(3)
        matrix[:2, 2] = (w / w.sum()) @ (reference - moving)
        return cls(matrix)


MODEL: type[Transform] = Shift
