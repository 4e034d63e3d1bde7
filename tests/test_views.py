"""What a matcher sees: the right place, the right resolution, and no seams between tiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

import rasters
import scenes
from georeg.crs import CrsPath
from georeg.grid import Window
from georeg.pairing.scene import open_scene
from georeg.pairing.views import View
from georeg.radiometry import Radiometry, fit_radiometry
from georeg.raster import Raster
from georeg.settings import Settings


def blobs(shape: tuple[int, int], at: np.ndarray, sigma: float) -> np.ndarray:
    """(1, rows, columns) of Gaussian blobs at (N, 2) pixel positions (edge convention)."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    image = np.zeros(shape)
    for px, py in at:
        image += np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
    return np.rint(60000 * image).astype(np.uint16)[None]


def centroid(image: np.ndarray, near: np.ndarray, radius: int) -> np.ndarray:
    """Centre of gravity (x, y) around a position, in edge convention."""
    x0, y0 = (int(v) for v in np.floor(near) - radius)
    part = image[y0 : y0 + 2 * radius + 1, x0 : x0 + 2 * radius + 1]
    y, x = np.mgrid[: part.shape[0], : part.shape[1]] + 0.5
    return np.array([(part * x).sum(), (part * y).sum()]) / part.sum() + [x0, y0]


LINEAR = Radiometry("optical", (1,), (0.0,), (60000.0,), (1.0,))
PLACES = np.array([[120.0, 90.0], [300.3, 222.7], [222.2, 150.5], [60.5, 250.25]])


@pytest.mark.parametrize("factor", [1.0, 1.7, 2.0, 3.3, 5.0])
def test_nothing_moves_at_any_level(tmp_path: Path, factor: float) -> None:
    sigma = 2.0 * factor
    spots = PLACES * 3
    name = rasters.write(tmp_path / "a.tif", blobs((900, 1200), spots, sigma))
    with Raster(name) as raster:
        view = View(raster, LINEAR, lambda xy: xy)
        rows, columns = int(900 / factor), int(1200 / factor)
        image, mask = view.look(Window(0, 0, columns, rows), factor)
        assert mask[5:-5, 5:-5].all()
        for spot in spots / factor:
            found = centroid(image, spot, 10)
            np.testing.assert_allclose(found, spot, atol=0.06)


@pytest.mark.parametrize(
    ("transform", "crs"),
    [
        (Affine(10, 0, 350000, 0, 10, 5246000), "EPSG:32633"),
        (Affine(10, 0, 351000, 0, -10, 5250500) @ Affine.rotation(12), "EPSG:32633"),
        (Affine(-10, 0, 354200, 0, -10, 5250200), "EPSG:32633"),
        (Affine(1.3e-4, 0, 13.0, 0, -0.9e-4, 47.4), "EPSG:4326"),
    ],
    ids=["south-up", "rotated", "mirrored", "degrees"],
)
def test_both_sides_show_the_same_ground(tmp_path: Path, transform: Affine, crs: str) -> None:
    """Blobs on the same ground, drawn into rasters of different orientation and CRS."""
    base = rasters.TRANSFORM
    ground = np.array([base @ tuple(p) for p in PLACES])
    utm = CRS(32633)
    elsewhere = CrsPath(utm, CRS.from_user_input(crs)).forward(ground)
    spots = np.array([(~transform) @ tuple(p) for p in elsewhere])
    reference = rasters.write(tmp_path / "r.tif", blobs((350, 420), PLACES, 2.0))
    moving = rasters.write(
        tmp_path / "m.tif", blobs((700, 700), spots, 2.0), transform=transform, crs=crs
    )
    with open_scene(moving, reference, Settings()) as scene:
        grid = scene.frame.grid
        window = Window(0, 0, grid.width, grid.height)
        seen, mask = replace(scene.moving_view(), radiometry=LINEAR).look(window)
        other, _ = replace(scene.reference_view(), radiometry=LINEAR).look(window)
        checked = 0
        for spot in grid.to_pixel(ground):
            x, y = np.floor(spot).astype(int)
            if not (12 <= x < grid.width - 12 and 12 <= y < grid.height - 12):
                continue
            if not mask[y - 12 : y + 13, x - 12 : x + 13].all():
                continue
            checked += 1
            np.testing.assert_allclose(centroid(seen, spot, 11), spot, atol=0.08)
            np.testing.assert_allclose(centroid(other, spot, 11), spot, atol=0.08)
        assert checked >= 2


def relief(shape: tuple[int, int]) -> np.ndarray:
    image = cv2.GaussianBlur(scenes.texture(shape, 3), (0, 0), 2.0)
    return (500 + 400 * image)[None].astype(np.float32)


def amplitude(shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(5)
    ground = 20 + 400 * scenes.texture(shape, 4) ** 2
    values = ground * rng.rayleigh(0.8, shape) * np.linspace(0.2, 5, shape[1])
    values[::4, ::4] = 0  # what the logarithm makes of them once depended on the tile
    return values[None].astype(np.float32)


@pytest.mark.parametrize("modality", ["optical", "sar", "dem"])
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_no_seams_between_tiles(tmp_path: Path, modality: str, factor: float) -> None:
    """A tile shows what the same part of a larger tile shows: statistics are the raster's."""
    shape = (480, 500)
    pixels = {"dem": relief, "sar": amplitude}.get(modality, lambda s: scenes.texture(s)[None])
    data = pixels(shape)
    data[0, 200:260, 300:340] = -9999
    name = rasters.write(tmp_path / "a.tif", data, nodata=-9999)
    with Raster(name) as raster:
        view = View(raster, fit_radiometry(raster, modality), lambda xy: xy)
        whole, valid = view.look(Window(0, 0, int(500 / factor), int(480 / factor)), factor)
        for window in (
            Window(40, 60, 96, 96),
            Window(136, 60, 96, 96),
            Window(int(500 / factor) - 60, 91, 33, 77),
        ):
            tile, mask = view.look(window, factor)
            cut = np.s_[window.y : window.y + window.height, window.x : window.x + window.width]
            np.testing.assert_array_equal(mask, valid[cut])
            assert np.abs(tile - whole[cut]).max() < 2e-3


def test_speckle_without_structure_is_as_bright_everywhere(tmp_path: Path) -> None:
    """The logarithm's floor comes from the raster, so a dark tile isn't stretched by itself."""
    rng = np.random.default_rng(1)
    ground = np.full((400, 400), 100.0)
    ground[:, :200] = 2.0
    data = (ground * rng.rayleigh(0.8, ground.shape)).astype(np.float32)[None]
    name = rasters.write(tmp_path / "a.tif", data)
    with Raster(name) as raster:
        view = View(raster, fit_radiometry(raster, "sar"), lambda xy: xy)
        dark, _ = view.look(Window(20, 20, 100, 100))
        bright, _ = view.look(Window(260, 20, 100, 100))
        both, _ = view.look(Window(0, 0, 400, 400))
    assert dark.mean() < 0.4 < 0.6 < bright.mean()
    np.testing.assert_allclose(both[20:120, 20:120], dark, atol=1e-3)


def test_nothing_there(tmp_path: Path) -> None:
    name = rasters.write(tmp_path / "a.tif", rasters.ramp())
    with Raster(name) as raster:
        look = fit_radiometry(raster)
        for mapping in (lambda xy: xy + 1e6, lambda xy: np.full_like(xy, np.inf)):
            image, mask = View(raster, look, mapping).look(Window(0, 0, 32, 24))
            assert image.shape == mask.shape == (24, 32)
            assert not mask.any()
            assert not image.any()


def test_edges_are_where_the_raster_ends(tmp_path: Path) -> None:
    name = rasters.write(tmp_path / "a.tif", rasters.ramp())
    with Raster(name) as raster:
        view = View(raster, fit_radiometry(raster), lambda xy: xy)
        image, mask = view.look(Window(-10, -10, 80, 60))
        assert mask.sum() == 60 * 40
        assert mask[10:50, 10:70].all()
        assert (image[~mask] == 0).all()
