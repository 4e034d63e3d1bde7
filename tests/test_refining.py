"""Rough points become exact where the dense matcher sees a peak near them, and stay elsewhere."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from georeg import matching
from georeg.matching.protocol import Device, TileBatch, TilePoints
from georeg.refining import Refined
from matcher_cases import SHIFT, batch_of, displacement, shifted


class Rough:
    """A network as it may be: every 8 px a match that is a pixel off, some quite wrong."""

    name: ClassVar[str] = "rough"
    layouts: ClassVar[tuple[str, ...]] = ("any",)
    tile: ClassVar[int] = 320
    small: ClassVar[int] = 320
    reach: ClassVar[int] = 32
    limit: ClassVar[int] = 320
    scene: ClassVar[int] = 320
    side_by_side: ClassVar[bool] = False

    def __init__(self, noise: float = 0.8, offset: float = 0.0) -> None:
        self.noise, self.offset = noise, offset

    def match(self, batch: TileBatch) -> TilePoints:
        rows, columns = batch.moving.shape[1:]
        x, y = np.meshgrid(np.arange(20.0, columns - 20, 8), np.arange(20.0, rows - 20, 8))
        xy = np.tile(np.stack([x.ravel(), y.ravel()], axis=1), (len(batch), 1))
        rng = np.random.default_rng(0)
        away = np.array(SHIFT) + self.offset + rng.normal(size=xy.shape) * self.noise
        away[rng.uniform(size=len(xy)) < 0.2] += 5.0
        tile = np.repeat(np.arange(len(batch)), x.size)
        return TilePoints(tile, xy, xy + away, np.full(len(xy), 0.6), np.full(len(xy), 0.8))


@pytest.fixture(scope="module")
def dense() -> matching.protocol.Matcher:
    return matching.load("structural", Device())


def test_points_become_exact(dense: matching.protocol.Matcher) -> None:
    batch = batch_of([shifted(), shifted(seed=5)])
    rough = Rough().match(batch)
    found = Refined(Rough(), dense).match(batch)
    assert isinstance(found, TilePoints)
    assert set(found.tile.tolist()) == {0, 1}
    exact = found.select(found.sigma < 0.5)
    assert len(exact) >= 50
    away = np.hypot(*(displacement(exact) - SHIFT).T)
    assert np.median(away) < 0.05 < 0.5 < np.median(np.hypot(*(displacement(rough) - SHIFT).T))
    # What lies under a template that told is replaced, not added to.
    assert len(found) < 0.5 * len(rough)


def test_points_stay_where_the_dense_matcher_sees_nothing(dense: matching.protocol.Matcher) -> None:
    image, _ = shifted()
    flat = np.full_like(image, 0.5)
    batch = batch_of([(image, flat)])
    found = Refined(Rough(), dense).match(batch)
    rough = Rough().match(batch)
    assert isinstance(found, TilePoints)
    assert np.array_equal(found.reference_xy, rough.reference_xy)


def test_a_peak_elsewhere_changes_nothing(dense: matching.protocol.Matcher) -> None:
    """The network's word counts: a peak far from what it says isn't the same thing."""
    batch = batch_of([shifted()])
    wrong = Rough(0.2, offset=-4.5)
    found = Refined(wrong, dense).match(batch)
    assert isinstance(found, TilePoints)
    assert np.array_equal(found.reference_xy, wrong.match(batch).reference_xy)


def test_a_whole_scene_is_the_networks_business(dense: matching.protocol.Matcher) -> None:
    batch = batch_of([shifted()], "locate", 40.0)
    found = Refined(Rough(), dense).match(batch)
    assert isinstance(found, TilePoints)
    assert np.array_equal(found.moving_xy, Rough().match(batch).moving_xy)
