"""Which tie points agree with those around them, whatever the model of the whole.

1. A consensus affine by MAGSAC++ (Barath et al., CVPR 2020; OpenCV's USAC).
2. Robust weights from a smooth model by graduated non-convexity (Geman-McClure kernel, the scale
   annealed from wide to the points' own noise; Blake & Zisserman 1987; Yang et al., RA-L 2020).
3. How smooth that model is depends on the scene's size. Where it explains little, less smooth ones
   are tried, and taken if they predict points that were left out clearly better: then displacements
   change within a small part of the scene, and what looks like outliers are none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from georeg import transforms
from georeg.errors import PointsError
from georeg.folding import Folding

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FLOOR = 0.25  # pixels; tie points aren't better than that, whatever a lucky fit says
NOTHING = "the tie points agree on nothing"
_CONSENSUS = 3.0  # pixels; MAGSAC's largest noise scale
_WIDE = 6.0  # pixels; first scale of the annealing
_SMOOTH_POINTS = 30  # least points for a smooth model instead of an affine one
_KERNEL = 1.0  # pixels; least scale of the robust kernel, so that it can't lock on a lucky few
_SMOOTHING = 1.0  # see `transforms.field`; waves of a quarter of the scene's side
_CLOSER = (1 / 16, 1 / 256)  # of an eighth, and a sixteenth
_WELL = 0.75  # of all weight: what is explained so well needs no closer look
_CLEARLY = 0.8  # of the loss at left-out points is what a less smooth model must be below
# Least weight of a point that agrees with its neighbours as inliers of a model agree with that:
# within 1.75 scales of the kernel, which are at least 3.5 of the noise.
AGREES = (1 + 1.75**2) ** -2
BLOCK = 0.67  # of a template: points closer than that share most of their pixels
GAP = 0.5  # of the least block side: points closer to a left-out one take no part in its fold
_BLOCKS = 20  # to leave out along the longer side, where it isn't known how far points overlap


def robust_weights(
    claimed: Array,
    true: Array,
    prior: Array,
    unit: float = 1.0,
    block: float = 0.0,
    *,
    closely: bool = True,
) -> tuple[Array, float]:
    """Weights in [0, 1] by agreement with a smooth model, and the noise along one axis.

    Args:
        claimed: (N, 2) as in `fit_transform`.
        true: (N, 2) likewise.
        prior: (N,) weights by what is known of each point alone.
        unit: as in `fit_transform`.
        block: likewise; 0 if it isn't known how far points overlap.
        closely: whether less smooth models are tried, too.

    Raises:
        PointsError: no consensus at all.
    """
    n = len(claimed)
    if n < 4:
        return np.ones(n), FLOOR * unit
    start = prior * _consensus(claimed, true, unit)
    if n < _SMOOTH_POINTS:
        return _annealed(claimed, true, prior, start, unit, None)
    found = _annealed(claimed, true, prior, start, unit, _SMOOTHING)
    if not closely or float((prior * found[0]).sum()) >= _WELL * float(prior.sum()):
        return found
    folding = Folding.over(true, block, math.inf if block > 0 else _BLOCKS)
    splits = folding.splits(true, GAP * block)
    least = _loss(claimed, true, prior, found[0], splits, unit, _SMOOTHING)
    for smoothing in _CLOSER:
        try:
            other = _annealed(claimed, true, prior, start, unit, smoothing)
        except PointsError:  # nothing is left of so small parts
            continue
        loss = _loss(claimed, true, prior, other[0], splits, unit, smoothing)
        if loss < _CLEARLY * least:
            found, least = other, loss
    return found


def _annealed(
    claimed: Array, true: Array, prior: Array, start: Array, unit: float, smoothing: float | None
) -> tuple[Array, float]:
    """Weights and noise of a field of such a smoothing, or of an affine model if that is None."""
    kind = transforms.load("affine" if smoothing is None else "field")
    options = {} if smoothing is None else {"smoothing": smoothing}
    weights = start
    scale = noise = _WIDE * unit
    robust = np.ones(len(claimed))
    for _ in range(12):
        try:
            model = kind.from_points(claimed, true, weights, **options)
        except PointsError:
            model = transforms.load("similarity").from_points(claimed, true, weights)
        distance = np.hypot(*(model.inverse(true) - claimed).T)
        robust = 1 / (1 + (distance / scale) ** 2) ** 2
        robust[distance > 3 * scale] = 0
        noise = max(FLOOR * unit, weighted_median(distance, prior * robust) / 1.1774)
        target = max(2.0 * noise, _KERNEL * unit)
        weights = prior * robust
        if scale <= target * 1.01:
            break
        scale = max(target, scale * 0.7)
    return robust, noise


def _loss(
    claimed: Array,
    true: Array,
    prior: Array,
    robust: Array,
    splits: Sequence[tuple[Mask, Mask]],
    unit: float,
    smoothing: float,
) -> float:
    """How badly points are predicted by those around them, from 0 to 1; outliers count as 1.

    Of all points, so that no model gains by calling more of them outliers.
    """
    kind = transforms.load("field")
    weights = prior * robust
    lost = np.ones(len(claimed))
    for out, apart in splits:
        train = apart & (weights > 0)
        try:
            model = kind.from_points(
                claimed[train], true[train], weights[train], smoothing=smoothing
            )
        except PointsError:
            continue
        squared = ((claimed[out] - model.inverse(true[out])) ** 2).sum(axis=1) / unit**2
        lost[out] = squared / (1 + squared)
    return float((prior * np.nan_to_num(lost, nan=1.0)).sum() / prior.sum())


def _consensus(claimed: Array, true: Array, unit: float) -> Array:
    if len(claimed) < 6:
        return np.ones(len(claimed))
    middle = true.mean(axis=0)
    matrix, _ = cv2.estimateAffine2D(
        claimed - middle,
        true - middle,
        method=cv2.USAC_MAGSAC,
        ransacReprojThreshold=_CONSENSUS * unit,
        maxIters=2000,
        confidence=0.999,
    )
    if matrix is None:
        return np.ones(len(claimed))
    distance = np.hypot(*((claimed - middle) @ matrix[:, :2].T + matrix[:, 2] + middle - true).T)
    return np.asarray(1 / (1 + (distance / (_WIDE * unit)) ** 2) ** 2)


def weighted_median(values: Array, weights: Array) -> float:
    """Of (N,) values.

    Raises:
        PointsError: there is no weight.
    """
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    if total[-1] <= 0:
        raise PointsError(NOTHING)
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])
