"""What every matcher promises, whatever it does inside.

Trained ones run with random weights, so of them only what doesn't depend on training is asked.
minima_roma, whose weights take a minute to make, is with its network's tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import scenes
from georeg import choosing
from georeg.matching.protocol import Device, Image, Mask, Matcher, Surfaces, TileBatch, TilePoints
from georeg.matching.running import one_thread_each
from georeg.search.peaks import read_peaks
from georeg.search.voting import vote
from matcher_cases import (
    BUILT_IN,
    SHIFT,
    TRAINED,
    Subject,
    batch_of,
    displacement,
    points_of,
    shifted,
    subject,
)

Answered = tuple[TileBatch, TileBatch, Surfaces | TilePoints]


@pytest.fixture(params=BUILT_IN)
def matcher(request: pytest.FixtureRequest) -> Matcher:
    return choosing.loader(request.param)(Device())


@pytest.fixture(params=[n for n in [*BUILT_IN, *TRAINED] if n != "minima_roma"], scope="module")
def any_one(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """In one thread, as in georeg's own runs of small batches."""
    with one_thread_each(Device()):
        yield subject(request.param)


@pytest.fixture(scope="module")
def answered(any_one: Subject) -> Answered:
    """A batch that was matched, a copy of it from before, and the answer."""
    batch = any_one.batch([any_one.pair()])
    before = deepcopy(batch)
    return batch, before, any_one.matcher.match(batch)


@pytest.fixture(scope="module")
def together(any_one: Subject) -> TilePoints:
    """Three tile pairs in a batch: the one of `answered`, one without texture, and a noisy one."""
    dull = (flat((any_one.side,) * 2), flat((any_one.side,) * 2))
    return points_of(any_one.matcher, any_one.batch([any_one.pair(), dull, noisy(any_one)]))


def noisy(subject: Subject) -> tuple[Image, Image]:
    return subject.pair(seed=3, noise=0.1)


@pytest.fixture(scope="module")
def twin(any_one: Subject) -> Matcher:
    """The same matcher, made once more."""
    return subject(any_one.matcher.name).matcher


def flat(shape: tuple[int, int] = (160, 160), value: float = 0.5) -> np.ndarray:
    return np.full(shape, value, np.float32)


@pytest.mark.parametrize(
    ("goal", "radius", "limit"),
    [("refine", 6.0, 0.05), ("detail", 6.0, 0.05), ("track", 12.0, 0.2)],
)
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


def test_answers_in_the_shapes_and_ranges_of_the_protocol(
    any_one: Subject, together: TilePoints
) -> None:
    assert any_one.matcher.name
    assert any_one.matcher.tile > 2 * (any_one.matcher.reach + 12)
    points = together
    n = len(points)
    assert points.tile.shape == (n,)
    assert set(points.tile.tolist()) == {0, 2}
    assert points.moving_xy.shape == points.reference_xy.shape == (n, 2)
    for xy in (points.moving_xy, points.reference_xy):
        assert ((xy >= 0) & (xy <= any_one.side)).all()
    assert ((points.score >= 0) & (points.score <= 1)).all()
    assert (points.sigma > 0).all()
    # A step more may be looked at.
    assert np.abs(displacement(points)).max() <= any_one.radius + 1.5


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


def test_flat_tiles_give_nothing(any_one: Subject) -> None:
    for goal, radius in (("refine", 6.0), ("detail", 6.0), ("track", 12.0)):
        textured = scenes.texture((160, 160), 1)
        for pair in ((flat(), flat(value=0.2)), (flat(), textured), (textured, flat())):
            assert not len(points_of(any_one.matcher, batch_of([pair], goal, radius)))


def test_invalid_tiles_give_nothing(any_one: Subject) -> None:
    pair = any_one.pair()
    none: Mask = np.zeros(pair[0].shape, np.bool_)
    for masks in ((none, none), (~none, none), (none, ~none)):
        assert not len(points_of(any_one.matcher, any_one.batch([pair], [masks])))


def test_an_edge_of_the_mask_pulls_no_point(matcher: Matcher) -> None:
    """Two masks with the same oblique edge: its own displacement (none) must not be found."""
    y, x = np.mgrid[:320, :320]
    valid: Mask = np.asarray(x + 0.7 * y < 330)
    points = points_of(matcher, batch_of([shifted()], masks=[(valid, valid)]))
    assert len(points) >= 10
    assert np.median(displacement(points), axis=0) == pytest.approx(SHIFT, abs=0.05)
    assert np.percentile(np.hypot(*(displacement(points) - SHIFT).T), 90) < 0.5


def test_no_point_on_invalid_pixels(any_one: Subject) -> None:
    y, x = np.mgrid[: any_one.side, : any_one.side] / any_one.side
    one: Mask = np.asarray((x - 0.28) ** 2 + (y - 0.31) ** 2 > 0.19**2)
    two: Mask = np.asarray(x < 0.81)
    found = any_one.matcher.match(any_one.batch([any_one.pair()], [(one, two)]))
    if isinstance(found, Surfaces):
        pytest.skip("points of surfaces are the middles of templates, which are larger than that")
    at = np.floor(found.moving_xy).astype(int)
    assert len(at)
    assert one[at[:, 1], at[:, 0]].all()
    at = np.floor(found.reference_xy).astype(int)
    assert two[at[:, 1], at[:, 0]].all()


def assert_same(first: Surfaces | TilePoints, again: Surfaces | TilePoints) -> None:
    assert len(first)
    assert type(again) is type(first)
    for name in first.__dataclass_fields__:
        one, two = getattr(first, name), getattr(again, name)
        assert (one is None) == (two is None)
        assert one is None or np.array_equal(one, two, equal_nan=True)


def test_same_answer_twice(any_one: Subject, answered: Answered, twin: Matcher) -> None:
    batch, _, first = answered
    assert_same(first, any_one.matcher.match(batch))  # whatever it matched in between
    assert_same(first, twin.match(batch))


def test_same_answer_twice_from_afar(any_one: Subject, twin: Matcher) -> None:
    batch = replace(any_one.batch([any_one.pair()]), goal="locate", radius=20.0)
    assert_same(any_one.matcher.match(batch), twin.match(batch))


@pytest.mark.parametrize("shape", [(96, 96), (101, 147), (224, 160), (321, 250), (520, 380)])
def test_tiles_of_any_size(matcher: Matcher, shape: tuple[int, int]) -> None:
    points = points_of(matcher, batch_of([shifted((1.5, -2.0), shape, 4)]))
    assert len(points) >= 4
    assert np.median(displacement(points), axis=0) == pytest.approx((1.5, -2.0), abs=0.15)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (15, 40), (30, 33)])
@pytest.mark.parametrize("goal", ["locate", "track", "refine", "detail"])
def test_tiny_tiles_are_no_error(any_one: Subject, shape: tuple[int, int], goal: str) -> None:
    rng = np.random.default_rng(1)
    pair = tuple(rng.uniform(size=shape).astype(np.float32) for _ in range(2))
    points = points_of(any_one.matcher, batch_of([(pair[0], pair[1])], goal, 6.0))
    assert np.isfinite(displacement(points)).all()


def test_a_tile_means_the_same_in_any_batch(
    any_one: Subject, answered: Answered, together: TilePoints
) -> None:
    assert not (together.tile == 1).any()
    found = answered[2]
    first = read_peaks(found) if isinstance(found, Surfaces) else found
    last = points_of(any_one.matcher, any_one.batch([noisy(any_one)]))
    for number, alone in ((0, first), (2, last)):
        mine = together.tile == number
        assert mine.sum() == len(alone)
        assert together.moving_xy[mine] == pytest.approx(alone.moving_xy, abs=1e-3)
        assert together.reference_xy[mine] == pytest.approx(alone.reference_xy, abs=1e-3)
        assert together.score[mine] == pytest.approx(alone.score, abs=1e-3)
        assert together.sigma[mine] == pytest.approx(alone.sigma, abs=1e-3)


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


def test_what_is_kept_of_a_reference_changes_nothing(matcher: Matcher) -> None:
    """Hypotheses are compared with one reference, one after the other; some reach farther."""
    first = batch_of([shifted((31.0, -22.0), (420, 420))], "locate", 60.0)
    kept: dict[Any, Any] = {}
    for moving, radius in ((first.moving, 60.0), (1 - first.moving, 60.0), (first.moving, 95.0)):
        batch = replace(first, moving=moving, radius=radius)
        assert_same(matcher.match(replace(batch, kept=kept)), matcher.match(batch))


def test_a_reference_is_described_once_for_many_hypotheses() -> None:
    """What has the same dictionary has the same reference: nobody looks at it again."""
    batch = replace(batch_of([shifted((31.0, -22.0), (420, 420))], "locate", 60.0), kept={})
    matcher = choosing.loader("structural")(Device())
    found = matcher.match(batch)
    assert_same(matcher.match(replace(batch, reference=np.zeros_like(batch.reference))), found)


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


def test_doesnt_change_what_it_is_given(answered: Answered) -> None:
    batch, before, _ = answered
    for name in ("moving", "moving_mask", "reference", "reference_mask"):
        assert np.array_equal(getattr(before, name), getattr(batch, name)), name
