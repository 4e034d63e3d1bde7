"""Which windows to match, at which level: windows only, no pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.grid import Window, outline

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

SIDE = 1024  # pixels a side of level 0, at most
RATIO = 4.0  # largest step of resolution from one level to the next
_LEAST_VALID = 0.15  # share of a tile that must be valid on both sides
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


def level_factors(shape: tuple[int, int], side: int) -> tuple[float, ...]:
    """From level 0, at most `side` pixels wide, down to the full resolution of 1."""
    first = max(1.0, max(shape) / side)
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
    """
    rows, columns = (math.ceil(n / factor - 1e-6) for n in shape)
    if max(rows, columns) <= limit:
        windows = [(Window(0, 0, columns, rows), Window(0, 0, columns, rows))]
    else:
        stride = tile - 2 * margin
        windows = [
            (Window(x - margin, y - margin, tile, tile), Window(x, y, stride, stride))
            for y in _starts(rows, stride)
            for x in _starts(columns, stride)
        ]
    scored = []
    for window, core in windows:
        value = _score(core, factor, texture, texture_factor)
        # A single tile is all there is: its templates tell for themselves what they show.
        if value is not None or len(windows) == 1:
            scored.append((value or 0.0, window, core))
    chosen = _spread(scored, most)
    pairs = []
    for window, core in chosen:
        edge = (outline(window.width, window.height, 5) + [window.x, window.y]) * factor
        pairs.append(
            TilePair(factor, window, core, _around(to_moving(edge)), _around(to_reference(edge)))
        )
    return pairs


def _starts(size: int, stride: int) -> list[int]:
    """Cores that cover the level and stick out equally on both sides."""
    count = math.ceil(size / stride)
    first = (size - count * stride) // 2
    return [first + i * stride for i in range(count)]


def _score(core: Window, factor: float, texture: Image, texture_factor: float) -> float | None:
    """Mean contrast of the valid part, None where there is too little to match."""
    scale = factor / texture_factor
    rows, columns = texture.shape
    x0, y0 = max(0, math.floor(core.x * scale)), max(0, math.floor(core.y * scale))
    x1 = min(columns, math.ceil((core.x + core.width) * scale))
    y1 = min(rows, math.ceil((core.y + core.height) * scale))
    part = texture[y0:y1, x0:x1]
    valid = part > 0
    # Of what lies in the frame: a strip may be much narrower than a tile.
    if not part.size or valid.sum() < max(1.0, _LEAST_VALID * part.size):
        return None
    contrast = float(part[valid].mean())
    if contrast < _FLAT:
        return None
    return contrast * math.sqrt(valid.sum() / (core.width * core.height * scale**2))


def _spread(scored: list[tuple[float, Window, Window]], most: int) -> list[tuple[Window, Window]]:
    """The best tile of every cell of a grid that is just coarse enough."""
    if len(scored) <= most:
        return [(window, core) for _, window, core in scored]
    # As many cells as tiles are wanted, over what there is to see and not over the whole frame.
    cells = math.sqrt(most / sum(core.width * core.height for _, _, core in scored))
    while True:
        best: dict[tuple[int, int], tuple[float, int]] = {}
        for i, (value, _, core) in enumerate(scored):
            x, y = core.center
            key = (int(y * cells), int(x * cells))
            if key not in best or value > best[key][0]:
                best[key] = (value, i)
        if len(best) <= most:
            break
        cells *= 0.97
    order = sorted(i for _, i in best.values())
    return [scored[i][1:] for i in order]


def _around(xy: Array) -> Window:
    finite = xy[np.isfinite(xy).all(axis=1)]
    return Window.around(finite) if len(finite) else Window(0, 0, 0, 0)
