"""What must hold for an alignment to be trusted, each with the threshold and what to try if not."""

from __future__ import annotations

import math
from dataclasses import dataclass

from georeg.judging.checking import Check
from georeg.judging.overlaid import PLAIN, Smoothed
from georeg.search.guessing import ROTATION, SCALE
from georeg.search.voting import CHANCE

LEAST_POINTS = 6  # inliers
_LEAST_COVERAGE = 0.06
_STRETCH = 1.5  # largest change of a length, beyond the overall scale
_BY_HAND = "Name the --modality of each side, or give points by hand ('georeg fit')"
_SCALE = (0.75, 1.3333)  # of lengths, overall, after a normal search
# Working pixels that give templates enough for a fit, and the least width of a strip of them:
# of squares 96 x 96 do and 92 x 92 do not, of strips 50 x 200 and 40 x 400, not 50 x 120, 32 x 400.
_AREA, _WIDTH = 95.0**2, 40.0
# Times its width that a strip may be long: level 0 has 82 px across of it, as wide as a template.
# Strips of 120 times still are found (150 x 18 000 px) where the rasters are much alike.
_LENGTH = 100.0
_FULL = 0.9  # share of an overlap with data that isn't worth a word
# See `trusted`.
_EVIDENCE, _FEW, _ENOUGH = 1.1, 0.5, 16.0
_HITS, _HITS_FEW, _HITS_ENOUGH = 0.3, 0.2, 25.0
MORE_TILES = (
    "displacements change between the tiles that were matched, and nothing tells how: a larger "
    "--max-tiles sees more of that"
)
_OVERLAID = (
    "if something is drawn over both (watermark, frame, grid, sensor noise), crop it, make it "
    "nodata, or match at a coarser --working-resolution"
)
_DRAWN = (
    "if something is drawn over both (labels, a frame), take rasters without it, or name its value "
    "as no data (--moving-nodata, --reference-nodata)"
)
_MOSTLY = 0.4  # share of the places that is plain, from which on that may be why a fit is refused
_DEVIATIONS = 4.0  # of a binomial share of hits from chance


@dataclass(frozen=True)
class Criterion:
    """One thing that must hold for an alignment to be trusted.

    Attributes:
        name: of what was looked at.
        found: what was seen, in words.
        needed: what must be seen.
        ok: whether it holds.
        reason: why that refuses; empty if it holds.
        advice: what can be tried then; empty if it holds.
    """

    name: str
    found: str
    needed: str
    ok: bool
    reason: str = ""
    advice: str = ""


def _weighed(name: str, found: str, needed: str, ok: bool, reason: str, advice: str) -> Criterion:
    return Criterion(name, found, needed, ok, "" if ok else reason, "" if ok else advice)


def too_small(
    width: float, height: float, share: float, finer: float | None, *, enlarged: bool = False
) -> tuple[str, str] | None:
    """Reason and advice, where nothing could be fitted because there is too little to compare.

    Args:
        width: of what both rasters cover, working pixels.
        height: likewise.
        share: of it, with data in the moving raster.
        finer: half the working pixel size, in map units of the reference; None if the user chose
            the size, and finer pixels than half of the rasters' own show nothing more.
        enlarged: whether that is looked at anyway (finer.py), and needn't be advised.

    Returns:
        None if size isn't the reason.
    """
    area, narrow = width * height * share, min(width, height)
    if area >= _AREA and narrow >= _WIDTH:
        return None
    data = f", {share:.0%} of it with data in MOVING" if share < _FULL else ""
    needed = f"it takes about 100 x 100, or as much in a strip at least {_WIDTH:.0f} wide"
    if enlarged:
        needed = "it takes 50 x 50 where they are much alike, 100 x 100 where they are not"
    reason = f"the overlap is too small: {width:.0f} x {height:.0f} working pixels{data}; {needed}"
    advice = "use rasters that share more ground"
    if data:
        advice += ", name the right nodata values if data is masked by mistake"
    enough = 4 * area >= _AREA and 2 * narrow >= _WIDTH
    if finer is not None and enough and not enlarged:
        advice = f"try --working-resolution {finer:.6g} (half of it), or {advice}"
    if finer is None:
        advice = f"leave --working-resolution out if it is coarser than the rasters, or {advice}"
    return reason, advice


def too_long(width: float, height: float) -> tuple[str, str] | None:
    """Reason and advice, where nothing was found in a strip that is too long to be seen as a whole.

    Args:
        width: of what both rasters cover, working pixels.
        height: likewise.

    Returns:
        None if its length isn't the reason.
    """
    if max(width, height) <= _LENGTH * min(width, height):
        return None
    return (
        f"the overlap is a strip of {width:.0f} x {height:.0f} working pixels: as a whole it is "
        "looked at on few pixels, of which so narrow a strip has too few",
        f"cut MOVING into pieces of at most {_LENGTH:.0f} times their width (gdal_translate "
        "-srcwin), and align each",
    )


def one_way(along: float) -> tuple[str, str]:
    """Reason and advice, where nothing tells how far things are displaced in one direction.

    Args:
        along: that direction, degrees clockwise from up.
    """
    return (
        f"all that is shown runs one way (rows, furrows; about {along:.0f} degrees clockwise from "
        "up), and nothing tells how far it is displaced along that",
        "take a larger area that shows the ends of the rows, a road or a hedge, too, or give "
        "points by hand ('georeg fit')",
    )


def enough_points(inliers: int, count: int) -> Criterion:
    """How many tie points the fit explains."""
    return _weighed(
        "tie points that agree",
        f"{inliers} of {count}",
        f"at least {LEAST_POINTS}",
        inliers >= LEAST_POINTS,
        f"only {inliers} of {count} tie points agree",
        "name the --modality of each side, or try another --matcher",
    )


def spread(share: float, inliers: int) -> Criterion:
    """What few points cover says nothing that their number doesn't."""
    return _weighed(
        "share of the overlap near them",
        f"{share:.0%}",
        f"at least {_LEAST_COVERAGE:.0%}",
        share >= _LEAST_COVERAGE or inliers < LEAST_POINTS,
        f"the tie points are clustered ({share:.0%} of the overlap)",
        "crop the rasters to what they share",
    )


def confirmed(
    margin: float,
    check: Check,
    anywhere: bool,
    along: float | None = None,
    *,
    sparse: bool = False,
    unseen: str = "",
) -> Criterion:
    """The independent look, together with the lead of the first estimate.

    Args:
        margin: of the first estimate; see `Start`.
        check: the independent look.
        anywhere: whether the search was wide already.
        along: in which direction all runs that is shown; see `Start`.
        sparse: whether displacements change between the tiles that were matched.
        unseen: advice, where the fit is one that the first estimate can't be; see `turned`.
    """
    least, total = _needed(check)
    lead = "" if math.isinf(margin) else f", confidence {margin:.2f}"
    if math.isinf(margin):
        needed = f"clearly more than chance ({check.chance:.0%})"
    else:
        needed = (
            f"at least {least:.0%}; that share and the confidence at least {total:.2f} in sum, the "
            f"confidence at least {CHANCE:.2f}"
        )
    reason = (
        f"only {check.hits:.0%} of {check.places} places confirm the fit (chance "
        f"{check.chance:.0%}{lead})"
    )
    advice = "do the rasters show the same place? " + (
        _BY_HAND if anywhere else "A larger --max-shift or --search wide may find it"
    )
    if sparse and margin >= CHANCE:
        advice = MORE_TILES
    if margin < CHANCE and check.hits >= least and CHANCE + check.hits >= total:
        reason = (
            f"another place fits as well (confidence {margin:.2f}, chance reaches {CHANCE:.2f})"
        )
        advice = unseen or (
            "where a pattern repeats (rows of houses or trees), --max-shift of less than half a "
            "repeat may settle it, if the georeference is that good"
        )
    elif check.plain >= _MOSTLY and margin >= CHANCE:
        reason += (
            f"; the plainest {check.plain:.0%} of them (water, snow?) hardly do, nearly all of the "
            "others do"
        )
        advice = (
            "crop to what has structure (--area), or make the rest nodata in one of the rasters"
        )
    if along is not None:
        more, advice = one_way(along)
        reason = f"{reason}; {more}"
    return _weighed(
        "places that confirm the fit",
        f"{check.hits:.0%} of {check.places}{lead}",
        needed,
        trusted(margin, check),
        reason,
        advice,
    )


def turned(degrees: float, scale: float, check: Check) -> str:
    """Advice, where a fit is turned or scaled by more than the normal search looks for.

    Small turns beyond are followed from tile to tile, but no place of the whole leads then.

    Args:
        degrees: by which it turns the whole.
        scale: of lengths, overall.
        check: the independent look.

    Returns:
        Empty if it isn't, or too few places confirm it: chance turns as it likes.
    """
    within = abs(degrees) <= ROTATION and abs(scale - 1) <= SCALE
    if within or check.hits < _needed(check)[0]:
        return ""
    return (
        f"the fit turns MOVING by {degrees:.0f} degrees and scales it by {scale:.2f}, which a "
        f"normal search doesn't look for (up to {ROTATION:.0f} degrees and {SCALE:.0%}): try "
        "--search wide"
    )


def where_seen(away: float, most: float, unseen: str = "") -> Criterion:
    """Whether the fit is what the confidence was found for, and not one of its rivals.

    What stays in place on both rasters (a watermark, a frame, a sensor's noise) is fine detail
    that can hold tie points, while the whole of the ground lies elsewhere.

    Args:
        away: distance of the fit from the first estimate, over the whole, reference pixels.
        most: distance from which on another place counts as a rival of the estimate, likewise.
        unseen: see `confirmed`.
    """
    return _weighed(
        "distance from the first estimate",
        f"{away:.1f} px",
        f"at most {most:.3g} px, beyond which it is another place",
        away <= most,
        f"the tie points lie {away:.1f} px from where the rasters as a whole match best",
        unseen or _OVERLAID,
    )


def without_detail(seen: Smoothed, pixels: float) -> Criterion:
    """Whether a fit that leaves things in place is that of the ground, not of what lies over it.

    Args:
        seen: where the rasters match best without fine detail.
        pixels: reference pixels along a frame pixel.
    """
    away, most = seen.away * pixels, seen.separate * pixels
    without, rest, advice = "fine detail", "that is coarser", _OVERLAID
    stays = without
    if seen.drawn:
        without, rest, advice = "what is white or black on both", "else", _DRAWN
        stays = f"{without} ({seen.drawn:.0%} of it all)"
    return _weighed(
        f"distance from where they match without {without}",
        f"{away:.1f} px, confidence {seen.margin:.2f}",
        f"at most {most:.3g} px, or a confidence below {PLAIN:.2f}",
        not (seen.margin >= PLAIN and away > most),
        f"{stays} stays in place on both rasters, while all {rest} matches {away:.1f} px away "
        f"(confidence {seen.margin:.2f})",
        advice,
    )


def known_all_over(half: float, matched: float, limit: float) -> Criterion:
    """Whether the fit is known over most of the overlap, not only where both can be matched.

    Tie points along a coast say little about the sea behind it, and what is written is all of
    the moving raster. A fit that is poor everywhere is left to the other criteria.

    Args:
        half: error that half of the overlap isn't expected to reach, reference pixels.
        matched: the same of what both rasters show.
        limit: error that counts as a hit, likewise.
    """
    return _weighed(
        "error to be expected over the overlap",
        f"{half:.2f} px in the median, {matched:.2f} px of what both show",
        f"at most {limit:.3g} px, where the fit is as good as that at what both show",
        half <= limit or matched > limit,
        f"the fit extrapolates over most of the overlap, where it is likely off by {half:.1f} px "
        f"and more ({matched:.1f} px at what both rasters show)",
        "try a stiffer --transform, crop the moving raster to what both show, or name the right "
        "nodata values if it is masked by mistake",
    )


def plausible_scale(scale: float) -> Criterion:
    """No more than a normal search could see."""
    least, most = _SCALE
    return _weighed(
        "overall scale",
        f"{scale:.3f}",
        f"{least:.2f} to {most:.2f}, as far as a normal search sees",
        least <= scale <= most,
        f"the fit changes lengths by {scale:.2f}",
        "try --search wide",
    )


def undistorted(low: float, high: float, folded: bool) -> Criterion:
    """The smallest and largest local change of a length, relative to the overall scale."""
    ok = not (folded or low < 1 / _STRETCH or high > _STRETCH)
    return _weighed(
        "local change of lengths",
        "it folds" if folded else f"{low:.3f} to {high:.3f}",
        f"{1 / _STRETCH:.2f} to {_STRETCH:.2f} of the overall scale, and no folds",
        ok,
        "the fitted transform folds or stretches the image "
        f"(lengths change by {low:.2f} to {high:.2f})",
        "try a stiffer --transform",
    )


def more_alike(check: Check) -> Criterion:
    """Whether the alignment shows in the pictures."""
    return _weighed(
        "similarity before and after",
        f"{check.before:.2f} before, {check.after:.2f} after",
        "higher after",
        check.after > check.before,  # NaN is no proof
        "the rasters are no more alike after the alignment than before "
        f"(similarity {check.before:.2f} -> {check.after:.2f})",
        "name the --modality of each side, choose other bands, or try another --matcher",
    )


def within(rmse: float | None, limit: float) -> Criterion:
    """The user's own limit, both in reference pixels; no error where too few points tell."""
    error = "unknown" if rmse is None else f"{rmse:.2f} px"
    return _weighed(
        "error at left-out tie points",
        error,
        f"at most {limit:g} px (--max-rmse)",
        rmse is not None and rmse <= limit,
        f"the error ({error}) is above --max-rmse {limit:g}",
        "allow more, or look in the report where it is largest and try a more flexible --transform",
    )


def within_reach(shift: float, limit: float, unit: str) -> Criterion:
    """The user's own limit of the shift.

    The search sees somewhat further, because of rotation and scale: what is plainly better beyond
    the limit is found, and said. A repeat of a pattern that is as good there is none of it.

    Args:
        shift: of the overlap as a whole; NaN if unknown.
        limit: --max-shift.
        unit: of both.
    """
    return _weighed(
        "shift of the whole",
        f"{shift:.1f} {unit}",
        f"at most {limit:g} {unit} (--max-shift)",
        shift <= limit,  # NaN is no proof
        f"the fit shifts the whole by {shift:.1f} {unit}, more than --max-shift {limit:g}"
        + ("" if unit == "px" else unit),
        "allow more if that may be right; if a pattern repeats, look at another --area or with "
        "another --matcher",
    )


def trusted(margin: float, check: Check) -> bool:
    """Whether margin and hits together are beyond what unrelated places reach.

    Either alone fails somewhere: repeated structure and one-sided textures reach high margins by
    chance, and the hits of a fit to few places are not independent of it. On pairs of unrelated
    real places their sum stays below 0.9 (below 0.6 in scenes of 500 px and more), on true ones
    of the same modalities it is rarely below 1.4 (benchmarks/results/eval_dev.md). A sure start
    with few hits is a model that can't follow what it sees: most of the image is off. Nor do any
    hits make up for a start that leads by no more than chance does: where a pattern repeats, all
    places confirm a fit that is off by one repeat. True pairs lead by 0.45 and more.

    Args:
        margin: of the first estimate; infinite if nobody had to search.
        check: the independent look.
    """
    if math.isinf(margin):
        spread = math.sqrt(check.chance * (1 - check.chance) / max(check.independent, 1.0))
        return check.hits > check.chance + _DEVIATIONS * spread
    least, total = _needed(check)
    return check.hits >= least and margin >= CHANCE and margin + check.hits >= total


def _needed(check: Check) -> tuple[float, float]:
    """Least share of hits, and least sum of share and margin; more where there are few places."""
    few = max(0.0, 1 - check.independent / _ENOUGH)
    least = _HITS + _HITS_FEW * min(1.0, _HITS_ENOUGH / max(check.independent, 1.0))
    return least, _EVIDENCE + _FEW * few
