"""Which tie points to believe: fitted to what a trained matcher gets right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from georeg.matching.protocol import Matcher, Surfaces, TileBatch
from georeg.search.peaks import leads
from georeg.training.samples import Samples

Array = npt.NDArray[np.float64]

_RADIUS = 12.0  # pixels searched, as in tracking
_RIGHT = 3.0  # pixels from the truth
_ROUNDS = 30
_RIDGE = 1e-3  # of each weight: a column that says nothing gets none


def evidence(matcher: Matcher, samples: Samples) -> tuple[Array, npt.NDArray[np.bool_]]:
    """What is known of templates, and whether their best places are right.

    Args:
        matcher: one that gives surfaces and their structure.
        samples: pairs, less than 12 px apart.

    Returns:
        (K, 3) lead and structure on both sides, and (K,) whether the best place is right.
    """
    sides = [
        t.cpu().numpy()
        for t in (samples.moving, samples.moving_mask, samples.reference, samples.reference_mask)
    ]
    found = matcher.match(TileBatch(sides[0], sides[1], sides[2], sides[3], _RADIUS))
    if not isinstance(found, Surfaces) or found.structure is None or not len(found):
        return np.zeros((0, 3)), np.zeros(0, np.bool_)
    score = np.nan_to_num(found.score.astype(np.float64), nan=-1.0)
    y, x = np.divmod(score.reshape(len(score), -1).argmax(axis=1), score.shape[-1])
    offsets: Array = np.asarray(
        (np.arange(score.shape[-1]) - found.radius) * found.step, np.float64
    )
    lead = leads(score, np.isfinite(found.score), y, x, offsets)
    true = np.empty((len(found), 2))
    for k in range(len(samples)):
        mine = found.tile == k
        if mine.any():
            middle = samples.way.new_tensor(found.center[mine])[None]
            true[mine] = samples.one(k).at(middle)[0].cpu().numpy()
    near = np.abs(true).max(axis=1) < _RADIUS - 2
    off = np.hypot(offsets[x] - true[:, 0], offsets[y] - true[:, 1])
    known = np.column_stack([lead, found.structure])
    return known[near], off[near] < _RIGHT


def logistic(known: Array, right: npt.NDArray[np.bool_]) -> Array:
    """Log odds: a constant and one weight per column, by Newton's method.

    Args:
        known: (K, C).
        right: (K,).

    Returns:
        (1 + C,).
    """
    design = np.column_stack([np.ones(len(known)), known])
    weights = np.zeros(design.shape[1])
    ridge = _RIDGE * len(known) * np.eye(len(weights))
    ridge[0, 0] = 1e-9
    for _ in range(_ROUNDS):
        share = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (right - share) - ridge @ weights
        bend = (design * (share * (1 - share))[:, None]).T @ design + ridge
        step = np.linalg.solve(bend, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(weights)
