"""A raster as a matcher sees it: one image in [0, 1] and its mask, on any window of the frame.

Each side of a tile pair is read once: the window of the raster that lies under the tile, reduced
on reading where the tile is coarser (overviews where there are any), then interpolated to the
tile's pixels through whatever lies between: georeference, CRS, current estimate of the transform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from georeg.grid import Window
from georeg.radiometry import Radiometry
from georeg.raster import Image, Mask, Pixels, Raster
from georeg.resampling.nodes import Mapping, Nodes, sample_nodes, sampling_ratio

_TOLERANCE = 0.02  # source pixels; a fraction of what a matcher can tell
_NOWHERE = np.float32(-1e6)
_PLACES = 7  # along a side of a tile, at which its sampling ratio is looked at
_WHOLE = 0.999  # share of valid pixels under an interpolated one that makes it valid


@dataclass(frozen=True, eq=False)
class View:
    """A raster, its radiometry, and where frame pixels lie in it."""

    raster: Raster
    radiometry: Radiometry
    to_source: Mapping  # (N, 2) frame pixels -> (N, 2) raster pixels

    def look(self, window: Window, factor: float = 1.0) -> tuple[Image, Mask]:
        """The image and the mask, both (rows, columns), of a window.

        Args:
            window: in pixels of a level that is `factor` times coarser than the frame.
            factor: at least 1.

        Raises:
            InputError: the raster can't be decoded.
        """

        def mapping(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            return self.to_source(xy * factor)

        shape = self.raster.header.shape
        ratio = math.sqrt(math.prod(sampling_ratio(mapping, window, shape, _PLACES)))
        nodes = sample_nodes(mapping, window, _TOLERANCE * max(1.0, ratio))
        source = nodes.source_window(margin=2 + math.ceil((3 + self.radiometry.reach) * ratio))
        if source is None:
            return _nothing(window)
        source = source.intersect(Window(0, 0, shape[1], shape[0]))
        if source.empty:
            return _nothing(window)
        reduction = max(1, math.floor(ratio + 0.01))
        size = (-(-source.height // reduction), -(-source.width // reduction))
        pixels = self.raster.read(source, size, self.radiometry.bands)
        scale = (source.width / size[1], source.height / size[0])
        blur = max(1.0, ratio / reduction)
        image, mask = self.radiometry.image(_antialias(pixels, blur), scale, blur)
        return _interpolate(image, mask, nodes, window, source, scale)


def _nothing(window: Window) -> tuple[Image, Mask]:
    return np.zeros(window.shape, np.float32), np.zeros(window.shape, np.bool_)


def _antialias(pixels: Pixels, ratio: float) -> Pixels:
    """What is left of the reduction, less than a factor of two, is done by a Gaussian."""
    if ratio < 1.1:
        return pixels
    sigma = 0.5 * math.sqrt(ratio**2 - 1)
    weight = cv2.GaussianBlur(pixels.mask.astype(np.float32), (0, 0), sigma)
    blurred = [cv2.GaussianBlur(band, (0, 0), sigma) for band in pixels.data]
    data = np.stack(blurred) / np.maximum(weight, 1e-6)
    return Pixels((data * pixels.mask).astype(np.float32), pixels.mask)


def _interpolate(
    image: Image,
    mask: Mask,
    nodes: Nodes,
    window: Window,
    source: Window,
    scale: tuple[float, float],
) -> tuple[Image, Mask]:
    map_x, map_y = nodes.dense(window, (source.x, source.y))
    if scale != (1.0, 1.0):
        map_x = ((map_x + 0.5) / scale[0] - 0.5).astype(np.float32)
        map_y = ((map_y + 0.5) / scale[1] - 0.5).astype(np.float32)
    everywhere = mask.all()
    inside = nodes.within(source)
    if not inside:
        map_x[np.isnan(map_x)] = _NOWHERE
        map_y[np.isnan(map_y)] = _NOWHERE
    out = cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if everywhere and inside:
        return np.asarray(out), np.ones(window.shape, np.bool_)
    if everywhere:
        rows, columns = mask.shape
        valid = (map_x >= -0.5) & (map_y >= -0.5)
        valid &= (map_x <= columns - 0.5) & (map_y <= rows - 0.5)
    else:
        share = cv2.remap(mask.astype(np.float32), map_x, map_y, cv2.INTER_LINEAR)
        valid = share > _WHOLE
    return np.where(valid, out, np.float32(0)), np.asarray(valid, dtype=np.bool_)
