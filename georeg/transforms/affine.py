"""Affine: translation, rotation, two scales and shear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from georeg.transforms._leastsquares import fit_affine
from georeg.transforms._linear import Linear
from georeg.transforms.base import Array, Transform


@dataclass(frozen=True, eq=False)
class Affine(Linear):
    """reference = A moving + t; the last row of `matrix` is (0, 0, 1).

    The fit is linear; it refuses points on a line.
    """

    name: ClassVar[str] = "affine"
    min_points: ClassVar[int] = 3

    @classmethod
    def _solve(cls, moving: Array, reference: Array, weights: Array) -> Array:
        return np.vstack([fit_affine(moving, reference, weights, cls.name), [0.0, 0.0, 1.0]])


MODEL: type[Transform] = Affine
