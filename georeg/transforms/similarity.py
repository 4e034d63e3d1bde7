"""Similarity: translation, rotation and one scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from georeg.errors import PointsError
from georeg.transforms._leastsquares import MAX_CONDITION, normalised
from georeg.transforms._linear import Linear
from georeg.transforms.base import Array, Transform


@dataclass(frozen=True, eq=False)
class Similarity(Linear):
    """reference = s R moving + t with a rotation R, never a reflection, and s > 0.

    The fit is in closed form: S. Umeyama, "Least-squares estimation of transformation parameters
    between two point patterns", PAMI 13(4), 1991, eqs. 40-42, with weights. In the plane, with
    positions as complex numbers, s R is one complex factor and the solution needs no SVD. It
    refuses fewer than two distinct points and ones that no rotation and scale relates at all (a
    mirror image, say).
    """

    name: ClassVar[str] = "similarity"
    min_points: ClassVar[int] = 2

    @classmethod
    def _solve(cls, moving: Array, reference: Array, weights: Array) -> Array:
        uv, center, scale = normalised(moving, cls.name)
        goal, goal_center, goal_scale = normalised(reference, cls.name)
        w = weights / weights.sum()
        z, y = uv @ [1, 1j], goal @ [1, 1j]
        z_mean, y_mean = w @ z, w @ y
        z, y = z - z_mean, y - y_mean
        power = w @ np.abs(z) ** 2
        factor = (w * z.conj()) @ y / power if power > 0 else 0.0
        if not abs(factor) * MAX_CONDITION > 1.0:
            raise PointsError("similarity: no rotation and scale relates the points")
        offset = y_mean - factor * z_mean
        linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
        linear *= goal_scale / scale
        matrix = np.eye(3)
        matrix[:2, :2] = linear
        matrix[:2, 2] = np.array([offset.real, offset.imag]) * goal_scale
        matrix[:2, 2] += goal_center - linear @ center
        return matrix


MODEL: type[Transform] = Similarity
