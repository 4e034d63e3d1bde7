"""An overview of a raster in memory: read once, it serves all that need no more detail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georeg.grid import Window

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float64]

_NEXT = 0.999  # of the overview's reduction: what counts as no more detail


@dataclass(frozen=True, eq=False)
class Overview:
    """A window of a raster in reduced resolution.

    Attributes:
        window: whole pixels of the full resolution.
        bands: 1-based.
        data: (bands, rows, columns), 0 where invalid.
        mask: (rows, columns).
    """

    window: Window
    bands: tuple[int, ...]
    data: Image
    mask: Mask

    def serves(self, window: Window, shape: tuple[int, int], bands: tuple[int, ...]) -> bool:
        """Whether a window can be had in that shape without going back to the file."""
        if bands != self.bands or window.intersect(self.window) != window:
            return False
        rows, columns = self.mask.shape
        tall = window.height / shape[0] >= _NEXT * self.window.height / rows
        wide = window.width / shape[1] >= _NEXT * self.window.width / columns
        return bool(tall and wide)

    def read(self, window: Window, shape: tuple[int, int]) -> tuple[Image, Mask]:
        """Means of the valid part of each block; blocks without any are invalid.

        Args:
            window: for which `serves`.
            shape: number of blocks (rows, columns).
        """
        tall = self.mask.shape[0] / self.window.height
        wide = self.mask.shape[1] / self.window.width
        y = (np.linspace(0, window.height, shape[0] + 1) + window.y - self.window.y) * tall
        x = (np.linspace(0, window.width, shape[1] + 1) + window.x - self.window.x) * wide
        weight = _sums(_sums(self.mask.astype(np.float32), y, 0), x, 1)
        mask = weight > 1e-3 * tall * wide
        data = np.stack([_sums(_sums(band, y, 0), x, 1) for band in self.data])
        data /= np.maximum(weight, 1e-30)
        data[:, ~mask] = 0
        return data.astype(np.float32), np.asarray(mask)


def _sums(values: npt.NDArray[np.floating], edges: Array, axis: int) -> Array:
    """Integrals between consecutive edges along an axis, of values that are constant per pixel."""
    values = np.moveaxis(values, axis, 0)
    first = int(np.floor(edges[0]))
    last = min(len(values), int(np.ceil(edges[-1] - 1e-9)) + 1)
    part = values[first:last].astype(np.float64)
    total = np.concatenate([np.zeros((1, *part.shape[1:])), np.cumsum(part, axis=0)])
    place = np.clip(edges - first, 0, len(part))
    whole = np.minimum(place.astype(np.int64), len(part) - 1)
    share = (place - whole).reshape(-1, *[1] * (part.ndim - 1))
    at = total[whole] + share * part[whole]
    return np.asarray(np.moveaxis(np.diff(at, axis=0), 0, axis))
