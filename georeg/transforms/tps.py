"""Thin plate spline: the least bent surface through, or near, the points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from georeg.errors import PointsError, SettingsError
from georeg.transforms._leastsquares import check_design, fit_affine, normalised
from georeg.transforms._pull import Pull
from georeg.transforms._scatter import Scatter
from georeg.transforms._stored import no_options
from georeg.transforms.base import Array, Transform, checked

MAX_CENTERS = 1000
"""Control points: a dense system of that size takes a tenth of a second."""

SAME = 1e-7
"""Points closer than this part of the points' extent are one: the system would be singular."""


@dataclass(frozen=True, eq=False)
class ThinPlate(Pull):
    """Displacement = a0 + a1 u + a2 v + sum_k c_k phi(|(u, v) - center_k|), phi(r) = r^2 log r.

    (u, v) are reference positions scaled so that the centers fill a unit box. `centers` are
    (K, 2), in frame pixels; `coefficients` (K + 3, 2): the c_k, then a0, a1, a2; `smoothing` is
    the option of the fit.
    """

    centers: Array
    coefficients: Array
    smoothing: float

    name: ClassVar[str] = "tps"
    min_points: ClassVar[int] = 4
    chunk: ClassVar[int] = 1024
    shapes = {  # noqa: RUF012
        "base": (2, 3),
        "centers": (None, 2),
        "coefficients": (None, 2),
        "smoothing": (),
    }

    def __post_init__(self) -> None:
        """Checks that centers and coefficients belong together."""
        super().__post_init__()
        if not 3 <= len(self.centers) == len(self.coefficients) - 3:
            raise PointsError("tps: there must be three coefficients more than centers")

    @classmethod
    def from_points(
        cls,
        moving_xy: Array,
        reference_xy: Array,
        weights: Array | None = None,
        *,
        smoothing: float = 0.0,
        **options: Any,
    ) -> ThinPlate:
        """Regularised spline, fitted reference -> moving.

        Minimises sum_i w_i |residual_i|^2 + smoothing * bending energy, residuals in moving
        pixels, weights scaled to mean 1 (after merging), the energy taken in coordinates in which
        the points fill a unit box (J. Duchon, "Splines minimizing rotation-invariant semi-norms
        in Sobolev spaces", 1977; F. Bookstein, "Principal warps", PAMI 11(6), 1989; smoothing:
        G. Wahba, "Spline models for observational data", SIAM 1990, section 2.4). So smoothing
        means the same for every coordinate and weight scale. Equal points are merged; above 1000,
        points are averaged per cell of a regular grid, and the spline goes through the averages.

        Args:
            moving_xy: (N, 2) claimed positions in frame pixels.
            reference_xy: (N, 2) true positions in frame pixels.
            weights: (N,) weights of the squared residuals; equal if None. They matter where
                points are merged and where smoothing isn't 0.
            smoothing: 0 interpolates; 1e-3 ... 1 smooths, up to the affine fit for very large
                values.
            options: no other.

        Raises:
            PointsError: fewer than four points, malformed ones, or ones on a line.
            SettingsError: smoothing is negative or not finite, or an unknown option.
        """
        no_options(cls.name, options)
        if not (np.isfinite(smoothing) and smoothing >= 0):
            raise SettingsError(f"tps: smoothing must be 0 or more, not {smoothing}")
        moving, reference, w = checked(moving_xy, reference_xy, weights, cls.min_points, cls.name)
        base = fit_affine(reference, moving, w, cls.name)
        rest = moving - (reference @ base[:, :2].T + base[:, 2])
        extent = float(np.ptp(reference, axis=0).max())
        points = Scatter(reference, rest, w / w.max())
        points = points.distinct().thinned(MAX_CENTERS).merged(SAME * extent)
        coefficients = _solved(points, smoothing)
        return cls(base, points.xy, coefficients, smoothing)

    def _displacement(self, xy: Array) -> Array:
        uv, origin, scale = _unit(xy, self.centers)
        bent = _kernel(uv, (self.centers - origin) / scale) @ self.coefficients[:-3]
        return np.asarray(bent + _plane(uv) @ self.coefficients[-3:])

    def _gradient(self, xy: Array) -> Array:
        uv, origin, scale = _unit(xy, self.centers)
        nodes, bends = (self.centers - origin) / scale, self.coefficients[:-3]
        step = uv[:, 0, None] - nodes[:, 0], uv[:, 1, None] - nodes[:, 1]
        square = step[0] ** 2 + step[1] ** 2
        # d (r^2 log r) / du = du (log r^2 + 1); 0 at the center itself, where log has no value.
        growth = np.log(np.where(square > 0, square, 1.0)) + 1.0
        slopes = np.stack([(growth * step[axis]) @ bends for axis in (0, 1)], axis=2)
        return np.asarray((slopes + self.coefficients[-2:].T) / scale)


def _solved(points: Scatter, smoothing: float) -> Array:
    """(K + 3, 2) coefficients of the spline."""
    uv, _, _ = _unit(points.xy, points.xy)
    plane = _plane(normalised(uv, "tps")[0])
    check_design(plane, "tps")
    plane, count = _plane(uv), len(uv)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(uv, uv)
    system[np.diag_indices(count)] += smoothing * points.weights.mean() / points.weights
    system[:count, count:], system[count:, :count] = plane, plane.T
    try:
        solved = np.linalg.solve(system, np.vstack([points.values, np.zeros((3, 2))]))
    except np.linalg.LinAlgError:
        raise PointsError("tps: the points are degenerate (on a line or equal)") from None
    return np.asarray(solved, dtype=np.float64)


def _unit(xy: Array, centers: Array) -> tuple[Array, Array, float]:
    """Positions in units in which the centers fill a unit box, that box's corner and its size."""
    origin = centers.min(axis=0)
    scale = float(np.ptp(centers, axis=0).max()) or 1.0
    return (xy - origin) / scale, origin, scale


def _plane(uv: Array) -> Array:
    return np.column_stack([np.ones(len(uv)), uv])


def _kernel(uv: Array, nodes: Array) -> Array:
    """(N, K) values of r^2 log r between positions and nodes."""
    square = np.subtract.outer(uv[:, 0], nodes[:, 0]) ** 2
    square += np.subtract.outer(uv[:, 1], nodes[:, 1]) ** 2
    return np.asarray(0.5 * square * np.log(np.where(square > 0, square, 1.0)))


MODEL: type[Transform] = ThinPlate
