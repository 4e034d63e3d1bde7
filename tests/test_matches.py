"""Tie points as arrays: frozen, joined, thinned evenly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

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
