"""Tie points of sparse matchers are thinned for even coverage."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from georeg.matching.protocol import TilePoints
from georeg.tracking import thinned


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
