"""What error is to be expected anywhere, where nothing could be matched, too."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from georeg.fitting import Fit

Array = npt.NDArray[np.float64]


def expected_errors(fit: Fit, true: Array, xy: Array) -> Array | None:
    """How far off a fit is likely to be at some places.

    What the models fitted without a part of the tie points disagree about is what the points
    leave open: little between them, much far from them. Block jackknife (Efron & Stein, Annals
    of Statistics 9(3), 1981; in blocks: Kunsch, Annals of Statistics 17(3), 1989), together with
    the error at left-out points, below which no place is expected to be. What no tie point
    shows, such as relief beyond the last of them, it can't know.

    Args:
        fit: of the tie points.
        true: (N, 2) frame pixels of the tie points in the reference.
        xy: (M, 2) true frame pixels.

    Returns:
        (M,) root mean square errors in frame pixels; NaN where a model doesn't reach, None if
        there weren't enough models to compare.
    """
    held = fit.held_out[fit.inlier]
    held = held[np.isfinite(held).all(axis=1)]
    folds = np.unique(fit.folding.fold(true)) if fit.fold_models else ()
    models = [model for k in folds if (model := fit.fold_models[k]) is not None]
    if len(models) < 2 or not len(held):
        return None
    claimed = fit.transform.inverse(xy)
    placed = np.stack([model.forward(claimed) for model in models])
    apart = ((placed - placed.mean(axis=0)) ** 2).sum(axis=(0, 2))
    open_ = apart * (len(models) - 1) / len(models)
    return np.asarray(np.sqrt(open_ + (held**2).sum(axis=1).mean()))
