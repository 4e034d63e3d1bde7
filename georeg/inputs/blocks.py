"""Averages over blocks of pixels, piece by piece, for what GDAL can't average.

Averages of phases, of colour numbers or of values that GDAL doesn't know to be invalid mean
nothing, so pixels are made ready in full resolution first and averaged then. Whatever the size of
the raster, only a strip of it is in memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from georeg.grid import Window

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

STRIP = 4_000_000  # pixels that are read at a time

Reader = Callable[[Window], tuple[Image, Mask]]
"""Window -> (bands, rows, columns) pixels, 0 where invalid, and their (rows, columns) mask."""


def average(
    read: Reader, bands: int, window: Window, inside: Window, shape: tuple[int, int]
) -> tuple[Image, Mask]:
    """Mean of the valid pixels of each block; blocks without any are invalid.

    Args:
        read: is called for strips of `inside`, from top to bottom.
        bands: that it returns.
        window: is cut into blocks, whose edges lie on the whole pixels next to equal shares.
        inside: the part of the window that there is; not empty.
        shape: number of blocks (rows, columns), at most the window's pixels.
    """
    rows, top = _edges(window.y, window.height, shape[0])
    columns, left = _edges(window.x, window.width, shape[1])
    total = np.zeros((bands, *shape), np.float64)
    weight = np.zeros(shape, np.float64)
    step = max(1, STRIP // inside.width)
    column, starts_x = _blocks(columns, left, inside.x, inside.x + inside.width)
    for y in range(inside.y, inside.y + inside.height, step):
        end = min(y + step, inside.y + inside.height)
        data, mask = read(Window(inside.x, y, inside.width, end - y))
        row, starts_y = _blocks(rows, top, y, end)
        where = np.ix_(row, column)
        weight[where] += _sums(mask[None].astype(np.float32), starts_y, starts_x)[0]
        for band in range(bands):
            total[band][where] += _sums(data[band, None], starts_y, starts_x)[0]
    valid = weight > 0
    return (total / np.maximum(weight, 1)).astype(np.float32), valid


def _edges(first: int, size: int, count: int) -> tuple[Index, int]:
    """Where blocks begin, as pixels of the raster, and where the last one ends."""
    edges = np.round(np.linspace(0, size, count + 1)).astype(np.int64) + first
    return edges[:-1], int(edges[-1])


def _blocks(starts: Index, end: int, low: int, high: int) -> tuple[Index, Index]:
    """The blocks that pixels low..high - 1 touch, and where they begin, relative to low."""
    first = int(np.searchsorted(starts, low, side="right")) - 1
    last = int(np.searchsorted(starts, min(high, end), side="left"))
    index = np.arange(first, last)
    return index, np.maximum(starts[first:last] - low, 0)


def _sums(data: Image, rows: Index, columns: Index) -> Image:
    return np.asarray(np.add.reduceat(np.add.reduceat(data, rows, axis=1), columns, axis=2))
