"""A transform that is one 3 x 3 matrix on homogeneous coordinates: base of the stiff models."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from georeg.errors import PointsError
from georeg.transforms._stored import Stored, no_options, positions
from georeg.transforms.base import Array, checked

L = TypeVar("L", bound="Linear")


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

    @classmethod
    def from_points(
        cls: type[L],
        moving_xy: Array,
        reference_xy: Array,
        weights: Array | None = None,
        **options: Any,
    ) -> L:
        """Weighted least squares of the distances in reference pixels; the model says how.

        Args:
            moving_xy: (N, 2) claimed positions in frame pixels.
            reference_xy: (N, 2) true positions in frame pixels.
            weights: (N,) weights of the squared residuals in reference pixels; equal if None.
            options: none.

        Raises:
            PointsError: fewer than `min_points` points, malformed ones, or ones that the model
                says it refuses.
            SettingsError: an option.
        """
        no_options(cls.name, options)
        moving, reference, w = checked(moving_xy, reference_xy, weights, cls.min_points, cls.name)
        return cls(cls._solve(moving, reference, w))

    @classmethod
    @abstractmethod
    def _solve(cls, moving: Array, reference: Array, weights: Array) -> Array:
        """(3, 3) matrix that fits (N, 2) points best; they are checked, all weights positive.

        Raises:
            PointsError: they don't determine the model.
        """

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
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()  # as `np.cross` would, at a tenth of its cost
    adjugate = np.array(
        [
            [e * i - f * h, h * c - i * b, b * f - c * e],
            [f * g - d * i, i * a - g * c, c * d - a * f],
            [d * h - e * g, g * b - h * a, a * e - b * d],
        ]
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(adjugate / (matrix[0] @ adjugate[:, 0]))
