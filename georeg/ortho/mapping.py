"""From an orthoimage's pixels to the sensor's image, fast enough to be asked for every pixel.

Between a pixel of the grid and one of the image lie a projection and the RPCs, both very smooth,
and the ground, which isn't. So the smooth part is replaced, patch by patch of the grid, by one
cubic in x, y and height, of which each patch finds out for itself that it is good enough. The
ground is looked up for every position.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georeg.crs import CrsPath
from georeg.grid import Grid
from georeg.ortho.rpc import cubic_terms
from georeg.ortho.sensor import Sensor

Array = npt.NDArray[np.float64]

_SIDE = 256  # grid pixels of a patch; patches don't depend on what is asked for
_KEPT = 1 << 14  # patches, some 20 MB
_MANY = 2048  # positions for which patches pay
_CHUNK = 1 << 12  # positions at a time
_EXACT = 2e-3  # pixels by which a patch may be wrong; 1e-6 is usual
_PLACE = 1e-3  # metres, or their like in degrees, by which a patch may look up the ground
_DEGREE = 1e-8  # the like
_BEYOND = 1.2  # of the RPCs' range of heights


@dataclass(frozen=True, eq=False)
class _Patch:
    """Cubics of one patch; None where they aren't good enough."""

    pixel: Array | None  # (2, 20) of x, y, height
    place: Array | None  # (2, 20) of x, y, 0: coordinates of the ground's CRS


def _nodes(per_side: int, high: int, shrink: float) -> Array:
    """(3, N) places all over the cube of -1..1, Chebyshev's where they are shrunk by 1."""
    axis = np.cos(np.pi * (np.arange(per_side) + 0.5) / per_side) * shrink
    level = np.cos(np.pi * (np.arange(high) + 0.5) / high) * shrink
    return np.stack([a.ravel() for a in np.meshgrid(axis, axis, level, indexing="ij")])


class OrthoMapping:
    """(N, 2) pixels of a grid -> (N, 2) pixels of a sensor's image; safe to use from threads."""

    def __init__(self, sensor: Sensor, grid: Grid) -> None:
        """Prepare.

        Args:
            sensor: of the grid's CRS, strict.
            grid: of the orthoimage.
        """
        self.sensor, self.grid = sensor, grid
        rpc = sensor.rpc
        self._middle, self._half = rpc.height_off, _BEYOND * rpc.height_scale
        self._fit, self._check = _nodes(6, 5, 1.0), _nodes(5, 4, 0.9)
        self._solve = np.linalg.pinv(cubic_terms(*self._fit).T)
        self._patches: dict[tuple[int, int], _Patch] = {}
        self._lock = threading.Lock()
        target = sensor.ground.crs
        self._path = None if target is None else CrsPath(sensor.crs, target)
        same = self._path is None or self._path.source == self._path.target
        self._tolerance = None if same else _DEGREE if target and target.is_geographic else _PLACE

    def __call__(self, xy: Array) -> Array:
        """NaN where the ground is unknown."""
        if len(xy) < _MANY:
            return self.sensor.to_pixel(self.grid.to_map(xy))
        out = np.empty((len(xy), 2))
        cell = np.floor(xy / _SIDE).astype(np.int64)
        first = cell.min(axis=0)
        columns = int(cell[:, 0].max() - first[0]) + 1
        key = (cell[:, 1] - first[1]) * columns + (cell[:, 0] - first[0])
        order = np.argsort(key, kind="stable")
        cuts = np.flatnonzero(np.diff(key[order])) + 1
        for group in np.split(order, cuts):
            at = int(cell[group[0], 0]), int(cell[group[0], 1])
            patch = self._patch(at)
            for start in range(0, len(group), _CHUNK):
                part = group[start : start + _CHUNK]
                out[part] = self._evaluate(xy[part], at, patch)
        return out

    def _evaluate(self, xy: Array, at: tuple[int, int], patch: _Patch) -> Array:
        half = _SIDE / 2
        x, y = xy[:, 0] / half - (2 * at[0] + 1), xy[:, 1] / half - (2 * at[1] + 1)
        if patch.place is None:
            height = self.sensor.height(self.grid.to_map(xy))
        else:
            place = (patch.place @ cubic_terms(x, y, np.zeros_like(x))).T
            height = self.sensor.ground.heights(place).height
        level = (height - self._middle) / self._half
        if patch.pixel is None:
            return self._exact(self.grid.to_map(xy), height)
        pixel = (patch.pixel @ cubic_terms(x, y, level)).T
        with np.errstate(invalid="ignore"):
            far = np.abs(level) > 1
        if far.any():
            pixel[far] = self._exact(self.grid.to_map(xy[far]), height[far])
        return np.asarray(pixel)

    def _exact(self, map_xy: Array, height: Array) -> Array:
        pixel = self.sensor.project(map_xy, height)
        return pixel if self.sensor.bias is None else self.sensor.bias.forward(pixel)

    def _patch(self, at: tuple[int, int]) -> _Patch:
        with self._lock:
            held = self._patches.get(at)
        if held is None:
            held = self._made(at)
            with self._lock:
                if len(self._patches) >= _KEPT:
                    self._patches.clear()
                self._patches[at] = held
        return held

    def _made(self, at: tuple[int, int]) -> _Patch:
        cube = np.concatenate([self._fit, self._check], axis=1)
        xy = (cube[:2].T + 1 + 2 * np.array(at)) * (_SIDE / 2)
        on_map = self.grid.to_map(xy)
        pixel = self._exact(on_map, self._middle + self._half * cube[2])
        place = None
        if self._tolerance is not None and self._path is not None:
            flat = np.array([[1.0], [1.0], [0.0]])
            place = self._cubic(self._path.forward(on_map), self._tolerance, flat)
        return _Patch(self._cubic(pixel, _EXACT), place)

    def _cubic(self, values: Array, tolerance: float, keep: Array | float = 1.0) -> Array | None:
        """(2, 20) coefficients, if they are good enough at the places that only check."""
        n = self._fit.shape[1]
        # Whatever depends on the height alone is noise where the height takes no part.
        solve = self._solve
        if not isinstance(keep, float):
            solve = np.linalg.pinv(cubic_terms(*(self._fit * keep)).T)
        coefficients = np.asarray((solve @ values[:n]).T)
        there = coefficients @ cubic_terms(*(self._check * keep))
        wrong = np.abs(there - values[n:].T).max()
        return coefficients if wrong <= tolerance else None
