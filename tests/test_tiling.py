"""Windows that cover the overlap, and budgets that are spread evenly over it."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from georeg.grid import Window
from georeg.tiling import RATIO, TilePair, level_factors, plan

TILE, MARGIN = 100, 20
STRIDE = TILE - 2 * MARGIN


def windows(
    shape: tuple[int, int],
    factor: float = 1.0,
    *,
    texture: Any = None,
    texture_factor: float = 4.0,
    most: int = 10**6,
    **more: Any,
) -> list[TilePair]:
    if texture is None:
        texture = np.full([math.ceil(n / texture_factor) for n in shape], 0.1, np.float32)
    options: dict[str, Any] = {
        "tile": TILE,
        "limit": int(2.2 * TILE),
        "margin": MARGIN,
        "most": most,
        "texture": texture,
        "texture_factor": texture_factor,
        "to_moving": lambda xy: xy,
        "to_reference": lambda xy: xy,
        **more,
    }
    return plan(shape, factor, **options)


def covered(pairs: list[TilePair], shape: tuple[int, int]) -> Any:
    """How many cores hold each level pixel."""
    count = np.zeros(shape, int)
    for pair in pairs:
        c = pair.core
        count[max(0, c.y) : max(0, c.y + c.height), max(0, c.x) : max(0, c.x + c.width)] += 1
    return count


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(20, 1500),
    columns=st.integers(20, 1500),
    factor=st.sampled_from([1.0, 1.7, 4.0]),
)
def test_every_pixel_lies_in_one_core(rows: int, columns: int, factor: float) -> None:
    pairs = windows((rows, columns), factor)
    level = math.ceil(rows / factor - 1e-6), math.ceil(columns / factor - 1e-6)
    assert (covered(pairs, level) == 1).all()


def test_a_strip_narrower_than_a_tile_is_matched() -> None:
    pairs = windows((20, 511), 1.7)
    assert (covered(pairs, (12, 301)) == 1).all()


def test_a_core_keeps_its_distance_to_the_edge_of_its_window() -> None:
    for pair in windows((700, 900)):
        assert pair.window == pair.core.pad(MARGIN)
        assert (pair.window.width, pair.window.height) == (TILE, TILE)


def test_plans_windows_and_reads_no_pixels() -> None:
    """All that comes out are numbers; a raster is nowhere asked for."""
    pairs = windows((30_000, 30_000), most=256)
    assert 150 <= len(pairs) <= 256
    for pair in pairs:
        for item in dataclasses.fields(pair):
            assert isinstance(getattr(pair, item.name), (float, Window))
    assert json.loads(json.dumps(pairs[0].to_dict()))["factor"] == 1.0


def test_windows_of_either_raster_lie_under_the_tile() -> None:
    pairs = windows(
        (700, 700), 2.0, to_moving=lambda xy: xy * 0.5 + [10, -20], to_reference=lambda xy: xy + 5.5
    )
    for pair in pairs:
        w = pair.window
        assert pair.moving == Window(w.x + 10, w.y - 20, w.width, w.height)
        corner = np.array([pair.reference.x, pair.reference.y])
        assert (corner == np.floor([w.x * 2 + 5.5, w.y * 2 + 5.5])).all()


def test_a_window_that_leads_nowhere_is_empty() -> None:
    pairs = windows((150, 150), to_moving=lambda xy: np.full_like(xy, np.nan))
    assert pairs[0].moving.empty
    assert not pairs[0].reference.empty


def test_lift_and_counts() -> None:
    pair = next(p for p in windows((700, 900), 2.0) if p.window.x > 50 and p.window.y > 50)
    middle = np.array([[TILE / 2, TILE / 2]])
    assert pair.lift(middle) == pytest.approx(2.0 * np.array([pair.core.center]))
    edge = np.array([[MARGIN, MARGIN], [TILE - MARGIN, TILE - MARGIN], [MARGIN - 0.01, MARGIN]])
    # A point on the border of two cores counts once.
    assert pair.counts(edge).tolist() == [True, False, False]


@example(most=21, rows=600, columns=3121)
@settings(max_examples=30, deadline=None)
@given(most=st.integers(1, 300), rows=st.integers(600, 4000), columns=st.integers(600, 4000))
def test_a_budget_is_kept_and_used(most: int, rows: int, columns: int) -> None:
    everything = len(windows((rows, columns)))
    pairs = windows((rows, columns), most=most)
    assert len(pairs) <= most
    assert len(pairs) >= 0.5 * min(most, everything) or most < 6


def test_a_budget_is_spread_evenly() -> None:
    """No part of the overlap is far from a tile, and none has much more than its share."""
    shape = (6000, 9000)
    pairs = windows(shape, most=60)
    centers = np.array([p.core.center for p in pairs])
    quarter = np.floor(centers / [shape[1] / 3, shape[0] / 2]).astype(int)
    counts = [int((quarter == [i, j]).all(axis=1).sum()) for i in range(3) for j in range(2)]
    assert min(counts) >= 0.6 * max(counts)
    y, x = np.mgrid[0 : shape[0] : 100, 0 : shape[1] : 100]
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    nearest = np.hypot(*(places[:, None] - centers[None]).transpose(2, 0, 1)).min(axis=1)
    assert nearest.max() < 2 * math.sqrt(shape[0] * shape[1] / 60)


def test_a_budget_leaves_no_wide_gaps() -> None:
    """What bends between tiles can't be followed, nor what is beyond the outermost of them.

    Textures that differ from place to place don't draw the tiles together.
    """
    side, most = 8000, 400
    texture = np.random.default_rng(2).uniform(0.08, 0.12, (1000, 1000)).astype(np.float32)
    pairs = windows((side, side), texture=texture, texture_factor=8.0, most=most)
    assert len(pairs) > 0.9 * most
    centers = np.array([p.core.center for p in pairs])
    along = np.linspace(0, side, 161)
    places = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    nearest = cKDTree(centers).query(places)[0]
    spacing = side / math.sqrt(len(pairs))
    assert nearest.max() < 1.0 * spacing
    # Nor do they form rows and columns, in which what repeats as often would not be seen.
    assert len(np.unique(centers[:, 0])) > 1.5 * math.sqrt(len(pairs))


def test_a_budget_goes_to_what_shows_much_more() -> None:
    """The best core of a cell is taken where others show half as much."""
    texture = np.full((1000, 1000), 0.02, np.float32)
    texture[::50] = texture[:, ::50] = 0.5  # lines between which there is little
    pairs = windows((4000, 4000), texture=texture, most=100)
    step = 200  # of the lines, frame pixels
    centers = np.array([p.core.center for p in pairs])
    away = np.abs((centers + step / 2) % step - step / 2).min(axis=1)
    assert np.mean(away < STRIDE / 2) > 0.9


def test_a_budget_is_spent_where_there_is_something_to_see() -> None:
    """A small part of a wide frame gets the whole budget, not its share of the frame."""
    texture = np.zeros((1000, 1000), np.float32)
    texture[100:400, 100:400] = 0.1
    everything = len(windows((4000, 4000), texture=texture))
    assert everything > 300
    assert len(windows((4000, 4000), texture=texture, most=100)) >= 50


def test_the_best_textured_tile_of_a_cell_is_taken() -> None:
    rng = np.random.default_rng(0)
    texture = rng.uniform(0.02, 0.2, (500, 500)).astype(np.float32)
    texture[::50] = 0.9
    all_pairs = windows((2000, 2000), texture=texture)
    some = windows((2000, 2000), texture=texture, most=30)

    def contrast(pairs: list[TilePair]) -> float:
        return float(
            np.mean([texture[max(0, p.core.y // 4) :][: STRIDE // 4].mean() for p in pairs])
        )

    assert contrast(some) > contrast(all_pairs)
    assert {p.core for p in some} <= {p.core for p in all_pairs}


def test_a_budget_that_is_short_goes_to_smaller_tiles() -> None:
    """The same ground in more places; where tiles suffice, they stay as they are."""
    shape = (6000, 9000)
    large, small = (windows(shape, most=60, small=s) for s in (None, 60))
    assert {p.window.width for p in large} == {TILE}
    assert {p.window.width for p in small} == {60}
    assert all(p.window == p.core.pad(MARGIN) for p in small)
    ground = [sum(p.window.width**2 for p in pairs) for pairs in (large, small)]
    assert ground[1] <= 60 * TILE**2
    assert ground[1] == pytest.approx(ground[0], rel=0.15)
    assert len(small) > 2 * len(large)
    assert windows((700, 900), small=60) == windows((700, 900))


def test_so_large_a_level_that_some_tiles_are_passed_over() -> None:
    pairs = windows((400_000, 400_000), texture_factor=400.0, most=100)
    centers = np.array([p.core.center for p in pairs])
    count, _, _ = np.histogram2d(*centers.T, bins=2, range=[[0, 400_000]] * 2)
    assert 50 <= len(pairs) <= 100
    assert count.min() >= 0.6 * count.max()


def test_tiles_that_are_flat_or_empty_are_left_out() -> None:
    texture = np.zeros((250, 250), np.float32)  # the left half: nothing in common
    texture[:, 125:] = 0.1
    texture[:125, 125:] = 0.001  # top right: flat
    pairs = windows((1000, 1000), texture=texture)
    assert pairs
    for pair in pairs:
        x, y = pair.core.center
        assert x > 500 - STRIDE
        assert y > 500 - STRIDE
    assert (covered(pairs, (1000, 1000))[520:, 520:] == 1).all()


def test_an_empty_overlap_has_no_tiles() -> None:
    assert windows((2000, 2000), texture=np.zeros((500, 500), np.float32)) == []
    assert windows((2000, 2000), texture=np.zeros((0, 0), np.float32)) == []


@pytest.mark.parametrize("value", [0.0, 0.001, 0.5])
def test_a_single_tile_is_kept_whatever_it_shows(value: float) -> None:
    pairs = windows((200, 150), texture=np.full((50, 38), value, np.float32))
    assert [p.window for p in pairs] == [Window(0, 0, 150, 200)]
    assert pairs[0].core == pairs[0].window


def test_the_same_plan_twice() -> None:
    texture = np.random.default_rng(2).uniform(0, 0.2, (500, 700)).astype(np.float32)
    one, two = (windows((2000, 2800), texture=texture, most=40) for _ in range(2))
    assert one == two


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1, 200_000), columns=st.integers(1, 200_000))
def test_levels_go_down_in_steps_to_full_resolution(rows: int, columns: int) -> None:
    factors = level_factors((rows, columns), 1024)
    assert factors[-1] == 1.0
    long, short = (side / factors[0] for side in (max(rows, columns), min(rows, columns)))
    # Of strips a tenth of that side across, as long as they aren't 80 times as long.
    assert long <= 1024 * (1 + 1e-9) or short <= 102.4 * (1 + 1e-9)
    assert long <= 8 * 1024 * (1 + 1e-9)
    steps = np.array(factors[:-1]) / np.array(factors[1:])
    assert (steps > 1).all()
    assert (steps <= RATIO * (1 + 1e-9)).all()
