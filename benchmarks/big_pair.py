"""Large pairs with known truth, made in strips: any size, little memory, the same everywhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

Array = npt.NDArray[np.float64]
Strip = npt.NDArray[np.uint8]

WEST, NORTH = 350_000.0, 5_250_000.0
SHIFT = (2.4, -1.8)  # pixels
WAVE = 4 / 2**0.5  # pixels, of three periods along each axis
_STRIP = 512
_TILE = 1024  # side of a texture; scales that don't divide each other keep it from repeating
_SCALES = (1.0, 2.37, 5.81, 17.3, 61.7)


def displacement(xy: Array, size: int, wave: float = WAVE, periods: float = 3.0) -> Array:
    """(N, 2) pixels of the moving raster's claim -> how far away the truth is, (N, 2) pixels."""
    x, y = xy.T
    period = size / periods
    return np.stack(
        [
            SHIFT[0] + wave * np.sin(2 * np.pi * y / period),
            SHIFT[1] + wave * np.sin(2 * np.pi * x / period + 0.7),
        ],
        axis=1,
    )


def make(
    folder: Path, size: int, alike: bool = False, wave: float = WAVE, periods: float = 3.0
) -> tuple[Path, Path]:
    """moving.tif and reference.tif, size x size pixels, uint8; made once.

    The moving one shows the same ground with inverted, bent contrast and other noise; with `alike`
    as the reference does, which even networks with random weights can match.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bent = "" if (wave, periods) == (WAVE, 3.0) else f"_{wave:g}_{periods:g}"
    moving = folder / f"moving_{size}{bent}{'_alike' if alike else ''}.tif"
    reference = folder / f"reference_{size}.tif"
    if not moving.exists() or not reference.exists():
        _write(reference, size, _reference)
        made = _alike if alike else _moving
        _write(moving, size, partial(made, wave=wave, periods=periods))
    return moving, reference


def _write(path: Path, size: int, made: Callable[[int, int], Strip]) -> None:
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": size, "height": size, "count": 1, "dtype": "uint8",
        "crs": "EPSG:32633", "transform": from_origin(WEST, NORTH, 1, 1), "nodata": 0,
        "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate",
        "num_threads": "all_cpus",
    }  # fmt: skip
    unfinished = path.with_suffix(".part.tif")
    with rasterio.open(unfinished, "w", **profile) as file:
        for y, strip in _strips(size, made):
            file.write(strip, 1, window=Window(0, y, size, len(strip)))
    unfinished.rename(path)


def _strips(size: int, made: Callable[[int, int], Strip]) -> Iterator[tuple[int, Strip]]:
    """Several at a time, and in their order."""
    workers = len(os.sched_getaffinity(0))
    starts = range(0, size, _STRIP)
    _textures()
    with ThreadPoolExecutor(workers) as pool:
        for first in range(0, len(starts), workers):
            some = starts[first : first + workers]
            yield from zip(some, pool.map(lambda y: made(y, size), some), strict=True)


def _places(y: int, size: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    rows = np.arange(y, min(y + _STRIP, size), dtype=np.float32) + 0.5
    x, down = np.meshgrid(np.arange(size, dtype=np.float32) + 0.5, rows)
    return x, down


def _reference(y: int, size: int) -> Strip:
    noise = np.random.default_rng([1, y])
    image = _ground(*_places(y, size))
    return np.clip(image + noise.normal(0, 3, image.shape), 1, 255).astype(np.uint8)


def _moving(y: int, size: int, wave: float, periods: float) -> Strip:
    noise = np.random.default_rng([2, y])
    image = _displaced(y, size, wave, periods)
    toned = 255 - 255 * np.clip(image / 255, 0, 1) ** 0.7 + noise.normal(0, 3, image.shape)
    return np.clip(toned, 1, 255).astype(np.uint8)


def _alike(y: int, size: int, wave: float, periods: float) -> Strip:
    noise = np.random.default_rng([3, y])
    image = _displaced(y, size, wave, periods)
    return np.clip(image + noise.normal(0, 0.5, image.shape), 1, 255).astype(np.uint8)


def _displaced(y: int, size: int, wave: float, periods: float) -> npt.NDArray[np.float32]:
    x, down = _places(y, size)
    xy = np.stack([x.ravel(), down.ravel()], axis=1).astype(np.float64)
    true = (xy + displacement(xy, size, wave, periods)).astype(np.float32)
    return _ground(true[:, 0].reshape(x.shape), true[:, 1].reshape(x.shape))


def _ground(x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What is there at pixel positions: fields with edges and texture, over several scales."""
    total = np.zeros(x.shape, np.float32)
    for k, scale in enumerate(_SCALES):
        texture = _textures()[k]
        at_x = (x / scale) % (_TILE - 2)
        at_y = (y / scale) % (_TILE - 2)
        for first in range(0, x.shape[1], 16_384):  # cv2.remap takes at most 32 767 columns
            part = np.s_[:, first : first + 16_384]
            total[part] += cv2.remap(texture, at_x[part], at_y[part], cv2.INTER_CUBIC)
    return total


@cache
def _textures() -> list[npt.NDArray[np.float32]]:
    return [_texture(k) for k in range(len(_SCALES))]


def _texture(k: int) -> npt.NDArray[np.float32]:
    random = np.random.default_rng(100 + k)
    soft = [cv2.GaussianBlur(random.normal(size=(_TILE, _TILE)), (0, 0), s) for s in (6, 1.5)]
    fields = np.digitize(soft[0] / soft[0].std(), (-1, -0.3, 0.3, 1)) - 2.0
    image = cv2.GaussianBlur(fields, (0, 0), 0.8) * 14 + soft[1] / soft[1].std() * 6
    return np.asarray(image + 127 / len(_SCALES), np.float32)
