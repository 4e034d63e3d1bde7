"""A transform that is one 3 x 3 matrix on homogeneous coordinates: base of the stiff models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from georeg.errors import PointsError
from georeg.transforms._stored import Stored, positions
from georeg.transforms.base import Array


@dataclass(frozen=True, eq=False)
class Linear(Stored):
    """`matrix` maps (x, y, 1) of a moving position to w times the reference position and w.

    The sign of the matrix matters: positions with w <= 0 lie on or beyond the horizon of a
    projective transform, have no counterpart and map to NaN. w is 1 in the other models.

    Raises:
        PointsError: the matrix isn't 3 x 3, finite and invertible.
    """

    matrix: Array

    shapes = {"matrix": (3, 3)}  # noqa: RUF012  (a ClassVar of Stored)

    def __post_init__(self) -> None:
        """Checks that there is an inverse."""
        super().__post_init__()
        if not np.isfinite(_inverse(self.matrix)).all():
            raise PointsError(f"{self.name}: the matrix can't be inverted")

    def forward(self, moving_xy: Array) -> Array:
        """(N, 2) claimed -> (N, 2) true positions; NaN beyond the horizon."""
        return apply_matrix(self.matrix, positions(moving_xy))

    def inverse(self, reference_xy: Array) -> Array:
        """(N, 2) true -> (N, 2) claimed positions; NaN beyond the horizon."""
        return apply_matrix(_inverse(self.matrix), positions(reference_xy))

    def jacobian(self, moving_xy: Array) -> Array:
        """(N, 2, 2) derivatives of `forward`: element [n, i, j] is d forward_i / d moving_j.

        Beyond the horizon its determinant is negative, as in a fold.
        """
        xy = positions(moving_xy)
        m = self.matrix
        w = xy @ m[2, :2] + m[2, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            image = (xy @ m[:2, :2].T + m[:2, 2]) / w[:, None]
            slopes = (m[:2, :2] - image[:, :, None] * m[2, :2]) / w[:, None, None]
        return np.asarray(slopes)


def apply_matrix(matrix: Array, xy: Array) -> Array:
    """(N, 2) positions through a homogeneous matrix; NaN where w <= 0."""
    w = xy @ matrix[2, :2] + matrix[2, 2]
    w = np.where(w > 0, w, np.nan)
    return np.asarray((xy @ matrix[:2, :2].T + matrix[:2, 2]) / w[:, None])


def _inverse(matrix: Array) -> Array:
    """By cofactors: exact zeros stay zero, and large offsets don't spoil the other elements."""
    a, b, c = matrix
    adjugate = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(adjugate / (a @ adjugate[:, 0]))
