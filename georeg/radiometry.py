"""From the bands of any raster to one image that a matcher can look at.

The image is float32 in [0, 1], its contrast stretched between robust percentiles that come from
one decimated read. SAR goes through the logarithm, which turns speckle into additive noise of
equal strength everywhere; a DEM becomes a hillshade lit from four sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from georeg.errors import InputError
from georeg.grid import Window
from georeg.raster import Header, Image, Mask, Pixels, Raster

MODALITIES = ("auto", "optical", "sar", "infrared", "map", "dem")

_SAMPLE = 512  # pixels a side of the decimated read, and of the full resolution sample
_PERCENTILES = (1.0, 99.0)
_LIGHTS = (225.0, 270.0, 315.0, 360.0)  # azimuths of GDAL's and USGS' multidirectional hillshade


@dataclass(frozen=True)
class Radiometry:
    """How the bands become the image; numbers only, so that any window looks the same."""

    modality: str
    bands: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    weights: tuple[float, ...]

    def image(self, pixels: Pixels) -> tuple[Image, Mask]:
        """(bands, rows, columns) -> (rows, columns) in [0, 1], and the mask (0 where invalid)."""
        data, mask = pixels
        if self.modality == "sar":
            data = log_scale(data)
        elif self.modality == "dem":
            data = hillshade(data[0], mask, self.high[0])[None]
            return data[0] * mask, mask
        low = np.array(self.low, np.float32)[:, None, None]
        span = np.maximum(np.array(self.high, np.float32)[:, None, None] - low, 1e-12)
        unit = np.clip((data - low) / span, 0, 1)
        image = np.tensordot(np.array(self.weights, np.float32), unit, axes=1)
        return np.asarray(image * mask, dtype=np.float32), mask


def fit_radiometry(raster: Raster, modality: str = "auto", bands: Sequence[int] = ()) -> Radiometry:
    """The radiometry of a raster, from a decimated read and a sample in full resolution.

    Args:
        raster: the raster; complex values and palettes are looked at as magnitudes and colours.
        modality: one of `MODALITIES`.
        bands: 1-based; the colour bands, or the first three, if empty.

    Raises:
        InputError: no valid pixel, or all of them have the same value.
        SettingsError: a band is out of range.
    """
    chosen = raster.check_bands(bands) if bands else default_bands(raster.header)
    rows, columns = raster.header.shape
    factor = max(1.0, max(rows, columns) / _SAMPLE)
    shape = (max(1, round(rows / factor)), max(1, round(columns / factor)))
    whole = raster.read(Window(0, 0, columns, rows), shape, chosen)
    if not whole.mask.any():
        raise InputError(
            f"{raster.name} has no valid pixel: all of it is nodata or NaN; choose another file, "
            "or name the right nodata value"
        )
    if modality == "auto":
        modality = guess_modality(raster, chosen)
    data = log_scale(whole.data) if modality == "sar" else whole.data
    if modality == "dem":
        return Radiometry(modality, chosen[:1], (0.0,), (_steepness(data[0], whole.mask),), (1.0,))
    values = data[:, whole.mask]
    low, high = np.percentile(values, _PERCENTILES, axis=1)
    flat = high - low <= 1e-6 * np.maximum(np.abs(high), 1e-30)
    if flat.all():
        low, high = values.min(axis=1), values.max(axis=1)
        flat = high <= low
    if flat.all():
        raise InputError(
            f"{raster.name} is constant: every valid pixel holds {low[0]:g}; choose another file, "
            "or other bands"
        )
    weights = np.where(flat, 0.0, 1.0)
    weights /= weights.sum()
    return Radiometry(
        modality, chosen, tuple(low.tolist()), tuple(high.tolist()), tuple(weights.tolist())
    )


def default_bands(header: Header) -> tuple[int, ...]:
    """Red, green and blue where the file says so, else up to three bands that aren't alpha."""
    names = header.colorinterp
    if header.palette is not None:
        return (1,)
    if {"red", "green", "blue"} <= set(names):
        return tuple(names.index(n) + 1 for n in ("red", "green", "blue"))
    others = [i + 1 for i, n in enumerate(names) if n != "alpha"]
    return tuple(others[:3]) or (1,)


def log_scale(data: Image) -> Image:
    """Decibels up to a constant factor; nothing below a ten-thousandth of the mean counts."""
    floor = max(float(np.abs(data).mean()) * 1e-4, 1e-30)
    return np.log(np.maximum(np.abs(data), floor)).astype(np.float32)


def hillshade(height: Image, mask: Mask, steepness: float) -> Image:
    """Multidirectional hillshade in [0, 1] after USGS OFR 92-422 (Mark 1992), sun 45 degrees up.

    Args:
        height: (rows, columns).
        mask: where heights are valid; shading is neutral beside invalid ones.
        steepness: a height difference between neighbours that counts as a steep slope.
    """
    dzdx = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125) / steepness
    dzdy = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125) / steepness
    valid = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    dzdx[~valid] = 0
    dzdy[~valid] = 0
    length = np.sqrt(1 + dzdx**2 + dzdy**2)
    aspect = np.arctan2(dzdy, -dzdx)
    total = np.zeros_like(height)
    weights = np.zeros_like(height)
    for light in _LIGHTS:
        azimuth = math.radians(90 - light)
        weight = np.sin(aspect - azimuth) ** 2
        east, north = math.cos(azimuth), math.sin(azimuth)
        shade = (1 - dzdx * east + dzdy * north) / (length * math.sqrt(2))
        total += weight * np.clip(shade, 0, 1)
        weights += weight
    return np.asarray(total / weights, dtype=np.float32)


def _steepness(height: Image, mask: Mask) -> float:
    dzdx = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125)
    dzdy = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125)
    valid = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if not valid.any():
        raise InputError("the DEM has too few valid heights")
    return max(float(np.percentile(np.hypot(dzdx, dzdy)[valid], 90)), 1e-6)


def guess_modality(raster: Raster, bands: Sequence[int]) -> str:
    """What the raster shows, by its header and by the texture of a full resolution sample."""
    header = raster.header
    if header.is_complex:
        return "sar"
    if header.palette is not None:
        return "map"
    return "optical"
