"""Bivariate polynomials of any total degree: what polynomial2 and polynomial3 share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from georeg.errors import PointsError
from georeg.transforms._leastsquares import fit_affine, solve
from georeg.transforms._pull import Continued, enlarged_box
from georeg.transforms._stored import no_options
from georeg.transforms.base import Array, checked

P = TypeVar("P", bound="Polynomial")

_ASKED = 30  # points, between which it is asked what is known


@dataclass(frozen=True, eq=False)
class Polynomial(Continued):
    """Displacement = sum of coefficient * u^i v^j over i + j <= degree, within the box.

    (u, v) run from -1 to 1 over the box; `coefficients` are (terms, 2), in frame pixels, in the
    order of `_exponents`. Beyond the box the polynomial goes on linearly (see `Continued`).
    """

    coefficients: Array

    degree: ClassVar[int]

    @classmethod
    def from_points(
        cls: type[P],
        moving_xy: Array,
        reference_xy: Array,
        weights: Array | None = None,
        **options: Any,
    ) -> P:
        """Weighted linear least squares of the residuals in moving pixels.

        Args:
            moving_xy: (N, 2) claimed positions in frame pixels.
            reference_xy: (N, 2) true positions in frame pixels.
            weights: (N,) weights of the squared residuals; equal if None.
            options: none.

        Raises:
            PointsError: fewer than `min_points` points, malformed ones, or ones that don't
                determine the polynomial (on a line or a conic, a cubic for degree 3).
            SettingsError: an option.
        """
        no_options(cls.name, options)
        moving, reference, w = checked(moving_xy, reference_xy, weights, cls.min_points, cls.name)
        base = fit_affine(reference, moving, w, cls.name)
        box = enlarged_box(reference)
        if not (box[1] > box[0]).all():
            raise PointsError(f"{cls.name}: the points are degenerate (on a line)")
        rest = moving - (reference @ base[:, :2].T + base[:, 2])
        design = _terms(_unit(reference, box), cls.degree, (0, 0))
        return cls(base, box, solve(design, rest, w, cls.name))

    @classmethod
    def unsure(cls, xy: Array) -> float:
        """See `Transform`; of many (N, 2) points some are asked.

        Points in two rows tell of everything along them, and of nothing between them.
        """
        box = enlarged_box(xy)
        some = xy[np.linspace(0, len(xy) - 1, min(len(xy), _ASKED)).round().astype(np.int64)]
        one, other = np.triu_indices(len(some), 1)
        between = _terms(_unit((some[one] + some[other]) / 2, box), cls.degree, (0, 0))
        design = _terms(_unit(xy, box), cls.degree, (0, 0))
        upper = np.asarray(np.linalg.qr(design, mode="r"))
        try:
            root = np.linalg.solve(upper.T, between.T)
        except np.linalg.LinAlgError:
            return np.inf
        return float(np.linalg.norm(root, axis=0).max(initial=0.0))

    def _partial(self, xy: Array, order: tuple[int, int]) -> Array:
        half = (self.box[1] - self.box[0]) / 2.0
        terms = _terms(_unit(xy, self.box), self.degree, order)
        return np.asarray(terms @ self.coefficients / np.prod(half ** np.array(order)))


def _unit(xy: Array, box: Array) -> Array:
    """Positions with the box's middle as origin and half its size as unit."""
    return np.asarray((xy - box.mean(axis=0)) / ((box[1] - box[0]) / 2.0))


def _exponents(degree: int) -> list[tuple[int, int]]:
    """(i, j) of the terms u^i v^j, by total degree."""
    return [(n - j, j) for n in range(degree + 1) for j in range(n + 1)]


def _terms(uv: Array, degree: int, order: tuple[int, int]) -> Array:
    """(N, terms) derivatives of all terms, `order` times in u and in v (each 0 or 1)."""
    u, v = (_powers(uv[:, axis], degree, order[axis]) for axis in (0, 1))
    return np.stack([u[i] * v[j] for i, j in _exponents(degree)], axis=1)


def _powers(t: Array, degree: int, order: int) -> list[Array]:
    """t^0 ... t^degree, or their first derivatives."""
    powers = [t**n for n in range(degree + 1)]
    if order == 0:
        return powers
    return [np.zeros_like(t)] + [n * powers[n - 1] for n in range(1, degree + 1)]
