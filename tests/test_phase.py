"""Phase correlation: exactness, its own estimate of it, and what a window needs."""

from __future__ import annotations

import numpy as np
import pytest

import scenes
from georeg.matching.phase import PhaseMatcher
from georeg.matching.protocol import Mask, TilePoints
from matcher_cases import STEP, batch_of, displacement, points_of, shifted


@pytest.mark.parametrize("shift", [(0.25, 0.5), (-0.46875, 3.40625), (5.03125, -5.53125)])
def test_a_few_hundredths_of_a_pixel(shift: tuple[float, float]) -> None:
    points = points_of(PhaseMatcher(), batch_of([shifted(shift, noise=0.0)]))
    assert len(points) > 60
    away = displacement(points) - shift
    assert np.abs(away.mean(axis=0)).max() < 0.03
    assert np.median(np.hypot(*away.T)) < 0.04


@pytest.mark.parametrize("noise", [0.02, 0.05, 0.1])
def test_sigma_is_the_real_scatter(noise: float) -> None:
    parts = [shifted((1.25, -0.5), seed=s, noise=noise) for s in (1, 2)]
    rng = np.random.default_rng(0)
    parts = [(m, (r + noise * rng.normal(size=r.shape)).astype(np.float32)) for m, r in parts]
    points = points_of(PhaseMatcher(), batch_of(parts))
    away = displacement(points) - (1.25, -0.5)
    scatter = 1.4826 * np.median(np.abs(away))
    assert 0.5 < scatter / np.median(points.sigma) < 2.0


def test_noise_and_haze_cost_probability() -> None:
    clear = points_of(PhaseMatcher(), batch_of([shifted(noise=0.0)]))
    noisy = points_of(PhaseMatcher(), batch_of([shifted(noise=0.3)]))
    assert np.median(clear.score) > 0.95
    assert noisy.score.sum() < 0.8 * clear.score.sum()


def test_many_points_of_one_tile_and_none_at_its_edge() -> None:
    points = points_of(PhaseMatcher(), batch_of([shifted()]))
    assert len(np.unique(points.moving_xy, axis=0)) == len(points) == 81
    assert points.moving_xy.min() == 32
    assert points.moving_xy.max() == 288


def test_small_tiles_have_small_windows() -> None:
    points = points_of(PhaseMatcher(), batch_of([shifted((1.0, 2.0), (100, 100))]))
    assert len(points) >= 15
    assert np.median(displacement(points), axis=0) == pytest.approx((1.0, 2.0), abs=0.05)


def test_windows_follow_the_ground() -> None:
    """At the far end of the search range it is as exact as nearby."""
    shift = (11.0 + STEP, -10.5)
    points = points_of(PhaseMatcher(), batch_of([shifted(shift, noise=0.0)], "track", 12.0))
    assert len(points) > 30
    assert np.median(displacement(points), axis=0) == pytest.approx(shift, abs=0.04)


def test_beyond_the_search_range_nothing_is_sure() -> None:
    near = points_of(PhaseMatcher(), batch_of([shifted((2.0, 2.0))]))
    far = points_of(PhaseMatcher(), batch_of([shifted((25.0, -20.0))]))
    assert far.score.sum() < 0.1 * near.score.sum()


def test_speckled_masks_leave_whole_ground_usable() -> None:
    """Clouds on either side, each with its own edge."""
    rng = np.random.default_rng(2)
    masks: list[Mask] = []
    for _ in range(2):
        y, x = np.mgrid[:320, :320]
        valid = np.ones((320, 320), np.bool_)
        for cx, cy, r in rng.uniform((0, 0, 10), (320, 320, 30), (8, 3)):
            valid &= (x - cx) ** 2 + (y - cy) ** 2 > r**2
        masks.append(valid)
    found = PhaseMatcher().match(batch_of([shifted()], masks=[(masks[0], masks[1])]))
    assert isinstance(found, TilePoints)
    assert len(found) >= 10
    assert np.median(displacement(found), axis=0) == pytest.approx((2.375, -3.59375), abs=0.03)


def test_one_side_of_full_contrast_alone_is_nothing() -> None:
    image = scenes.texture((320, 320), 1)
    empty = np.full((320, 320), 0.5, np.float32)
    assert not len(points_of(PhaseMatcher(), batch_of([(image, empty), (empty, image)])))
