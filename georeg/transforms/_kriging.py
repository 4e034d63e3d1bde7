"""How far the smoothest surface near some points may be off between and beyond them."""

from __future__ import annotations

import numpy as np

from georeg.transforms.base import Array


def open_variance(points: Array, variance: Array, at: Array) -> Array:
    """Variance of the best linear prediction of a surface whose bending energy is random.

    Thin plate splines with a penalty are that prediction (universal kriging with r^2 log r, whose
    drift is an affine function), the penalty being the variance of the points' errors relative to
    that of the surface: G. Wahba, "Bayesian confidence intervals for the cross-validated smoothing
    spline", J. R. Stat. Soc. B 45(1), 1983.

    Args:
        points: (N, 2) where the surface was seen.
        variance: (N,) of the errors there, relative to that of the surface.
        at: (M, 2) where it is asked for.

    Returns:
        (M,) in units of the surface's variance.
    """
    middle, size = points.mean(axis=0), max(float(np.ptp(points, axis=0).max()), 1e-9)
    count = len(points)
    seen = _covariance(points, points, size) + np.diag(variance)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = seen
    system[:count, count:] = _drift(points, middle, size)
    system[count:, :count] = system[:count, count:].T
    asked = _covariance(points, at, size)
    right = np.vstack([asked, _drift(at, middle, size).T])
    share = np.linalg.solve(system, right)[:count]
    found = (share * (seen @ share)).sum(axis=0) - 2 * (share * asked).sum(axis=0)
    return np.asarray(np.maximum(found, 0.0))


def _covariance(one: Array, other: Array, unit: float) -> Array:
    """(N, M) of the surface; what a unit of length adds to it is part of the drift."""
    squared = ((one[:, None] - other[None]) ** 2).sum(axis=2)
    safe = np.where(squared > 0, squared, 1.0)
    return np.asarray(squared * np.log(safe / unit**2) / (16 * np.pi))


def _drift(xy: Array, middle: Array, size: float) -> Array:
    return np.column_stack([np.ones(len(xy)), (xy - middle) / size])
