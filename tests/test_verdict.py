"""The verdict on fits whose quality is known."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

import scenes
import tie_points as tp
from georeg import transforms
from georeg.crs import CrsPath, in_metres
from georeg.grid import Grid
from georeg.inputs.georef import AffineGeoref
from georeg.judging import criteria
from georeg.judging.checking import Check
from georeg.neighbours import BLOCK
from georeg.pairing.frame import Frame
from georeg.search.locating import Start
from georeg.search.tiepoints import TiePoints
from georeg.settings import Settings
from georeg.textfile import finite
from georeg.transforms import Transform
from georeg.verdict import Verdict, judge, no_verdict

GOOD = Check(200, 40.0, 0.9, 0.03, 0.1, 0.5)
GSD = 10.0
UTM = CRS.from_epsg(32633)


def frame(reference_gsd: float = GSD, crs: CRS | None = UTM, high: float = 1.0) -> Frame:
    """1000 x 1000 pixels of 10 m; the reference may have finer ones, `high` times as high."""
    grid = Grid((1000, 1000), Affine(GSD, 0, scenes.ORIGIN[0], 0, -GSD, scenes.ORIGIN[1]), crs)
    step = reference_gsd
    reference = AffineGeoref(Affine(step, 0, scenes.ORIGIN[0], 0, -step * high, scenes.ORIGIN[1]))
    return Frame(grid, AffineGeoref(grid.transform), reference, CrsPath(crs, crs))


def start(margin: float = 1.2, texture: Any = None) -> Start:
    if texture is None:
        texture = np.full((250, 250), 0.1, np.float32)
    return Start(similarity(0.0), margin, 4.0, texture)


def similarity(degrees: float, scale: float = 1.0, step: Any = (0.0, 0.0)) -> Transform:
    corners = tp.grid(3, 0.0)
    a = np.radians(degrees)
    turn = scale * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    moved = (corners - tp.MIDDLE) @ turn.T + tp.MIDDLE + step
    return transforms.load("similarity").from_points(corners, moved)


def verdict(
    points: tp.Points,
    *models: str,
    check: Check = GOOD,
    begin: Start | None = None,
    where: Frame | None = None,
    **settings: Any,
) -> Verdict:
    fit = points.fit(*(models or ("shift",)), block=60.0)
    ties = TiePoints(
        points.claimed, points.true, points.score, points.sigma, len(points.claimed), 60.0
    )
    return judge(where or frame(), begin or start(), ties, fit, check, Settings(**settings))


def reason(found: Verdict) -> str:
    """The only reason."""
    assert not found.ok
    assert found.status == "refused"
    assert len(found.reasons) == 1, found.reasons
    assert found.sentence() == f"no trustworthy alignment: {found.reasons[0]}"
    return found.reasons[0]


def test_a_good_fit_is_trusted_and_measured() -> None:
    found = verdict(tp.scattered(tp.shift, outliers=0.2))
    assert found.ok
    assert found.reasons == found.warnings == ()
    assert found.status == "aligned"
    length = math.hypot(12.5, 7.25)
    assert found.displacement_px == pytest.approx(length, abs=0.1)
    assert found.displacement_m == pytest.approx(10 * length, abs=1)
    assert found.coverage == 1.0
    assert (found.tie_points, found.confidence) == (400, 1.2)
    assert found.inliers == pytest.approx(320, abs=15)
    accuracy = found.accuracy
    assert accuracy is not None
    # 0.3 px of noise along either axis.
    assert accuracy.rmse_px == pytest.approx(0.3 * math.sqrt(2), rel=0.15)
    assert accuracy.ce90_px == pytest.approx(0.3 * 2.146, rel=0.15)
    assert abs(accuracy.mean_x_px) < 0.06
    assert abs(accuracy.mean_y_px) < 0.06
    assert accuracy.rmse_m == pytest.approx(10 * accuracy.rmse_px, rel=0.01)
    assert found.sentence() == (
        f"aligned: moved by {found.displacement_px:.1f} px, error {accuracy.rmse_px:.2f} px RMSE "
        f"({accuracy.rmse_m:.3g} m)"
    )


def test_lengths_are_in_reference_pixels() -> None:
    """A reference four times as fine: four times as many pixels, the same metres."""
    points = tp.scattered(tp.shift)
    coarse, fine = verdict(points), verdict(points, where=frame(GSD / 4))
    assert fine.displacement_px == pytest.approx(4 * coarse.displacement_px)
    assert fine.displacement_m == pytest.approx(coarse.displacement_m)
    assert coarse.accuracy is not None
    assert fine.accuracy is not None
    assert fine.accuracy.rmse_px == pytest.approx(4 * coarse.accuracy.rmse_px)
    assert fine.accuracy.rmse_m == pytest.approx(coarse.accuracy.rmse_m)
    assert fine.accuracy.ce90_px == pytest.approx(4 * coarse.accuracy.ce90_px)
    assert fine.accuracy.ce90_m == pytest.approx(10 * coarse.accuracy.ce90_px, rel=0.01)
    assert fine.expected is not None
    assert coarse.expected is not None
    for name in ("half_px", "most_px", "matched_px"):
        assert getattr(fine.expected, name) == pytest.approx(4 * getattr(coarse.expected, name))
    assert fine.expected.beyond == coarse.expected.beyond == 0


def test_lengths_in_reference_pixels_that_are_not_square() -> None:
    """Ten times as high as wide: the columns tell the shift, and a mean said half as many."""
    points = tp.scattered(tp.shift)
    square, oblong = verdict(points), verdict(points, where=frame(high=10.0))
    assert oblong.displacement_px == pytest.approx(math.hypot(12.5, 0.725), rel=0.02)
    assert oblong.displacement_m == pytest.approx(square.displacement_m)
    assert square.accuracy is not None
    assert oblong.accuracy is not None
    # All that is left over are errors along the rows.
    assert oblong.accuracy.rmse_px == pytest.approx(square.accuracy.rmse_px / math.sqrt(2), rel=0.1)
    assert oblong.accuracy.mean_x_px == pytest.approx(square.accuracy.mean_x_px)
    assert oblong.accuracy.mean_y_px == pytest.approx(square.accuracy.mean_y_px / 10)
    assert oblong.accuracy.rmse_m == pytest.approx(square.accuracy.rmse_m)


def test_kilometres_are_no_powers_of_ten() -> None:
    """The demo's pixels are 6 km wide: its error was 2.7e+03 m."""
    found = verdict(tp.scattered(tp.shift), where=frame(GSD))
    assert found.accuracy is not None
    coarse = dataclasses.replace(found, accuracy=dataclasses.replace(found.accuracy, rmse_m=2704.0))
    assert coarse.sentence().endswith("(2.7 km)")
    assert in_metres(999.7) == "1.0 km"
    assert in_metres(999.4) == "999 m"


def test_without_crs_there_are_no_metres() -> None:
    found = verdict(tp.scattered(tp.shift), where=frame(crs=None))
    assert found.ok
    assert found.displacement_m is None
    assert found.accuracy is not None
    assert found.accuracy.rmse_m is None
    assert " m)" not in found.sentence()


def test_already_aligned_is_a_success_that_says_within_what() -> None:
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 1000, (300, 2))
    points = tp.scattered(lambda p: p + [0.2, -0.1], within=xy, noise=0.2)
    found = verdict(points, check=dataclasses.replace(GOOD, before=0.5, after=0.5))
    assert found.ok
    assert found.status == "already aligned"
    assert found.sentence().startswith("already aligned within 0.2 px, error 0.2")


def test_what_had_no_place_was_not_aligned_already() -> None:
    """However near the fit comes to where the search has put it."""
    points = tp.scattered(lambda p: p + [0.2, -0.1], noise=0.1)
    found = verdict(points, check=dataclasses.replace(GOOD, before=0.5, after=0.5), georef=False)
    assert found.ok
    assert found.status == "aligned"
    assert found.sentence().startswith("aligned: placed by what it shows, error 0.1")


def test_too_few_points() -> None:
    """With a warning at most about the coverage, which few points can't have."""
    found = verdict(tp.scattered(tp.shift, 5, noise=0.05))
    assert "only 5 of 5 tie points agree" in found.sentence()
    assert "--matcher" in found.sentence()


@pytest.mark.parametrize(
    ("width", "height", "small"),
    [
        (96, 96, False), (92, 92, True), (50, 200, False), (120, 50, True), (400, 32, True),
        (400, 40, False),
    ],
)  # fmt: skip
def test_what_is_too_small_to_compare(width: float, height: float, small: bool) -> None:
    assert (criteria.too_small(width, height, 1.0, 0.5) is not None) is small


@pytest.mark.parametrize(
    ("width", "height", "long"),
    [(1000, 1000, False), (10_000, 100, False), (10_001, 100, True), (60, 7000, True)],
)
def test_what_is_too_long_to_be_seen_as_a_whole(width: float, height: float, long: bool) -> None:
    assert (criteria.too_long(width, height) is not None) is long


def test_finer_pixels_are_named_only_where_they_are_enough() -> None:
    for width, finer, told in ((60.0, 2.5, True), (60.0, None, False), (30.0, 2.5, False)):
        found = criteria.too_small(width, width, 1.0, finer)
        assert found is not None
        assert ("--working-resolution 2.5" in found[1]) is told
    found = criteria.too_small(60.0, 60.0, 1.0, 2.5, enlarged=True)
    assert found is not None
    assert "--working-resolution" not in found[1]


def test_pixels_that_were_chosen_too_coarse_are_named() -> None:
    """100 degrees for a scene of 50: more ground would hardly help."""
    for finer, told in ((None, True), (2.5, False)):
        found = criteria.too_small(1.0, 1.0, 1.0, finer)
        assert found is not None
        assert ("leave --working-resolution out" in found[1]) is told


def test_clustered_points() -> None:
    rng = np.random.default_rng(0)
    points = tp.scattered(tp.shift, within=rng.uniform(10, 110, (100, 2)))
    assert "clustered" in reason(verdict(points))


def test_thin_coverage_is_a_warning() -> None:
    rng = np.random.default_rng(0)
    points = tp.scattered(tp.shift, within=rng.uniform(0, 330, (200, 2)))
    found = verdict(points)
    assert found.ok
    assert found.coverage == pytest.approx(16 / 64, abs=0.05)
    assert len(found.warnings) == 1
    assert "elsewhere the fit extrapolates" in found.warnings[0]


def test_coverage_is_of_what_there_is_to_see() -> None:
    """The sea has no tie points and needs none."""
    texture = np.zeros((250, 250), np.float32)
    texture[:83, :83] = 0.1
    rng = np.random.default_rng(0)
    points = tp.scattered(tp.shift, within=rng.uniform(0, 330, (200, 2)))
    assert verdict(points, begin=start(texture=texture)).coverage == 1.0


def test_error_above_the_limit() -> None:
    points = tp.scattered(tp.shift, noise=0.3)
    assert verdict(points, max_rmse=0.6).ok
    assert "is above --max-rmse 0.2" in reason(verdict(points, max_rmse=0.2))
    # In reference pixels.
    assert "above --max-rmse 0.6" in reason(verdict(points, where=frame(GSD / 4), max_rmse=0.6))


def test_the_user_s_own_limit_of_the_shift() -> None:
    """Of 14.45 px, or 144.5 m."""
    points = tp.scattered(tp.shift)
    assert verdict(points, max_shift=14.6).ok
    assert "shifts the whole by 14.5 px, more than --max-shift 14:" in reason(
        verdict(points, max_shift=14.0)
    )
    assert verdict(points, max_shift=146.0, max_shift_unit="m").ok
    said = reason(verdict(points, max_shift=140.0, max_shift_unit="m"))
    assert "m, more than --max-shift 140m:" in said
    # In reference pixels, four times as fine.
    assert "by 57.8 px" in reason(verdict(points, where=frame(GSD / 4), max_shift=57.0))
    # The wide search looks everywhere; without a georeference there is nothing to be shifted from.
    assert "--max-shift 14" in reason(verdict(points, max_shift=14.0, search="wide"))
    assert verdict(points, max_shift=14.0, georef=False).ok


def test_what_only_the_limit_decides_is_said() -> None:
    begin = dataclasses.replace(start(), limited=True)
    found = verdict(tp.scattered(tp.shift), begin=begin, max_shift=15.0)
    assert found.ok
    assert any("a place beyond --max-shift fits as well" in w for w in found.warnings)


def test_few_independent_places_are_said() -> None:
    """Templates of 450 px, the points at most 500 px apart: hardly more than one."""
    rng = np.random.default_rng(0)
    points = tp.scattered(tp.shift, within=rng.uniform(250, 750, (30, 2)), noise=0.1)
    fit = points.fit("shift", block=BLOCK * 450)
    ties = TiePoints(points.claimed, points.true, points.score, points.sigma, 30, BLOCK * 450)
    found = judge(frame(), start(), ties, fit, GOOD, Settings())
    assert found.ok
    assert found.accuracy is not None
    assert found.accuracy.independent is not None
    assert found.accuracy.independent < 4
    (warning,) = (w for w in found.warnings if "few places" in w)
    assert f"about {found.accuracy.independent:.0f} that share no pixels" in warning


def test_turning_is_no_shift() -> None:
    def turned(xy: tp.Array) -> tp.Array:
        return np.asarray(similarity(4.0, 1.03, (2.0, 1.0)).forward(xy))

    found = verdict(tp.scattered(turned), "similarity", max_shift=4.0)
    assert found.ok, found.reasons
    assert found.displacement_px > 20


@pytest.mark.parametrize("after", [0.3, 0.1])
def test_no_better_than_before(after: float) -> None:
    check = dataclasses.replace(GOOD, before=0.3, after=after)
    said = reason(verdict(tp.scattered(tp.shift), check=check))
    assert "no more alike after the alignment than before" in said
    assert f"(similarity 0.30 -> {after:.2f})" in said


def test_places_that_don_t_confirm() -> None:
    check = dataclasses.replace(GOOD, hits=0.03)
    said = reason(verdict(tp.scattered(tp.shift), check=check, begin=start(margin=0.1)))
    assert "only 3% of 200 places confirm the fit" in said
    assert "do the rasters show the same place? A larger --max-shift or --search wide" in said
    wide = verdict(tp.scattered(tp.shift), check=check, begin=start(margin=0.1), search="wide")
    assert "--search" not in reason(wide), "that was tried"


def test_another_place_that_fits_as_well() -> None:
    """One repeat of a pattern off, everything agrees but the lead of the first look."""
    check = dataclasses.replace(GOOD, hits=1.0)
    assert verdict(tp.scattered(tp.shift), check=check, begin=start(margin=0.3)).ok
    said = reason(verdict(tp.scattered(tp.shift), check=check, begin=start(margin=0.17)))
    assert "another place fits as well (confidence 0.17, chance reaches 0.30)" in said
    assert "--max-shift" in said
    none = reason(verdict(tp.scattered(tp.shift), check=check, begin=start(margin=0.0)))
    assert "another place fits as well (confidence 0.00" in none, "no place is missing"


def test_a_fit_elsewhere_than_the_first_look() -> None:
    """What is drawn over both stays in place; the confidence is that of the ground's place."""
    points = tp.scattered(lambda p: p + [0.1, -0.1])
    for pixels, ok in ((6.0, True), (12.0, False)):  # of level 0, which is 4 times as coarse
        begin = dataclasses.replace(start(), transform=similarity(0.0, step=(4 * pixels, 0.0)))
        found = verdict(points, begin=begin)
        assert found.ok == ok
    assert "lie 47.9 px from where the rasters as a whole match best" in reason(found)


def test_a_bend_is_no_other_place() -> None:
    """Half of it lies far on either side of the first look."""

    def bent(p: tp.Array) -> tp.Array:
        return p + 60.0 * np.column_stack([np.sin(2 * np.pi * p[:, 1] / 1000), 0 * p[:, 0]])

    assert verdict(tp.scattered(bent), "polynomial3", check=GOOD).ok


def folding(name: str) -> Transform:
    """A model that turns back on itself within the frame."""
    xy = tp.grid(20, 0.0)
    u = (xy - tp.MIDDLE) / 500
    bend = np.stack([-450 * u[:, 0] ** 2, np.zeros(len(u))], axis=1)
    return transforms.load(name).from_points(xy + bend, xy)


@pytest.mark.parametrize("name", ["polynomial2", "tps", "field"])
def test_a_folded_transform(name: str) -> None:
    said = reason(judged(folding(name)))
    assert "folds or stretches" in said
    assert "stiffer --transform" in said


def test_a_torn_transform() -> None:
    """Turned inside out: where a place went can't be told at all, so nor can its scale."""
    xy = tp.grid(20, 0.0)
    u = (xy - tp.MIDDLE) / 500
    bend = np.stack([-450 * u[:, 0] ** 2, np.zeros(len(u))], axis=1)
    said = reason(judged(transforms.load("tps").from_points(xy, xy + bend)))
    assert "folds or stretches" in said
    assert "nan" not in said


def judged(transform: Transform) -> Verdict:
    """Good evidence, for a transform that it can't have come from."""
    points = tp.scattered(tp.shift)
    fit = dataclasses.replace(points.fit("shift", block=60.0), transform=transform)
    ties = TiePoints(points.claimed, points.true, points.score, points.sigma, 400, 60.0)
    return judge(frame(), start(), ties, fit, GOOD, Settings())


def test_a_stretch_beyond_reason() -> None:
    def squeezed(xy: Any) -> Any:
        return (xy - tp.MIDDLE) * [1.6, 0.62] + tp.MIDDLE

    found = verdict(tp.scattered(squeezed), "affine")
    assert "folds or stretches" in reason(found)
    overall = math.sqrt(1.6 * 0.62)
    assert found.distortion == pytest.approx((0.62 / overall, 1.6 / overall), abs=0.01)


def test_a_scale_that_a_normal_search_can_t_find_is_suspicious() -> None:
    def half(xy: Any) -> Any:
        return (xy - tp.MIDDLE) * 0.5 + tp.MIDDLE

    points = tp.scattered(half, noise=0.1)
    assert "the fit changes lengths by 0.50: try --search wide" in reason(
        verdict(points, "similarity")
    )
    wide = verdict(points, "similarity", search="wide")
    assert wide.ok
    assert wide.distortion == pytest.approx((1, 1), abs=0.01), "relative to the overall scale"
    assert verdict(points, "similarity", georef=False).ok
    assert "try --search wide" in reason(verdict(points, "similarity", search="normal"))


def test_every_reason_is_said() -> None:
    check = Check(100, 30.0, 0.02, 0.03, 0.4, 0.1)
    points = tp.scattered(tp.shift, 5, noise=0.5)
    found = verdict(points, check=check, begin=start(margin=0.0), max_rmse=0.01)
    assert len(found.reasons) == 4
    assert found.sentence().count(";") >= 3


def test_the_wide_search_is_advised_of_turns_that_places_confirm() -> None:
    """A fit by chance, of other places, may be turned by anything: its angle is no news."""
    turned = tp.scattered(lambda xy: similarity(20.0, 1.0, (150.0, 0.0)).forward(xy))
    found = verdict(turned, "similarity", begin=start(margin=0.2))
    assert any("turns MOVING by 20 degrees" in r for r in found.reasons)
    assert not any("watermark" in r for r in found.reasons)
    check = dataclasses.replace(GOOD, hits=0.07)
    found = verdict(turned, "similarity", check=check, begin=start(margin=0.2))
    assert not found.ok
    assert not any("turns MOVING" in r for r in found.reasons)


def test_similarity_that_can_t_be_told_is_no_proof() -> None:
    """NaN compares with nothing: it must not slip through."""
    check = dataclasses.replace(GOOD, after=math.nan)
    assert "no more alike" in reason(verdict(tp.scattered(tp.shift), check=check))


def test_report_has_all_of_it_in_strict_json() -> None:
    for found in (verdict(tp.scattered(tp.shift)), no_verdict("nothing to go by", "look again")):
        data = json.loads(json.dumps(finite(found.to_dict()), allow_nan=False))
        assert set(data) == {
            "ok", "reasons", "warnings", "status", "accuracy", "tie_points", "inliers", "coverage",
            "displacement_px", "displacement_m", "distortion", "confidence", "check", "criteria",
            "placed", "expected",
        }  # fmt: skip
    data = verdict(tp.scattered(tp.shift)).to_dict()
    assert set(data["accuracy"]) == {
        "rmse_px", "ce90_px", "mean_x_px", "mean_y_px", "rmse_m", "ce90_m", "independent",
    }  # fmt: skip
    assert data["check"] == {
        "places": 200, "independent_places": 40.0, "hits": 0.9, "hits_by_chance": 0.03,
        "similarity_before": 0.1, "similarity_after": 0.5, "astray": None, "smoothed": None,
    }  # fmt: skip


def test_no_verdict_refuses_with_its_reason() -> None:
    found = no_verdict("nothing to go by", "look again", 0.2, 3)
    assert reason(found) == "nothing to go by: look again"
    assert (found.confidence, found.tie_points, found.inliers) == (0.2, 3, 0)
