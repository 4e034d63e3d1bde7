"""Terrain as light and shade, which is what heights leave in the pictures of other sensors."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from georeg.crs import metres_per_unit
from georeg.imagery.speckle import local_moments
from georeg.inputs.georef import Georef

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float64]

REACH = 3  # pixels around that matter for one
_PINHOLE = 0.5  # share of 5 x 5 pixels that is valid around a hole that may be filled
_LIGHTS = (225.0, 270.0, 315.0, 360.0)  # azimuths of GDAL's and USGS' multidirectional hillshade


def ground_steps(georef: Georef | None, crs: Any, shape: tuple[int, int]) -> Array:
    """(2, 2) metres to the east (first row) and north for a step along columns and along rows.

    In the middle of the raster. Without a CRS in map units; without a georeference in pixels,
    north up.

    Args:
        georef: of the raster.
        crs: of the raster.
        shape: (rows, columns).
    """
    north_up = np.diag([1.0, -1.0])
    if georef is None:
        return north_up
    middle = np.array([[shape[1] / 2, shape[0] / 2]])
    corners = georef.to_map(np.concatenate([middle, middle + [1.0, 0.0], middle + [0.0, 1.0]]))
    metres = metres_per_unit(crs, corners[0]) or (1.0, 1.0)
    steps = (corners[1:] - corners[0]).T * np.array(metres)[:, None]
    usable = np.isfinite(steps).all() and abs(np.linalg.det(steps)) > 0
    return np.asarray(steps) if usable else north_up


def slopes(height: Image, mask: Mask, to_ground: Array) -> tuple[Image, Image, Mask]:
    """Slopes to the east and to the north (rise over run), and where they are valid.

    Central differences after Horn (Proc. IEEE 69(1), 1981). A hole beside valid pixels is taken
    to be as high as they are in the mean, so that it makes no cliff. Pinholes, with which surface
    models from stereo are riddled, become valid: no image would be left otherwise.

    Args:
        height: (rows, columns).
        mask: where heights are valid.
        to_ground: (2, 2) differences between neighbours along columns and rows -> slopes.
    """
    if not mask.all():
        mean, _, share = local_moments(height, mask)
        height = np.where(mask | (share <= 0), height, mean)
        mask = mask | (share > _PINHOLE)
    right = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125)
    (a, b), (c, d) = np.asarray(to_ground, np.float32)
    return a * right + b * down, c * right + d * down, mask


def hillshade(east: Image, north: Image) -> Image:
    """Multidirectional hillshade in [0, 1] after USGS OFR 92-422 (Mark 1992), sun 45 degrees up.

    Four lights, each weighted by how far across the slope it shines.

    Args:
        east: (rows, columns) slope to the east.
        north: slope to the north.
    """
    aspect = np.arctan2(north, east)
    total = np.zeros_like(east)
    weights = np.zeros_like(east)
    for light in _LIGHTS:
        angle = math.radians(90 - light)  # mathematical, anticlockwise from the east
        weight = np.square(np.sin(aspect - np.float32(angle)))
        shade = np.float32(math.cos(angle)) * east + np.float32(math.sin(angle)) * north
        np.subtract(1, shade, out=shade)
        shade *= weight
        np.maximum(shade, 0, out=shade)
        total += shade
        weights += weight
    weights *= np.sqrt(2 * (1 + np.square(east) + np.square(north)))
    total /= weights
    return np.clip(total, 0, 1, out=total)
