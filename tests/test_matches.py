"""Tie points as arrays: frozen, joined, thinned evenly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from georeg.errors import PointsError
from georeg.matches import Matches


def matches(xy: Any, score: Any = None) -> Matches:
    xy = np.asarray(xy, float)
    n = len(xy)
    score = np.linspace(0.1, 1, n) if score is None else np.asarray(score, float)
    return Matches(xy + 100, xy, score, np.full(n, 0.5))


def test_arrays_belong_together_and_are_frozen() -> None:
    one = matches([[1, 2], [3, 4]])
    assert len(one) == 2
    with pytest.raises(ValueError, match="read-only"):
        one.moving_xy[0, 0] = 7
    with pytest.raises(PointsError, match="tie points need arrays"):
        Matches(np.zeros((2, 2)), np.zeros((3, 2)), np.zeros(2), np.zeros(2))
    with pytest.raises(PointsError, match="tie points need arrays"):
        Matches(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2), np.zeros(2))


def test_concat_and_select() -> None:
    one, two = matches([[1, 2], [3, 4]]), matches([[5, 6]])
    both = Matches.concat([one, two, Matches.none()])
    assert both.reference_xy.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert both.select(np.array([False, True, True])).moving_xy.tolist() == [[103, 104], [105, 106]]
    assert both.select(np.array([2, 0])).score.tolist() == [0.1, 0.1]
    assert len(Matches.concat([])) == 0


@settings(max_examples=80, deadline=None)
@given(
    count=st.integers(1, 400),
    most=st.integers(1, 120),
    seed=st.integers(0, 9),
    flat=st.sampled_from(["no", "row", "column", "diagonal", "point", "thin"]),
)
def test_thin_keeps_about_as_many_as_asked(count: int, most: int, seed: int, flat: str) -> None:
    xy = np.random.default_rng(seed).uniform(0, 1000, (count, 2))
    if flat == "row":
        xy[:, 1] = 5
    elif flat == "column":
        xy[:, 0] = 5
    elif flat == "diagonal":
        xy[:, 1] = xy[:, 0]
    elif flat == "point":
        xy[:] = 5
    elif flat == "thin":
        xy[:, 1] *= 1e-12
    thin = matches(xy).thin(most)
    assert len(thin) <= max(most, 0)
    assert len(thin) >= min(count, math.ceil(most / 4))
    kept = {tuple(p) for p in xy.tolist()}
    assert all(tuple(p) in kept for p in thin.reference_xy.tolist())
    if count <= most:
        assert len(thin) == count


@pytest.mark.parametrize("most", [10, 30, 100])
def test_thin_is_even(most: int) -> None:
    """A crowd in a corner loses most of its points, and no side of the scene is forgotten."""
    rng = np.random.default_rng(0)
    even = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), -1).reshape(-1, 2) * 50 + 25
    crowd = rng.uniform(0, 50, (2000, 2))
    thin = matches(np.concatenate([even, crowd]), rng.random(2400)).thin(most)
    quarter = np.floor(thin.reference_xy / 500).astype(int)
    counts = [int((quarter == [i, j]).all(axis=1).sum()) for i in (0, 1) for j in (0, 1)]
    assert min(counts) >= 0.1 * most
    assert max(counts) <= 0.5 * most


def test_thin_of_points_on_a_line_is_even() -> None:
    xy = np.stack([np.arange(1000.0), np.full(1000, 3.0)], axis=1)
    thin = matches(xy).thin(10)
    assert np.histogram(thin.reference_xy[:, 0], bins=4, range=(0, 1000))[0].min() >= 1


def test_thin_keeps_the_best_of_a_place() -> None:
    rng = np.random.default_rng(0)
    score = rng.random(1000)
    one = matches(rng.uniform(0, 1000, (1000, 2)), score)
    assert one.thin(50).score.mean() > 0.85
