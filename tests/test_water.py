"""Scenes that are mostly water, with other noise in either raster: most places tell nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from affine import Affine

import scenes
from georeg.align import measure
from georeg.settings import Settings

SIZE, MOVED = 500, (6.0, -4.0)
GSD = 10.0
SETTINGS = Settings(threads=1)


def coast(folder: Path, *, other: bool = False) -> tuple[str, str, scenes.Image]:
    """Moving raster, reference, and where the reference shows land.

    Args:
        folder: for both.
        other: whether the moving raster shows other land of the same outline.
    """
    rng = np.random.default_rng(0)
    shape = (SIZE, SIZE)
    y, x = np.mgrid[:SIZE, :SIZE]
    away = np.hypot((x - 150) / 1.2, y - 175) + 8 * np.sin(x / 17) + 8 * np.cos(y / 23)
    land = (away < np.quantile(away, 0.12)).astype(np.float32)
    soft = cv2.GaussianBlur(land, (0, 0), 0.8)
    there, here = (
        soft * scenes.texture(shape, seed) + (1 - soft) * np.float32(0.25)
        for seed in (0, 9 if other else 0)
    )
    displaced = scenes.sample(here, scenes.shift(*MOVED)(scenes.pixels(shape)), shape)
    transform = Affine(GSD, 0, scenes.ORIGIN[0], 0, -GSD, scenes.ORIGIN[1])
    names = [
        scenes.write(
            folder / f"{name}.tif", np.clip(image + rng.normal(0, 0.04, shape), 0, 1), transform
        )
        for name, image in (
            ("moving", scenes.other_sensor(displaced, noise=0.0)), ("reference", there)
        )
    ]  # fmt: skip
    return names[0], names[1], land


def test_what_is_advised_where_most_is_water_works(tmp_path: Path) -> None:
    """It was "do the rasters show the same place?"."""
    moving, reference, land = coast(tmp_path)
    refused = measure(moving, reference, SETTINGS).verdict
    assert not refused.ok
    assert "the plainest" in refused.reasons[0]
    assert "(--area)" in refused.reasons[0]
    assert "nodata in one of the rasters" in refused.reasons[0]
    y, x = np.nonzero(land)
    left, top = np.array(scenes.ORIGIN) + np.array([x.min(), -y.min()]) * GSD
    right, bottom = np.array(scenes.ORIGIN) + np.array([x.max(), -y.max()]) * GSD
    area = tuple(float(v) for v in (left, bottom, right, top))
    with rasterio.open(reference) as file:
        values, profile = file.read(1), file.profile
    masked = str(tmp_path / "masked.tif")
    with rasterio.open(masked, "w", **{**profile, "nodata": 0}) as file:
        file.write(np.where(land > 0, values, 0).astype(np.uint8), 1)
    for name, settings in (
        (reference, Settings(threads=1, area=area)), (masked, SETTINGS),
    ):  # fmt: skip
        found = measure(moving, name, settings)
        assert found.verdict.ok, found.verdict.reasons
        seen = found.matches.reference_xy[found.inlier] - found.matches.moving_xy[found.inlier]
        assert np.median(seen, axis=0) == pytest.approx(np.array(MOVED), abs=0.3)


def test_other_land_in_as_much_water_isnt_to_be_cropped(tmp_path: Path) -> None:
    moving, reference, _ = coast(tmp_path, other=True)
    refused = measure(moving, reference, SETTINGS).verdict
    assert not refused.ok
    assert "plainest" not in refused.sentence()
