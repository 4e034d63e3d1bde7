"""Is the alignment trustworthy, and how good is it? Refusing is a normal outcome."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg import criteria
from georeg.astray import Astray
from georeg.checking import HIT, RADIUS, Check
from georeg.coverage import coverage
from georeg.criteria import Criterion
from georeg.crs import in_metres
from georeg.expecting import expected_errors
from georeg.fitting import Fit
from georeg.frame import Frame
from georeg.independence import allowance, independent_errors
from georeg.locating import Start
from georeg.scene import Scene
from georeg.settings import Settings
from georeg.tracking import BLOCK, TiePoints
from georeg.transforms import Transform
from georeg.voting import SEPARATE

Array = npt.NDArray[np.float64]

_GRID = 24  # nodes along the longer side where the transform is inspected
_THIN_COVERAGE = 0.35  # below: a warning
_MOST_HITS = 0.7  # of the places; below: a warning
_SURE = 0.5  # score of the tie points that show lean
_LEANING = 3.0  # pixels of it that are worth a word
_ONE_WAY = 2.0  # times further along than across
_ALREADY = 0.7  # pixels: smaller displacements than that are none
_OPEN = 0.1  # share of the overlap where the fit may extrapolate without a word
_FEW = 4.0  # independent errors; of fewer the stated one is known to a third at best: a warning


@dataclass(frozen=True)
class Accuracy:
    """Errors at left-out tie points (inliers), in reference pixels and in metres.

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
    return found or (reason, advice)


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
    accuracy = _accuracy(fit, pixels, metres, independent)
    inliers = int(fit.inlier.sum())
    covered = coverage(points.true[fit.inlier], start)
    nodes = _nodes(frame, start, start.texture > 0)
    everywhere = _nodes(frame, start, start.shown)
    all_over, near = (_open(fit, points, xy) for xy in (everywhere, nodes))
    left_open = _expected(all_over, near, pixels)
    expected = _expected(
        _stated(all_over, everywhere, check.astray, independent),
        _stated(near, nodes, check.astray, independent),
        pixels,
    )
    shift = displacement
    if displacement is None:
        displacement = _displacement(fit.transform, nodes)
        shift = _median_step(fit.transform.inverse(nodes) - nodes)
    scale, low, high, folded = _distortion(fit.transform, nodes)
    moved = displacement * pixels
    already = moved <= _ALREADY
    weighed = [
        criteria.enough_points(inliers, len(points)),
        criteria.spread(covered.share, inliers),
        criteria.confirmed(start.margin, check, settings.anywhere, start.along),
    ]
    if not folded:
        away = _away(start, fit.transform, nodes)
        weighed.append(criteria.where_seen(away * pixels, SEPARATE * start.factor * pixels))
    if check.smoothed is not None:
        weighed.append(criteria.without_detail(check.smoothed, pixels))
    if left_open is not None:
        half, matched = left_open.half_px, left_open.matched_px
        weighed.append(criteria.known_all_over(half, matched, HIT * pixels))
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
    return Verdict(
        ok,
        reasons,
        (
            *_warnings(frame, covered.share, check, _lean(points) * pixels, left_open, ok=ok),
            *(_reservations(start, accuracy) if ok else ()),
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


def _warnings(
    frame: Frame, share: float, check: Check, lean: float, left_open: Expected | None, *, ok: bool
) -> tuple[str, ...]:
    warnings, hit = [], HIT * frame.reference_pixels
    if ok and left_open is not None and left_open.beyond > _OPEN and left_open.matched_px <= hit:
        warnings.append(
            "the fit extrapolates where nothing can be matched: over "
            f"{left_open.beyond:.0%} of the overlap it may be off by more than {hit:.3g} px "
            f"({left_open.most_px:.1f} px and more over a tenth)"
        )
    if share < _THIN_COVERAGE:
        warnings.append(
            f"tie points cover {share:.0%} of the overlap; elsewhere the fit extrapolates"
        )
    if ok and check.hits < _MOST_HITS:
        warnings.append(
            f"only {check.hits:.0%} of {check.places} places confirm the fit; the error is that of "
            "the tie points that agree"
        )
    part = check.astray
    if ok and part is not None and (part.away is not None or check.hits >= _MOST_HITS):
        warnings.append(_apart(frame, part))  # few hits without another place are said already
    if lean > _LEANING:
        warnings.append(
            f"displacements spread over {lean:.1f} px along one direction, as where buildings lean "
            "or slopes are seen from the side: the fit follows what it sees most of, what lies "
            "higher or lower is off by up to that"
        )
    return tuple(warnings)


def _reservations(start: Start, accuracy: Accuracy | None) -> tuple[str, ...]:
    """What an alignment that is trusted rests on, where that is little."""
    found = []
    if accuracy is not None and accuracy.independent is not None and accuracy.independent < _FEW:
        found.append(
            "the stated error is that of few places: what the tie points show is worth about "
            f"{accuracy.independent:.0f} that share no pixels. CE90 allows for that; the RMSE may "
            "be twice as large"
        )
    if start.limited:
        found.append(
            "a place beyond --max-shift fits as well: what is shown repeats, and that it is this "
            "place rests on the limit that was given"
        )
    return tuple(found)


def _apart(frame: Frame, part: Astray) -> str:
    """What is known of a part that doesn't lie where the fit puts it."""
    left, top, right, bottom = part.bounds
    corners = np.array([[left, bottom], [right, top]])
    corners = frame.grid.to_map(np.clip(corners, 0, [frame.grid.width, frame.grid.height]))
    area = " ".join(f"{v:.8g}" for v in corners.ravel())
    where = f"{part.share:.0%} of what was looked at, side by side (--area {area})"
    pixels = frame.reference_pixels
    if part.away is None:
        return (
            f"no place confirms the fit over {where}: what is shown there has changed or is hidden "
            f"(clouds), or it is displaced by more than {RADIUS * pixels:.3g} px against the rest. "
            "The errors that are stated, and expected, are those outside of it"
        )
    more = " or more" if max(map(abs, part.away)) >= RADIUS - 1 else ""
    return (
        f"{where}, matches best {math.hypot(*part.away) * pixels:.1f} px{more} from where the fit "
        "puts it, all of it alike: a seam of a mosaic, a landslide, relief, or a pattern that "
        "repeats. The error that is stated isn't that of this part; the expected one counts it"
    )


def _accuracy(fit: Fit, pixels: float, metres: float | None, independent: float) -> Accuracy | None:
    held = fit.held_out[fit.inlier]
    held = held[np.isfinite(held).all(axis=1)]
    if len(held) < 3:
        return None
    distance = np.hypot(*held.T)
    rmse = math.sqrt(float((distance**2).mean()))
    ce90 = float(np.percentile(distance, 90)) * allowance(independent)
    mean = held.mean(axis=0)
    return Accuracy(
        rmse * pixels,
        ce90 * pixels,
        float(mean[0]) * pixels,
        float(mean[1]) * pixels,
        None if metres is None else rmse * metres,
        None if metres is None else ce90 * metres,
        independent,
    )


def _open(fit: Fit, points: TiePoints, xy: Array) -> Array | None:
    """(N,) errors that the tie points leave open, frame pixels; inf where a model doesn't reach."""
    found = expected_errors(fit, points.true, xy)
    return None if found is None else np.nan_to_num(found, nan=math.inf)


def _stated(
    errors: Array | None, xy: Array, part: Astray | None, independent: float
) -> Array | None:
    """The same with what is known besides: how many errors they rest on, and a displaced part."""
    if errors is None:
        return None
    errors = errors * allowance(independent)
    if part is None or part.away is None or part.where is None:
        return errors
    displaced = np.where(part.where.hold(xy), math.hypot(*part.away), 0.0)
    return np.hypot(errors, displaced)


def _expected(all_over: Array | None, near: Array | None, pixels: float) -> Expected | None:
    if all_over is None or near is None:
        return None
    half, most = np.percentile(all_over, [50, 90], method="lower") * pixels
    return Expected(
        float(half),
        float(most),
        float(np.median(near)) * pixels,
        float((all_over > HIT).mean()),
    )


def _nodes(frame: Frame, start: Start, where: npt.NDArray[np.bool_] | None) -> Array:
    """(N, 2) true frame positions all over the overlap, or a part of it (cells of level 0)."""
    rows, columns = frame.grid.shape
    step = max(rows, columns) / _GRID
    x, y = np.meshgrid(np.arange(step / 2, columns, step), np.arange(step / 2, rows, step))
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    if where is None:
        return xy
    at = np.floor(xy / start.factor).astype(int)
    at = np.clip(at, 0, np.array(where.shape[::-1]) - 1)
    seen = where[at[:, 1], at[:, 0]]
    return xy[seen] if seen.sum() >= 4 else xy


def _lean(points: TiePoints) -> float:
    """How far tie points spread along one direction beyond an affine model, in frame pixels.

    Parallax moves everything along one direction, by its height; wrong matches and smooth
    distortions don't keep to one. 0 where no direction stands out.
    """
    sure = points.score >= _SURE
    if sure.sum() < 4 * criteria.LEAST_POINTS:
        return 0.0
    claimed, true = points.claimed[sure], points.true[sure]
    design = np.column_stack([claimed - claimed.mean(axis=0), np.ones(len(claimed))])
    rest: Array = true - claimed
    weight = np.ones(len(claimed))
    for _ in range(5):
        root = np.sqrt(weight)[:, None]
        solution, *_ = np.linalg.lstsq(design * root, (true - claimed) * root, rcond=None)
        rest = true - claimed - design @ solution
        distance = np.hypot(*rest.T)
        weight = 1 / (1 + (distance / max(float(np.median(distance)), 0.1)) ** 2)
    spread, axes = np.linalg.eigh(np.cov(rest.T, aweights=weight))
    if spread[1] < _ONE_WAY**2 * spread[0]:
        return 0.0
    low, high = np.percentile(rest @ axes[:, 1], [5, 95])
    return float(high - low)


def _displacement(transform: Transform, nodes: Array) -> float:
    moved = transform.inverse(nodes) - nodes
    length = np.hypot(*moved.T)
    return float(np.nanmedian(length)) if np.isfinite(length).any() else math.nan


def _away(start: Start, transform: Transform, nodes: Array) -> float:
    """Length of the median step from the first estimate to the fit; 0 if unknown."""
    step = _median_step(transform.inverse(nodes) - start.transform.inverse(nodes))
    return 0.0 if math.isnan(step) else step


def _median_step(steps: Array) -> float:
    """Length of the median of (N, 2) steps: turns and bends cancel out in it; NaN if unknown."""
    steps = steps[np.isfinite(steps).all(axis=1)]
    return float(np.hypot(*np.median(steps, axis=0))) if len(steps) else math.nan


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
