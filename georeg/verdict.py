"""Is the alignment trustworthy, and how good is it? Refusing is a normal outcome."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.checking import Check
from georeg.fitting import Fit
from georeg.frame import Frame
from georeg.locating import Start
from georeg.settings import Settings
from georeg.tracking import TiePoints
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]

_GRID = 24  # nodes along the longer side where the transform is inspected
_CELLS = 8  # along the longer side, for coverage
_LEAST_POINTS = 6  # inliers
_LEAST_COVERAGE = 0.06
_THIN_COVERAGE = 0.35  # below: a warning
_STRETCH = 1.5  # largest change of a length, beyond the overall scale
_SCALE = {"normal": (0.75, 1.3333), "wide": (0.2, 5.0)}  # of lengths, overall
# See `trusted`.
_EVIDENCE, _FEW, _ENOUGH = 1.1, 0.5, 16.0
_HITS, _HITS_FEW, _HITS_ENOUGH = 0.3, 0.2, 25.0
_MOST_HITS = 0.7  # of the places; below: a warning
_DEVIATIONS = 4.0  # of a binomial share of hits from chance
_SURE = 0.5  # score of the tie points that show lean
_LEANING = 3.0  # pixels of it that are worth a word
_ONE_WAY = 2.0  # times further along than across
_ALREADY = 0.7  # pixels: smaller displacements than that are none


@dataclass(frozen=True)
class Accuracy:
    """Errors at left-out tie points (inliers), in reference pixels and in metres.

    CE90 is the radius that holds 90 % of them. `mean_*` is the mean error vector (x to the
    right, y downwards). Metres are None without a CRS.
    """

    rmse_px: float
    ce90_px: float
    mean_x_px: float
    mean_y_px: float
    rmse_m: float | None
    ce90_m: float | None


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

    def to_dict(self) -> dict[str, Any]:
        """For reports (JSON)."""
        data = asdict(self)
        data["check"] = None if self.check is None else self.check.to_dict()
        return data

    def sentence(self) -> str:
        """The verdict in plain words."""
        if not self.ok:
            return "no trustworthy alignment: " + "; ".join(self.reasons)
        error = ""
        if self.accuracy is not None:
            error = f", error {self.accuracy.rmse_px:.2f} px RMSE"
            if self.accuracy.rmse_m is not None:
                error += f" ({self.accuracy.rmse_m:.3g} m)"
        if self.status == "already aligned":
            return f"already aligned within {max(self.displacement_px, 0.1):.1f} px{error}"
        return f"aligned: moved by {self.displacement_px:.1f} px{error}"


def no_verdict(reason: str, confidence: float = 0.0, points: int = 0) -> Verdict:
    """Refusal where there is nothing to judge."""
    return Verdict(
        False, (reason,), (), "refused", None, points, 0, 0.0, math.nan, None,
        (math.nan, math.nan), confidence, None,
    )  # fmt: skip


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
    accuracy = _accuracy(fit, pixels, metres)
    inliers = int(fit.inlier.sum())
    coverage = _coverage(points.true[fit.inlier], start)
    nodes = _nodes(frame, start)
    if displacement is None:
        displacement = _displacement(fit.transform, nodes)
    scale, low, high, folded = _distortion(fit.transform, nodes)
    reasons = _evidence(start, check, inliers, points, coverage)
    least, most = _SCALE[settings.search]
    normal = settings.georef and settings.search == "normal" and not folded
    if normal and not least <= scale <= most:
        reasons.append(f"the fit changes lengths by {scale:.2f}: try --search wide")
    if folded or low < 1 / _STRETCH or high > _STRETCH:
        reasons.append(
            "the fitted transform folds or stretches the image "
            f"(lengths change by {low:.2f} to {high:.2f}): try a stiffer --transform"
        )
    moved = displacement * pixels
    already = moved <= _ALREADY
    if not already and not check.after > check.before:  # NaN is no proof either
        reasons.append(
            "the rasters are no more alike after the alignment than before "
            f"(similarity {check.before:.2f} -> {check.after:.2f})"
        )
    if settings.max_rmse is not None and (accuracy is None or accuracy.rmse_px > settings.max_rmse):
        error = "unknown" if accuracy is None else f"{accuracy.rmse_px:.2f} px"
        reasons.append(f"the error ({error}) is above --max-rmse {settings.max_rmse:g}")
    warnings = []
    if coverage < _THIN_COVERAGE:
        warnings.append(
            f"tie points cover {coverage:.0%} of the overlap; elsewhere the fit extrapolates"
        )
    if not reasons and check.hits < _MOST_HITS:
        warnings.append(
            f"only {check.hits:.0%} of {check.places} places confirm the fit; the error is that of "
            "the tie points that agree"
        )
    lean = _lean(points) * pixels
    if lean > _LEANING:
        warnings.append(
            f"displacements spread over {lean:.1f} px along one direction, as where buildings lean "
            "or slopes are seen from the side: the fit follows what it sees most of, what lies "
            "higher or lower is off by up to that"
        )
    ok = not reasons
    return Verdict(
        ok,
        tuple(reasons),
        tuple(warnings),
        "refused" if not ok else "already aligned" if already else "aligned",
        accuracy,
        len(points),
        inliers,
        coverage,
        moved,
        None if metres is None else displacement * metres,
        (low, high),
        start.margin,
        check,
    )


def _evidence(
    start: Start, check: Check, inliers: int, points: TiePoints, coverage: float
) -> list[str]:
    reasons = []
    if inliers < _LEAST_POINTS:
        reasons.append(
            f"only {inliers} of {len(points)} tie points agree: "
            "name the --modality of each side, or try another --matcher"
        )
    elif coverage < _LEAST_COVERAGE:
        reasons.append(
            f"the tie points are clustered ({coverage:.0%} of the overlap): "
            "crop the rasters to what they share"
        )
    if not trusted(start.margin, check):
        sure = "" if math.isinf(start.margin) else f", confidence {start.margin:.2f}"
        reasons.append(
            f"only {check.hits:.0%} of {check.places} places confirm the fit (chance "
            f"{check.chance:.0%}{sure}): do the rasters show the same place? A larger --max-shift "
            "or --search wide may find it"
        )
    return reasons


def trusted(margin: float, check: Check) -> bool:
    """Whether margin and hits together are beyond what unrelated places reach.

    Either alone fails somewhere: repeated structure and one-sided textures reach high margins by
    chance, and the hits of a fit to few places are not independent of it. On pairs of unrelated
    real places their sum stays below 0.9 (below 0.6 in scenes of 500 px and more), on true ones
    of the same modalities it is rarely below 1.4 (benchmarks/results/verdict.md). A sure start with
    few hits is a model that can't follow what it sees: most of the image is off.

    Args:
        margin: of the first estimate; infinite if nobody had to search.
        check: the independent look.
    """
    few = max(0.0, 1 - check.independent / _ENOUGH)
    if math.isinf(margin):
        spread = math.sqrt(check.chance * (1 - check.chance) / max(check.independent, 1.0))
        return check.hits > check.chance + _DEVIATIONS * spread
    least = _HITS + _HITS_FEW * min(1.0, _HITS_ENOUGH / max(check.independent, 1.0))
    return check.hits >= least and margin + check.hits >= _EVIDENCE + _FEW * few


def _accuracy(fit: Fit, pixels: float, metres: float | None) -> Accuracy | None:
    held = fit.held_out[fit.inlier]
    held = held[np.isfinite(held).all(axis=1)]
    if len(held) < 3:
        return None
    distance = np.hypot(*held.T)
    rmse, ce90 = math.sqrt(float((distance**2).mean())), float(np.percentile(distance, 90))
    mean = held.mean(axis=0)
    return Accuracy(
        rmse * pixels,
        ce90 * pixels,
        float(mean[0]) * pixels,
        float(mean[1]) * pixels,
        None if metres is None else rmse * metres,
        None if metres is None else ce90 * metres,
    )


def _coverage(true: Array, start: Start) -> float:
    """Share of the cells with texture on both sides that hold an inlier or touch one that does."""
    rows, columns = start.texture.shape
    side = max(rows, columns) / _CELLS
    y, x = np.nonzero(start.texture > 0)
    valid = set(zip((y / side).astype(int).tolist(), (x / side).astype(int).tolist(), strict=True))
    if not valid or not len(true):
        return 0.0
    at = np.floor(true / start.factor / side).astype(int)
    held = {(int(j), int(i)) for i, j in at}
    near = {(j + dj, i + di) for j, i in held for dj in (-1, 0, 1) for di in (-1, 0, 1)}
    return len(valid & near) / len(valid) if len(held) > 1 else 0.0


def _nodes(frame: Frame, start: Start) -> Array:
    """(N, 2) true frame positions all over the overlap."""
    rows, columns = frame.grid.shape
    step = max(rows, columns) / _GRID
    x, y = np.meshgrid(np.arange(step / 2, columns, step), np.arange(step / 2, rows, step))
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    at = np.floor(xy / start.factor).astype(int)
    limit = np.array(start.texture.shape[::-1]) - 1
    at = np.clip(at, 0, limit)
    seen = start.texture[at[:, 1], at[:, 0]] > 0
    return xy[seen] if seen.sum() >= 4 else xy


def _lean(points: TiePoints) -> float:
    """How far tie points spread along one direction beyond an affine model, in frame pixels.

    Parallax moves everything along one direction, by its height; wrong matches and smooth
    distortions don't keep to one. 0 where no direction stands out.
    """
    sure = points.score >= _SURE
    if sure.sum() < 4 * _LEAST_POINTS:
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
