"""What rasters look like to a matcher, and grounds to look at."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

import scenes
from georeg.grid import Window
from georeg.radiometry import fit_radiometry
from georeg.raster import Raster

SHAPE = (300, 360)


def look(name: str, modality: str = "auto", bands: tuple[int, ...] = ()) -> tuple[Any, ...]:
    """(radiometry, image, mask) of a whole raster."""
    with Raster(name) as raster:
        fitted = fit_radiometry(raster, modality, bands)
        rows, columns = raster.header.shape
        image, mask = fitted.image(raster.read(Window(0, 0, columns, rows), None, fitted.bands))
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 1
        assert (image[~mask] == 0).all()
        return fitted, image, mask


def terrain(shape: tuple[int, int] = SHAPE, seed: int = 0) -> Any:
    """Heights in metres, as smooth as a DEM at 10 m."""
    rng = np.random.default_rng(seed)
    height = np.zeros(shape, np.float32)
    for sigma, metres in ((40.0, 300.0), (12.0, 60.0), (5.0, 10.0)):
        noise = cv2.GaussianBlur(rng.normal(size=shape).astype(np.float32), (0, 0), sigma)
        height += metres * noise / noise.std()
    return height - height.min() + 200


def backscatter(looks: float, seed: int = 0) -> Any:
    """Intensity of `looks` looks over a scene of fields."""
    rng = np.random.default_rng(seed)
    ground = 0.02 + 0.4 * cv2.GaussianBlur(scenes.texture(SHAPE, seed), (0, 0), 4.0) ** 2
    return ground * rng.gamma(looks, 1 / looks, SHAPE)
