"""Base of the flexible models: fitted reference -> moving, the direction that a warp evaluates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from georeg.errors import PointsError
from georeg.transforms import _newton
from georeg.transforms._stored import Stored, positions
from georeg.transforms.base import Array


@dataclass(frozen=True, eq=False)
class Pull(Stored):
    """moving = base(reference) + displacement(reference), both in frame pixels.

    `base` is the (2, 3) matrix of the weighted affine fit. `forward` solves for the reference
    position by Newton iteration from the base's; in a fold, where there is none within 1e-4 px,
    it is NaN. The displacement is also where the accuracy comes from: it is a few pixels, so its
    coefficients lose nothing to large coordinates.
    """

    base: Array

    chunk: ClassVar[int] = 65536
    """Positions evaluated at once: bounds the memory and stays in the processor's cache."""

    def __post_init__(self) -> None:
        """Checks that the base has an inverse: `forward` starts from it."""
        super().__post_init__()
        if not np.isfinite(_newton.invert(self.base[None, :, :2])).all():
            raise PointsError(f"{self.name}: the base can't be inverted")

    @abstractmethod
    def _displacement(self, xy: Array) -> Array:
        """(N, 2) displacement at (N, 2) reference positions."""

    @abstractmethod
    def _gradient(self, xy: Array) -> Array:
        """(N, 2, 2) derivatives of the displacement: element [n, i, j] is d u_i / d xy_j."""

    def _pull(self, xy: Array) -> Array:
        return np.asarray(xy @ self.base[:, :2].T + self.base[:, 2] + self._displacement(xy))

    def _slopes(self, xy: Array) -> Array:
        return np.asarray(self.base[:, :2] + self._gradient(xy))

    def _push(self, xy: Array) -> Array:
        linear = self.base[:, :2]
        start = np.linalg.solve(linear, (xy - self.base[:, 2]).T).T
        return _newton.solve(self._pull, self._slopes, xy, np.asarray(start, dtype=np.float64))

    def forward(self, moving_xy: Array) -> Array:
        """(N, 2) claimed -> (N, 2) true positions; NaN where there is none, in a fold."""
        return self._by_chunk(self._push, positions(moving_xy))

    def inverse(self, reference_xy: Array) -> Array:
        """(N, 2) true -> (N, 2) claimed positions."""
        return self._by_chunk(self._pull, positions(reference_xy))

    def jacobian(self, moving_xy: Array) -> Array:
        """(N, 2, 2) derivatives of `forward`: element [n, i, j] is d forward_i / d moving_j."""
        return _newton.invert(self._by_chunk(self._slopes, self.forward(moving_xy)))

    def _by_chunk(self, function: Callable[[Array], Array], xy: Array) -> Array:
        if len(xy) <= self.chunk:
            return function(xy)
        starts = range(0, len(xy), self.chunk)
        return np.concatenate([function(xy[i : i + self.chunk]) for i in starts])


@dataclass(frozen=True, eq=False)
class Continued(Pull):
    """A displacement that is its own within `box` and goes on linearly beyond.

    `box` holds the low and the high corner, in reference frame pixels. With c the position
    clamped to the box and r the remaining step, the displacement is
    u(c) + u_x(c) r_x + u_y(c) r_y + u_xy(c) r_x r_y. The last term, not zero in the four corner
    areas only, is what makes value and derivatives continuous on their borders as well; along
    every line parallel to an axis the continuation is linear.
    """

    box: Array

    @abstractmethod
    def _partial(self, xy: Array, order: tuple[int, int]) -> Array:
        """(N, 2) derivative of the displacement, `order` times in x and in y, inside the box."""

    def _displacement(self, xy: Array) -> Array:
        inside, rest = self._clamped(xy)
        value = self._partial(inside, (0, 0))
        out = np.flatnonzero(rest.any(axis=1))
        if out.size:
            at, step = inside[out], rest[out]
            value[out] += self._partial(at, (1, 0)) * step[:, :1]
            value[out] += self._partial(at, (0, 1)) * step[:, 1:]
            value[out] += self._partial(at, (1, 1)) * step[:, :1] * step[:, 1:]
        return value

    def _gradient(self, xy: Array) -> Array:
        inside, rest = self._clamped(xy)
        slopes = np.stack([self._partial(inside, (1, 0)), self._partial(inside, (0, 1))], axis=2)
        out = np.flatnonzero(rest.any(axis=1))
        if out.size:
            twist = self._partial(inside[out], (1, 1))
            slopes[out] += twist[:, :, None] * rest[out][:, None, ::-1]
        return slopes

    def _clamped(self, xy: Array) -> tuple[Array, Array]:
        """The nearest positions in the box, and the steps that remain from there."""
        inside = np.clip(xy, self.box[0], self.box[1])
        return inside, xy - inside


def enlarged_box(xy: Array, margin: float = 0.1) -> Array:
    """(2, 2) low and high corner of the points' bounding box, `margin` of its size added around."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    grown = margin * (high - low)
    return np.stack([low - grown, high + grown])
