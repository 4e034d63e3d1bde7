"""Parts of a scene that the fit of the rest says nothing of."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine

import scenes
import tie_points as tp
from georeg.align import measure
from georeg.judging.astray import find_astray
from georeg.judging.caveats import _within
from georeg.pairing.scene import open_scene
from georeg.settings import Settings
from test_verdict import GOOD, GSD, frame, verdict

Array = npt.NDArray[np.float64]

SIZE, NEAR = 96.0, 2.5


def places() -> Array:
    """Half a template apart over 960 x 960 pixels: 10 x 10 squares, 4 places in each."""
    x, y = np.meshgrid(np.arange(24.0, 960, 48), np.arange(24.0, 960, 48))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def confirmed(count: int, rng: np.random.Generator) -> Array:
    return rng.normal(0, 0.5, (count, 2))


def test_a_part_that_is_displaced_alike_is_found() -> None:
    rng = np.random.default_rng(0)
    center = places()
    away = confirmed(len(center), rng)
    left = (center[:, 0] < 192) & (center[:, 1] >= 480)
    away[left] += [8.0, -4.0]
    found = find_astray(center, away, SIZE, NEAR)
    assert found is not None
    assert found.away == pytest.approx((8.0, -4.0), abs=0.5)
    assert found.bounds == (0, 480, 192, 960)
    assert found.share == pytest.approx(0.1)
    assert found.where is not None
    inside = found.where.hold(
        np.array([[10.0, 490.0], [190.0, 950.0], [200.0, 500.0], [5.0, 400.0]])
    )
    assert inside.tolist() == [True, True, False, False]
    assert found.where.hold(np.array([[-5.0, 990.0]])).all(), "beyond the last place"


def test_a_part_is_no_news_of_a_fit_that_is_refused() -> None:
    center = places()
    away = np.where(center[:, :1] < 192, [8.0, -4.0], [0.0, 0.0])
    check = replace(GOOD, astray=find_astray(center, away, SIZE, NEAR))
    points = tp.scattered(tp.shift)
    found = verdict(points, check=check)
    assert found.expected is not None
    assert found.expected.most_px == pytest.approx(np.hypot(8, 4), abs=0.1)  # of nine tenths
    assert found.expected.half_px < 0.6
    (warning,) = found.warnings
    assert "20% of what was looked at" in warning
    assert "matches best 8.9 px from where the fit puts it" in warning
    (finer,) = verdict(points, check=check, where=frame(GSD / 4)).warnings
    assert "matches best 35.8 px from" in finer, "in reference pixels"
    refused = verdict(points, check=check, max_rmse=0.1)
    assert not refused.ok
    assert refused.warnings == ()


def test_its_bounds_are_an_area_that_can_be_looked_at(tmp_path: Path) -> None:
    """Of a row of templates at the upper edge, whose middles lie beyond it, nothing was left."""
    rng = np.random.default_rng(0)
    center = places() - [0.0, 50.0]
    away = confirmed(len(center), rng)
    away[center[:, 1] < 0] += [8.0, -4.0]
    found = find_astray(center, away, SIZE, NEAR)
    assert found is not None
    assert found.bounds == (0, -96, 960, 0)
    pair = scenes.make_pair(tmp_path, lambda xy: xy, (300, 400))
    with open_scene(pair.moving, pair.reference, Settings()) as scene:
        frame = scene.frame
    (left, top), (right, bottom) = _within(frame, found)
    assert (left, top, right, bottom) == (0, 0, frame.grid.width, 96)


def test_a_part_that_nothing_confirms_is_found() -> None:
    rng = np.random.default_rng(0)
    center = places()
    away = confirmed(len(center), rng)
    top = center[:, 1] < 192
    away[top] = rng.uniform(-12, 12, (top.sum(), 2))
    found = find_astray(center, away, SIZE, NEAR)
    assert found is not None
    assert found.away is None
    assert found.bounds[3] == 192


def test_misses_all_over_are_no_part() -> None:
    """As between sensors: a third of the places match best just anywhere."""
    center = places()
    for seed in range(50):
        rng = np.random.default_rng(seed)
        away = confirmed(len(center), rng)
        lost = rng.random(len(center)) < 0.35
        away[lost] = rng.uniform(-12, 12, (lost.sum(), 2))
        found = find_astray(center, away, SIZE, NEAR)
        assert found is None or found.away is None


def test_nothing_astray() -> None:
    center = places()
    assert find_astray(center, np.zeros_like(center), SIZE, NEAR) is None


def closer_places() -> Array:
    """A third of a template apart, as the check's are."""
    x, y = np.meshgrid(np.arange(16.0, 960, 32), np.arange(16.0, 960, 32))
    return np.stack([x.ravel(), y.ravel()], axis=1)


@pytest.mark.parametrize(("spread", "plainly", "found"), [(0.4, 1, 1), (0.4, 0, 0), (2.0, 1, 0)])
def test_a_small_part_is_told_where_it_matches_plainly(
    spread: float, plainly: int, found: int
) -> None:
    rng = np.random.default_rng(0)
    center = closer_places()
    away = confirmed(len(center), rng)
    slid = np.hypot(*(center - [300.0, 500.0]).T) < 70
    away[slid] = [8.0, -4.0] + rng.normal(0, spread, (slid.sum(), 2))
    part = find_astray(center, away, SIZE, NEAR, slid & bool(plainly))
    assert (part is not None) == bool(found)
    assert find_astray(center, away, SIZE, NEAR) is None
    if part is not None:
        assert part.away == pytest.approx((8.0, -4.0), abs=0.3)
        assert part.bounds == pytest.approx((230, 430, 370, 570), abs=16)
        assert part.share == pytest.approx(np.pi * 70**2 / 960**2, rel=0.3)


@pytest.mark.parametrize(("others", "plain", "found"), [(0, 5, True), (0, 3, False), (8, 5, False)])
def test_a_part_of_a_small_scene_is_told_by_what_misses_alike(
    others: int, plain: int, found: bool
) -> None:
    """Seven of 64 places were 10 px off, all alike: fewer than three squares, not all plain."""
    x, y = np.meshgrid(np.arange(48.0, 300, 32), np.arange(48.0, 300, 32))
    center = np.stack([x.ravel(), y.ravel()], axis=1)
    away = confirmed(len(center), np.random.default_rng(0))
    seam = np.flatnonzero((x.ravel() < 60) & (y.ravel() < 250))
    away[seam] = [0.0, -10.0]
    elsewhere = np.flatnonzero(x.ravel() > 200)[::2][:others]
    away[elsewhere] = np.random.default_rng(1).uniform(4, 12, (len(elsewhere), 2))
    plainly = np.isin(np.arange(len(center)), seam[:plain])
    part = find_astray(center, away, SIZE, NEAR, plainly)
    assert (part is not None) == found
    if part is not None:
        assert part.away == pytest.approx((0, -10))
        assert part.bounds == (32, 32, 64, 256)


def test_few_plain_places_are_no_part() -> None:
    """Of one template: its neighbours see most of the same pixels, and are wrong alike."""
    rng = np.random.default_rng(0)
    center = closer_places()
    away = confirmed(len(center), rng)
    wrong = np.hypot(*(center - [304.0, 496.0]).T) < 35
    assert wrong.sum() == 5
    away[wrong] += [8.0, -4.0]
    assert find_astray(center, away, SIZE, NEAR, wrong) is None


@pytest.mark.parametrize("radius", [90.0, 0.0])
def test_a_landslide_is_told(tmp_path: Path, radius: float) -> None:
    """7 % of the raster was 6 px off: accepted with a CE90 of 0.1 px, without a word."""

    def truth(xy: Array) -> Array:
        inside = np.clip((radius - np.hypot(*(xy - [330.0, 260.0]).T)) / 20, 0, 1)[:, None]
        return np.asarray(xy + [4.0, 3.0] + inside * [4.8, 3.6])

    pair = scenes.make_pair(tmp_path, truth, (480, 720))
    found = measure(pair.moving, pair.reference, Settings()).verdict
    assert found.ok
    assert found.check is not None
    part = found.check.astray
    if not radius:
        assert part is None
        assert found.warnings == ()
        return
    assert part is not None
    unit = found.check.unit  # frame pixels along one of the rasters'
    assert np.array(part.away) / unit == pytest.approx((4.8, 3.6), abs=1.0)
    left, top, right, bottom = (side / unit for side in part.bounds)
    assert 230 <= left < 330 < right <= 430
    assert 160 <= top < 260 < bottom <= 360
    assert any("matches best" in w for w in found.warnings)


@pytest.mark.parametrize("step", [(9.0, -5.0), (0.0, 0.0)])
def test_the_seam_of_a_mosaic_is_told(tmp_path: Path, step: tuple[float, float]) -> None:
    """A quarter of the raster was 10 px off: accepted with a CE90 of 0.4 px, without a word."""
    shape = (480, 640)

    def truth(xy: Array) -> Array:
        return np.asarray(xy + [4.0, 3.0] + np.where(xy[:, :1] < 170, step, 0.0))

    pair = scenes.make_pair(tmp_path, truth, shape)
    found = measure(pair.moving, pair.reference, Settings()).verdict
    assert found.ok
    assert found.check is not None
    if not any(step):
        assert found.check.astray is None
        assert found.warnings == ()
        return
    part = found.check.astray
    assert part is not None
    assert part.away is not None
    away = np.array(part.away) / found.check.unit  # frame pixels along one of the rasters'
    assert away == pytest.approx(step, abs=2)
    # A quarter of it is that far off: 0.2 px were expected over nine tenths.
    assert found.expected is not None
    assert found.expected.most_px == pytest.approx(np.hypot(*away), abs=0.5)
    assert found.expected.half_px < 1
    (warning,) = (w for w in found.warnings if "matches best" in w)
    left, bottom, right, top = map(
        float, re.findall(r"--area (\S+) (\S+) (\S+) (\S+)\)", warning)[0]
    )
    x, y = scenes.ORIGIN
    assert x <= left < right <= x + 220
    assert y - shape[0] <= bottom < top <= y
    assert f"{np.hypot(*away):.1f} px from" in warning


def test_the_seam_of_a_finer_mosaic_is_told(tmp_path: Path) -> None:
    """On its own pixels a part 10 px off was out of sight: what was seen before was forgotten."""
    shape, step = (240, 360), (-3.0, 9.5)

    def truth(xy: Array) -> Array:
        return np.asarray(xy + [4.0, 3.0] + np.where(xy[:, 1:] < 100, step, 0.0))

    image = scenes.texture((2 * shape[0], 2 * shape[1]))
    wide, fine = (Affine(g, 0, scenes.ORIGIN[0], 0, -g, scenes.ORIGIN[1]) for g in (1.0, 0.5))
    places = 2 * truth(scenes.pixels(image.shape) / 2)
    moving = scenes.write(tmp_path / "moving.tif", scenes.sample(image, places, image.shape), fine)
    coarser = cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA)
    reference = scenes.write(tmp_path / "reference.tif", coarser, wide)
    found = measure(moving, reference, Settings()).verdict
    assert found.ok
    assert found.check is not None
    part = found.check.astray
    assert part is not None
    assert part.away is not None
    assert np.array(part.away) / 2 == pytest.approx(step, abs=1)
    assert found.expected is not None
    assert found.expected.most_px == pytest.approx(np.hypot(*step), abs=1)
    left, top, right, bottom = np.array(part.bounds) / 2
    assert (left, top, right, bottom) == pytest.approx((0, 0, 384, 96), abs=1)
