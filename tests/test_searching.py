"""The wide search: what is turned, scaled and moved at will, and what looks the same twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from affine import Affine

import scenes
from georeg.align import Alignment, measure
from georeg.choosing import choice_for, team_of
from georeg.matching.running import pick_devices
from georeg.matching.team import Team
from georeg.pairing.scene import Scene, open_scene
from georeg.search import guessing
from georeg.search.searching import Guess, Search, angle_and_scale, level, similarity
from georeg.settings import Settings

SHAPE = (420, 480)
SETTINGS = Settings(matcher="structural", search="wide", threads=1)


def corrected(result: Alignment) -> scenes.Warp:
    """Claimed -> true reference pixels by what was found."""
    fit = result.fit
    assert fit is not None
    scale, origin = np.array([1.0, -1.0]), np.array(scenes.ORIGIN)

    def mapping(xy: scenes.Array) -> scenes.Array:
        claimed = fit.frame.to_pixel(xy * scale + origin)
        return np.asarray((fit.frame.to_map(fit.transform.forward(claimed)) - origin) * scale)

    return mapping


@pytest.mark.parametrize(
    ("angle", "scale", "shift"),
    [(37.0, 1.0, (0, 0)), (-112.0, 0.75, (30, -20)), (172.5, 1.3, (-15, 25)), (9.0, 1.6, (0, 10))],
)
def test_finds_what_is_turned_and_scaled(
    tmp_path: Path, angle: float, scale: float, shift: tuple[int, int]
) -> None:
    truth = scenes.similarity(angle, scale, *shift, SHAPE)
    pair = scenes.make_pair(tmp_path, truth, SHAPE)
    result = measure(pair.moving, pair.reference, SETTINGS)
    assert result.verdict.ok, result.verdict.reasons
    assert np.nanmedian(pair.errors(corrected(result))) < 0.3


def test_what_is_turned_too_far_is_told_of_the_wide_search(tmp_path: Path) -> None:
    """Turned by 20 degrees: tiles follow it, but the advice was about patterns that repeat."""
    shape = (400, 400)
    pair = scenes.make_pair(tmp_path, scenes.similarity(20.0, 1.0, 5, -3, shape), shape)
    refused = measure(pair.moving, pair.reference, Settings(threads=1)).verdict
    assert not refused.ok
    assert refused.reasons
    for reason in refused.reasons:
        assert "turns MOVING by 20 degrees and scales it by 1.00" in reason
        assert reason.endswith("try --search wide")
    result = measure(pair.moving, pair.reference, Settings(threads=1, search="wide"))
    assert result.verdict.ok, result.verdict.reasons
    assert np.nanmedian(pair.errors(corrected(result))) < 0.3


def test_the_same_twice_is_not_believed(tmp_path: Path) -> None:
    """Of a scene that looks the same upside down nobody can tell which way it lies."""
    image = scenes.texture(SHAPE, 3)
    image = np.asarray((image + image[::-1, ::-1]) / 2, np.float32)
    base = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])
    reference = scenes.write(tmp_path / "reference.tif", image, base)
    turned = np.rot90(image, 1)  # 90 or 270 degrees: both are right
    moving = scenes.write(
        tmp_path / "moving.png", np.ascontiguousarray(turned), crs=None, driver="PNG"
    )
    settings = Settings(matcher="structural", search="wide", georef=False, threads=1)
    with open_scene(moving, reference, settings) as scene:
        devices = pick_devices("cpu")
        with team_of(choice_for(scene.modalities, devices, settings), devices, settings) as team:
            _, found = guessing.wide(scene, team)
    assert found is not None
    assert found.margin <= 0.3


def test_hypotheses_cover_all_that_is_promised() -> None:
    """Each rotation and scale has one near enough that templates bear what is left."""
    tried = [(1.0, 0.0), *guessing._guesses()]
    assert len(set(tried)) == len(tried)
    degrees, share = guessing._TOLERATED
    for angle in np.arange(0, 360, 3.7):
        for scale in np.geomspace(0.25, 4.0, 41):
            assert any(
                abs((angle - a + 180) % 360 - 180) <= degrees and abs(scale / s - 1) <= share + 0.01
                for s, a in tried
            ), (angle, scale)


def test_likely_hypotheses_come_first() -> None:
    tried = list(guessing._guesses())
    assert [a for _, a in tried[:3]] == [90.0, 270.0, 180.0]
    assert {s for s, _ in tried[:23]} == {1.0}
    assert max(abs(np.log2(s)) for s, _ in tried[:119]) < 0.51


def test_levels_speak_of_the_same_places(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.shift(0, 0), SHAPE)
    with open_scene(pair.moving, pair.reference, SETTINGS) as scene:
        devices = pick_devices("cpu")
        with team_of(choice_for(scene.modalities, devices, SETTINGS), devices, SETTINGS) as team:
            small, large = Search(scene, team, 120), Search(scene, team, 480)
        far = replace(scene, max_shift=360.0)
        assert level(far, 480)[2] == 368
        assert level(far, 480, bounded=True)[2] == 248  # brings anything anywhere
        assert level(replace(scene, max_shift=9.0), 480, bounded=True)[2] == 17
    assert small.factor == 4 * large.factor
    matrix = similarity(30.0, 1.2, small.middle)
    on_large = large.from_level(matrix, small.factor)
    assert angle_and_scale(on_large) == pytest.approx((30.0, 1.2))
    guess = large.from_map(small.on_map(Guess(matrix, 0.5, 9)))
    assert guess is not None
    assert guess.matrix == pytest.approx(on_large, abs=1e-6)
    assert large.from_map(large.on_map(None)) is None
    # The middle is where it was on either level.
    assert on_large @ [*large.middle, 1] == pytest.approx([*large.middle, 1])


def test_nothing_is_asked_twice() -> None:
    """What was found on other pixels comes first; the rest is asked, from where that ended."""
    asked: list[tuple[float, float]] = []

    class Level:
        tried, middle, everywhere = 0, np.zeros(2), 1.0
        team = SimpleNamespace(at_once=1)

        def peek(self, start: scenes.Array, *_: float, steps: int) -> Guess:
            angle, scale = angle_and_scale(start)
            asked.append((scale, angle % 360))
            return Guess(start, 0.1, 9)

    small: Any = Level()
    known = [Guess(np.eye(3), margin, 9) for margin in (0.2, 0.3)]
    met = [known[0], None, known[1]]
    found = list(guessing._small(small, None, met))
    everything = list(guessing._guesses())
    assert found[:2] == known
    assert np.allclose(asked, everything[3:])
    assert len(met) == small.tried == len(everything)


def test_a_second_look_knows_what_was_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unrelated rasters: the other look, on finer pixels, took as long once more."""
    base = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])
    pair = [
        scenes.write(tmp_path / f"{seed}.tif", scenes.texture((64, 64), seed), base)
        for seed in (1, 2)
    ]
    told: list[int] = []

    def wide(scene: Scene, team: Team, known: Sequence[Guess | None]) -> tuple[Search, Guess]:
        told.append(len(known))
        search = Search(scene, team, 256, bounded=True)
        search.guesses = (None, Guess(np.eye(3), 0.2, 9))
        return search, Guess(np.eye(3), 0.2, 9)

    monkeypatch.setattr(guessing, "wide", wide)
    assert not measure(*pair, replace(SETTINGS, max_shift=64.0)).verdict.ok
    assert told == [0, 2]


def test_threads_change_nothing(tmp_path: Path) -> None:
    """Hypotheses are looked at ahead in threads; what is found, and after how many, is the same."""
    truth = scenes.similarity(-100.0, 0.9, 10, -5, SHAPE)
    pair = scenes.make_pair(tmp_path, truth, SHAPE)
    found = []
    for threads in (1, 3):
        settings = Settings(matcher="structural", search="wide", threads=threads)
        with open_scene(pair.moving, pair.reference, settings) as scene:
            devices = pick_devices("cpu")
            choice = choice_for(scene.modalities, devices, settings)
            with team_of(choice, devices, settings) as team:
                search, guess = guessing.wide(scene, team)
        assert guess is not None
        found.append((guess.matrix.tolist(), guess.margin, search.tried))
    assert found[0] == found[1]
    assert found[0][2] < 60


def test_shear_is_found_by_all_templates_together(tmp_path: Path) -> None:
    """An oblique view: no similarity fits better than 20 px, and none finds it alone."""
    matrix = np.array([[0.95, 0.28, 0], [-0.12, 1.08, 0]])
    middle = np.array([SHAPE[1] / 2, SHAPE[0] / 2])

    def truth(xy: scenes.Array) -> scenes.Array:
        return np.asarray((xy - middle) @ matrix[:, :2].T + middle + [6.0, -9.0])

    pair = scenes.make_pair(tmp_path, truth, SHAPE)
    result = measure(pair.moving, pair.reference, SETTINGS)
    assert result.verdict.ok, result.verdict.reasons
    assert np.nanmedian(pair.errors(corrected(result))) < 0.3
