"""The independent look, on scenes where the truth is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scenes
from georeg import matching
from georeg.judging.checking import Check, check_alignment
from georeg.judging.criteria import trusted, without_detail
from georeg.judging.overlaid import Smoothed
from georeg.matching.protocol import Device
from georeg.matching.team import Team
from georeg.pairing.scene import Scene, open_scene
from georeg.planning import plan_alignment
from georeg.search.locating import Start, from_matrix, survey
from georeg.settings import Settings
from georeg.transforms import Transform, load

SHAPE = (300, 300)
STEP = (9.0, -6.0)


def shift(dx: float, dy: float) -> Transform:
    return load("shift").from_points(np.zeros((1, 2)), np.array([[dx, dy]]))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> scenes.Pair:
    return scenes.make_pair(tmp_path_factory.mktemp("pair"), scenes.shift(*STEP), SHAPE)


@pytest.fixture(scope="module")
def scene(pair: scenes.Pair) -> Iterator[Scene]:
    with open_scene(pair.moving, pair.reference, Settings()) as opened:
        yield opened


@pytest.fixture(scope="module")
def judge() -> Team:
    return Team([(matching.load("structural", Device()), Device())])


def start_of(scene: Scene) -> Start:
    return survey(scene, from_matrix(np.eye(3)), 1.0)


def look(scene: Scene, judge: Team, transform: Transform, *left_out: Any) -> Check:
    def fold(xy: Any) -> Any:
        return (xy[:, 0] > SHAPE[1] / 2).astype(int)

    return check_alignment(scene, judge, start_of(scene), transform, left_out, fold)


def test_the_truth_is_confirmed(scene: Scene, judge: Team) -> None:
    check = look(scene, judge, shift(*STEP))
    assert check.hits > 0.9
    assert check.after > check.before + 0.1
    assert check.places > 20
    assert 0 < check.independent <= check.places
    assert check.chance < 0.05


def test_an_error_of_some_pixels_is_seen(scene: Scene, judge: Team) -> None:
    right = look(scene, judge, shift(*STEP))
    wrong = look(scene, judge, shift(STEP[0] + 5, STEP[1] - 4))
    assert wrong.hits < 0.1
    assert wrong.after < right.after - 0.1


def test_what_lies_out_of_reach_is_chance(scene: Scene, judge: Team) -> None:
    check = look(scene, judge, shift(STEP[0] + 40, STEP[1] - 50))
    assert check.hits < 0.2


def test_places_are_judged_by_the_models_that_were_fitted_without_them(
    scene: Scene, judge: Team
) -> None:
    """The transform is right, but the left-out model of one half is not."""
    right, wrong = shift(*STEP), shift(STEP[0] + 8, STEP[1])
    both = look(scene, judge, right, right, right)
    half = look(scene, judge, right, right, wrong)
    none = look(scene, judge, right, wrong, wrong)
    assert both == look(scene, judge, right)
    assert 0.3 < half.hits < 0.7
    assert none.hits < 0.1
    assert none.after < half.after < both.after


def test_a_fold_without_model_confirms_nothing(scene: Scene, judge: Team) -> None:
    right = shift(*STEP)
    assert look(scene, judge, right, None, None).hits == 0
    assert 0.3 < look(scene, judge, right, None, right).hits < 0.7


@pytest.mark.parametrize("times", [2.0, 4.0])
def test_the_same_pixels_in_a_finer_frame(scene: Scene, judge: Team, times: float) -> None:
    """What the places show doesn't depend on the pixels that a fit is in."""
    right, wrong = shift(*STEP), shift(STEP[0] + 2, STEP[1])
    check = look(scene, judge, right, right, wrong)
    finer = scene.zoomed(times)
    models = tuple(shift(times * STEP[0] + step, times * STEP[1]) for step in (0, 2 * times))
    again = check_alignment(
        finer, judge, start_of(finer), models[0], models,
        lambda xy: (xy[:, 0] > times * SHAPE[1] / 2).astype(int), unit=times,
    )  # fmt: skip
    assert (again.places, again.independent, again.chance) == (
        check.places, check.independent, check.chance,
    )  # fmt: skip
    assert again.hits == pytest.approx(check.hits, abs=0.03)
    assert again.after == pytest.approx(check.after, abs=0.01)
    assert again.before == pytest.approx(check.before, abs=0.01)
    assert again.unit == times


def test_unrelated_places_are_not_confirmed(tmp_path: Path, judge: Team) -> None:
    one = scenes.make_pair(tmp_path / "one", scenes.shift(0, 0), SHAPE, seed=1)
    two = scenes.make_pair(tmp_path / "two", scenes.shift(0, 0), SHAPE, seed=2)
    with open_scene(one.moving, two.reference, Settings()) as scene:
        check = look(scene, judge, shift(0, 0))
    assert check.hits < 0.25
    assert check.after < 0.2


def test_before_is_where_it_was_placed_at_first(scene: Scene, judge: Team, tmp_path: Path) -> None:
    placed = scenes.make_pair(tmp_path, scenes.shift(0, 0), SHAPE)
    right = shift(*STEP)
    with open_scene(placed.moving, placed.reference, Settings()) as first:
        check = check_alignment(scene, judge, start_of(scene), right, (), None, first)
    assert check.before == pytest.approx(check.after, abs=0.05)
    assert check.before > look(scene, judge, right).before + 0.1


def test_a_transform_that_leads_away_leaves_nothing_to_see(scene: Scene, judge: Team) -> None:
    check = look(scene, judge, shift(5000, 0))
    assert (check.places, check.hits, check.chance) == (0, 0.0, 1.0)


def test_plan_tells_what_align_would_look_at(pair: scenes.Pair) -> None:
    plan = plan_alignment(pair.moving, pair.reference, Settings(max_shift=100, max_tiles=3))
    assert plan["moving"]["shape"] == list(SHAPE)
    assert plan["frame"]["crs"] == scenes.CRS
    assert plan["frame"]["metres_per_pixel"] == pytest.approx(1.0, rel=0.01)
    assert plan["max_shift_px"] == pytest.approx(100)
    assert plan["levels"][-1]["goal"] == "refine"
    assert plan["levels"][-1]["factor"] == 1.0
    assert 1 <= len(plan["levels"][-1]["tiles"]) <= 3
    assert plan["tiles"] == sum(len(level["tiles"]) for level in plan["levels"])
    for level in plan["levels"]:
        for tile in level["tiles"]:
            assert tile["moving"][2] > 0
            assert tile["reference"][3] > 0


def test_plan_of_a_large_raster_is_small(tmp_path: Path) -> None:
    """A budget, whatever the size; only a decimated view of the pixels is read."""
    import large_scene

    moving, reference = large_scene.make(tmp_path, 5000)
    plan = plan_alignment(moving, reference, Settings(max_tiles=40))
    assert [round(level["factor"], 2) for level in plan["levels"]][-1] == 1.0
    ground = sum(t["window"][2] * t["window"][3] for t in plan["levels"][-1]["tiles"])
    assert 20 * 320**2 <= ground <= 40 * 320**2


def test_the_share_of_places_is_the_same_everywhere() -> None:
    """Rounded twice, 342 of 1021 places were 34 % in a report whose reason said 33 %."""
    check = Check(1021, 30.0, 342 / 1021, 0.03, 0.1, 0.5)
    assert f"{check.to_dict()['hits']:.0%}" == f"{check.hits:.0%}" == "33%"


@pytest.mark.parametrize(
    ("away", "margin", "ok"), [(5.0, 0.8, True), (7.0, 0.8, False), (7.0, 0.4, True)]
)
def test_the_ground_may_lie_elsewhere_only_if_that_is_unsure(
    away: float, margin: float, ok: bool
) -> None:
    """In reference pixels, two along one that was looked at."""
    found = without_detail(Smoothed(away, margin, 6.0), 2.0)
    assert found.ok is ok
    assert f"{2 * away:.1f} px" in found.found
    assert "at most 12 px" in found.needed
    assert bool(found.reason) is bool(found.advice) is not ok


@pytest.mark.parametrize(
    ("independent", "margin", "hits", "ok"),
    [
        (40.0, 0.45, 0.45, False),  # as much as unrelated places reach
        (40.0, 0.7, 0.7, True),
        (40.0, 1.5, 0.2, False),  # most of the image is off
        (40.0, 0.2, 1.0, False),  # one repeat of a pattern off
        (4.0, 0.6, 0.6, False),  # few places are alike by chance more easily
        (4.0, 0.8, 0.8, True),
        (4.0, 1.5, 0.4, False),
    ],
)
def test_lead_and_places_must_speak_for_a_fit(
    independent: float, margin: float, hits: float, ok: bool
) -> None:
    assert trusted(margin, Check(200, independent, hits, 0.03, 0.1, 0.5)) is ok


def test_points_by_hand_are_trusted_where_more_than_chance_confirms_them() -> None:
    """Nobody had to search, so there is no confidence; 40 independent places of 3 % by chance."""
    rng = np.random.default_rng(0)
    unrelated = rng.binomial(40, 0.03, 5000) / 40
    found = [trusted(math.inf, Check(200, 40.0, h, 0.03, 0.1, 0.5)) for h in unrelated]
    assert np.mean(found) < 0.01
    assert trusted(math.inf, Check(200, 40.0, 0.2, 0.03, 0.1, 0.5))
