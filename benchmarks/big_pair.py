"""Large pairs with known truth, made in strips: any size, little memory, the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

Array = npt.NDArray[np.float64]

WEST, NORTH = 350_000.0, 5_250_000.0
SHIFT = (2.4, -1.8)  # pixels
WAVE = 4 / 2**0.5  # pixels, of three periods along each axis
_STRIP = 512
_TILE = 1024  # side of a texture; scales that don't divide each other keep it from repeating
_SCALES = (1.0, 2.37, 5.81, 17.3, 61.7)


def displacement(xy: Array, size: int) -> Array:
    """(N, 2) pixels of the moving raster's claim -> how far away the truth is, (N, 2) pixels."""
    x, y = xy.T
    period = size / 3
    return np.stack(
        [
            SHIFT[0] + WAVE * np.sin(2 * np.pi * y / period),
            SHIFT[1] + WAVE * np.sin(2 * np.pi * x / period + 0.7),
        ],
        axis=1,
    )


def make(folder: Path, size: int) -> tuple[Path, Path]:
    """moving.tif and reference.tif, size x size pixels, uint8; made once.

    The moving one shows the same ground with inverted, bent contrast and other noise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    moving, reference = folder / f"moving_{size}.tif", folder / f"reference_{size}.tif"
    if not moving.exists() or not reference.exists():
        _write(reference, size, _reference(size))
        _write(moving, size, _moving(size))
    return moving, reference


def _write(path: Path, size: int, strips: Iterator[tuple[int, npt.NDArray[np.uint8]]]) -> None:
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": size, "height": size, "count": 1, "dtype": "uint8",
        "crs": "EPSG:32633", "transform": from_origin(WEST, NORTH, 1, 1), "nodata": 0,
        "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate",
        "num_threads": "all_cpus",
    }  # fmt: skip
    unfinished = path.with_suffix(".part.tif")
    with rasterio.open(unfinished, "w", **profile) as file:
        for y, strip in strips:
            file.write(strip, 1, window=Window(0, y, size, len(strip)))
    unfinished.rename(path)


def _strips(size: int) -> Iterator[tuple[int, npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    for y in range(0, size, _STRIP):
        rows = np.arange(y, min(y + _STRIP, size), dtype=np.float32) + 0.5
        x, down = np.meshgrid(np.arange(size, dtype=np.float32) + 0.5, rows)
        yield y, x, down


def _reference(size: int) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    noise = np.random.default_rng(1)
    for y, x, down in _strips(size):
        image = _ground(x, down) + noise.normal(0, 3, x.shape)
        yield y, np.clip(image, 1, 255).astype(np.uint8)


def _moving(size: int) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    noise = np.random.default_rng(2)
    for y, x, down in _strips(size):
        xy = np.stack([x.ravel(), down.ravel()], axis=1).astype(np.float64)
        true = (xy + displacement(xy, size)).astype(np.float32)
        image = _ground(true[:, 0].reshape(x.shape), true[:, 1].reshape(x.shape))
        image = 255 - 255 * np.clip(image / 255, 0, 1) ** 0.7 + noise.normal(0, 3, x.shape)
        yield y, np.clip(image, 1, 255).astype(np.uint8)


def _ground(x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What is there at pixel positions: fields with edges and texture, over several scales."""
    total = np.zeros(x.shape, np.float32)
    for k, scale in enumerate(_SCALES):
        texture = _texture(k)
        at_x = (x / scale) % (_TILE - 2)
        at_y = (y / scale) % (_TILE - 2)
        for first in range(0, x.shape[1], 16_384):  # cv2.remap takes at most 32 767 columns
            part = np.s_[:, first : first + 16_384]
            total[part] += cv2.remap(texture, at_x[part], at_y[part], cv2.INTER_CUBIC)
    return total


_textures: dict[int, npt.NDArray[np.float32]] = {}


def _texture(k: int) -> npt.NDArray[np.float32]:
    if k not in _textures:
        random = np.random.default_rng(100 + k)
        soft = [cv2.GaussianBlur(random.normal(size=(_TILE, _TILE)), (0, 0), s) for s in (6, 1.5)]
        fields = np.digitize(soft[0] / soft[0].std(), (-1, -0.3, 0.3, 1)) - 2.0
        image = cv2.GaussianBlur(fields, (0, 0), 0.8) * 14 + soft[1] / soft[1].std() * 6
        _textures[k] = (image + 127 / len(_SCALES)).astype(np.float32)
    return _textures[k]
