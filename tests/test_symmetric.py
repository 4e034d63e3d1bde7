"""Points are kept where the way back leads home, whatever the matcher."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from georeg import matching
from georeg.matching.protocol import Device, Surfaces, TileBatch, TilePoints
from georeg.matching.symmetric import Symmetric
from matcher_cases import SHIFT, batch_of, displacement, shifted

SHIFTS = np.array([4.0, -3.0])


class Liar:
    """Says the right displacement of every place, and in part of the tile only one way round."""

    name: ClassVar[str] = "liar"
    layouts: ClassVar[tuple[str, ...]] = ()
    tile: ClassVar[int] = 64
    small: ClassVar[int] = 64
    reach: ClassVar[int] = 0
    limit: ClassVar[int] = 64
    scene: ClassVar[int] = 64
    side_by_side: ClassVar[bool] = True

    def match(self, batch: TileBatch) -> TilePoints:
        x, y = np.meshgrid(np.arange(8.0, 60, 4), np.arange(8.0, 60, 4))
        start = np.tile(np.stack([x.ravel(), y.ravel()], axis=1), (len(batch), 1))
        there = batch.moving[0, 0, 0] < 0.5  # the images say which way round this is
        end = start + (SHIFTS if there else -SHIFTS)
        wrong = start[:, 0] < 30
        end[wrong] += [0.0, 9.0] if there else [0.0, 7.0]
        tile = np.repeat(np.arange(len(batch)), x.size)
        return TilePoints(tile, start, end, np.ones(len(tile)), np.ones(len(tile)))


def dark_and_bright() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((64, 64), np.float32), np.ones((64, 64), np.float32)


def test_keeps_what_both_ways_agree_on() -> None:
    found = Symmetric(Liar()).match(batch_of([dark_and_bright()] * 3))
    assert isinstance(found, TilePoints)
    assert set(found.tile.tolist()) == {0, 1, 2}
    assert (found.moving_xy[:, 0] >= 30).all()
    assert np.allclose(displacement(found), SHIFTS)
    everything = Liar().match(batch_of([dark_and_bright()] * 3))
    right = everything.moving_xy[:, 0] >= 30
    assert len(found) > 0.8 * right.sum()  # all but those whose way back starts at a liar's


def test_says_of_itself_what_the_matcher_says() -> None:
    both = Symmetric(Liar())
    for trait in ("name", "layouts", "tile", "small", "reach", "limit", "scene", "side_by_side"):
        assert getattr(both, trait) == getattr(Liar, trait)


def test_real_key_points_pass_and_unrelated_places_lose_points() -> None:
    sift = matching.load("sift", Device())
    right = Symmetric(sift).match(batch_of([shifted()]))
    assert isinstance(right, TilePoints)
    assert len(right) >= 20
    assert np.allclose(np.median(displacement(right), axis=0), SHIFT, atol=0.05)


def test_surfaces_look_back_by_themselves() -> None:
    structural = matching.load("structural", Device())
    batch = batch_of([shifted(shape=(160, 160))])
    found = Symmetric(structural).match(batch)
    plain = structural.match(batch)
    assert isinstance(found, Surfaces)
    assert isinstance(plain, Surfaces)
    assert np.array_equal(found.score, plain.score, equal_nan=True)
