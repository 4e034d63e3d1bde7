"""SIFT through the protocol: where its points lie, and which matches are kept."""

from __future__ import annotations

import numpy as np
import pytest

import scenes
from georeg.matching.protocol import TilePoints
from georeg.matching.sift import SiftMatcher
from matcher_cases import batch_of, displacement, points_of, shifted


def blobs(
    places: np.ndarray, widths: np.ndarray, shape: tuple[int, int] = (200, 200)
) -> np.ndarray:
    """Gaussian blobs at edge positions (x, y), on a faint gradient that tells them apart."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    out = np.full(shape, 0.2) + 0.05 * x / shape[1]
    for (cx, cy), width in zip(places, widths, strict=True):
        angle = cx * 0.7 + cy
        u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        v = -(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)
        out += 0.6 * np.exp(-(u**2 / 2 + v**2 / 2 / 1.3**2) / width**2)
    return np.clip(out, 0, 1).astype(np.float32)


def test_points_lie_on_what_they_show() -> None:
    """Middle of blobs, counted from the tile's outer corner, not from a pixel's centre."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(25, 190, 30), np.arange(25, 190, 30)), -1).reshape(-1, 2)
    places = grid + rng.uniform(-3, 3, grid.shape)
    image = blobs(places, rng.uniform(2.5, 4.5, len(grid)))
    points = points_of(SiftMatcher(), batch_of([(image, image)]))
    distance = np.hypot(*(points.moving_xy[:, None] - places).transpose(2, 0, 1))
    nearest, near = distance.argmin(axis=1), distance.min(axis=1) < 0.8
    assert near.sum() >= 15
    away = points.moving_xy[near] - places[nearest[near]]
    assert away.mean(axis=0) == pytest.approx((0, 0), abs=0.06)


def test_turned_by_half_a_turn_the_points_turn_too() -> None:
    """An offset of a fraction of a pixel would show up twice here."""
    image = scenes.texture((240, 240), 2)
    turned = np.ascontiguousarray(image[::-1, ::-1])
    points = points_of(SiftMatcher(), batch_of([(image, turned)], "locate", 240.0))
    assert len(points) > 50
    away = points.moving_xy + points.reference_xy - 240
    assert np.median(away, axis=0) == pytest.approx((0, 0), abs=0.03)


def test_no_match_beyond_the_radius_and_none_twice() -> None:
    points = points_of(SiftMatcher(), batch_of([shifted()], radius=6.0))
    assert np.abs(displacement(points)).max() <= 6.0
    for xy in (points.moving_xy, points.reference_xy):
        assert len(np.unique(xy.round(2), axis=0)) == len(xy)
    assert not len(points_of(SiftMatcher(), batch_of([shifted((20.0, 0.0))], radius=2.0))) > 5


def test_repeated_structure_fails_the_ratio_test() -> None:
    tile = scenes.texture((80, 80), 3)
    points = points_of(SiftMatcher(), batch_of([(np.tile(tile, (3, 3)),) * 2], radius=240.0))
    inner = ((points.moving_xy > 90) & (points.moving_xy < 150)).all(axis=1)
    unique = points_of(SiftMatcher(), batch_of([(scenes.texture((240, 240), 3),) * 2]))
    assert inner.sum() < 0.1 * len(unique)


def test_key_points_are_the_grounds_not_the_masks() -> None:
    y, x = np.mgrid[:320, :320]
    valid = (x // 40 + y // 40) % 2 == 0
    flat = np.full((320, 320), 0.9, np.float32)
    assert not len(points_of(SiftMatcher(), batch_of([(flat, flat)], masks=[(valid, valid)])))


def test_scores_tell_right_from_wrong() -> None:
    found = SiftMatcher().match(batch_of([shifted(noise=0.08)], radius=60.0))
    assert isinstance(found, TilePoints)
    away = np.hypot(*(displacement(found) - (2.375, -3.59375)).T)
    right = away < 2
    assert 0 < right.sum() < len(found)
    assert found.score[right].mean() > found.score[~right].mean() + 0.02
