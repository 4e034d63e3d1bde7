"""Weighted linear least squares in normalised coordinates, with the test for degenerate points."""

from __future__ import annotations

import numpy as np

from georeg.errors import PointsError
from georeg.transforms.base import Array

MAX_CONDITION = 1e6
"""Condition of a normalised design matrix from which points count as degenerate: for an affine,
those in a strip a millionth as wide as it is long. Rounding alone gives some 1e10."""

MIN_EXTENT = 1e-9
"""Spread, relative to the coordinates, from which points count as distinct; above rounding."""


def normalised(xy: Array, name: str) -> tuple[Array, Array, float]:
    """(N, 2) positions moved to their centroid and scaled to a mean distance of sqrt(2).

    R. Hartley, "In defense of the eight-point algorithm", PAMI 19(6), 1997, section 5.

    Returns:
        The (N, 2) normalised positions, the (2,) centroid and the scale: xy = uv * scale + center.

    Raises:
        PointsError: all points lie at one place.
    """
    center = xy.mean(axis=0)
    scale = float(np.hypot(*(xy - center).T).mean()) / np.sqrt(2.0)
    if scale <= MIN_EXTENT * max(1.0, float(np.abs(xy).max())):
        raise PointsError(f"{name}: the points are degenerate: all lie at one place")
    return (xy - center) / scale, center, scale


def check_design(design: Array, name: str, rank: int | None = None) -> None:
    """Refuses a design matrix that doesn't determine `rank` (all) parameters.

    The weights have no part in this: points are degenerate because of where they are.

    Raises:
        PointsError: its condition is above MAX_CONDITION.
    """
    spectrum = np.linalg.svd(np.linalg.qr(design, mode="r"), compute_uv=False)
    rank = design.shape[1] if rank is None else rank
    if len(spectrum) < rank or not spectrum[rank - 1] * MAX_CONDITION > spectrum[0]:
        raise PointsError(f"{name}: the points are degenerate (on a line, a conic or equal)")


def solve(design: Array, target: Array, weights: Array, name: str) -> Array:
    """Coefficients that minimise sum_i weights_i |design_i . c - target_i|^2.

    Raises:
        PointsError: the design matrix is degenerate.
    """
    check_design(design, name)
    root = np.sqrt(weights / weights.max())[:, None]
    return np.asarray(np.linalg.lstsq(design * root, target * root, rcond=None)[0])


def fit_affine(source: Array, target: Array, weights: Array, name: str) -> Array:
    """(2, 3) matrix [A | t] of the affine transform that fits target = A source + t best.

    Raises:
        PointsError: source or target points lie on a line or at one place.
    """
    uv, center, scale = normalised(source, name)
    goal, goal_center, goal_scale = normalised(target, name)
    design = np.column_stack([uv, np.ones(len(uv))])
    linear = solve(design, goal, weights, name).T
    check_design(linear[:, :2], name)
    matrix = linear[:, :2] * (goal_scale / scale)
    offset = linear[:, 2] * goal_scale + goal_center - matrix @ center
    return np.column_stack([matrix, offset])
