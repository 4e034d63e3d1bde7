"""Tensor product cubic B-splines on a regular lattice: evaluation, design matrix, bending energy.

C. de Boor, "A practical guide to splines", revised ed., 2001, chapters IX-XI; the lattice has one
coefficient per node and one more beyond each border.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, kron

from georeg.transforms.base import Array


@dataclass(frozen=True, eq=False)
class Lattice:
    """A rectangle, given by its low corner and its size, cut into (columns, rows) cells."""

    low: Array
    size: Array
    cells: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the coefficients."""
        return self.cells[1] + 3, self.cells[0] + 3

    @property
    def spacing(self) -> Array:
        """(2,) size of a cell."""
        return np.asarray(self.size / self.cells)

    def partial(self, coefficients: Array, xy: Array, order: tuple[int, int]) -> Array:
        """(N, 2) derivative of the spline, `order` times in x and in y, at positions inside.

        Args:
            coefficients: (rows, columns, 2), see `shape`.
            xy: (N, 2) positions in the rectangle; NaN gives NaN.
            order: each 0, 1 or 2.
        """
        first, (u, v) = self._located(xy)
        wx, wy = basis(u, order[0]), basis(v, order[1])
        flat = coefficients.reshape(-1, 2)
        value = np.zeros((len(xy), 2))
        for j in range(4):
            row = np.zeros((len(xy), 2))
            for i in range(4):
                row += wx[i][:, None] * flat.take(first + (j * self.shape[1] + i), axis=0)
            value += wy[j][:, None] * row
        return np.asarray(value / np.prod(self.spacing ** np.array(order)))

    def design(self, xy: Array) -> csr_array[np.float64]:
        """(N, coefficients) matrix whose product with the coefficients is the spline at `xy`."""
        first, (u, v) = self._located(xy)
        wx, wy = basis(u, 0), basis(v, 0)
        values = (wy[:, None] * wx[None]).reshape(16, -1).T
        steps = (np.arange(4)[:, None] * self.shape[1] + np.arange(4)).ravel()
        columns = first[:, None] + steps
        starts = np.arange(0, 16 * len(xy) + 1, 16)
        shape = (len(xy), self.shape[0] * self.shape[1])
        return csr_array((values.ravel(), columns.ravel(), starts), shape=shape)

    def bending(self) -> csr_array[np.float64]:
        """Matrix of the quadratic form: integral of u_xx^2 + 2 u_xy^2 + u_yy^2, exactly."""
        x, y = (float(v) for v in self.spacing)
        bend_x, twist, bend_y = _bends(self.cells)
        # Their entries are at the same places: sums of sparse matrices would look for these.
        data = y / x**3 * bend_x.data + 2.0 / (x * y) * twist.data + x / y**3 * bend_y.data
        return csr_array((data, bend_x.indices, bend_x.indptr), shape=bend_x.shape)

    def _located(self, xy: Array) -> tuple[npt.NDArray[np.int64], tuple[Array, Array]]:
        """(N,) number of the first of the 16 coefficients, and the place within the cell."""
        t = (xy - self.low) / self.spacing
        known = np.nan_to_num(t, nan=0.0, posinf=0.0, neginf=0.0)
        cell = np.clip(np.floor(known).astype(np.int64), 0, np.array(self.cells) - 1)
        u, v = (t - cell).T
        return cell[:, 1] * self.shape[1] + cell[:, 0], (u, v)


def basis(t: Array, order: int) -> Array:
    """(4, N) derivatives of the four cubic B-splines that a unit cell sees, at t from 0 to 1."""
    if order == 0:
        s = 1.0 - t
        a, d = s * s * s, t * t * t
        b, c = 4.0 + t * t * (3.0 * t - 6.0), 4.0 + s * s * (3.0 * s - 6.0)
        return np.stack([a, b, c, d]) / 6.0
    if order == 1:
        s = 1.0 - t
        return np.stack([-s * s, t * (3.0 * t - 4.0), -s * (3.0 * s - 4.0), t * t]) / 2.0
    return np.stack([1.0 - t, 3.0 * t - 2.0, 1.0 - 3.0 * t, t])


@lru_cache(maxsize=16)
def _bends(
    cells: tuple[int, int],
) -> tuple[csr_array[np.float64], csr_array[np.float64], csr_array[np.float64]]:
    """Integrals of the products of second derivatives by x, by both and by y; cells of 1 x 1."""
    x, y = ([_gram(count, order) for order in range(3)] for count in cells)
    return csr_array(kron(y[0], x[2])), csr_array(kron(y[1], x[1])), csr_array(kron(y[2], x[0]))


def _gram(cells: int, order: int) -> csr_array[np.float64]:
    """Integrals of the products of derivatives of the splines of one axis over cells of 1."""
    nodes, weights = np.polynomial.legendre.leggauss(4)  # exact to degree 7; the integrand has 6
    values = basis((nodes + 1.0) / 2.0, order)
    local = (values * weights / 2.0) @ values.T
    start = np.arange(cells)[:, None, None]
    i, j = np.broadcast_arrays(start + np.arange(4)[:, None], start + np.arange(4))
    entries = np.broadcast_to(local, i.shape)
    # Equal places are added up.
    return csr_array((entries.ravel(), (i.ravel(), j.ravel())), shape=(cells + 3, cells + 3))
