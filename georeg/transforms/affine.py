"""Affine: translation, rotation, two scales and shear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from georeg.transforms._leastsquares import fit_affine
from georeg.transforms._linear import Linear
from georeg.transforms._stored import no_options
from georeg.transforms.base import Array, Transform, checked


@dataclass(frozen=True, eq=False)
class Affine(Linear):
    """reference = A moving + t; the last row of `matrix` is (0, 0, 1)."""

    name: ClassVar[str] = "affine"
    min_points: ClassVar[int] = 3

    @classmethod
    def from_points(
        cls, moving_xy: Array, reference_xy: Array, weights: Array | None = None, **options: Any
    ) -> Affine:
        """Weighted linear least squares.

        Args:
            moving_xy: (N, 2) claimed positions in frame pixels.
            reference_xy: (N, 2) true positions in frame pixels.
            weights: (N,) weights of the squared residuals in reference pixels; equal if None.
            options: none.

        Raises:
            PointsError: fewer than three points, malformed ones, or ones on a line.
            SettingsError: an option.
        """
        no_options(cls.name, options)
        moving, reference, w = checked(moving_xy, reference_xy, weights, cls.min_points, cls.name)
        return cls(np.vstack([fit_affine(moving, reference, w, cls.name), [0.0, 0.0, 1.0]]))


MODEL: type[Transform] = Affine
