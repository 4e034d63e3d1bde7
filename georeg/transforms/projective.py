"""Projective: the image of a plane seen from another point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from georeg.errors import PointsError
from georeg.transforms._leastsquares import check_design, normalised
from georeg.transforms._linear import Linear
from georeg.transforms.base import Array, Transform

ITERATIONS = 50
"""Of the refinement; a handful is normal."""


@dataclass(frozen=True, eq=False)
class Projective(Linear):
    """A homography, scaled so that w is 1 at the centroid of the points it was fitted to.

    The normalised direct linear transform (R. Hartley, "In defense of the eight-point algorithm",
    PAMI 19(6), 1997; for homographies Hartley & Zisserman, "Multiple view geometry", 2nd ed.,
    algorithm 4.2), whose residual is algebraic, starts a Levenberg-Marquardt refinement of the
    geometric one. The fit refuses points of which all but one lie on a line, and ones so
    contradictory that the horizon would run through them.
    """

    name: ClassVar[str] = "projective"
    min_points: ClassVar[int] = 4

    @classmethod
    def _solve(cls, moving: Array, reference: Array, weights: Array) -> Array:
        uv, center, scale = normalised(moving, cls.name)
        goal, goal_center, goal_scale = normalised(reference, cls.name)
        root = np.sqrt(weights / weights.max())
        matrix = _refined(_direct(uv, goal, root), uv, goal, root)
        to_uv = np.array([[1.0, 0.0, -center[0]], [0.0, 1.0, -center[1]], [0.0, 0.0, scale]])
        to_goal = np.diag([goal_scale, goal_scale, 1.0])
        to_goal[:2, 2] = goal_center
        return np.asarray(to_goal @ matrix @ (to_uv / scale))


def _direct(uv: Array, goal: Array, root: Array) -> Array:
    """The direct linear transform as a (3, 3) matrix whose last element is 1."""
    zero, ones = np.zeros((len(uv), 3)), np.column_stack([uv, np.ones(len(uv))])
    rows = np.vstack(
        [
            np.hstack([ones, zero, -goal[:, :1] * ones]),
            np.hstack([zero, ones, -goal[:, 1:] * ones]),
        ]
    )
    check_design(rows, "projective", rank=8)
    triangle = np.linalg.qr(rows * np.tile(root, 2)[:, None], mode="r")
    # Four points give eight rows: only the full set of right vectors holds the null vector.
    matrix = np.linalg.svd(triangle, full_matrices=True)[2][8].reshape(3, 3)
    w = ones @ matrix[2] * np.sign(matrix[2, 2])
    if not w.min() > 0:
        raise PointsError("projective: the points contradict each other: the horizon parts them")
    matrix = np.asarray(matrix / matrix[2, 2])
    check_design(matrix, "projective")
    return matrix


def _refined(matrix: Array, uv: Array, goal: Array, root: Array) -> Array:
    """Levenberg-Marquardt on the eight free elements; the best matrix that it saw."""
    residual, slopes = _residual(matrix, uv, goal, root)
    cost, damping = float(residual @ residual), 1e-3
    for _ in range(ITERATIONS):
        normal, gradient = slopes.T @ slopes, slopes.T @ residual
        normal[np.diag_indices(8)] *= 1.0 + damping
        try:
            step = np.append(np.linalg.solve(normal, gradient), 0.0)
        except np.linalg.LinAlgError:
            break
        trial = matrix - step.reshape(3, 3)
        residual_there, slopes_there = _residual(trial, uv, goal, root)
        cost_there = float(residual_there @ residual_there)
        if cost_there < cost:
            settled = cost - cost_there <= 1e-15 * cost
            matrix, residual, slopes, cost = trial, residual_there, slopes_there, cost_there
            damping /= 10.0
            if settled:
                break
        elif damping > 1e6 or np.abs(step).max() < 1e-15:
            break
        else:
            damping *= 10.0
    return matrix


def _residual(matrix: Array, uv: Array, goal: Array, root: Array) -> tuple[Array, Array]:
    """(2N,) weighted residuals and their (2N, 8) derivatives; infinite beyond the horizon."""
    ones = np.column_stack([uv, np.ones(len(uv))])
    image = ones @ matrix.T
    w = np.where(image[:, 2:] > 0, image[:, 2:], np.nan)
    xy = image[:, :2] / w
    zero, unit = np.zeros_like(ones), ones / w
    rows = np.vstack(
        [
            np.hstack([unit, zero, -xy[:, :1] * unit[:, :2]]),
            np.hstack([zero, unit, -xy[:, 1:] * unit[:, :2]]),
        ]
    )
    root = np.tile(root, 2)
    return np.asarray((xy - goal).T.ravel() * root), np.asarray(rows * root[:, None])


MODEL: type[Transform] = Projective
