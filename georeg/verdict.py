"""Is the alignment trustworthy, and how good is it? Refusing is a normal outcome."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.crs import in_metres
from georeg.fitting import Fit
from georeg.judging import criteria
from georeg.judging.caveats import warnings_of
from georeg.judging.checking import HIT, Check
from georeg.judging.coverage import coverage
from georeg.judging.criteria import Criterion
from georeg.judging.independence import independent_errors
from georeg.judging.stating import Accuracy, Expected, accuracy_of, expected_of
from georeg.neighbours import BLOCK
from georeg.pairing.frame import Frame
from georeg.pairing.scene import Scene
from georeg.search.locating import Start
from georeg.search.tiepoints import TiePoints
from georeg.search.voting import SEPARATE
from georeg.settings import Settings
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]

_GRID = 24  # nodes along the longer side where the transform is inspected
_NARROW = 3  # across a strip, at least
_ALREADY = 0.7  # pixels: smaller displacements than that are none


@dataclass(frozen=True)
class Verdict:
    """What is known about an alignment.

    Attributes:
        ok: whether it can be trusted.
        reasons: why not, each with what can be tried; empty if ok.
        warnings: what to keep in mind.
        status: aligned, already aligned or refused.
        accuracy: at left-out tie points; None if there are too few.
        tie_points: number of tie points.
        inliers: number of those that the transform explains.
        coverage: share of the overlap near an inlier.
        displacement_px: median correction over the overlap, in reference pixels.
        displacement_m: the same in metres.
        distortion: smallest and largest local change of a length, relative to the overall scale.
        confidence: margin of the first estimate; see `Start`.
        check: the independent look.
        criteria: what was weighed.
        placed: whether the moving raster had no georeference, or one that wasn't looked at.
        expected: errors over all of the overlap; None if there are too few tie points.
    """

    ok: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    status: str
    accuracy: Accuracy | None
    tie_points: int
    inliers: int
    coverage: float
    displacement_px: float
    displacement_m: float | None
    distortion: tuple[float, float]
    confidence: float
    check: Check | None
    criteria: tuple[Criterion, ...] = ()
    placed: bool = False
    expected: Expected | None = None

    def to_dict(self) -> dict[str, Any]:
        """For reports (JSON)."""
        data = asdict(self)
        data["check"] = None if self.check is None else self.check.to_dict()
        data["criteria"] = [asdict(c) for c in self.criteria]
        return data

    def sentence(self) -> str:
        """The verdict in plain words."""
        if not self.ok:
            return "no trustworthy alignment: " + "; ".join(self.reasons)
        error = ""
        if self.accuracy is not None:
            error = f", error {self.accuracy.rmse_px:.2f} px RMSE"
            if self.accuracy.rmse_m is not None:
                error += f" ({in_metres(self.accuracy.rmse_m)})"
        if self.placed:
            return f"aligned: placed by what it shows{error}"
        if self.status == "already aligned":
            return f"already aligned within {max(self.displacement_px, 0.1):.1f} px{error}"
        return f"aligned: moved by {self.displacement_px:.1f} px{error}"


def no_verdict(reason: str, advice: str, confidence: float = 0.0, points: int = 0) -> Verdict:
    """Refusal where there is nothing to judge.

    Args:
        reason: what is missing.
        advice: what can be tried.
        confidence: margin of the first estimate.
        points: number of tie points.
    """
    criterion = Criterion(
        "something to judge", f"{points} tie points and no fit", "a fit", False, reason, advice
    )
    return Verdict(
        False, _reasons([criterion]), (), "refused", None, points, 0, 0.0, math.nan, None,
        (math.nan, math.nan), confidence, None, (criterion,),
    )  # fmt: skip


def why_nothing(
    scene: Scene,
    settings: Settings,
    start: Start | None,
    reason: str,
    advice: str,
    *,
    enlarged: bool = False,
) -> tuple[str, str]:
    """Reason and advice where nothing could be fitted: there may be too little to compare.

    Args:
        scene: the rasters.
        settings: whether the user chose the working resolution.
        start: the first estimate; None if there is none.
        reason: if size isn't it.
        advice: likewise.
        enlarged: whether small overlaps are looked at on finer pixels, too.
    """
    if not settings.georef:  # the overlap is what the search took for it
        return reason, advice
    width, height = scene.shared
    shown = 1.0
    if start is not None and start.shown is not None:
        shown = float(start.shown.sum()) * start.factor**2 / max(width * height, 1.0)
    finer = None if settings.working_resolution else abs(scene.frame.grid.transform.a) / 2
    share = min(shown, 1.0)
    found = criteria.too_small(width, height, share, finer, enlarged=enlarged)
    if found is None and start is not None and start.along is not None:
        return criteria.one_way(start.along)
    return found or criteria.too_long(width, height) or (reason, advice)


def _reasons(weighed: Sequence[Criterion]) -> tuple[str, ...]:
    return tuple(f"{c.reason}: {c.advice}" for c in weighed if not c.ok)


def judge(
    frame: Frame,
    start: Start,
    points: TiePoints,
    fit: Fit,
    check: Check,
    settings: Settings,
    displacement: float | None = None,
) -> Verdict:
    """Weigh all the evidence.

    Args:
        frame: of the fit.
        start: the first estimate.
        points: the tie points.
        fit: of the points.
        check: the independent look at it.
        settings: for the user's own limit, and the search range.
        displacement: median correction in frame pixels, where it isn't that of the fit.
    """
    pixels, metres = frame.reference_pixels, frame.metres
    independent = independent_errors(fit, points.true, points.block, points.block / BLOCK)
    accuracy = accuracy_of(fit, frame.reference_steps, metres, independent)
    inliers = int(fit.inlier.sum())
    covered = coverage(points.true[fit.inlier], start)
    nodes = _nodes(frame, start, start.texture > 0)
    everywhere = _nodes(frame, start, start.shown)
    expecting = expected_of(fit, points, (everywhere, nodes), pixels, independent, check)
    apart, left_open, expected = (None, None, None) if expecting is None else expecting
    shift = displacement
    if displacement is None:
        steps = fit.transform.inverse(nodes) - nodes
        displacement, moved = _median_length(steps), _median_length(steps * frame.reference_steps)
        shift = _median_step(steps)
    else:
        moved = displacement * pixels
    scale, low, high, folded = _distortion(fit.transform, nodes)
    unseen = ""
    if not (folded or settings.anywhere or math.isinf(start.margin)):
        unseen = criteria.turned(_turned(fit.transform, nodes), scale, check)
    already = moved <= _ALREADY
    weighed = [
        criteria.enough_points(inliers, len(points)),
        criteria.spread(covered.share, inliers),
        criteria.confirmed(
            start.margin,
            check,
            settings.anywhere,
            start.along,
            sparse=points.sparse,
            unseen=unseen,
        ),
    ]
    if not folded:
        away = _away(start, fit.transform, nodes)
        most = SEPARATE * start.factor * pixels
        weighed.append(criteria.where_seen(away * pixels, most, unseen))
    if check.smoothed is not None:
        weighed.append(criteria.without_detail(check.smoothed, pixels))
    if apart is not None:
        half, matched = apart.half_px, apart.matched_px
        weighed.append(criteria.known_all_over(half, matched, HIT * check.unit * pixels))
    if settings.georef and not settings.anywhere and not folded:
        weighed.append(criteria.plausible_scale(scale))
    weighed.append(criteria.undistorted(low, high, folded))
    if not already:
        weighed.append(criteria.more_alike(check))
    if settings.max_shift is not None and settings.georef and shift is not None:
        unit = settings.max_shift_unit
        length = metres if unit == "m" and metres is not None else pixels
        weighed.append(criteria.within_reach(shift * length, settings.max_shift, unit))
    if settings.max_rmse is not None:
        weighed.append(criteria.within(accuracy.rmse_px if accuracy else None, settings.max_rmse))
    reasons = _reasons(weighed)
    ok = not reasons
    stiff = float(fit.not_followed.sum()) / max(float(fit.counted.sum()), 1.0)
    return Verdict(
        ok,
        reasons,
        warnings_of(
            frame,
            start,
            points,
            fit.held_out,
            covered.share,
            check,
            accuracy,
            left_open,
            expected,
            ok=ok,
            stiff=stiff if settings.transform != "auto" else 0.0,
        ),
        "refused" if not ok else "already aligned" if already and settings.georef else "aligned",
        accuracy,
        len(points),
        inliers,
        covered.share,
        moved,
        None if metres is None else displacement * metres,
        (low, high),
        start.margin,
        check,
        tuple(weighed),
        not settings.georef,
        expected,
    )


def _nodes(frame: Frame, start: Start, where: npt.NDArray[np.bool_] | None) -> Array:
    """(N, 2) true frame positions all over the overlap, or a part of it (cells of level 0)."""
    rows, columns = frame.grid.shape
    step = max(rows, columns) / _GRID
    dx, dy = (min(step, side / _NARROW) for side in (columns, rows))
    x, y = np.meshgrid(np.arange(dx / 2, columns, dx), np.arange(dy / 2, rows, dy))
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    if where is None:
        return xy
    at = np.floor(xy / start.factor).astype(int)
    at = np.clip(at, 0, np.array(where.shape[::-1]) - 1)
    seen = where[at[:, 1], at[:, 0]]
    return xy[seen] if seen.sum() >= 4 else xy


def _median_length(steps: Array) -> float:
    """Of (N, 2) steps; NaN if unknown."""
    length = np.hypot(*steps.T)
    return float(np.nanmedian(length)) if np.isfinite(length).any() else math.nan


def _away(start: Start, transform: Transform, nodes: Array) -> float:
    """Length of the median step from the first estimate to the fit; 0 if unknown."""
    step = _median_step(transform.inverse(nodes) - start.transform.inverse(nodes))
    return 0.0 if math.isnan(step) else step


def _median_step(steps: Array) -> float:
    """Length of the median of (N, 2) steps: turns and bends cancel out in it; NaN if unknown."""
    steps = steps[np.isfinite(steps).all(axis=1)]
    return float(np.hypot(*np.median(steps, axis=0))) if len(steps) else math.nan


def _turned(transform: Transform, nodes: Array) -> float:
    """Overall rotation in degrees, from x towards y."""
    (xx, xy), (yx, yy) = transform.jacobian(transform.inverse(nodes)).mean(axis=0).tolist()
    return math.degrees(math.atan2(yx - xy, xx + yy))


def _distortion(transform: Transform, nodes: Array) -> tuple[float, float, float, bool]:
    """Overall scale, smallest and largest relative stretch, and whether it folds anywhere."""
    jacobian = transform.jacobian(transform.inverse(nodes))
    if not np.isfinite(jacobian).all():
        return math.nan, 0.0, math.inf, True
    determinant = np.linalg.det(jacobian)
    stretch = np.linalg.svd(jacobian, compute_uv=False)
    scale = float(np.sqrt(np.median(np.abs(determinant))))
    if scale <= 0:
        return 0.0, 0.0, math.inf, True
    low, high = float(stretch.min() / scale), float(stretch.max() / scale)
    return scale, low, high, bool((determinant <= 0).any())
