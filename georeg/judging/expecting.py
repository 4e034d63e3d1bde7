"""What error is to be expected anywhere, where nothing could be matched, too."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from georeg.fitting import LOCAL, Fit
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]

_GAP = 1.5  # distances of neighbours: what is that close to a point is known
_AROUND, _ALONE = 3.0, 0.25  # distances of neighbours, and share of the usual number within
_PLACES, _WAYS, _STEPS = 200, 8, 8  # where going on straight is tried, and how
_LEAST = 30  # tries of a length, to count


def expected_errors(fit: Fit, true: Array, xy: Array) -> Array | None:
    """How far off a fit is likely to be at some places.

    What the models fitted without a part of the tie points disagree about is what the points
    leave open: little between them, much far from them. Block jackknife (Efron & Stein, Annals
    of Statistics 9(3), 1981; in blocks: Kunsch, Annals of Statistics 17(3), 1989), together with
    the error at left-out points, below which no place is expected to be. What no tie point
    shows, such as relief beyond the last of them, it can't know; see `beyond_points`.

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


def beyond_points(fit: Fit, true: Array, xy: Array) -> Array:
    """(M,) errors at some places that all models have alike, frame pixels.

    Those that follow what bends go on straight beyond the last points, and agree on that: there
    it is what going on straight is off by among the points. 0 for stiff models.

    Args:
        fit: of the tie points.
        true: (N, 2) frame pixels of the tie points in the reference.
        xy: (M, 2) true frame pixels.
    """
    if fit.transform.name not in LOCAL:
        return np.zeros(len(xy))
    return _straight_on(fit.transform, true[fit.inlier], xy)


def _straight_on(transform: Transform, points: Array, xy: Array) -> Array:
    """(M,) errors of going on straight to places from the nearest of the points.

    By what that is off by from some of the points to places among others, as far away.
    """
    tree = cKDTree(points)
    near = float(np.median(np.asarray(tree.query(points, k=2)[0])[:, 1]))
    # Single points far from others agree with the model by chance, or bend it to themselves.
    count = tree.query_ball_point(points, _AROUND * near, return_length=True)
    points = points[count >= _ALONE * np.median(count)]
    tree = cKDTree(points)
    longest = float(np.ptp(points, axis=0).max()) / 2
    if not 0 < _GAP * near < longest:
        return np.zeros(len(xy))
    some = points[np.linspace(0, len(points) - 1, _PLACES).round().astype(np.int64)]
    lengths, errors = [0.0], [0.0]
    for length in np.geomspace(_GAP * near, longest, _STEPS).tolist():
        off = _tried(transform, some, length, tree, _GAP * near)
        if len(off) < _LEAST:
            break
        lengths.append(length)
        errors.append(max(errors[-1], float(np.sqrt((off**2).sum(axis=1).mean()))))
    away = np.asarray(tree.query(xy)[0])
    further = np.maximum(1.0, away / max(lengths[-1], 1e-9)) if len(lengths) > 1 else 1.0
    return np.asarray(np.interp(away, lengths, errors) * further)


def _tried(transform: Transform, start: Array, length: float, tree: cKDTree, near: float) -> Array:
    """(K, 2) errors of going on straight over a length, all ways that end near a point."""
    angle = np.arange(_WAYS) * (2 * np.pi / _WAYS)
    step = length * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    end = (start[:, None] + step).reshape(-1, 2)
    begin = np.repeat(start, _WAYS, axis=0)
    seen = np.asarray(tree.query(end)[0]) <= near
    begin, end = begin[seen], end[seen]
    here = transform.inverse(begin)
    slope = (transform.inverse(begin + (end - begin) / length) - here) * length
    return np.asarray(transform.inverse(end) - here - slope)
