"""What every matcher promises, whatever it does inside."""

from __future__ import annotations

import numpy as np
import pytest

import scenes
from georeg import matching
from georeg.matching.protocol import Device, Mask, Matcher, Surfaces, TileBatch
from georeg.voting import vote
from matcher_cases import SHIFT, batch_of, displacement, points_of, shifted


@pytest.fixture(params=matching.available())
def matcher(request: pytest.FixtureRequest) -> Matcher:
    return matching.load(request.param, Device())


def flat(shape: tuple[int, int] = (160, 160), value: float = 0.5) -> np.ndarray:
    return np.full(shape, value, np.float32)


@pytest.mark.parametrize(("goal", "radius", "limit"), [("refine", 6.0, 0.05), ("track", 12.0, 0.2)])
def test_finds_a_shift_between_the_pixels(
    matcher: Matcher, goal: str, radius: float, limit: float
) -> None:
    points = points_of(matcher, batch_of([shifted()], goal, radius))
    assert len(points) >= 20
    assert np.median(displacement(points), axis=0) == pytest.approx(SHIFT, abs=limit)
    away = np.hypot(*(displacement(points) - SHIFT).T)
    assert np.percentile(away, 90) < 0.5
    assert np.median(points.score) > 0.7
    # The claimed uncertainty is of the order of the real one.
    assert np.median(away) < 3 * np.median(points.sigma)


def test_answers_in_the_shapes_and_ranges_of_the_protocol(matcher: Matcher) -> None:
    assert matcher.name
    assert matcher.tile > 2 * (matcher.reach + 12)
    points = points_of(matcher, batch_of([shifted(seed=1), shifted(seed=2)]))
    n = len(points)
    assert points.tile.shape == (n,)
    assert set(points.tile.tolist()) == {0, 1}
    assert points.moving_xy.shape == points.reference_xy.shape == (n, 2)
    for xy in (points.moving_xy, points.reference_xy):
        assert ((xy >= 0) & (xy <= 320)).all()
    assert ((points.score >= 0) & (points.score <= 1)).all()
    assert (points.sigma > 0).all()
    assert np.abs(displacement(points)).max() <= 6 + 1.5  # a step more may be looked at


def test_finds_nothing_to_move_between_a_tile_and_itself(matcher: Matcher) -> None:
    image = scenes.texture((320, 320), 3)
    points = points_of(matcher, batch_of([(image, image)]))
    assert len(points) >= 20
    assert np.abs(displacement(points)).mean() < 0.02


def test_isnt_sure_of_unrelated_noise(matcher: Matcher) -> None:
    rng = np.random.default_rng(5)
    one, two = (rng.uniform(size=(320, 320)).astype(np.float32) for _ in range(2))
    points = points_of(matcher, batch_of([(one, two)]))
    assert len(points) < 60
    assert not len(points) or np.median(points.score) < 0.75


def test_isnt_sure_of_unrelated_places(matcher: Matcher) -> None:
    pair = scenes.texture((320, 320), 6), scenes.texture((320, 320), 7)
    right = points_of(matcher, batch_of([shifted(seed=6)]))
    wrong = points_of(matcher, batch_of([pair]))
    assert wrong.score.sum() < 0.3 * right.score.sum()


def test_flat_tiles_give_nothing(matcher: Matcher) -> None:
    for goal, radius in (("refine", 6.0), ("track", 12.0)):
        assert not len(points_of(matcher, batch_of([(flat(), flat(value=0.2))], goal, radius)))
        textured = scenes.texture((160, 160), 1)
        assert not len(points_of(matcher, batch_of([(flat(), textured)], goal, radius)))


def test_invalid_tiles_give_nothing(matcher: Matcher) -> None:
    pair = shifted(shape=(160, 160))
    none: Mask = np.zeros((160, 160), np.bool_)
    for masks in ((none, none), (~none, none), (none, ~none)):
        assert not len(points_of(matcher, batch_of([pair], masks=[masks])))


def test_an_edge_of_the_mask_pulls_no_point(matcher: Matcher) -> None:
    """Two masks with the same oblique edge: its own displacement (none) must not be found."""
    y, x = np.mgrid[:320, :320]
    valid: Mask = np.asarray(x + 0.7 * y < 330)
    points = points_of(matcher, batch_of([shifted()], masks=[(valid, valid)]))
    assert len(points) >= 10
    assert np.median(displacement(points), axis=0) == pytest.approx(SHIFT, abs=0.05)
    assert np.percentile(np.hypot(*(displacement(points) - SHIFT).T), 90) < 0.5


def test_no_point_on_invalid_pixels(matcher: Matcher) -> None:
    y, x = np.mgrid[:320, :320]
    one: Mask = np.asarray((x - 90) ** 2 + (y - 100) ** 2 > 60**2)
    two: Mask = np.asarray(x < 260)
    found = matcher.match(batch_of([shifted()], masks=[(one, two)]))
    if isinstance(found, Surfaces):
        pytest.skip("points of surfaces are the middles of templates, which are larger than that")
    at = np.floor(found.moving_xy).astype(int)
    assert len(at)
    assert one[at[:, 1], at[:, 0]].all()
    at = np.floor(found.reference_xy).astype(int)
    assert two[at[:, 1], at[:, 0]].all()


@pytest.mark.parametrize("goal", ["refine", "locate"])
def test_same_answer_twice(matcher: Matcher, goal: str) -> None:
    batch = batch_of([shifted()], goal, 20.0)
    other = matching.load(matcher.name, Device())
    first, *rest = (m.match(batch) for m in (matcher, matcher, other))
    for again in rest:
        assert type(again) is type(first)
        for name in first.__dataclass_fields__:
            one, two = getattr(first, name), getattr(again, name)
            assert (one is None) == (two is None)
            assert one is None or np.array_equal(one, two, equal_nan=True)


@pytest.mark.parametrize("shape", [(96, 96), (101, 147), (224, 160), (321, 250), (520, 380)])
def test_tiles_of_any_size(matcher: Matcher, shape: tuple[int, int]) -> None:
    points = points_of(matcher, batch_of([shifted((1.5, -2.0), shape, 4)]))
    assert len(points) >= 4
    assert np.median(displacement(points), axis=0) == pytest.approx((1.5, -2.0), abs=0.15)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (15, 40), (30, 33)])
@pytest.mark.parametrize("goal", ["locate", "track", "refine"])
def test_tiny_tiles_are_no_error(matcher: Matcher, shape: tuple[int, int], goal: str) -> None:
    rng = np.random.default_rng(1)
    pair = tuple(rng.uniform(size=shape).astype(np.float32) for _ in range(2))
    points = points_of(matcher, batch_of([(pair[0], pair[1])], goal, 6.0))
    assert np.isfinite(displacement(points)).all()


def test_a_tile_means_the_same_in_any_batch(matcher: Matcher) -> None:
    dull = (flat((320, 320)), flat((320, 320)))
    pairs = [shifted(seed=1), dull, shifted((-4.0, 1.0), seed=2), shifted(seed=3, noise=0.1)]
    together = points_of(matcher, batch_of(pairs))
    for number, pair in enumerate(pairs):
        alone = points_of(matcher, batch_of([pair]))
        mine = together.tile == number
        assert mine.sum() == len(alone)
        assert together.moving_xy[mine] == pytest.approx(alone.moving_xy, abs=1e-3)
        assert together.reference_xy[mine] == pytest.approx(alone.reference_xy, abs=1e-3)
        assert together.score[mine] == pytest.approx(alone.score, abs=1e-3)


def test_swapping_the_sides_turns_the_displacement_round(matcher: Matcher) -> None:
    batch = batch_of([shifted()])
    swapped = TileBatch(
        batch.reference,
        batch.reference_mask,
        batch.moving,
        batch.moving_mask,
        batch.radius,
        batch.goal,
    )
    there, back = points_of(matcher, batch), points_of(matcher, swapped)
    assert len(back) == pytest.approx(len(there), rel=0.25)
    middle = np.median(displacement(there), axis=0) + np.median(displacement(back), axis=0)
    assert middle == pytest.approx((0, 0), abs=0.05)


def test_locates_a_scene_from_afar(matcher: Matcher) -> None:
    shift = (31.0, -22.0)
    pair = shifted(shift, (420, 420))
    found = matcher.match(batch_of([pair], "locate", 60.0))
    if isinstance(found, Surfaces):
        result = vote(found, (210.0, 210.0), rotation=3.0, scale=0.03)
        assert result is not None
        assert result.margin > 0.5
        assert result.shift == pytest.approx(shift, abs=2.0)
    else:
        assert len(found) >= 10
        assert np.median(displacement(found), axis=0) == pytest.approx(shift, abs=0.5)


def test_doesnt_change_what_it_is_given(matcher: Matcher) -> None:
    batch = batch_of([shifted(shape=(160, 160))])
    before = [a.copy() for a in (batch.moving, batch.reference)]
    points_of(matcher, batch)
    assert np.array_equal(before[0], batch.moving)
    assert np.array_equal(before[1], batch.reference)
