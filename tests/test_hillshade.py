"""DEMs as matchers see them: lit from one side of the ground, however they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from affine import Affine

import rasters
from georeg.grid import Window
from georeg.imagery.hillshade import ground_steps, hillshade, slopes
from georeg.radiometry import fit_radiometry
from georeg.raster import Raster
from looks import SHAPE, look, terrain


def shade(name: str) -> Any:
    return look(name, "dem")[1]


def test_light_does_not_depend_on_how_rows_run(tmp_path: Path) -> None:
    """A DEM stored upside down, mirrored or turned is lit from the same side of the ground."""
    height = terrain()
    north_up = shade(rasters.write(tmp_path / "a.tif", height[None]))
    t = rasters.TRANSFORM
    stored = {
        "south-up": (height[::-1], Affine(t.a, 0, t.c, 0, -t.e, t.f + SHAPE[0] * t.e), np.flipud),
        "mirrored": (
            height[:, ::-1],
            Affine(-t.a, 0, t.c + SHAPE[1] * t.a, 0, t.e, t.f),
            np.fliplr,
        ),
        "transposed": (height.T, t @ Affine(0, 1, 0, 1, 0, 0), np.transpose),
    }
    for kind, (data, transform, back) in stored.items():
        name = rasters.write(
            tmp_path / f"{kind}.tif", np.ascontiguousarray(data)[None], transform=transform
        )
        np.testing.assert_allclose(back(shade(name)), north_up, atol=2e-3, err_msg=kind)


def test_north_west_is_the_bright_side() -> None:
    y, x = np.mgrid[:101, :101] - 50.0
    cone = (100 - np.hypot(x, y)).astype(np.float32)
    to_ground = np.linalg.inv(ground_steps(None, None, cone.shape)).T
    east, north, _ = slopes(cone, np.ones(cone.shape, bool), to_ground)
    lit = hillshade(east, north)
    assert lit[30, 30] > lit[70, 70] + 0.3
    assert hillshade(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32)) == (
        pytest.approx(np.full((2, 2), np.sqrt(0.5)))
    )


def test_slopes_are_those_of_the_ground(tmp_path: Path) -> None:
    """A plane of 30 % to the east and 10 % to the north, in degrees at 60 degrees north."""
    transform = Affine(2e-4, 0, 10, 0, -1e-4, 60)
    name = rasters.write(tmp_path / "a.tif", rasters.ramp(), transform=transform, crs="EPSG:4326")
    with Raster(name) as raster:
        steps = ground_steps(raster.header.georef, raster.header.crs, (40, 60))
    assert steps[0, 0] == pytest.approx(2e-4 * 111_320 * 0.5, rel=0.01)
    assert steps[1, 1] == pytest.approx(-1e-4 * 111_412, rel=0.01)
    y, x = np.mgrid[:40, :60]
    plane = (0.3 * steps[0, 0] * x + 0.1 * steps[1, 1] * y).astype(np.float32)
    east, north, _ = slopes(plane, np.ones(plane.shape, bool), np.linalg.inv(steps).T)
    np.testing.assert_allclose(east[5:-5, 5:-5], 0.3, atol=1e-3)
    np.testing.assert_allclose(north[5:-5, 5:-5], 0.1, atol=1e-3)


def test_relief_looks_alike_at_every_level(tmp_path: Path) -> None:
    """Slopes of a reduced view are those of the ground, not those from pixel to pixel."""
    height = cv2.GaussianBlur(terrain(), (0, 0), 6.0)
    name = rasters.write(tmp_path / "a.tif", height[None])
    with Raster(name) as raster:
        fitted = fit_radiometry(raster, "dem")
        fine, _ = fitted.image(raster.read(Window(0, 0, 360, 300)))
        coarse, _ = fitted.image(raster.read(Window(0, 0, 360, 300), (75, 90)), (4.0, 4.0))
    small = cv2.resize(fine, (90, 75), interpolation=cv2.INTER_AREA)
    assert np.abs(coarse - small)[2:-2, 2:-2].mean() < 0.02


def test_pinholes_and_cliffs(tmp_path: Path) -> None:
    """Nodata is no cliff, and the pinholes of a stereo surface model are closed."""
    height = terrain()
    clean = shade(rasters.write(tmp_path / "a.tif", height[None]))
    riddled = height.copy()
    riddled[::7, ::5] = -32768
    riddled[100:160, 100:160] = -32768
    _, image, mask = look(rasters.write(tmp_path / "b.tif", riddled[None], nodata=-32768), "dem")
    assert not mask[103:157, 103:157].any()
    assert mask[1:97, 1:].mean() > 0.999
    ring = np.zeros(SHAPE, bool)
    ring[90:170, 90:170] = True
    error = np.abs(image - clean)[ring & mask]
    assert np.median(error) < 0.05
    assert np.percentile(error, 95) < 0.3


def test_flat_but_for_one_hill(tmp_path: Path) -> None:
    height = np.full((1, 1500, 1500), 100, np.int16)
    y, x = np.mgrid[:60, :60] - 30
    height[0, 300:360, 700:760] += (50 * np.exp(-(x**2 + y**2) / 200)).astype(np.int16)
    _, image, _ = look(rasters.write(tmp_path / "a.tif", height), "dem")
    assert image[300:360, 700:760].std() > 0.02
    assert np.isfinite(image).all()
