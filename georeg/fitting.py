"""From tie points to a transform: robust weights first, then the simplest model that predicts.

1. Robust weights by agreement with the neighbourhood, whatever the global model (neighbours.py).
2. With these weights every model of the ladder is fitted on folds of spatial blocks and judged on
   the blocks that were left out (Roberts et al., Ecography 40(8), 2017). A more flexible model is
   taken only where that error really drops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg import transforms
from georeg.errors import PointsError, SettingsError
from georeg.folding import BLOCKS, Folding
from georeg.neighbours import AGREES, BLOCK, FLOOR, GAP, NOTHING, robust_weights, weighted_median
from georeg.transforms import Transform
from georeg.transforms.field import Field

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

LOCAL = ("tps", "field")  # these follow what bends anywhere
_STEP = 0.05  # pixels; least drop of the held-out error that is worth it
_GAIN = 0.12  # relative drop of the held-out error that is worth a more flexible model
_LOCAL_GAIN = 0.3  # the same for a model that can follow single objects, not only the terrain
_UNSURE = 10.0  # times a point's error that a model between them may be off by for that alone
_SURE = 2.0  # standard errors (over blocks) by which it must drop
_CAP = 3.0  # pixels beyond which a held-out residual counts no more
_ANNEALING = (6.0, 5.0, 4.0, 3.0, 2.5, 2.0, 1.7, 1.5, 1.5, 1.5)  # pixels
_INLIER = 2.0  # pixels
_KERNEL_SPREAD = 2.0  # standard deviations of what is to be averaged: the kernel's scale
_PLAUSIBLE = 2.5  # noise scales within which a point counts as inlier


@dataclass(frozen=True)
class Rung:
    """One model on the ladder and its error at left-out points, in frame pixels.

    Attributes:
        name: of the model.
        error: weighted RMSE at left-out points; inf where it can't be fitted.
        note: why it wasn't taken; empty for the one that was.
    """

    name: str
    error: float
    note: str = ""


@dataclass(frozen=True)
class Rejected:
    """How many tie points take no part, by what they disagree with.

    Attributes:
        neighbours: those around them, whatever the model.
        model: the chosen model, among points that agree with their neighbours.
        far: neither plainly, but they end up too far from where the model puts them.
    """

    neighbours: int
    model: int
    far: int


@dataclass(frozen=True, eq=False)
class _Sample:
    """What all models of the ladder are fitted to, and judged by.

    Attributes:
        claimed: (N, 2) as in `fit_transform`, and so are `true`, `tolerant` and `unit`.
        true: (N, 2).
        base: (N,) weights by what is known of each point, and of how it agrees with its neighbours.
        noise: of the points, along one axis, frame pixels.
        mine: those that errors speak of.
        blocks: (N, 2) column and row of the block that each lies in.
        splits: of each fold which points are left out, and which take part.
        tolerant: whether what a model can't follow is to be averaged.
        unit: frame pixels.
    """

    claimed: Array
    true: Array
    base: Array
    noise: float
    mine: slice
    blocks: npt.NDArray[np.int64]
    splits: Sequence[tuple[Mask, Mask]]
    tolerant: bool
    unit: float


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A model, its weights, and how well it predicts."""

    name: str
    options: dict[str, Any]
    weights: Array
    held_out: Array
    fold_models: tuple[Transform | None, ...]


@dataclass(frozen=True, eq=False)
class Fit:
    """A transform and how it was found. All lengths in frame pixels.

    Attributes:
        transform: claimed -> true positions.
        weights: (N,) weight of each point's squared residual in the fit, 0 for outliers.
        inlier: (N,) bool.
        residuals: (N, 2) forward(claimed) - true.
        held_out: (N, 2) the same with the model fitted without the point's block; NaN if that
            could not be done.
        folding: which fold a place belongs to.
        fold_models: the model fitted without each fold; None where that could not be done.
        noise: robust standard deviation of the inliers' residuals along one axis.
        ladder: the models that were tried.
        rejected: why points are no inliers.
        agreeing: (N,) which agree with their neighbours, inliers or not: what the model can't
            follow is an error of the model there, not of the points. None if that isn't known.
    """

    transform: Transform
    weights: Array
    inlier: Mask
    residuals: Array
    held_out: Array
    folding: Folding
    fold_models: tuple[Transform | None, ...]
    noise: float
    ladder: tuple[Rung, ...]
    rejected: Rejected = Rejected(0, 0, 0)
    agreeing: Mask | None = None

    @property
    def counted(self) -> Mask:
        """(N,) points whose errors are the fit's: inliers, and what agrees with its neighbours."""
        return self.inlier if self.agreeing is None else self.inlier | self.agreeing

    @property
    def not_followed(self) -> Mask:
        """(N,) points that agree with their neighbours, and that the model can't follow."""
        return self.counted & ~self.inlier

    @property
    def error(self) -> float:
        """Weighted RMSE at left-out points of the chosen model, frame pixels."""
        return next(r.error for r in self.ladder if r.name == self.transform.name)


def fit_transform(
    claimed: Array,
    true: Array,
    score: Array,
    sigma: Array,
    *,
    models: Sequence[str] = ("shift",),
    block: float | None = None,
    importance: Array | None = None,
    tolerant: bool = False,
    unit: float = 1.0,
    blocks: float = BLOCKS,
    guess: Transform | None = None,
    own: int | None = None,
    closely: bool = True,
) -> Fit:
    """Fit the best of the models.

    Args:
        claimed: (N, 2) positions by the moving raster's georeference, frame pixels.
        true: (N, 2) positions of the same points by the reference.
        score: (N,) probability of each being right.
        sigma: (N,) standard deviation in frame pixels.
        models: names, from stiff to flexible; with only one there is no choice.
        block: least side of the blocks that are left out, frame pixels; points closer than that
            (overlapping templates) aren't independent.
        importance: (N,) further factors of the weights; 1 if None.
        tolerant: whether what a model can't follow is spread around it (relief that a DEM has
            wrong) and is to be averaged, rather than another population to keep away from.
        unit: frame pixels along a pixel that was looked at, of which errors are fractions.
        blocks: that are left out, along the longer side, unless they would be less than `block`
            wide. What changes within two of them can't be predicted.
        guess: claimed -> true to within some pixels, where displacements change by more than that
            from place to place: what disagrees with its neighbourhood is seen beside it.
        own: the result and its errors speak of so many points only, the first ones; the others
            help to fit, and to choose the model. All if None.
        closely: whether neighbourhoods may be so small that only a local model can follow what
            they agree on, if there is one among the models.

    Raises:
        PointsError: too few points for the stiffest model, or degenerate ones.
    """
    if not models:
        raise SettingsError("no transform model to fit")
    if not len(claimed):
        raise PointsError("there are no tie points to fit")
    prior = score**2 / (sigma**2 + (FLOOR * unit) ** 2)
    if importance is not None:
        prior = prior * importance
    seen = claimed if guess is None else guess.forward(claimed)
    closely = closely and not set(LOCAL).isdisjoint(models)
    local, noise = robust_weights(seen, true, prior, unit, block or 0.0, closely=closely)
    base = prior * local
    mine = slice(own)
    if base[mine].sum() <= 0:
        raise PointsError(NOTHING)  # whatever the others agree on
    folding = Folding.over(true, block or 0.0, blocks)
    splits = folding.splits(true, GAP * (block or 0.0))
    sample = _Sample(claimed, true, base, noise, mine, folding.blocks(true), splits, tolerant, unit)
    chosen, ladder = _climbed(models, sample)
    if chosen.name == "field":
        chosen = _eased(chosen, sample, (block or 0.0) / BLOCK)
        error = _error(chosen, sample)
        ladder = [replace(r, error=error) if r.name == "field" else r for r in ladder]
    weights = chosen.weights
    if weights[mine].sum() <= 0:
        raise PointsError(NOTHING)
    model = transforms.load(chosen.name).from_points(claimed, true, weights, **chosen.options)
    residuals = model.forward(claimed) - true
    distance = np.hypot(*residuals.T)
    least = max(_PLAUSIBLE * noise * math.sqrt(2), _INLIER * unit)
    if tolerant:
        least = max(least, _PLAUSIBLE * _spread(distance, base))
    inlier = (weights > 0) & (distance <= least)
    alike, kept, near = local[mine] > 0, weights[mine] > 0, inlier[mine]
    return Fit(
        model,
        weights[mine],
        near,
        residuals[mine],
        chosen.held_out[mine],
        folding,
        chosen.fold_models,
        noise,
        tuple(ladder),
        Rejected(int((~alike).sum()), int((alike & ~kept).sum()), int((kept & ~near).sum())),
        local[mine] >= AGREES,
    )


def _climbed(models: Sequence[str], sample: _Sample) -> tuple[_Candidate, list[Rung]]:
    """The model that is taken, and what speaks for and against each.

    Raises:
        PointsError: none can be fitted.
    """
    chosen: _Candidate | None = None
    ladder: list[Rung] = []
    for name in models:
        if chosen is not None and _open_between(name, sample):
            # Left-out points lie in the same rows, and don't show it.
            ladder.append(Rung(name, math.inf, "nothing tells what it does between the points"))
            continue
        try:
            candidate = _candidate(name, _options(name, sample), sample)
        except PointsError as why:
            ladder.append(Rung(name, math.inf, str(why)))
            continue
        against = "" if chosen is None else _against(candidate, chosen, sample)
        ladder.append(Rung(name, _error(candidate, sample), against))
        if against:
            continue
        if chosen is not None:
            ladder = [_beaten(rung, chosen.name, name) for rung in ladder]
        chosen = candidate
    if chosen is None:
        raise PointsError(ladder[0].note)
    return chosen, ladder


def _open_between(name: str, sample: _Sample) -> bool:
    """Whether points lie so that a model could be anything between them: in two rows, say."""
    kind, used = transforms.load(name), sample.base > 0
    return bool(used.sum() >= kind.min_points) and kind.unsure(sample.true[used]) > _UNSURE


def _beaten(rung: Rung, old: str, new: str) -> Rung:
    return replace(rung, note=f"{new} predicts better") if rung.name == old else rung


def _candidate(name: str, options: dict[str, Any], sample: _Sample) -> _Candidate:
    claimed, true, base = sample.claimed, sample.true, sample.base
    agreeing = consensus_weights(name, options, claimed, true, base, sample.tolerant, sample.unit)
    weights = base * agreeing
    models = tuple(
        _of(apart & (weights > 0), name, options, claimed, true, weights)
        for _, apart in sample.splits
    )
    # The pull direction is explicit for every model; a residual there is one here, turned.
    held = np.full(claimed.shape, np.nan)
    for (out, _), model in zip(sample.splits, models, strict=True):
        if model is not None:
            held[out] = claimed[out] - model.inverse(true[out])
        elif out.any():
            raise PointsError(
                f"{name}: {len(claimed)} tie points are too few to leave some out for a check: add "
                "more, all over the raster"
            )
    return _Candidate(name, options, weights, held, models)


def _eased(chosen: _Candidate, sample: _Sample, side: float) -> _Candidate:
    """The field as it is used: smoother than the one that predicts left-out points best.

    That one tells whether a field is needed at all; this one is nearer to the truth.

    Args:
        chosen: the one that predicts best.
        sample: what it was fitted to.
        side: of a template, frame pixels.
    """
    smoothing = Field.eased(
        sample.claimed, sample.true, chosen.weights, chosen.options["smoothing"], side
    )
    return _candidate(chosen.name, {"smoothing": smoothing}, sample)


def _of(
    train: Mask,
    name: str,
    options: dict[str, Any],
    claimed: Array,
    true: Array,
    weights: Array,
) -> Transform | None:
    """The model of some of the points; None if they don't determine it."""
    try:
        return transforms.load(name).from_points(
            claimed[train], true[train], weights[train], **options
        )
    except PointsError:
        return None


def consensus_weights(
    name: str,
    options: dict[str, Any],
    claimed: Array,
    true: Array,
    base: Array,
    tolerant: bool = False,
    unit: float = 1.0,
) -> Array:
    """Weights in [0, 1] by agreement with one model: the densest agreement, not the mean.

    Where what is seen has several populations (roofs that lean, and the ground) the mean of all
    belongs to none. But if `tolerant`, the kernel is never narrower than what lies around.
    """
    kind = transforms.load(name)
    robust = np.ones(len(claimed))
    for scale in (unit * s for s in _ANNEALING):
        model = kind.from_points(claimed, true, base * robust, **options)
        distance = np.hypot(*(model.inverse(true) - claimed).T)
        if tolerant:
            scale = max(scale, _KERNEL_SPREAD * _spread(distance, base))
        robust = 1 / (1 + (distance / scale) ** 2) ** 2
        robust[~(distance <= 3 * scale)] = 0
    return robust


def _spread(distance: Array, weights: Array) -> float:
    """Standard deviation along one axis of what lies around a model, by the median distance."""
    return weighted_median(distance, weights) / 1.1774


def _options(name: str, sample: _Sample) -> dict[str, Any]:
    """Smoothing is chosen once, on all points, not again in every fold."""
    if name == "field":
        model = transforms.load(name).from_points(sample.claimed, sample.true, sample.base)
        return {"smoothing": float(model.to_dict()["smoothing"])}
    if name == "tps":
        return {"smoothing": 1e-3}
    return {}


def _capped(residuals: Array, sample: _Sample) -> Array:
    """(N,) squared lengths; what a model doesn't reach, or misses by far, counts alike."""
    squared = np.nan_to_num((residuals**2).sum(axis=1), nan=np.inf)
    return np.asarray(np.minimum(squared, max(_CAP * sample.unit, 4 * sample.noise) ** 2))


def _error(candidate: _Candidate, sample: _Sample) -> float:
    """Weighted RMSE at left-out points, frame pixels."""
    weights = sample.base[sample.mine]
    squared = _capped(candidate.held_out[sample.mine], sample)
    return math.sqrt(float((weights * squared).sum() / weights.sum()))


def _against(new: _Candidate, old: _Candidate, sample: _Sample) -> str:
    """Why the new model isn't taken instead of the old one.

    Returns:
        Empty if its held-out residuals are smaller by more than chance, block by block.
    """
    weights, unit = sample.base, sample.unit
    loss = weights * _capped(old.held_out, sample)
    gain = loss - weights * _capped(new.held_out, sample)
    total = float(loss.sum())
    number = np.unique(sample.blocks, axis=0, return_inverse=True)[1].ravel()
    per_block = np.bincount(number, gain)
    spread = float(per_block.std(ddof=1)) * math.sqrt(len(per_block)) if len(per_block) > 1 else 0.0
    before = math.sqrt(total / float(weights.sum()))
    gain_share = _LOCAL_GAIN if new.name in LOCAL else _GAIN
    least = before - max(gain_share * before, _STEP * unit)
    needed = total - max(least, 0.0) ** 2 * float(weights.sum())
    won = float(gain.sum())
    if won > needed and won > _SURE * spread:
        return ""
    if won <= 0:
        return f"predicts no better than {old.name}"
    after = math.sqrt(max(total - won, 0.0) / float(weights.sum()))
    drop = f"predicts better than {old.name} by {1 - after / before:.0%}"
    if won <= needed:
        return f"{drop}: not worth its freedom (at least {1 - max(least, 0.0) / before:.0%})"
    return f"{drop}, but not everywhere: it may be chance"
