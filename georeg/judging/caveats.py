"""What to keep in mind of an alignment: the warnings of a verdict."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from georeg.judging import criteria
from georeg.judging.astray import Astray
from georeg.judging.checking import HIT, RADIUS, Check
from georeg.judging.stating import Accuracy, Expected
from georeg.pairing.frame import Frame
from georeg.search.locating import Start
from georeg.search.tiepoints import TiePoints

Array = npt.NDArray[np.float64]

_THIN_COVERAGE = 0.35  # below: a warning
_MOST_HITS = 0.7  # of the places; below: a warning
_SURE = 0.5  # score of the tie points that show lean
_LEANING = 3.0  # pixels of it that are worth a word
_ONE_WAY = 2.0  # times further along than across
_SMOOTH = 0.25  # of that is what smooth distortions leave at left-out points, and no more
_OPEN = 0.1  # share of the overlap where the fit may extrapolate without a word
_STIFF = 0.15  # of the tie points that agree with their neighbours; above: a warning
_FEW = 4.0  # independent errors; of fewer the stated one is known to a third at best: a warning


def warnings_of(
    frame: Frame,
    start: Start,
    points: TiePoints,
    held_out: Array,
    share: float,
    check: Check,
    accuracy: Accuracy | None,
    left_open: Expected | None,
    expected: Expected | None,
    *,
    ok: bool,
    stiff: float = 0.0,
) -> tuple[str, ...]:
    """A sentence for each.

    Args:
        frame: of the fit.
        start: the first estimate.
        points: the tie points.
        held_out: (N, 2) their errors, each of a fit without it and those around it.
        share: of the overlap near a tie point.
        check: the independent look.
        accuracy: at left-out tie points.
        left_open: errors over all of the overlap that the tie points leave open.
        expected: those that are stated; None where the others are.
        ok: whether the alignment is trusted: of another one only what explains it is said.
        stiff: share of the tie points that agree with their neighbours and not with the transform,
            where the user chose it.
    """
    warnings, hit = [], HIT * check.unit * frame.reference_pixels
    lean = _lean(points, held_out) * frame.reference_pixels
    if ok and left_open is not None and expected is not None:
        warnings += _extrapolates(left_open, expected.most_px, hit)
    if ok and points.sparse:
        warnings.append(criteria.MORE_TILES)
    if share < _THIN_COVERAGE:
        warnings.append(
            f"tie points cover {share:.0%} of the overlap; elsewhere the fit extrapolates"
        )
    if ok and check.hits < _MOST_HITS:
        warnings.append(
            f"only {check.hits:.0%} of {check.places} places confirm the fit; the error is that of "
            "the tie points that agree with their neighbours"
        )
    if stiff > _STIFF:
        warnings.append(
            f"{stiff:.0%} of the tie points agree with their neighbours, and not with the "
            "transform that was asked for: it can't follow what is shown. --transform auto looks "
            "for one that does"
        )
    part = check.astray
    if ok and part is not None and (part.away is not None or check.hits >= _MOST_HITS):
        # Few hits without another place are said already.
        warnings.append(_apart(frame, part, check.unit))
    if lean > _LEANING:
        warnings.append(
            f"displacements spread over {lean:.1f} px along one direction, as where buildings lean "
            "or slopes are seen from the side: the fit follows what it sees most of, what lies "
            "higher or lower is off by up to that"
        )
    return (*warnings, *(_reservations(start, accuracy) if ok else ()))


def _extrapolates(left_open: Expected, most: float, hit: float) -> list[str]:
    """A warning where much of the overlap isn't as well known as what both rasters show."""
    if left_open.beyond <= _OPEN or left_open.matched_px > hit:
        return []
    return [
        "the fit extrapolates where nothing can be matched: over "
        f"{left_open.beyond:.0%} of the overlap it may be off by more than {hit:.3g} px "
        f"({most:.1f} px and more over a tenth)"
    ]


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


def _apart(frame: Frame, part: Astray, unit: float) -> str:
    """What is known of a part that doesn't lie where the fit puts it."""
    (left, top), (right, bottom) = _within(frame, part)
    corners = frame.grid.to_map(np.array([[left, bottom], [right, top]]))
    area = " ".join(f"{v:.8g}" for v in corners.ravel())
    where = f"{part.share:.0%} of what was looked at, side by side (--area {area})"
    pixels, reach = frame.reference_pixels, RADIUS * unit
    if part.away is None:
        return (
            f"no place confirms the fit over {where}: what is shown there has changed or is hidden "
            f"(clouds), or it is displaced by more than {reach * pixels:.3g} px against the rest. "
            "The errors that are stated, and expected, are those outside of it"
        )
    more = " or more" if max(map(abs, part.away)) >= reach - unit else ""
    return (
        f"{where}, matches best {math.hypot(*part.away) * pixels:.1f} px{more} from where the fit "
        "puts it, all of it alike: a seam of a mosaic, a landslide, relief, or a pattern that "
        "repeats. The error that is stated isn't that of this part; the expected one counts it"
    )


def _within(frame: Frame, part: Astray) -> Array:
    """Least and largest x and y of a part in the frame; some of it, as it is for --area.

    Templates at the frame's edge have their middle beyond it.
    """
    size = np.array([frame.grid.width, frame.grid.height], np.float64)
    least = np.minimum(size, part.where.size)
    low, high = np.array(part.bounds).reshape(2, 2)
    return np.stack([np.clip(low, 0, size - least), np.clip(high, least, size)])


def _lean(points: TiePoints, held_out: Array) -> float:
    """How far tie points spread along one direction beyond an affine model, in frame pixels.

    Parallax moves everything along one direction, by its height; wrong matches don't keep to one.
    Smooth distortions may, but what is around a place tells them, and not how high it is. 0 where
    no direction stands out, or the fit predicts nearly all of it from around.
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
    lean, unknown = (
        float(np.ptp(np.percentile(steps @ axes[:, 1], [5, 95])))
        for steps in (rest, held_out[sure])
    )
    return 0.0 if unknown < _SMOOTH * lean else lean  # NaN: nobody knows
