"""Tie points of sparse matchers are thinned for even coverage, and count once; some predict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from georeg.matching.protocol import TilePoints
from georeg.search.thinning import thinned
from georeg.search.tiepoints import TiePoints, enough


def points(xy: np.ndarray, score: np.ndarray) -> TilePoints:
    return TilePoints(np.zeros(len(xy), np.int64), xy, xy + 1.0, score, np.ones(len(xy)))


def test_a_cluster_keeps_its_best_and_lone_points_stay() -> None:
    rng = np.random.default_rng(0)
    cluster = rng.uniform(64, 95, (200, 2))
    lone = np.array([[5.0, 5.0], [500.0, 20.0], [300.0, 400.0]])
    score = np.concatenate([rng.uniform(0.2, 0.9, 200), [0.1, 0.1, 0.1]])
    kept = thinned(points(np.concatenate([cluster, lone]), score))
    assert len(kept) == 4 + 3
    assert (kept.reference_xy == kept.moving_xy + 1.0).all()
    assert sorted(kept.score)[-4:] == sorted(score)[-4:]
    assert (kept.moving_xy[-3:] == lone).all()


def test_nothing_stays_nothing() -> None:
    assert len(thinned(TilePoints.none())) == 0


@given(st.integers(0, 300), st.integers(0, 5))
def test_no_cell_holds_more_than_four(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kept = thinned(points(rng.uniform(-200, 200, (count, 2)), rng.uniform(size=count)))
    _, held = np.unique(np.floor(kept.moving_xy / 32), axis=0, return_counts=True)
    assert (held <= 4).all()
    assert len(kept) == len(thinned(kept))


def test_what_two_tiles_found_alike_counts_once() -> None:
    rng = np.random.default_rng(3)
    xy = 40.0 * np.stack(np.divmod(np.arange(60), 10), axis=1) + 5.0
    one = points(xy, rng.uniform(0.5, 1.0, 60))
    # The neighbour saw the first twenty, too, a little elsewhere; and one place quite differently.
    other = replace(points(xy[:20] + 0.3, rng.uniform(0.5, 1.0, 20)), tile=np.ones(20, np.int64))
    other.reference_xy[0] += 5.0
    kept = thinned(TilePoints.concat([one, other]))
    assert len(kept) == 60 + 1
    assert kept.score.sum() == pytest.approx(
        np.maximum(one.score[1:20], other.score[1:20]).sum()
        + one.score[20:].sum() + one.score[0] + other.score[0]
    )  # fmt: skip


def test_points_of_one_tile_stay_however_close() -> None:
    xy = np.array([[10.0, 10.0], [10.5, 10.5]])
    assert len(thinned(points(xy, np.ones(2)))) == 2


def test_more_points_than_a_fit_needs_are_thinned_further() -> None:
    x, y = np.meshgrid(np.arange(0, 4000, 16.0), np.arange(0, 4000, 16.0))
    xy = np.stack([x.ravel(), y.ravel()], axis=1) + 1.0
    kept = thinned(points(xy, np.random.default_rng(0).uniform(size=len(xy))))
    assert 8_000 < len(kept) <= 24_000
    count, _, _ = np.histogram2d(*kept.moving_xy.T, bins=8, range=[[0, 4000]] * 2)
    assert count.min() > 0.7 * count.max()


def test_some_of_many_tie_points_predict_the_next_level() -> None:
    rng = np.random.default_rng(5)
    corners = np.array([[0.0, 0.0], [9000.0, 0.0], [0.0, 9000.0], [9000.0, 9000.0]])
    xy = (corners[:, None] + rng.uniform(0, 1000, (4, 2500, 2))).reshape(-1, 2)
    score = rng.uniform(0.2, 1.0, len(xy))
    tiles = np.column_stack([corners, np.full((4, 2), 1000.0)])
    every = TiePoints(xy, xy + 3.0, score, np.ones(len(xy)), 12_000, 20.0, tiles)
    some = enough(every)
    assert 600 < len(some) < 1100
    assert (some.true == some.claimed + 3.0).all()
    assert some.score.mean() > 0.9  # the best of their cells
    assert (some.templates, some.block) == (12_000, 20.0)
    count = [((some.claimed >= c) & (some.claimed <= c + 1000)).all(axis=1).sum() for c in corners]
    assert min(count) > 0.7 * max(count)


def test_few_tie_points_predict_all_together() -> None:
    xy = np.random.default_rng(6).uniform(0, 500, (4000, 2))
    every = TiePoints(xy, xy, np.ones(4000), np.ones(4000), 4000, 20.0)
    assert enough(every) is every


def test_many_tie_points_on_a_line_predict_too() -> None:
    xy = np.column_stack([np.arange(5000) * 4.0, np.full(5000, 7.0)])
    some = enough(TiePoints(xy, xy, np.ones(5000), np.ones(5000), 5000, 20.0))
    assert len(some) == 5000
