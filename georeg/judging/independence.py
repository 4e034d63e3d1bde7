"""How many independent errors a fit's tie points show, and what few of them leave open.

Templates that overlap see the same pixels and err alike: sixteen of them in a scene hardly larger
than one agree on an error that none of them shows. An error that is estimated from few independent
ones may be larger than it came out.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from georeg.fitting import Fit
from georeg.neighbours import GAP

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

_MOST = 400  # tie points that are looked at: of more there are enough


def independent_errors(fit: Fit, true: Array, block: float, side: float) -> float:
    """About how many independent errors the ones at left-out points are worth.

    The noise of two tie points is correlated by the share of their templates that is common to
    both. What a fit without a point's block leaves over of such noise is a linear combination of
    it; its effective degrees of freedom are Satterthwaite's (Biometrics Bulletin 2(6), 1946).
    Models beyond an affine one count as a quadratic polynomial.

    Args:
        fit: of the tie points.
        true: (N, 2) frame pixels of the tie points in the reference.
        block: least side of the blocks that were left out, frame pixels.
        side: of the templates, frame pixels; 0 for points that share nothing.

    Returns:
        1 at least, where all points say the same.
    """
    use = np.flatnonzero(fit.inlier & np.isfinite(fit.held_out).all(axis=1))
    if len(use) > _MOST:
        use = use[np.linspace(0, len(use) - 1, _MOST).round().astype(np.int64)]
    if len(use) < 2:
        return 1.0
    xy = true[use]
    left_over = np.eye(len(use)) - _predicted(fit, xy, fit.weights[use], block)
    seen: Complex = left_over @ _alike(xy, side) @ left_over.conj().T
    squared = float((np.abs(seen) ** 2).sum())
    return max(1.0, float(np.trace(seen).real) ** 2 / squared) if squared > 0 else 1.0


def allowance(independent: float) -> float:
    """By what a radius that holds 90 % of errors grows for resting on so few independent ones.

    Errors along two axes, normal and alike, against the mean square of others: the quantile of
    the F distribution with 2 and 2 N degrees of freedom, relative to that of infinitely many.

    Args:
        independent: number of two-dimensional errors, 1 or more.
    """
    return math.sqrt(independent * (10 ** (1 / independent) - 1) / math.log(10))


def _alike(xy: Array, side: float) -> Array:
    """(N, N) share of each template that each other one sees, too."""
    apart = np.abs(xy[:, None] - xy[None])
    if side <= 0:
        return np.asarray((apart == 0).all(axis=2), np.float64)
    return np.asarray(np.clip(1 - apart / side, 0, None).prod(axis=2))


def _predicted(fit: Fit, xy: Array, weights: Array, block: float) -> Complex:
    """(N, N) what each displacement, x + iy, adds to the one predicted for each left-out point."""
    design = _design(fit.transform.name, xy)
    out = np.zeros((len(xy), len(xy)), np.complex128)
    for left_out, apart in fit.folding.splits(xy, GAP * block):
        scaled = design[apart].conj().T * weights[apart]
        solved = np.linalg.pinv(scaled @ design[apart]) @ scaled
        out[np.ix_(left_out, apart)] = design[left_out] @ solved
    return out


def _design(model: str, xy: Array) -> Complex:
    """(N, K) what a model's displacements, x + iy, are linear in."""
    x, y = ((xy - xy.mean(axis=0)) / max(float(np.ptp(xy, axis=0).max()), 1e-9)).T
    columns = [np.ones(len(xy))]
    if model == "similarity":
        columns.append(x + 1j * y)
    elif model != "shift":
        columns += [x, y]
        if model != "affine":
            columns += [x * x, x * y, y * y]
    return np.column_stack(columns).astype(np.complex128)
