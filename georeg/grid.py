"""Where pixels are: an immutable raster grid, and windows on it.

Pixel coordinates are GDAL's: x along columns, y along rows, (0, 0) the outer corner of the
upper-left pixel, pixel centres at +0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import CRS

from georeg.crs import metres_per_unit
from georeg.errors import SettingsError

Array = npt.NDArray[np.float64]

MOST = 2_000_000  # pixels along a side: beyond that something is wrong


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels: first column and row, width and height."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def around(cls, xy: Array, margin: float = 0.0) -> Window:
        """The smallest window that holds the (N, 2) pixel positions and a margin."""
        low = np.floor(np.min(xy, axis=0) - margin).astype(int)
        high = np.ceil(np.max(xy, axis=0) + margin).astype(int)
        return cls(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.height, self.width

    @property
    def empty(self) -> bool:
        """Whether the window holds no pixel."""
        return self.width <= 0 or self.height <= 0

    @property
    def center(self) -> tuple[float, float]:
        """The middle, in pixel coordinates (x, y)."""
        return self.x + self.width / 2, self.y + self.height / 2

    def pad(self, margin: int) -> Window:
        """The window grown by `margin` pixels on every side."""
        return Window(
            self.x - margin, self.y - margin, self.width + 2 * margin, self.height + 2 * margin
        )

    def intersect(self, other: Window) -> Window:
        """The common part; empty (zero or negative size) where there is none."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        return Window(x, y, right - x, bottom - y)


@dataclass(frozen=True)
class Grid:
    """Shape (rows, columns), transform pixel -> map, and CRS (None where unknown)."""

    shape: tuple[int, int]
    transform: Affine
    crs: CRS | None

    @classmethod
    def from_bounds(
        cls,
        bounds: tuple[float, float, float, float],
        resolution: tuple[float, float],
        crs: CRS | None,
        *,
        align: bool = False,
    ) -> Grid:
        """North-up grid that covers (left, bottom, right, top) with pixels of `resolution`.

        With `align`, the edges lie on multiples of the resolution (GDAL's -tap).

        Raises:
            SettingsError: no numbers are large enough to count the pixels.
        """
        left, bottom, right, top = bounds
        rx, ry = resolution
        ends = np.array([[left, right, right - left], [bottom, top, top - bottom]])
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            counts = ends / [[rx], [ry]]
        if not np.isfinite(counts).all():
            raise SettingsError(
                f"pixels of {rx:g} x {ry:g} can't be counted from {left:g} {bottom:g} to "
                f"{right:g} {top:g}: check --resolution and --bounds"
            )
        slack = 1e-6  # a bound that lies on the pixel grid but for rounding needs no further pixel
        if align:
            left, top = math.floor(left / rx + slack) * rx, math.ceil(top / ry - slack) * ry
        columns = max(1, math.ceil((right - left) / rx - slack))
        rows = max(1, math.ceil((top - bottom) / ry - slack))
        return cls((rows, columns), Affine(rx, 0.0, left, 0.0, -ry, top), crs)

    @property
    def width(self) -> int:
        """Columns."""
        return self.shape[1]

    @property
    def height(self) -> int:
        """Rows."""
        return self.shape[0]

    @property
    def window(self) -> Window:
        """The whole grid."""
        return Window(0, 0, self.width, self.height)

    @property
    def center(self) -> Array:
        """Map position (2,) of the grid's middle."""
        return np.asarray(self.to_map(np.array([[self.width / 2, self.height / 2]]))[0])

    @property
    def diagonal(self) -> float:
        """Length of the diagonal in pixels."""
        return math.hypot(*self.shape)

    def to_map(self, xy: Array) -> Array:
        """(N, 2) pixel coordinates -> (N, 2) map coordinates."""
        return apply_affine(self.transform, xy)

    def to_pixel(self, xy: Array) -> Array:
        """(N, 2) map coordinates -> (N, 2) pixel coordinates."""
        return apply_affine(~self.transform, xy)

    def crop(self, window: Window) -> Grid:
        """The grid of a window, which may reach beyond the edges."""
        shift = Affine.translation(window.x, window.y)
        return replace(self, shape=window.shape, transform=self.transform @ shift)

    def zoom(self, factor: float) -> Grid:
        """The same ground with pixels `factor` times as large; the last ones may stick out."""
        rows, columns = (max(1, math.ceil(n / factor - 1e-6)) for n in self.shape)
        return replace(self, shape=(rows, columns), transform=self.transform @ Affine.scale(factor))

    def outline(self, per_side: int = 21) -> Array:
        """(4 * per_side, 2) pixel positions along the edge."""
        return outline(self.width, self.height, per_side)

    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) in map coordinates."""
        corners = self.to_map(self.outline(2))
        (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
        return float(left), float(bottom), float(right), float(top)

    def metres_per_pixel(self) -> tuple[float, float] | None:
        """Ground size of the middle pixel along columns and rows; None without a CRS."""
        scale = metres_per_unit(self.crs, self.center)
        if scale is None:
            return None
        t = self.transform
        return (
            math.hypot(t.a * scale[0], t.d * scale[1]),
            math.hypot(t.b * scale[0], t.e * scale[1]),
        )


def apply_affine(transform: Affine, xy: Array) -> Array:
    """(N, 2) positions through an affine transform, in double precision."""
    t = transform
    out = np.empty(xy.shape)
    x, y = xy[:, 0], xy[:, 1]  # NumPy multiplies long and thin arrays by matrices slowly
    out[:, 0] = t.a * x + t.b * y + t.c if t.b else t.a * x + t.c
    out[:, 1] = t.d * x + t.e * y + t.f if t.d else t.e * y + t.f
    return out


def outline(width: float, height: float, per_side: int = 21) -> Array:
    """(4 * per_side, 2) positions along the edge of a width x height rectangle."""
    t = np.linspace(0.0, 1.0, per_side)
    zero, one = np.zeros_like(t), np.ones_like(t)
    x = np.concatenate([t, one, 1 - t, zero]) * width
    y = np.concatenate([zero, t, one, 1 - t]) * height
    return np.stack([x, y], axis=1)
