"""Peak memory is bounded by settings, whatever the size of the rasters.

Each run is a process of its own that reports its own peak of resident memory, torch included.
The budget of tiles bounds the time and not the memory: tiles are matched a few at a time.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

import large_scene
import scenes

LIMIT_MB = 1500.0
GROWTH_MB = 120.0  # 48 MB a raster; all of them held once in any form would be 150 or more

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc"),
]


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A folder with room for both rasters and two copies of the output."""
    if shutil.disk_usage(tmp_path).free < 4 * 2**30:
        pytest.skip("needs 4 GB of disk in the temporary folder")
    return tmp_path


def align(folder: Path, size: int, **options: Any) -> large_scene.Run:
    """Align, write, look whether it is right, and clean up."""
    pair = large_scene.make(folder, size)
    output = str(folder / "out.tif")
    # Deflated with less effort than usual: that takes as much memory, and less time.
    run = large_scene.run_align(*pair, output, creation={"LEVEL": "1"}, threads=2, **options)
    assert run.step == pytest.approx(large_scene.MOVED, abs=0.1), run.sentence
    with rasterio.open(output) as out, rasterio.open(pair[1]) as reference:
        assert out.shape == (size, size)
        assert out.overviews(1)
        # The far corner too: every pixel was resampled from where it truly lies.
        window = ((size - 600, size - 100), (size - 600, size - 100))
        seen = out.read(1, window=window).astype(float)
        expected = 255 - reference.read(1, window=window).astype(float) / 2
        assert np.abs(seen - expected).mean() < 3
    shutil.rmtree(folder)
    return run


def test_20_000_pixels_in_1500_mb(room: Path) -> None:
    assert align(room / "large", 20_000, max_tiles=4).peak_mb < LIMIT_MB


def test_four_times_the_pixels_and_tiles_take_hardly_more(room: Path) -> None:
    """With little for caches and blocks, so that what grows with the raster would show."""
    settings = {"memory": 32, "environment": {"GDAL_CACHEMAX": "32"}}
    small = align(room / "small", 4_000, max_tiles=4, **settings)
    large = align(room / "large", 8_000, max_tiles=16, **settings)
    assert large.peak_mb - small.peak_mb < GROWTH_MB


def test_a_reach_far_beyond_a_small_overlap(tmp_path: Path) -> None:
    """Squares of 300 px that claim to share 10 took 5 GB, and had no answer after minutes."""
    world = scenes.texture((300, 600), 3)
    there = Affine(10.0, 0, scenes.ORIGIN[0], 0, -10.0, scenes.ORIGIN[1])
    moving = scenes.write(
        tmp_path / "moving.tif", scenes.other_sensor(world[:, 40:340]),
        there @ Affine.translation(290, 0),
    )  # fmt: skip
    reference = scenes.write(tmp_path / "reference.tif", world[:, :300], there)
    run = large_scene.run_align(moving, reference, None, max_shift=600.0, threads=1)
    assert run.step == pytest.approx([-250.0, 0.0], abs=0.1), run.sentence
    assert run.peak_mb < 900.0
