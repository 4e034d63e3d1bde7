"""Penalised least squares on a B-spline lattice, and the choice of the penalty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_solve_banded, cholesky_banded
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree
from threadpoolctl import ThreadpoolController

from georeg.errors import PointsError
from georeg.transforms._bspline import Lattice
from georeg.transforms._leastsquares import check_design
from georeg.transforms.base import Array

FOLDS = 5
"""Of the cross-validation."""

STEPS = 6
"""Values of smoothing that are tried first; two more between the best and its neighbours."""

STIFFEST = 1e4
"""The largest of them: it takes a quarter off waves of 2.5 domain sides; near enough to affine."""

STIFFER = 5
"""Values from what predicts best on that are tried, each twice the one before."""

_FULL = 0.9  # of what the points span is all of it
_PROBES = 16  # made-up errors, of two axes each or of one
_GRAIN = 4  # cells along a template's side, of which its made-up error is the sum

_LOCK = Lock()


@dataclass(frozen=True, eq=False)
class Problem:
    """Minimise sum_i w_i |spline(xy_i) - values_i|^2 / sum w + smoothing * area / (8 pi)^4 * E.

    E is the bending energy, area that of the lattice. The minimum is iterated once: solved again
    with E of the change against the first solution (iterated Tikhonov regularisation; "twicing",
    J. Tukey, "Exploratory data analysis", 1977). In tests on noisy waves that took 5 to 10 % off
    the error at the best smoothing, most of it at the border; in gaps the field still bends as
    little as possible, being the sum of two solutions that do.

    With evenly spread points, a wave of length L keeps 1 - (x / (1 + x))^2 of its height, where
    x = smoothing * (side / (4 L))^4 and side is the root of the area: smoothing 1 takes a quarter
    off waves of a quarter of the side, whatever the units, the number of points or the scale of
    the weights.
    """

    lattice: Lattice
    xy: Array
    values: Array
    weights: Array

    def solve(self, smoothing: float) -> Array:
        """(rows, columns, 2) coefficients.

        Raises:
            PointsError: the points don't determine the spline.
        """
        shares = self.weights / self.weights.sum()
        part, rhs = _normal(self.lattice.design(self.xy), self.values, shares)
        flat = _solved(_Symmetric.of(part), rhs, self._penalty(), smoothing)
        if not np.isfinite(flat).all():
            raise PointsError("field: the points are degenerate (on a line or equal)")
        return flat.reshape(*self.lattice.shape, 2)

    def eased(self, predicts: float, side: float) -> float:
        """More smoothing than what predicts left-out blocks best, for less error everywhere.

        Two thirds of the way, in its logarithm, to what is best where the points are. In a block
        that is left out a wave is bridged, so that smoothing takes more of it than where there are
        points, and what neighbours have in common, right or wrong, predicts; but beyond the
        outermost points, and in gaps, that is what counts. Over 16 real pairs bent by waves,
        borders included, this leaves 4 % less error than what predicts best, and in the worst case
        as much; with points that err for themselves, 7 % less. Where points leave much of the
        domain open (tiles far from each other), what predicts best stays.

        Args:
            predicts: `best_smoothing`.
            side: width of the squares that the values were seen in: they err alike as far as these
                overlap. 0: each errs for itself.
        """
        if self._filled() < _FULL:
            return predicts
        return float(predicts * (self._following(predicts, side) / predicts) ** (2 / 3))

    def _filled(self) -> float:
        """Share of the points' bounding box that has points, in squares of four of their spacings.

        Of points that lie anywhere and nowhere more than elsewhere that is 97 %.
        """
        low, size = self.xy.min(axis=0), np.ptp(self.xy, axis=0)
        squares = np.maximum(np.round(size / (4.0 * typical_distance(self.xy))), 1.0)
        place = np.minimum(np.floor((self.xy - low) / size * squares), squares - 1)
        return len(np.unique(place @ [1.0, squares[0]])) / float(squares.prod())

    def _following(self, least: float, side: float) -> float:
        """The smoothing that is best where the points are, from the given one on.

        The minimum of generalised cross-validation (G. Wahba, "Spline models for observational
        data", SIAM 1990, section 4.3), with the trace for errors that are alike where squares
        overlap (N. Altman, "Kernel smoothing of data with correlated errors", JASA 85, 1990). With
        less smoothing than predicts, it would take what few points have in common for the truth.
        Over 16 real pairs bent by waves it leaves 1 % more than the least error that any smoothing
        leaves between points, and what predicts best 9 %; where each point errs for itself, 2 and
        18 %.
        """
        values = np.minimum(least * 2.0 ** np.arange(STIFFER), STIFFEST)
        scores = np.log(np.maximum(self._scores(values, side), 1e-300))
        best = int(np.argmin(scores))
        if not 0 < best < len(values) - 1:
            return float(values[best])
        left, middle, right = scores[best - 1 : best + 2]
        bend = left - 2.0 * middle + right
        return float(values[best] * 2.0 ** (0.5 * (left - right) / bend if bend > 0.0 else 0.0))

    def _scores(self, smoothings: Array, side: float) -> Array:
        """Generalised cross-validation's score of each."""
        shares = self.weights / self.weights.sum()
        design, penalty = self.lattice.design(self.xy), self._penalty()
        errors = self._made_up_errors(side)
        part, rhs = _normal(design, np.hstack([self.values, errors]), shares)
        matrix, axes = _Symmetric.of(part), self.values.shape[1]
        total = float(shares @ (errors**2).sum(axis=1))
        out = []
        for smoothing in smoothings:
            followed = np.asarray(design @ _solved(matrix, rhs, penalty, float(smoothing)))
            rest = float(shares @ ((followed[:, :axes] - self.values) ** 2).sum(axis=1))
            share = float(shares @ (errors * followed[:, axes:]).sum(axis=1)) / total
            out.append(rest / max(1.0 - share, 1e-3) ** 2)
        return np.array(out)

    def _made_up_errors(self, side: float) -> Array:
        """(N, K) made-up errors, as much alike as squares overlap; always the same ones."""
        rng = np.random.default_rng(0)
        if side <= 0.0:
            return rng.normal(size=(len(self.xy), _PROBES))
        column, row = np.floor(self.xy / (side / _GRAIN)).astype(np.int64).T
        more = np.arange(_GRAIN)
        columns = column[:, None, None] + more
        rows = row[:, None, None] + more[:, None]
        width = int(np.ptp(columns)) + 1
        number = np.unique((rows * width + columns).ravel(), return_inverse=True)[1]
        noise = rng.normal(size=(int(number.max()) + 1, _PROBES))
        out = np.zeros((len(self.xy), _PROBES))
        for of_cell in number.reshape(len(self.xy), -1).T:
            out += noise[of_cell]
        return out

    def best_smoothing(self) -> float:
        """The smoothing of the smallest error at left-out points, by 5-fold cross-validation.

        The folds are made of blocks of a coarse grid: near neighbours, whose errors are often
        alike, are left out together (D. Roberts et al., "Cross-validation strategies for data
        with temporal, spatial, hierarchical, or phylogenetic structure", Ecography 40, 2017).
        Between the values tried, the minimum of a parabola through three log errors counts.
        """
        # Down to where waves of one cell, which the lattice can't show, would lose a quarter.
        side, cell = np.sqrt(self.lattice.size.prod()), self.lattice.spacing.max()
        ladder = np.geomspace(STIFFEST, min(1.0, (4.0 * cell / side) ** 4), STEPS)
        folds, penalty = self._folds(), self._penalty()
        errors = np.array([_left_out_error(folds, penalty, s) for s in ladder])
        best = int(np.argmax(errors <= errors.min() * (1.0 + 1e-6) + 1e-18))  # the stiffest
        if not 0 < best < len(ladder) - 1 or errors[best] <= 0.0:
            return float(ladder[best])
        half = np.sqrt(ladder[1] / ladder[0])
        sides = [_left_out_error(folds, penalty, ladder[best] * half**i) for i in (-1, 1)]
        left, middle, right = np.log([sides[0], errors[best], sides[1]])
        bend = left - 2.0 * middle + right
        step = 0.5 * (left - right) / bend if bend > 0.0 else 0.5 * np.sign(left - right)
        return float(ladder[best] * half ** np.clip(step, -1.0, 1.0))

    def _penalty(self) -> _Symmetric:
        scale = float(np.prod(self.lattice.size)) / (8.0 * np.pi) ** 4
        return _Symmetric.of(csc_array(scale * self.lattice.bending()))

    def _folds(self) -> list[_Fold]:
        shares, number = self.weights / self.weights.sum(), self._fold_numbers()
        design = self.lattice.design(self.xy)
        splits = [np.flatnonzero(number == fold) for fold in np.unique(number)]
        parts = [_normal(design[i], self.values[i], shares[i]) for i in splits]
        whole, rhs = _normal(design, self.values, shares)
        return [
            _Fold(
                _Symmetric.of(csc_array(whole - part[0])),
                rhs - part[1],
                design[i],
                self.values[i],
                shares[i],
            )
            for i, part in zip(splits, parts, strict=True)
            if _spread(self.xy[np.setdiff1d(np.arange(len(number)), i)])
        ]

    def _fold_numbers(self) -> npt.NDArray[np.int64]:
        """(N,) number of each point's fold.

        Along rows and columns of blocks the folds take turns, so each is spread evenly.
        """
        low, size = self.xy.min(axis=0), np.ptp(self.xy, axis=0)
        blocks = np.clip(np.array(self.lattice.cells) // 3, FOLDS, 16)
        place = np.floor((self.xy - low) / size * blocks).astype(np.int64)
        column, row = np.minimum(place, blocks - 1).T
        return np.asarray((column + 2 * row) % FOLDS, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class _Fold:
    """Normal equations of the points that train; design, values and weights of the others."""

    part: _Symmetric
    rhs: Array
    design: csr_array[np.float64]
    values: Array
    shares: Array


def _left_out_error(folds: list[_Fold], penalty: _Symmetric, smoothing: float) -> float:
    """Weighted sum of the squared errors at left-out points."""
    error = 0.0
    for fold in folds:
        # Less weight trains than the whole has: the balance with the penalty must not change.
        balanced = smoothing * (1.0 - float(fold.shares.sum()))
        residual = fold.design @ _solved(fold.part, fold.rhs, penalty, balanced) - fold.values
        error += float(fold.shares @ (residual**2).sum(axis=1))
    return error


def typical_distance(xy: Array) -> float:
    """Median distance from each of the points to the nearest other place that has one."""
    # As complex numbers: NumPy sorts rows many times more slowly.
    distinct = np.unique(np.ascontiguousarray(xy).view(np.complex128)).view(np.float64)
    distinct = distinct.reshape(-1, 2)
    return float(np.median(cKDTree(distinct).query(distinct, k=[2])[0]))


def _spread(xy: Array) -> bool:
    """Whether the points determine an affine transform."""
    try:
        check_design(np.column_stack([xy - xy.mean(axis=0), np.ones(len(xy))]), "field")
    except (PointsError, ValueError):
        return False
    return True


def _normal(
    design: csr_array[np.float64], values: Array, weights: Array
) -> tuple[csc_array[np.float64], Array]:
    """The normal equations' matrix and right-hand side."""
    data = design.data * np.repeat(weights, 16)
    weighted = csr_array((data, design.indices, design.indptr), shape=design.shape)
    return csc_array(design.T @ weighted), np.asarray(weighted.T @ values)


@dataclass(frozen=True, eq=False)
class _Symmetric:
    """A symmetric matrix, and its lower triangle: rows below the diagonal, columns, entries.

    Sums of such matrices go straight into a band: sparse sums take as long as its factors.
    """

    matrix: csc_array[np.float64]
    below: npt.NDArray[np.integer[Any]]
    column: npt.NDArray[np.integer[Any]]
    entries: Array

    @classmethod
    def of(cls, matrix: csc_array[np.float64]) -> _Symmetric:
        """The upper triangle isn't looked at, but by `matrix`."""
        every = matrix.tocoo()
        below = every.row - every.col
        lower = below >= 0
        return cls(matrix, below[lower], every.col[lower], every.data[lower])


def _solved(part: _Symmetric, rhs: Array, penalty: _Symmetric, smoothing: float) -> Array:
    """(coefficients, 2) of the iterated minimum; not finite if there is none."""
    solve = _factorised(part, penalty, smoothing)
    if solve is None:
        return np.full_like(rhs, np.nan)
    first = solve(rhs)
    return np.asarray(solve(rhs + smoothing * (penalty.matrix @ first)))


def _factorised(
    part: _Symmetric, penalty: _Symmetric, smoothing: float
) -> Callable[[Array], Array] | None:
    """Solves part + smoothing * penalty for right-hand sides; None if that is singular.

    It is symmetric and, but for rounding, positive definite, and has a band of three rows of the
    lattice on either side: LAPACK's band Cholesky takes a fifth of the time of a sparse LU.
    """
    rows = 1 + max(int(m.below.max(initial=0)) for m in (part, penalty))
    flat = np.zeros(rows * part.matrix.shape[0])
    flat[part.column * rows + part.below] = part.entries
    flat[penalty.column * rows + penalty.below] += smoothing * penalty.entries
    band = flat.reshape(-1, rows).T  # column by column, as LAPACK has it: it need not copy it
    with _one_thread():
        try:
            factor = cholesky_banded(band, overwrite_ab=True, lower=True, check_finite=False)
        except (LinAlgError, ValueError):
            return _by_lu(csc_array(part.matrix + smoothing * penalty.matrix))

    def solve(rhs: Array) -> Array:
        with _one_thread():
            return np.asarray(cho_solve_banded((factor, True), rhs, check_finite=False))

    return solve


def _by_lu(matrix: csc_array[np.float64]) -> Callable[[Array], Array] | None:
    """The same for matrices that rounding left not quite definite; without pivoting."""
    try:
        factor = splu(
            matrix,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError:  # exactly singular
        return None
    return lambda rhs: np.asarray(factor.solve(rhs))


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for BLAS, whose small steps in many take seconds where processors are busy.

    Its number of threads is the process's, so that one thread of ours at a time may change it.
    """
    with _LOCK, _blas().limit(limits=1):
        yield


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
