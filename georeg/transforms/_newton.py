"""Inversion of a smooth map of the plane by damped Newton iteration, many positions at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from georeg.transforms.base import Array

ITERATIONS = 60
"""At most; four or five are normal."""

GOAL = 1e-9
"""Pixels to which positions are iterated, coarser by rounding where coordinates are large."""

TOLERANCE = 1e-4
"""Pixels within which a position must have come to count as found."""


def solve(
    function: Callable[[Array], Array],
    slopes: Callable[[Array], Array],
    target: Array,
    start: Array,
) -> Array:
    """(N, 2) positions x with function(x) = target; NaN where there is none.

    A step that doesn't reduce the distance to the target is shortened to a quarter, position by
    position (P. Deuflhard, "Newton methods for nonlinear problems", 2004, section 3.3, with the
    plain residual as the level function), so that a poor start doesn't overshoot into a fold.

    Args:
        function: (M, 2) -> (M, 2).
        slopes: (M, 2) -> (M, 2, 2) derivatives of it.
        target: (N, 2) values to reach.
        start: (N, 2) first guesses.
    """
    x = start.copy()
    with np.errstate(all="ignore"):
        error = function(x) - target
        distance = np.hypot(error[:, 0], error[:, 1])
        goal = GOAL + 1e-14 * np.abs(target).max(axis=1, initial=0.0)
        damping = np.ones(len(x))
        for _ in range(ITERATIONS):
            todo = np.flatnonzero((distance > goal) & (damping > 1e-5))
            if todo.size == 0:
                break
            step = np.einsum("nij,nj->ni", invert(slopes(x[todo])), error[todo])
            trial = x[todo] - damping[todo, None] * step
            error_there = function(trial) - target[todo]
            distance_there = np.hypot(error_there[:, 0], error_there[:, 1])
            better = distance_there < distance[todo]
            won, lost = todo[better], todo[~better]
            x[won], error[won] = trial[better], error_there[better]
            distance[won] = distance_there[better]
            damping[won] = np.minimum(1.0, damping[won] * 4.0)
            damping[lost] /= 4.0
    x[~(distance <= TOLERANCE)] = np.nan
    return x


def invert(matrices: Array) -> Array:
    """(N, 2, 2) inverses; infinite or NaN, without complaint, where there is none."""
    a, b = matrices[:, 0, 0], matrices[:, 0, 1]
    c, d = matrices[:, 1, 0], matrices[:, 1, 1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inverses = np.stack([d, -b, -c, a], axis=1) / (a * d - b * c)[:, None]
    return np.asarray(inverses.reshape(-1, 2, 2))
