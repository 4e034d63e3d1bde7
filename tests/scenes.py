"""Synthetic scenes with known truth: one texture, seen by two sensors, one of them displaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]
Warp = Callable[[Array], Array]

ORIGIN = (350000.0, 5250000.0)
CRS = "EPSG:32633"


def texture(shape: tuple[int, int], seed: int = 0) -> Image:
    """Fields, roads, roofs and noise, in [0, 1]."""
    rng = np.random.default_rng(seed)
    rows, columns = shape
    image = np.zeros(shape, np.float32)
    for sigma, weight in ((1.5, 0.15), (5.0, 0.25), (20.0, 0.4)):
        noise = rng.normal(size=shape).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
        image += weight * smooth / smooth.std()
    for _ in range(rows * columns // 4000):
        center = (float(rng.uniform(0, columns)), float(rng.uniform(0, rows)))
        size = (float(rng.uniform(6, 40)), float(rng.uniform(6, 40)))
        corners = cv2.boxPoints((center, size, float(rng.uniform(0, 90)))).astype(np.int32)
        cv2.fillPoly(image, [corners], float(rng.uniform(-1.5, 1.5)))
    for _ in range(max(2, (rows + columns) // 250)):
        ends = rng.uniform(0, 1, (2, 2)) * [columns, rows]
        line = np.round(ends).astype(int)
        start, stop = (int(v) for v in line[0]), (int(v) for v in line[1])
        cv2.line(image, tuple(start), tuple(stop), float(rng.uniform(-2, 2)), 3, cv2.LINE_AA)
    image = cv2.GaussianBlur(image, (0, 0), 0.7)
    low, high = np.percentile(image, [1, 99])
    return np.clip((image - low) / (high - low), 0, 1).astype(np.float32)


def sample(image: Image, xy: Array, shape: tuple[int, int]) -> Image:
    """The image at (N, 2) pixel positions (edge convention), as rows x columns."""
    x = (xy[:, 0] - 0.5).reshape(shape).astype(np.float32)
    y = (xy[:, 1] - 0.5).reshape(shape).astype(np.float32)
    return np.asarray(
        cv2.remap(image, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101), np.float32
    )


def pixels(shape: tuple[int, int]) -> Array:
    """(N, 2) centres of all pixels."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.stack([x.ravel(), y.ravel()], axis=1)


def other_sensor(image: Image, seed: int = 1, noise: float = 0.02) -> Image:
    """Another modality: inverted and bent tones, blur and noise."""
    rng = np.random.default_rng(seed)
    blurred = cv2.GaussianBlur(image, (0, 0), 0.6)
    out = 1 - np.maximum(blurred, 0) ** 0.7 + noise * rng.normal(size=image.shape)
    return np.clip(out, 0, 1).astype(np.float32)


def write(
    path: Path,
    image: Image | npt.NDArray[Any],
    transform: Affine | None = None,
    crs: str | None = CRS,
    *,
    nodata: float | None = None,
    dtype: str = "uint8",
    **more: Any,
) -> str:
    """A GeoTIFF of an image in [0, 1] (or of values as they are, for other types)."""
    values = np.asarray(image)
    if dtype == "uint8" and values.dtype.kind == "f":
        values = np.clip(np.rint(values * 254 + 1), 1, 255)
    bands = values[None] if values.ndim == 2 else values
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": bands.shape[1],
        "width": bands.shape[2],
        "count": bands.shape[0],
        "dtype": dtype,
        "crs": crs,
        "transform": transform,
        "nodata": nodata,
        **more,
    }
    with rasterio.open(path, "w", **{k: v for k, v in profile.items() if v is not None}) as file:
        file.write(bands.astype(dtype))
    return str(path)


@dataclass(frozen=True)
class Pair:
    """Two files and the truth between them.

    `truth` maps claimed to true positions, both in reference pixels.
    """

    moving: str
    reference: str
    truth: Warp
    shape: tuple[int, int]
    image: Image

    def errors(self, corrected: Warp, margin: float = 40) -> Array:
        """(N,) errors in reference pixels of another claimed -> true mapping."""
        x, y = np.meshgrid(
            np.linspace(margin, self.shape[1] - margin, 23),
            np.linspace(margin, self.shape[0] - margin, 23),
        )
        xy = np.stack([x.ravel(), y.ravel()], axis=1)
        return np.asarray(np.hypot(*(corrected(xy) - self.truth(xy)).T))


def shift(dx: float, dy: float) -> Warp:
    """A shift in pixels."""
    return lambda xy: xy + [dx, dy]


def similarity(angle: float, scale: float, dx: float, dy: float, shape: tuple[int, int]) -> Warp:
    """Rotation (degrees) and scale about the middle, then a shift."""
    a = np.radians(angle)
    matrix = scale * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    middle = np.array([shape[1] / 2, shape[0] / 2])
    return lambda xy: (xy - middle) @ matrix.T + middle + [dx, dy]


def waves(amplitude: float, length: float, dx: float, dy: float) -> Warp:
    """A shift and a smooth field."""

    def warp(xy: Array) -> Array:
        x = amplitude * np.sin(2 * np.pi * xy[:, 1] / length)
        y = amplitude * np.sin(2 * np.pi * xy[:, 0] / length + 0.7)
        return np.asarray(xy + np.stack([x + dx, y + dy], axis=1))

    return warp


def make_pair(
    folder: Path,
    truth: Warp,
    shape: tuple[int, int] = (400, 400),
    *,
    seed: int = 0,
    gsd: float = 1.0,
    moving: Callable[[Image], Image] = other_sensor,
    **more: Any,
) -> Pair:
    """A reference and a moving raster of the same grid; a moving pixel's content lies at truth."""
    image = texture(shape, seed)
    transform = Affine(gsd, 0, ORIGIN[0], 0, -gsd, ORIGIN[1])
    displaced = sample(image, truth(pixels(shape)), shape)
    inside = truth(pixels(shape))
    valid = ((inside >= 0) & (inside <= np.array(shape[::-1]))).all(axis=1).reshape(shape)
    other = moving(displaced)
    levels = np.clip(np.rint(other * 254 + 1), 1, 255)
    levels[~valid] = 0
    folder.mkdir(parents=True, exist_ok=True)
    reference_file = write(folder / "reference.tif", image, transform)
    moving_file = write(folder / "moving.tif", levels.astype(np.uint8), transform, nodata=0, **more)
    return Pair(moving_file, reference_file, truth, shape, image)
