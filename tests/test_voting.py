"""Many weak templates together: a known similarity is found, unrelated ones aren't believed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from georeg.matching.protocol import Array, Image, Surfaces
from georeg.search import voting
from georeg.search.voting import Vote, log_likelihood, vote

PIVOT = (256.0, 256.0)
STEP, RADIUS = 4.0, 20


def scene(
    truth: Vote | None,
    *,
    per_side: int = 8,
    height: float = 3.0,
    wrong: float = 0.0,
    seed: int = 0,
) -> Surfaces:
    """Templates on a grid, noise of deviation 1, and a peak where a similarity puts it."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(60, 452, per_side), np.linspace(60, 452, per_side))
    center = np.stack([x.ravel(), y.ravel()], axis=1)
    at = np.arange(-RADIUS, RADIUS + 1) * STEP
    score = rng.normal(size=(len(center), len(at), len(at)))
    if truth is not None:
        matrix = truth.matrix()
        moved = center @ matrix[:2, :2].T + matrix[:2, 2] - center
        lost = rng.uniform(size=len(center)) < wrong
        moved[lost] = rng.uniform(-RADIUS, RADIUS, (int(lost.sum()), 2)) * STEP
        apart = (at[None, None, :] - moved[:, 0, None, None]) ** 2
        apart = apart + (at[None, :, None] - moved[:, 1, None, None]) ** 2
        score += height * np.exp(-apart / (2 * STEP**2))
    index = np.arange(len(center))
    return Surfaces(index, center, (0.1 * score).astype(np.float32), STEP, 128.0)


def similarity(rotation: float, scale: float, shift: tuple[float, float]) -> Vote:
    return Vote(rotation, scale, shift, PIVOT, 0.0, 0.0, 0)


def corner_error(found: Vote, truth: Vote) -> float:
    corners: Array = np.array([[0.0, 0, 1], [512, 0, 1], [0, 512, 1], [512, 512, 1]])
    return float(np.hypot(*(corners @ (found.matrix() - truth.matrix()).T)[:, :2].T).max())


@pytest.mark.parametrize(
    ("rotation", "scale", "shift"),
    [(0.0, 1.0, (0.0, 0.0)), (0.0, 1.0, (-33.0, 21.0)), (2.0, 1.0, (10.0, 5.0)),
     (0.0, 0.97, (5.0, -9.0)), (-4.0, 1.04, (12.0, -20.0))],
)  # fmt: skip
def test_finds_a_known_similarity(
    rotation: float, scale: float, shift: tuple[float, float]
) -> None:
    truth = similarity(rotation, scale, shift)
    found = vote(scene(truth, height=4.0), PIVOT, rotation=6.0, scale=0.06)
    assert found is not None
    assert corner_error(found, truth) < 2 * STEP
    assert found.margin > 0.5
    assert found.support == 64
    assert found.pivot == PIVOT


def test_most_templates_may_be_wrong() -> None:
    truth = similarity(1.0, 1.01, (16.0, -12.0))
    found = vote(scene(truth, height=5.0, wrong=0.6), PIVOT, rotation=3.0, scale=0.03)
    assert found is not None
    assert corner_error(found, truth) < 2 * STEP


def test_no_single_template_has_to_know() -> None:
    """Peaks lower than what noise reaches in nearly every surface: together they are clear."""
    truth = similarity(0.0, 1.0, (20.0, -8.0))
    surfaces = scene(truth, height=2.5, per_side=14)
    best = surfaces.score.reshape(len(surfaces), -1).argmax(axis=1)
    y, x = np.divmod(best, 2 * RADIUS + 1)
    near = np.hypot((x - RADIUS) * STEP - 20, (y - RADIUS) * STEP + 8) <= 1.5 * STEP
    assert near.mean() < 0.4
    found = vote(surfaces, PIVOT, rotation=2.0, scale=0.02)
    assert found is not None
    assert corner_error(found, truth) < 2 * STEP


@pytest.mark.parametrize("seed", range(3))
def test_unrelated_scenes_have_no_margin(seed: int) -> None:
    found = vote(scene(None, seed=seed), PIVOT, rotation=6.0, scale=0.06)
    assert found is not None
    assert found.margin < 0.2


def test_without_freedom_only_the_shift_is_sought() -> None:
    found = vote(scene(similarity(0, 1, (8.0, 8.0))), PIVOT, rotation=0.0, scale=0.0)
    assert found is not None
    assert (found.rotation, found.scale) == (0.0, 1.0)
    assert found.shift == pytest.approx((8.0, 8.0), abs=1.0)


def test_no_surfaces_no_vote() -> None:
    empty = scene(None).select(np.zeros(64, bool))
    assert vote(empty, PIVOT, rotation=1.0, scale=0.01) is None


def test_unknown_displacements_are_no_evidence() -> None:
    truth = similarity(0, 1, (-12.0, 16.0))
    surfaces = scene(truth, height=5.0)
    score = surfaces.score.copy()
    score[:, :, : RADIUS - 8] = np.nan
    score[5] = np.nan
    partly = Surfaces(surfaces.tile, surfaces.center, score, STEP, 128.0)
    found = vote(partly, PIVOT, rotation=1.0, scale=0.01)
    assert found is not None
    assert math.isfinite(found.score)
    assert corner_error(found, truth) < 2 * STEP


def test_templates_that_see_nothing_are_no_evidence_against_a_rival() -> None:
    """A pattern repeats: where the data end, fewer templates see the one place than the other."""
    near, far = similarity(0, 1, (-8.0, 4.0)), similarity(0, 1, (60.0, 4.0))
    score = scene(near, height=5.0).score + scene(far, height=5.0, seed=1).score
    alone = scene(near, height=5.0)
    at = alone.center[:, 0, None] + (np.arange(2 * RADIUS + 1) - RADIUS) * STEP

    def margin(score: Image) -> float:
        cut = np.where((at < 440)[:, None, :], score, np.nan).astype(np.float32)
        surfaces = Surfaces(alone.tile, alone.center, cut, STEP, 128.0)
        found = vote(surfaces, PIVOT, rotation=0.0, scale=0.0)
        assert found is not None
        assert corner_error(found, near) < STEP
        return found.margin

    assert margin(score) < 0.2
    assert margin(alone.score) > 0.8


def both(near: float, far: float, seed: int = 0) -> Surfaces:
    """A pattern that repeats: peaks of such heights at (-8, 4) and at (60, 4)."""
    one = scene(similarity(0, 1, (-8.0, 4.0)), height=near, seed=seed)
    other = scene(similarity(0, 1, (60.0, 4.0)), height=far, seed=seed + 1)
    return Surfaces(one.tile, one.center, one.score + other.score, STEP, 128.0)


def test_a_repeat_beyond_what_is_possible_is_no_rival() -> None:
    surfaces = both(5.0, 5.1)
    found = vote(surfaces, PIVOT, rotation=1.0, scale=0.01)
    assert found is not None
    assert found.margin < 0.2
    assert not found.limited
    found = vote(surfaces, PIVOT, rotation=1.0, scale=0.01, within=(0.0, 0.0, 24.0))
    assert found is not None
    assert found.shift == pytest.approx((-8.0, 4.0), abs=2.0)
    assert found.margin > 0.8
    assert found.limited
    # As seen from elsewhere, the other one is.
    found = vote(surfaces, PIVOT, rotation=1.0, scale=0.01, within=(56.0, 0.0, 24.0))
    assert found is not None
    assert found.shift == pytest.approx((60.0, 4.0), abs=2.0)


def test_a_place_that_is_better_by_more_than_chance_is_found_beyond_the_limit() -> None:
    """It is refused then, and says what was found; nothing is made up inside."""
    found = vote(both(2.5, 6.0), PIVOT, rotation=1.0, scale=0.01, within=(0.0, 0.0, 24.0))
    assert found is not None
    assert found.shift == pytest.approx((60.0, 4.0), abs=2.0)
    assert not found.limited


@pytest.mark.parametrize("radius", [0.0, 8.0, 24.0, 60.0])
def test_few_possible_places_make_no_lead_of_chance(radius: float) -> None:
    for seed in range(8):
        surfaces = scene(None, seed=seed)
        found = vote(surfaces, PIVOT, rotation=2.0, scale=0.02, steps=5, within=(0.0, 0.0, radius))
        assert found is not None
        assert found.margin < 0.2


def test_the_limit_changes_nothing_of_what_is_clear() -> None:
    surfaces = scene(similarity(0, 1, (8.0, 8.0)), height=5.0)
    free = vote(surfaces, PIVOT, rotation=1.0, scale=0.01)
    limited = vote(surfaces, PIVOT, rotation=1.0, scale=0.01, within=(0.0, 0.0, 16.0))
    assert free is not None
    assert limited is not None
    assert limited.matrix() == pytest.approx(free.matrix())
    assert limited.margin > 0.8
    assert not limited.limited


def test_likelihood_ratios() -> None:
    flat = np.zeros((1, 9, 9), np.float32)
    assert log_likelihood(flat) == pytest.approx(np.zeros((1, 9, 9)), abs=1e-5)
    rng = np.random.default_rng(0)
    score = rng.normal(size=(4, 21, 21)).astype(np.float32)
    score[:, 3, 4] = 8.0
    ratio = log_likelihood(score)
    assert ratio.shape == score.shape
    # Against chance: over all displacements the likelihoods average to one.
    assert np.exp(ratio).mean(axis=(1, 2)) == pytest.approx(np.ones(4), abs=1e-4)
    assert (ratio.reshape(4, -1).argmax(axis=1) == 3 * 21 + 4).all()
    # However bad a displacement looks, the template may be an outlier.
    assert ratio.min() >= math.log(0.3) - 1e-6
    # Neither gain nor offset of the similarities matters.
    assert log_likelihood(0.1 * score + 0.5) == pytest.approx(ratio, abs=1e-2)


def test_likelihoods_are_each_templates_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few or many at a time: the same numbers."""
    score = scene(similarity(0.0, 1.0, (8.0, 0.0))).score
    score[3, :10] = np.nan
    together = log_likelihood(score)
    monkeypatch.setattr(voting, "_AT_ONCE", 5 * score[0].size)
    assert np.array_equal(log_likelihood(score), together)
    assert np.array_equal(log_likelihood(score[3:4]), together[3:4])
    assert log_likelihood(score[:0]).shape == (0, *score.shape[1:])


def test_sums_are_of_the_places_that_a_hypothesis_predicts() -> None:
    surfaces = scene(similarity(3.0, 1.02, (8.0, -12.0)))
    pool = voting._Pool(surfaces, PIVOT, 0.3)
    found = pool.sum(3.0, 1.02)
    middle, width = pool.most, 2 * RADIUS + 1
    expected = np.zeros((width, width), np.float32)
    turned = similarity(3.0, 1.02, (0.0, 0.0)).matrix()
    offsets = (surfaces.center @ turned[:2, :2].T + turned[:2, 2] - surfaces.center) / STEP
    for padded, (x, y) in zip(pool.padded, np.rint(offsets).astype(int), strict=True):
        expected += padded[middle + y :, middle + x :][:width, :width]
    assert np.array_equal(found, expected)


def test_the_matrix_turns_about_the_pivot() -> None:
    matrix = Vote(90.0, 2.0, (3.0, 4.0), (10.0, 20.0), 0, 0, 0).matrix()
    assert matrix @ [10.0, 20.0, 1.0] == pytest.approx((13, 24, 1))
    assert matrix @ [11.0, 20.0, 1.0] == pytest.approx((13, 26, 1))  # x turns towards y
