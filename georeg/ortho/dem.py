"""The ground under an image: heights above the ellipsoid, from a DEM read in blocks.

Blocks are read once, turned into metres above the ellipsoid, and kept while there is room: all
images of a run share them. Between the DEM's pixel centres heights are interpolated bilinearly,
as GDAL does by default.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pyproj import CRS

from georeg.crs import crs_name, turn, wrap_longitude
from georeg.errors import InputError
from georeg.grid import Grid, Window
from georeg.inputs import blocks
from georeg.inputs.opening import with_vertical_crs
from georeg.ortho.vertical import Vertical, vertical_of
from georeg.raster import Image, Mask, Raster

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SIDE = 512  # pixels of a block
_NEAR = 16  # pixels: smaller voids are filled from their rims, larger ones from afar
_COARSE = 512  # pixels a side of what larger voids are filled from
_REACH = 8  # blocks: half a side of what that shows
_GEOID_STEP = 2000.0  # metres between places where the geoid is looked up; it is smooth
_VALID = 0.25  # share of valid neighbours, by their weight, that makes a height
_HIGHEST, _LOWEST = 9000.0, -12000.0  # metres: nothing on Earth lies beyond
_UNSAID = -9999.0  # the most common nodata value; where a sea is as deep, its surroundings are, too
MEGABYTE = 2**20


@dataclass(frozen=True, eq=False)
class Heights:
    """What a DEM says about some places.

    Attributes:
        height: (N,) metres above the ellipsoid; NaN where there is none.
        filled: (N,) whether it was made up from the surroundings.
    """

    height: Array
    filled: Mask


@dataclass(frozen=True, eq=False)
class _Block:
    """A block, and one more row and column of its neighbours."""

    height: npt.NDArray[np.float32]
    filled: Mask | None  # None where nothing is
    whole: bool  # whether there is a height everywhere


class Dem:
    """A DEM to ask for heights; safe to use from several threads. See `open_dem`."""

    def __init__(
        self, raster: Raster, grid: Grid, vertical: Vertical, voids: str, memory: int
    ) -> None:
        """Store."""
        self.raster, self.grid, self.vertical, self.voids = raster, grid, vertical, voids
        self.reads = 0  # blocks that were decoded, for tests
        self._most = max(4, memory // (4 * (_SIDE + 1) ** 2))
        self._blocks: OrderedDict[tuple[int, int], _Block] = OrderedDict()
        self._locks: dict[tuple[int, int], threading.Lock] = {}
        self._lock = threading.Lock()
        self._far: dict[tuple[int, int], Image | None] = {}
        self._undeclared = False  # whether there are values that can't be heights
        dataset = raster.dataset()
        self._scale = float(dataset.scales[0]) * vertical.factor
        self._offset = float(dataset.offsets[0]) * vertical.factor

    @property
    def crs(self) -> CRS:
        """Of the coordinates that `heights` takes; horizontal."""
        if self.grid.crs is None:
            raise InputError(f"{self.raster.name} has no CRS")
        return self.grid.crs

    def heights(self, xy: Array) -> Heights:
        """Heights at (N, 2) coordinates of the DEM's CRS."""
        full = turn(self.crs)
        if full is not None:
            x = wrap_longitude(xy[:, 0], float(self.grid.center[0]), full)
            xy = np.stack([x, xy[:, 1]], axis=1)
        x, y = self.grid.to_pixel(xy).T
        rows, columns = self.grid.shape
        with np.errstate(invalid="ignore"):
            inside = (x >= 0) & (x <= columns) & (y >= 0) & (y <= rows)
        height = np.full(len(xy), np.nan)
        filled = np.zeros(len(xy), np.bool_)
        number = np.flatnonzero(inside)
        if not len(number):
            return Heights(height, filled)
        if len(number) < len(xy):
            x, y = x[number], y[number]
        (column, fx), (row, fy) = _cell(x, columns), _cell(y, rows)
        key = (row // _SIDE) * (columns // _SIDE + 1) + column // _SIDE
        groups: list[Any] = [slice(None)]
        if (key != key[0]).any():
            order = np.argsort(key, kind="stable")
            groups = np.split(order, np.flatnonzero(np.diff(key[order])) + 1)
        for group in groups:
            i, j = int(row[group][0]) // _SIDE, int(column[group][0]) // _SIDE
            held = self._block(i, j)
            local = row[group] - i * _SIDE, column[group] - j * _SIDE
            share = fy[group], fx[group]
            height[number[group]] = _bilinear(held.height, local, share, held.whole)
            if held.filled is not None:
                nearest = tuple(
                    np.minimum(first + (part >= 0.5), size - 1)
                    for first, part, size in zip(local, share, held.filled.shape, strict=True)
                )
                filled[number[group]] = held.filled[nearest]
        return Heights(height, filled)

    def _block(self, i: int, j: int) -> _Block:
        """A block by its row and column; read by the first thread that wants it."""
        key = (i, j)
        with self._lock:
            held = self._blocks.get(key)
            if held is not None:
                self._blocks.move_to_end(key)
                return held
            mine = self._locks.setdefault(key, threading.Lock())
        with mine:
            with self._lock:
                held = self._blocks.get(key)
            if held is None:
                held = self._read(i, j)
                with self._lock:
                    self.reads += 1
                    self._blocks[key] = held
                    self._locks.pop(key, None)
                    while len(self._blocks) > self._most:
                        self._blocks.popitem(last=False)
        return held

    def _read(self, i: int, j: int) -> _Block:
        window = Window(j * _SIDE, i * _SIDE, _SIDE + 1, _SIDE + 1)
        window = window.intersect(self.grid.window)
        around = window.pad(_NEAR) if self.voids == "fill" else window
        data, mask = self.raster.read(around)
        height, valid = data[0], mask & self._plausible(data[0])
        if not self._undeclared and (mask & ~valid).any():
            with self._lock:
                self._undeclared = True
                self._far.clear()
        filled: Mask | None = None
        if self.voids == "fill" and not valid.all():
            part = (
                slice(window.y - around.y, window.y - around.y + window.height),
                slice(window.x - around.x, window.x - around.x + window.width),
            )
            holes = ~valid[part]
            if holes.any():
                near, known = _from_rims(height, valid, part)
                if not known[holes].all():
                    near = np.where(known, near, self._from_afar(window))
                height = np.where(holes, near, height[part])
                filled = holes & np.isfinite(height)
            else:
                height = height[part]
            valid = np.isfinite(height)
        elif self.voids == "fill":
            cut = _NEAR
            height = height[cut : cut + window.height, cut : cut + window.width]
            valid = valid[cut : cut + window.height, cut : cut + window.width]
        metres = height.astype(np.float64) * self._scale + self._offset
        metres += self._separation(window)
        metres[~valid] = np.nan
        return _Block(metres.astype(np.float32), filled, bool(np.isfinite(metres).all()))

    def _plausible(self, height: Image) -> Mask:
        """Where heights can be heights: many DEMs have a nodata value that they don't declare."""
        metres = height * np.float32(self._scale) + np.float32(self._offset)
        return np.asarray((metres < _HIGHEST) & (metres > _LOWEST) & (height != _UNSAID))

    def _sound(self, window: Window) -> tuple[Image, Mask]:
        """Pixels that can be heights, 0 elsewhere."""
        data, mask = self.raster.read(window)
        mask = mask & self._plausible(data[0])
        return np.where(mask, data, np.float32(0)), mask

    def _separation(self, window: Window) -> Array:
        """(rows, columns) of the datum above the ellipsoid, at the pixel centres of a window."""
        if self.vertical.transformer is None:
            return np.zeros((1, 1))
        size = self.grid.metres_per_pixel() or (1.0, 1.0)
        step = [max(1, min(_SIDE // 4, int(_GEOID_STEP / s))) for s in size]
        x = _nodes(window.x, window.width, step[0], self.grid.width)
        y = _nodes(window.y, window.height, step[1], self.grid.height)
        at = np.asarray(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2) + 0.5, np.float64)
        nodes = self.vertical.separation(self.grid.to_map(at)).reshape(len(y), len(x))
        columns = np.arange(window.x, window.x + window.width)
        rows = np.arange(window.y, window.y + window.height)
        wide = np.stack([np.interp(columns, x, row) for row in nodes])
        return np.stack([np.interp(rows, y, column) for column in wide.T], axis=1)

    def _from_afar(self, window: Window) -> Image:
        """Heights for a window from a coarse copy of the DEM around it; NaN if it has none there.

        Not of all the DEM: that may be the whole Earth, in thousands of files.
        """
        region, far = self._around(window)
        if far is None:
            return np.full(window.shape, np.nan, np.float32)
        scale = (region.width / far.shape[1], region.height / far.shape[0])
        x = (np.arange(window.x, window.x + window.width) - region.x + 0.5) / scale[0] - 0.5
        y = (np.arange(window.y, window.y + window.height) - region.y + 0.5) / scale[1] - 0.5
        wide, high = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        return np.asarray(
            cv2.remap(far, wide, high, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
            np.float32,
        )

    def _around(self, window: Window) -> tuple[Window, Image | None]:
        """What is looked at from afar, the same for all windows around; None if it is void."""
        reach = _REACH * _SIDE
        column, row = window.x // reach, window.y // reach
        region = Window(
            int((column - 0.5) * reach), int((row - 0.5) * reach), 2 * reach, 2 * reach
        ).intersect(self.grid.window)
        with self._lock:
            if (row, column) in self._far:
                return region, self._far[row, column]
        factor = max(1.0, max(region.shape) / _COARSE)
        shape = (math.ceil(region.height / factor), math.ceil(region.width / factor))
        if self._undeclared:  # GDAL would average them with heights
            data, mask = blocks.average(self._sound, 1, region, region, shape)
        else:
            data, mask = self.raster.read(region, shape)
            mask &= self._plausible(data[0])
        far = _closed(data[0], mask) if mask.any() else None
        if far is None and region == self.grid.window:
            raise InputError(
                f"{self.raster.name} can't serve as DEM: it has no valid height at all"
            )
        with self._lock:
            self._far[row, column] = far
        return region, far


@contextmanager
def open_dem(
    name: str, datum: str, geoid: str | None, voids: str, memory: int = 64 * MEGABYTE
) -> Iterator[Dem]:
    """Open a DEM.

    Args:
        name: anything that GDAL opens.
        datum: see `vertical_of`.
        geoid: see `vertical_of`.
        voids: fill or mask.
        memory: bytes that its blocks may take.

    Raises:
        InputError: it can't be read, has no georeference, or its vertical datum needs what isn't
            there.
        SettingsError: datum and geoid contradict each other.
    """
    with with_vertical_crs():
        opened = Raster(name)
    with opened as raster:
        header = raster.header
        if header.grid is None or header.crs is None:
            raise InputError(
                f"{name} can't serve as DEM: it has no "
                f"{'CRS' if header.grid is not None else 'geotransform'}"
            )
        if header.is_complex or header.palette is not None:
            raise InputError(f"{name} can't serve as DEM: its first band holds no heights")
        unit = header.units[0] if header.units else None
        grid = Grid(header.shape, header.grid.transform, header.crs.to_2d())
        corners = grid.to_map(grid.outline(2))
        vertical = vertical_of(datum, geoid, header.crs, unit, name, corners)
        yield Dem(raster, grid, vertical, voids, memory)


def describe(dem: Dem) -> dict[str, object]:
    """For reports (JSON)."""
    return {
        "name": dem.raster.name,
        "crs": crs_name(dem.crs),
        "datum": dem.vertical.name,
        "datum_from": dem.vertical.note,
        "voids": dem.voids,
    }


def _nodes(start: int, count: int, step: int, size: int) -> npt.NDArray[np.int64]:
    """Whole numbers in steps that hold start .. start + count - 1; multiples of the step.

    The last one is at most size - 1: beyond the DEM a geoid grid that was cut like it ends, too.
    """
    first = start // step
    last = max(first + 1, -(-(start + count - 1) // step))
    return np.unique(np.minimum(np.arange(first, last + 1) * step, size - 1))


def _cell(position: Array, count: int) -> tuple[Ints, Array]:
    """Number of the pixel whose centre comes before a position, and the way (0..1) to the next.

    Within half a pixel of the edge the outermost heights go on.
    """
    at = np.clip(position - 0.5, 0, count - 1)
    first = np.minimum(at.astype(np.int64), max(0, count - 2))
    return first, at - first


def _bilinear(
    height: npt.NDArray[np.float32],
    first: tuple[Ints, Ints],
    share: tuple[Array, Array],
    whole: bool,
) -> Array:
    """Between four neighbours, or those of them that are there; (rows, columns) throughout."""
    (y0, x0), (fy, fx) = first, share
    width = height.shape[1]
    right = 1 if width > 1 else 0
    down = width if height.shape[0] > 1 else 0
    flat, start = height.ravel(), y0 * width + x0
    corners = [np.take(flat, start + step) for step in (0, right, down, down + right)]
    if whole:
        upper = corners[0] + (corners[1] - corners[0]) * fx
        lower = corners[2] + (corners[3] - corners[2]) * fx
        return np.asarray(upper + (lower - upper) * fy)
    gx, gy = 1 - fx, 1 - fy
    parts = list(zip(corners, (gx * gy, fx * gy, gx * fy, fx * fy), strict=True))
    total, weights = np.zeros(len(fx)), np.zeros(len(fx))
    for value, weight in parts:
        there = np.isfinite(value)
        total += np.where(there, value, 0.0) * weight
        weights += np.where(there, weight, 0.0)
    return np.where(weights >= _VALID, total / np.maximum(weights, 1e-12), np.nan)


def _from_rims(height: Image, valid: Mask, part: tuple[slice, slice]) -> tuple[Image, Mask]:
    """What lies within `_NEAR` pixels of each hole, weighted by nearness; and where that is any.

    Only pixels within that distance have a say, so neighbouring blocks agree.
    """
    size = 2 * _NEAR + 1
    weight = valid.astype(np.float32)
    value = np.where(valid, height, np.float32(0))
    level = np.float32(np.median(height[valid])) if valid.any() else np.float32(0)
    value -= level * weight  # sums of large numbers would cost digits
    out = np.zeros(height.shape, np.float32)
    known = np.zeros(height.shape, np.bool_)
    for sigma in (_NEAR / 3, _NEAR / 12):  # the nearer one wins where it sees anything
        kernel = cv2.getGaussianKernel(size, sigma, cv2.CV_32F)
        total = cv2.sepFilter2D(value, -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
        share = cv2.sepFilter2D(weight, -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
        seen = share > 1e-4
        out = np.where(seen, total / np.maximum(share, 1e-9) + level, out)
        known |= seen
    return out[part].astype(np.float32), known[part]


def _closed(height: Image, valid: Mask) -> Image:
    """Voids filled from ever coarser averages of their surroundings (push-pull)."""
    if valid.all() or not valid.any():
        return np.where(valid, height, np.float32(0)).astype(np.float32)
    rows, columns = height.shape
    if min(rows, columns) <= 2:
        return np.where(valid, height, height[valid].mean()).astype(np.float32)
    even = (-(-rows // 2) * 2, -(-columns // 2) * 2)
    pad = ((0, even[0] - rows), (0, even[1] - columns))
    weight = np.pad(valid.astype(np.float32), pad)
    value = np.pad(np.where(valid, height, np.float32(0)), pad)
    quads = (even[0] // 2, 2, even[1] // 2, 2)
    count = weight.reshape(quads).sum(axis=(1, 3))
    mean = value.reshape(quads).sum(axis=(1, 3)) / np.maximum(count, 1)
    coarse = _closed(mean.astype(np.float32), count > 0)
    fine = cv2.resize(coarse, (even[1], even[0]), interpolation=cv2.INTER_LINEAR)
    return np.where(valid, height, fine[:rows, :columns]).astype(np.float32)
