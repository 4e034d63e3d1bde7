"""Which windows to match, at which level: windows only, no pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from georeg.grid import Window, outline

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

SIDE = 1024  # pixels a side of level 0, at most
FARTHEST = 384.0  # pixels of level 0 by which anything is shifted: wider searches are coarser
LONGEST = 8  # times as long it may be of strips, so that they have
_ACROSS = 10.0  # a part of that side across: a template's width of the built-in matcher
RATIO = 4.0  # largest step of resolution from one level to the next
_LEAST_VALID = 0.15  # share of a tile that must be valid on both sides
_CANDIDATES = 1_000_000  # cores to choose from, at most
_BEGIN = 0.8  # of the side with which there would be as many cells as tiles
_STAGGER = 0.2  # of a cell by which places are off its middle
_ASTRAY = 0.5  # of its contrast is what a tile at the edge of a cell is less worth
_FLAT = 0.015  # local contrast (of a full range of 1) below which there is nothing to match


@dataclass(frozen=True)
class TilePair:
    """A window of the frame, seen in both rasters.

    Attributes:
        factor: of the level: one level pixel is `factor` frame pixels wide.
        window: level pixels that are read.
        core: level pixels whose matches count; cores don't overlap.
        moving: pixels of the moving raster under the window.
        reference: pixels of the reference under the window.
    """

    factor: float
    window: Window
    core: Window
    moving: Window
    reference: Window

    def lift(self, xy: Array) -> Array:
        """(N, 2) tile pixels -> (N, 2) frame pixels."""
        return np.asarray((xy + [self.window.x, self.window.y]) * self.factor)

    def counts(self, xy: Array) -> npt.NDArray[np.bool_]:
        """(N,) whether tile pixels (N, 2) lie in the core."""
        x, y = (xy + [self.window.x, self.window.y]).T
        core = self.core
        inside = (x >= core.x) & (x < core.x + core.width)
        return np.asarray(inside & (y >= core.y) & (y < core.y + core.height))

    def to_dict(self) -> dict[str, Any]:
        """For `--dry-run` (JSON)."""
        return {
            "factor": self.factor,
            "window": _as_list(self.window),
            "moving": _as_list(self.moving),
            "reference": _as_list(self.reference),
        }


def _as_list(window: Window) -> list[int]:
    return [window.x, window.y, window.width, window.height]


def coarsest(shape: tuple[int, int], side: int, longest: int = LONGEST) -> float:
    """Factor of level 0 against the frame: `side` pixels along the longer side of the scene.

    A strip would have too few pixels across: it may be up to `longest` times as long, so that it
    keeps a tenth of `side` there.
    """
    long, short = max(shape), min(shape)
    return max(1.0, min(long, max(_ACROSS * short, long / longest)) / side)


def level_factors(shape: tuple[int, int], side: int) -> tuple[float, ...]:
    """From level 0 (see `coarsest`) down to the full resolution of 1."""
    first = coarsest(shape, side)
    steps = math.ceil(math.log(first) / math.log(RATIO) - 1e-9)
    return tuple(first ** (1 - i / steps) for i in range(steps)) + (1.0,) if steps else (1.0,)


def plan(
    shape: tuple[int, int],
    factor: float,
    *,
    tile: int,
    limit: int,
    margin: int,
    most: int,
    texture: Image,
    texture_factor: float,
    to_moving: Callable[[Array], Array],
    to_reference: Callable[[Array], Array],
    small: int | None = None,
) -> list[TilePair]:
    """Overlapping tiles over a level, without the ones that are empty or flat.

    Args:
        shape: (rows, columns) of the frame.
        factor: of the level.
        tile: side of a tile in level pixels.
        limit: a level whose sides are no longer than that is one tile.
        margin: level pixels along a tile's edge whose matches are left to the neighbour.
        most: at most so many tiles, the best textured ones of an even spread.
        texture: (rows, columns) local contrast, 0 where invalid on either side.
        texture_factor: of `texture` against the frame.
        to_moving: frame pixels -> moving raster pixels.
        to_reference: frame pixels -> reference raster pixels.
        small: side of a tile in level pixels where there are more than `most`: as much ground,
            in more places that are closer to each other.
    """
    rows, columns = (math.ceil(n / factor - 1e-6) for n in shape)
    if max(rows, columns) <= limit:
        # A single tile is all there is: its templates tell for themselves what they show.
        whole = Window(0, 0, columns, rows)
        chosen = [(whole, whole)]
    else:
        scale = factor / texture_factor
        seen = _seen((rows, columns), tile - 2 * margin, texture, scale)
        if small is not None and small < tile and len(seen.contrast) > most:
            tile, most = small, int(most * (tile / small) ** 2)
            seen = _seen((rows, columns), tile - 2 * margin, texture, scale)
        cores = [Window(int(x), int(y), seen.side, seen.side) for x, y in _spread(seen, most)]
        chosen = [(core.pad(margin), core) for core in cores]
    pairs = []
    for window, core in chosen:
        edge = (outline(window.width, window.height, 5) + [window.x, window.y]) * factor
        pairs.append(
            TilePair(factor, window, core, _around(to_moving(edge)), _around(to_reference(edge)))
        )
    return pairs


@dataclass(frozen=True, eq=False)
class _Seen:
    """Cores with something to match: (N, 2) corners, row by row, their side, (N,) contrast."""

    corner: npt.NDArray[np.int64]
    side: int
    contrast: Array


def _seen(shape: tuple[int, int], side: int, texture: Image, scale: float) -> _Seen:
    """Which cores of a level to choose from; mean contrast of the valid part, less for small ones.

    Args:
        shape: (rows, columns) of the level.
        side: of a core.
        texture: (rows, columns) local contrast, 0 where invalid.
        scale: pixels of `texture` along one of the level.
    """
    # Millions of cores are more than it takes to find some hundred good ones.
    step = max(1, math.ceil(math.sqrt(math.prod(shape) / side**2 / _CANDIDATES)))
    y, x = (_starts(n, side, step) for n in shape)
    top, bottom = _span(y, side, scale, texture.shape[0])
    left, right = _span(x, side, scale, texture.shape[1])
    total, count = (
        _sums(one, top, bottom, left, right) for one in (texture, (texture > 0).astype(np.uint8))
    )
    # Of what lies in the frame: a strip may be much narrower than a tile.
    area = (bottom - top)[:, None] * (right - left)
    contrast = total / np.maximum(count, 1)
    ok = (count >= np.maximum(1.0, _LEAST_VALID * area)) & (contrast >= _FLAT)
    row, column = np.nonzero(ok)
    value = contrast[ok] * np.sqrt(count[ok] / (side * scale) ** 2)
    return _Seen(np.stack([x[column], y[row]], axis=1), side, value)


def _starts(size: int, stride: int, step: int) -> npt.NDArray[np.int64]:
    """Every so many of the cores that cover the level and stick out equally on both sides."""
    count = math.ceil(size / stride)
    return np.arange(0, count, step) * stride + (size - count * stride) // 2


def _span(
    start: npt.NDArray[np.int64], side: int, scale: float, size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First row or column of `texture` that cores lie in, and the one after the last."""
    first = np.clip(np.floor(start * scale), 0, size).astype(np.int64)
    last = np.clip(np.ceil((start + side) * scale), 0, size).astype(np.int64)
    return first, np.maximum(first, last)


def _sums(
    values: npt.NDArray[Any],
    top: npt.NDArray[np.int64],
    bottom: npt.NDArray[np.int64],
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
) -> Array:
    """(M, N) sums over rows top[m] to bottom[m], columns left[n] to right[n]."""
    if not values.size:
        return np.zeros((len(top), len(left)))
    table = cv2.integral(values, sdepth=cv2.CV_64F)
    strips = table[bottom] - table[top]
    return np.asarray(strips[:, right] - strips[:, left])


def _spread(seen: _Seen, most: int) -> npt.NDArray[np.int64]:
    """(N, 2) corners: the best core of every cell of a grid that is just coarse enough.

    Those in the middle of a cell are preferred: where displacements bend, what a fit says far from
    its points is worth little, and an even spread leaves no wide gaps.
    """
    if len(seen.contrast) <= most:
        return seen.corner
    # As many cells as tiles are wanted, over what there is to see and not over the whole frame.
    # Whole numbers of them fit: cells a little larger than a strip's width would waste half of it.
    side = _BEGIN * seen.side * math.sqrt(len(seen.contrast) / most)
    low, size = seen.corner.min(axis=0), np.ptp(seen.corner, axis=0) + seen.side
    while True:
        count = np.maximum(1, np.floor(size / side))
        place = (seen.corner + seen.side / 2 - low) / size * count
        column, row = place.astype(np.int64).T
        number = row * int(count[0]) + column
        # Counted first: which is the best of each takes much longer, and is asked only once.
        if np.count_nonzero(np.bincount(number)) > most:
            side *= 1.03
            continue
        wanted = 0.5 + _STAGGER * (2 * np.stack([row % 2, column % 2], axis=1) - 1)
        cell = np.stack([column, row], axis=1)
        wanted[(cell == 0) | (cell == count - 1)] = 0.5
        away = 2 * np.abs(place - np.floor(place) - wanted).max(axis=1)  # in half cells
        best_first = np.argsort(seen.contrast * (_ASTRAY * away - 1), kind="stable")
        _, first = np.unique(number[best_first], return_index=True)
        return np.asarray(seen.corner[np.sort(best_first[first])])


def _around(xy: Array) -> Window:
    finite = xy[np.isfinite(xy).all(axis=1)]
    return Window.around(finite) if len(finite) else Window(0, 0, 0, 0)
