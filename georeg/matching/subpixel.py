"""Where between the steps of a similarity surface its peak lies.

A quadratic through 3 x 3 values is pulled towards whole steps by up to 0.04 steps, because peaks
are no parabolas. A quartic that is fitted by weighted least squares to 7 x 7 values lies within
0.016 steps on the same surfaces and no less steadily on real ones (cubic and quintic splines and
windowed sinc kernels: 0.055, 0.033 and 0.037).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_REACH, _DEGREE, _SPREAD = 3, 4, 1.2  # steps, order, and sigma of the weights in steps
_ROUNDS = 4  # Newton steps from the quadratic's vertex
_FARTHEST = 1.0  # steps from the highest value within which the vertex must lie

_TERMS = np.array(
    [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)], dtype=np.int64
)


def _solver() -> Array:
    """(terms, 49) from values to coefficients of x^i y^j."""
    y, x = (a.ravel() for a in np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1])
    powers = np.stack([x**i * y**j for i, j in _TERMS], axis=1).astype(np.float64)
    weight = np.exp(-(x**2 + y**2) / (2 * _SPREAD**2))
    return np.asarray(np.linalg.pinv(powers * weight[:, None]) * weight)


def _derivative(along_x: int, along_y: int) -> tuple[Array, Index, Index]:
    """Factors and exponents (of x, of y) of the terms of a derivative."""
    i, j = _TERMS.T
    factor = np.ones(len(_TERMS))
    for n in range(along_x):
        factor *= i - n
    for n in range(along_y):
        factor *= j - n
    return factor, np.maximum(i - along_x, 0), np.maximum(j - along_y, 0)


_SOLVER = _solver()
_DERIVATIVES = tuple(_derivative(i, j) for i, j in ((1, 0), (0, 1), (2, 0), (0, 2), (1, 1)))


def vertex(score: Array, y: Index, x: Index) -> tuple[Array, Array, Flags]:
    """Vertex of the quadratic through the 3 x 3 values around a place.

    Args:
        score: (K, H, W) surfaces.
        y: (K,) row of each one's highest value.
        x: (K,) column.

    Returns:
        (K, 2) place (x, y) in steps, (K,) width in steps along the flatter axis, and (K,) whether
        it is a peak inside the surface at all.
    """
    rows, columns = score.shape[1] - 1, score.shape[2] - 1
    inside = (y > 0) & (x > 0) & (y < rows) & (x < columns)
    yi, xi = np.clip(y, 1, max(rows - 1, 1)), np.clip(x, 1, max(columns - 1, 1))
    if min(rows, columns) < 2:
        return np.stack([x, y], axis=1).astype(np.float64), np.ones(len(y)), np.zeros_like(inside)
    k = np.arange(len(score))
    z = {(j, i): score[k, yi + j, xi + i] for j in (-1, 0, 1) for i in (-1, 0, 1)}
    gx, gy = (z[0, 1] - z[0, -1]) / 2, (z[1, 0] - z[-1, 0]) / 2
    hxx = z[0, 1] - 2 * z[0, 0] + z[0, -1]
    hyy = z[1, 0] - 2 * z[0, 0] + z[-1, 0]
    hxy = (z[1, 1] - z[1, -1] - z[-1, 1] + z[-1, -1]) / 4
    determinant = hxx * hyy - hxy**2
    ok = inside & (determinant > 1e-12) & (hxx < 0) & (hyy < 0)
    determinant = np.where(ok, determinant, 1.0)
    dx = -(hyy * gx - hxy * gy) / determinant
    dy = -(hxx * gy - hxy * gx) / determinant
    ok &= (np.abs(dx) <= _FARTHEST) & (np.abs(dy) <= _FARTHEST)
    trace = hxx + hyy
    root = np.sqrt(np.maximum((trace / 2) ** 2 - determinant, 0))
    flatter = np.maximum(-(trace / 2 + root), 1e-4)
    return np.stack([xi + dx, yi + dy], axis=1), 1 / np.sqrt(flatter), ok


def sharpen(score: Array, y: Index, x: Index, start: Array) -> Array:
    """Vertices of the quartics around places, from the quadratics' vertices.

    Args:
        score: (K, H, W) surfaces; NaN where unknown.
        y: (K,) row of each one's highest value.
        x: (K,) column.
        start: (K, 2) from `vertex`.

    Returns:
        (K, 2) place (x, y) in steps; `start` where the surroundings aren't known.
    """
    rows, columns = score.shape[1:]
    out = start.copy()
    near = (y >= _REACH) & (x >= _REACH) & (y < rows - _REACH) & (x < columns - _REACH)
    k = np.nonzero(near)[0]
    if not len(k):
        return out
    steps = np.arange(-_REACH, _REACH + 1)
    around = score[
        k[:, None, None],
        (y[k][:, None] + steps)[:, :, None],
        (x[k][:, None] + steps)[:, None, :],
    ].reshape(len(k), -1)
    known = np.isfinite(around).all(axis=1)
    k, around = k[known], around[known]
    here = np.stack([x[k], y[k]], axis=1)
    offset, ok = _climb(around @ _SOLVER.T, np.clip(start[k] - here, -0.9, 0.9))
    out[k[ok]] = (here + offset)[ok]
    return out


def _climb(coefficients: Array, offset: Array) -> tuple[Array, Flags]:
    """Newton steps to the maxima, and whether they were found."""
    ok = np.ones(len(offset), np.bool_)
    for _ in range(_ROUNDS):
        powers = np.stack([offset**n for n in range(_DEGREE + 1)])  # (5, K, 2)
        gx, gy, hxx, hyy, hxy = (
            ((coefficients * factor) * powers[ox, :, 0].T * powers[oy, :, 1].T).sum(axis=1)
            for factor, ox, oy in _DERIVATIVES
        )
        determinant = hxx * hyy - hxy**2
        ok &= (determinant > 1e-12) & (hxx < 0)
        determinant = np.where(ok, determinant, 1.0)
        step = np.stack([hyy * gx - hxy * gy, hxx * gy - hxy * gx], axis=1) / determinant[:, None]
        offset = offset - np.clip(np.where(ok[:, None], step, 0.0), -0.3, 0.3)
    return offset, ok & (np.abs(offset) <= _FARTHEST).all(axis=1)
