"""What errors a verdict states: at tie points that were left out, and all over the overlap."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from georeg.fitting import Fit
from georeg.judging.astray import Astray
from georeg.judging.checking import HIT, Check
from georeg.judging.expecting import beyond_points, expected_errors
from georeg.judging.independence import allowance
from georeg.search.tiepoints import TiePoints

Array = npt.NDArray[np.float64]

_DRAWS = 64  # of a normal error: as many points of a plane, each as probable
_TURN = math.pi * (3 - math.sqrt(5))  # of each against the one before: they spread evenly


@dataclass(frozen=True)
class Accuracy:
    """Errors at left-out tie points, in reference pixels and in metres.

    Of the inliers, and of those that agree with their neighbours though the model can't follow.

    CE90 is the radius that holds 90 % of them, larger by what too few independent ones leave open
    (`independent` of them, about; None if that wasn't looked at). `mean_*` is the mean error
    vector (x to the right, y downwards). Metres are None without a CRS.
    """

    rmse_px: float
    ce90_px: float
    mean_x_px: float
    mean_y_px: float
    rmse_m: float | None
    ce90_m: float | None
    independent: float | None = None


@dataclass(frozen=True)
class Expected:
    """Errors to be expected over the overlap, wherever the moving raster has data.

    Unlike `Accuracy`, places count where nothing could be matched: water, clouds, no data in the
    reference. So does a part that is displaced against the rest, as far as the check has seen it;
    of a part that nothing confirms (`Check.astray` without `away`) they say nothing.

    What is known of a place is its root mean square error. Each figure is the larger one of two:
    if every error is as long as that (what a stiff model can't follow, often), and if they are
    normal: a tenth of those that have the same root mean square are longer than 1.5 times that.

    Attributes:
        half_px: half of the overlap has less, in reference pixels.
        most_px: nine tenths of it have less.
        matched_px: half of what both rasters show has less.
        beyond: share of the overlap with more than what counts as a hit.
    """

    half_px: float
    most_px: float
    matched_px: float
    beyond: float


def accuracy_of(
    fit: Fit, steps: Array, metres: float | None, independent: float
) -> Accuracy | None:
    """Of tie points that were left out; None of fewer than three.

    What agrees with its neighbours is displaced like that, whatever a stiff model makes of it:
    without those points a shift of a scene that bends looks three times better than it is.

    Args:
        fit: of the tie points.
        steps: (2,) reference pixels along a frame pixel in x and in y.
        metres: metres along a frame pixel; None without a CRS.
        independent: how many independent errors they are worth.
    """
    held = fit.held_out[fit.counted]
    held = held[np.isfinite(held).all(axis=1)]
    if len(held) < 3:
        return None
    allowed = allowance(independent)
    rmse_px, ce90_px = _summary(held * steps, allowed)
    mean = (held * steps).mean(axis=0)
    rmse_m = ce90_m = None
    if metres is not None:
        rmse_m, ce90_m = _summary(held * metres, allowed)
    return Accuracy(rmse_px, ce90_px, float(mean[0]), float(mean[1]), rmse_m, ce90_m, independent)


def _summary(errors: Array, allowed: float) -> tuple[float, float]:
    """RMSE and CE90 of (N, 2) errors."""
    distance = np.hypot(*errors.T)
    ce90 = float(np.percentile(distance, 90)) * allowed
    return math.sqrt(float((distance**2).mean())), ce90


def expected_of(
    fit: Fit,
    points: TiePoints,
    places: tuple[Array, Array],
    pixels: float,
    independent: float,
    check: Check,
) -> tuple[Expected, Expected, Expected] | None:
    """Errors that the models of the tie points disagree about, those with what they can't know of
    what bends beyond the points, and those with all that is known besides.

    The first two are of root mean squares alone: what is known where. The third is stated.

    Args:
        fit: of the tie points.
        points: the tie points.
        places: (N, 2) true frame positions all over the overlap, and where both rasters show
            something.
        pixels: reference pixels along a frame pixel.
        independent: how many independent errors the tie points show.
        check: the independent look, which may have seen a part that lies elsewhere.

    Returns:
        None if there are too few tie points.
    """
    more = _added(fit)
    sums: list[tuple[Array, ...]] = []
    for xy in places:
        apart = expected_errors(fit, points.true, xy)
        if apart is None:
            return None
        beyond = beyond_points(fit, points.true, xy)
        # A model doesn't reach where it is NaN.
        apart, left_open = (
            np.nan_to_num(errors, nan=math.inf) for errors in (apart, np.hypot(apart, beyond))
        )
        stated = np.hypot(left_open, more) * allowance(independent)
        away = _displaced(xy, check.astray)
        sums.append((apart, left_open, np.hypot(stated, away), _drawn(stated, away)))
    found = [
        _summed_up(all_over, near, pixels, HIT * check.unit)
        for all_over, near in zip(*sums, strict=True)
    ]
    return found[0], found[1], Expected(*map(max, astuple(found[2]), astuple(found[3])))


def _added(fit: Fit) -> float:
    """Root mean square that points the model can't follow add to the error of its inliers."""
    inliers, counted = (
        float(np.nanmean((fit.held_out[which] ** 2).sum(axis=1)))
        for which in (fit.inlier, fit.counted)
    )
    return math.sqrt(max(counted - inliers, 0.0))


def _displaced(xy: Array, part: Astray | None) -> Array:
    """(N,) how far (N, 2) places are known to be displaced."""
    if part is None or part.away is None:
        return np.zeros(len(xy))
    return np.asarray(np.where(part.where.hold(xy), math.hypot(*part.away), 0.0))


def _drawn(errors: Array, away: Array) -> Array:
    """(N, _DRAWS) lengths of normal errors about where (N,) places are displaced to.

    Args:
        errors: (N,) their root mean squares.
        away: (N,) how far these are displaced; which way makes no difference.
    """
    number = np.arange(_DRAWS) + 0.5
    length, angle = np.sqrt(-np.log(1 - number / _DRAWS)), number * _TURN
    x, y = length * np.cos(angle), length * np.sin(angle)
    return np.asarray(np.hypot(away[:, None] + errors[:, None] * x, errors[:, None] * y))


def _summed_up(all_over: Array, near: Array, pixels: float, limit: float) -> Expected:
    """Of errors all over the overlap, and of what both rasters show: arrays of any shape."""
    half, most = np.percentile(all_over, [50, 90], method="lower") * pixels
    return Expected(
        float(half),
        float(most),
        float(np.median(near)) * pixels,
        float((all_over > limit).mean()),
    )
