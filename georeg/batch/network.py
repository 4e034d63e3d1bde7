"""Many rasters placed jointly: one least-squares adjustment over the tie points of all pairs.

As in a bundle block adjustment (B. Triggs et al., "Bundle Adjustment - A Modern Synthesis", 2000),
but linear: every raster has a correction of its claimed positions, and a tie point between two of
them says that their corrected positions are the same place. Raster 0, the reference, has none.
Chains of pairs don't drift, because pairs that close a loop hold them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

Array = npt.NDArray[np.float64]

MODELS = ("shift", "similarity", "affine")
_UNKNOWNS = {"shift": 2, "similarity": 4, "affine": 6}
_ROUNDS = 12  # of reweighting
_MOST = 100.0  # tie points after which a pair gains no more weight: neighbours share errors
_FOLDS = 5
_NARROW = 1e-9  # of the diagonal: keeps unknowns at 0 that no tie point tells anything about


@dataclass(frozen=True, eq=False)
class PairPoints:
    """Tie points of two rasters.

    Attributes:
        one, other: numbers of the rasters; 0 is the reference.
        one_xy, other_xy: (N, 2) where each claims the points to be, in frame pixels.
        sigma: (N,) standard deviations in frame pixels.
    """

    one: int
    other: int
    one_xy: Array
    other_xy: Array
    sigma: Array


@dataclass(frozen=True, eq=False)
class Network:
    """An adjustment.

    Attributes:
        matrices: by raster, (3, 3) claimed -> true frame pixels; only of those that hang together
            with the reference.
        pair_rmse: RMSE in frame pixels of each pair's tie points after the adjustment.
        held_out: by raster, RMSE in frame pixels at its tie points when they were left out.
        model: shift, similarity or affine.
    """

    matrices: Mapping[int, Array]
    pair_rmse: tuple[float, ...]
    held_out: Mapping[int, float]
    model: str


def adjust(pairs: Sequence[PairPoints], count: int, model: str) -> Network:
    """Place all rasters that a chain of pairs connects to the reference.

    Args:
        pairs: with at least as many points as the model needs.
        count: number of rasters, the reference being number 0.
        model: of each raster's correction.
    """
    used = connected(pairs, count)
    kept = [pair for pair in pairs if pair.one in used and pair.other in used]
    if not kept:
        return Network({}, tuple(float("nan") for _ in pairs), {}, model)
    frame = _Normal(kept)
    weights = _robust(kept, count, model, frame)
    solved = _solve(kept, weights, count, model, frame)
    errors = [_errors(pair, solved) for pair in kept]
    held = _held_out(kept, weights, count, model, frame)
    by_pair = {id(pair): _rms(e, w) for pair, e, w in zip(kept, errors, weights, strict=True)}
    return Network(
        {n: solved[n] for n in sorted(used) if n},
        tuple(by_pair.get(id(pair), float("nan")) for pair in pairs),
        held,
        model,
    )


def connected(pairs: Sequence[PairPoints], count: int) -> set[int]:
    """Numbers of the rasters that chains of pairs connect to the reference."""
    rows = np.array([pair.one for pair in pairs], np.int64)
    columns = np.array([pair.other for pair in pairs], np.int64)
    graph = sparse.coo_matrix((np.ones(len(pairs)), (rows, columns)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    return {n for n in range(count) if labels[n] == labels[0]}


@dataclass(frozen=True)
class Loop:
    """Three rasters, and by how much their pairs, each fitted on its own, fail to close."""

    rasters: tuple[int, int, int]
    rmse_px: float


def loops(pairs: Sequence[PairPoints], model: str) -> list[Loop]:
    """Closure of all triangles: once around and back, at the tie points of the first pair."""
    alone: dict[tuple[int, int], Array] = {}
    places: dict[tuple[int, int], Array] = {}
    for pair in pairs:
        # The pair as a network of its own, in which its second raster is the reference.
        own = PairPoints(1, 0, pair.one_xy, pair.other_xy, pair.sigma)
        frame = _Normal([own])
        matrix = _solve([own], _robust([own], 2, model, frame), 2, model, frame)[1]
        alone[pair.one, pair.other] = matrix
        alone[pair.other, pair.one] = np.asarray(np.linalg.inv(matrix), np.float64)
        places[pair.one, pair.other] = pair.one_xy
        places[pair.other, pair.one] = pair.other_xy
    after: dict[int, set[int]] = {}
    for a, b in alone:
        after.setdefault(a, set()).update({b} if b > a else ())
    found = []
    for a, b in sorted(key for key in alone if key[0] < key[1]):
        for c in sorted(after[a] & after[b]):
            around = alone[c, a] @ alone[b, c] @ alone[a, b]
            start = places[a, b]
            gap = _apply(around, start) - start
            found.append(Loop((a, b, c), float(np.sqrt((gap**2).sum(axis=1).mean()))))
    return found


class _Normal:
    """Positions shifted and scaled to about [-1, 1], for a well-conditioned system."""

    def __init__(self, pairs: Sequence[PairPoints]) -> None:
        xy = np.concatenate([p for pair in pairs for p in (pair.one_xy, pair.other_xy)])
        low, high = xy.min(axis=0), xy.max(axis=0)
        self.middle = (low + high) / 2
        self.scale = float(max(np.max(high - low) / 2, 1.0))

    def basis(self, xy: Array, model: str) -> Array:
        """(N, 2, unknowns) derivatives of a corrected position."""
        x, y = ((xy - self.middle) / self.scale).T
        one, zero = np.ones_like(x), np.zeros_like(x)
        rows = {
            "shift": ([one, zero], [zero, one]),
            "similarity": ([one, zero, x, -y], [zero, one, y, x]),
            "affine": ([one, zero, x, y, zero, zero], [zero, one, zero, zero, x, y]),
        }[model]
        return np.stack([np.stack(row, axis=1) for row in rows], axis=1)

    def matrix(self, unknowns: Array, model: str) -> Array:
        """(3, 3) claimed -> true pixels."""
        found = np.eye(3)
        slope = np.zeros((2, 2))
        if model == "similarity":
            a, b = unknowns[2:] / self.scale
            slope = np.array([[a, -b], [b, a]])
        elif model == "affine":
            slope = unknowns[2:].reshape(2, 2) / self.scale
        found[:2, :2] += slope
        found[:2, 2] = unknowns[:2] - slope @ self.middle
        return found


def _robust(pairs: Sequence[PairPoints], count: int, model: str, frame: _Normal) -> list[Array]:
    """Weights of the tie points: by their sigma, less where they contradict (Cauchy)."""
    first = [
        min(len(pair.sigma), _MOST) / len(pair.sigma) / np.maximum(pair.sigma, 1e-3) ** 2
        for pair in pairs
    ]
    weights = first
    for _ in range(_ROUNDS):
        solved = _solve(pairs, weights, count, model, frame)
        sizes = [np.hypot(*_errors(pair, solved).T) for pair in pairs]
        # One scale for all: a pair that is wrong as a whole must not look good by its own.
        scale = max(2 * float(np.median([np.median(size) for size in sizes])), 0.02)
        weights = [
            start / (1 + (size / scale) ** 2) for start, size in zip(first, sizes, strict=True)
        ]
    return weights


def _solve(
    pairs: Sequence[PairPoints],
    weights: Sequence[Array],
    count: int,
    model: str,
    frame: _Normal,
) -> dict[int, Array]:
    """Matrices of all rasters, by the normal equations; the reference's is the identity."""
    size = _UNKNOWNS[model]
    blocks: dict[tuple[int, int], Array] = {}
    right = np.zeros((count, size))
    for pair, weight in zip(pairs, weights, strict=True):
        one, other = frame.basis(pair.one_xy, model), -frame.basis(pair.other_xy, model)
        gap = pair.other_xy - pair.one_xy
        sides = ((pair.one, one), (pair.other, other))
        for a, left in sides:
            right[a] += np.einsum("n,nij,ni->j", weight, left, gap)
            for b, second in sides:
                part = np.einsum("n,nij,nik->jk", weight, left, second)
                blocks[a, b] = blocks.get((a, b), 0.0) + part
    free = sorted({n for key in blocks for n in key} - {0})
    if not free:
        return {0: np.eye(3)}
    place = {n: i for i, n in enumerate(free)}
    grid: list[list[Any]] = [[None] * len(free) for _ in free]
    for (a, b), block in blocks.items():
        if a and b:
            grid[place[a]][place[b]] = sparse.csc_matrix(block)
    system: Any = sparse.bmat(grid, format="csc")
    system = system + sparse.diags_array(_NARROW * (system.diagonal() + 1e-12), format="csc")
    unknowns = np.asarray(spsolve(system, right[free].ravel())).reshape(len(free), size)
    found = {n: frame.matrix(unknowns[place[n]], model) for n in free}
    return {0: np.eye(3), **found}


def _held_out(
    pairs: Sequence[PairPoints],
    weights: Sequence[Array],
    count: int,
    model: str,
    frame: _Normal,
) -> dict[int, float]:
    """RMSE by raster at tie points that were left out, block of ground by block."""
    squares: dict[int, list[float]] = {}
    fold = [_blocks(pair, frame) for pair in pairs]
    for number in range(_FOLDS):
        kept = [np.where(f == number, 0.0, w) for f, w in zip(fold, weights, strict=True)]
        if any(w.sum() <= 0 for w in kept):
            continue
        solved = _solve(pairs, kept, count, model, frame)
        for pair, f, w in zip(pairs, fold, weights, strict=True):
            error = (_errors(pair, solved) ** 2).sum(axis=1)
            out = (f == number) & (w > 0.25 * w.max())  # outliers tell nothing about the fit
            for n in (pair.one, pair.other):
                squares.setdefault(n, []).extend(error[out].tolist())
    return {n: float(np.sqrt(np.mean(values))) for n, values in squares.items() if n and values}


def _blocks(pair: PairPoints, frame: _Normal) -> npt.NDArray[np.int64]:
    """To which fold each tie point belongs: neighbours belong together."""
    cell = np.floor((pair.other_xy - frame.middle) / frame.scale * 4).astype(np.int64)
    return np.asarray((cell[:, 0] * 2 + cell[:, 1] * 3) % _FOLDS)


def _errors(pair: PairPoints, matrices: Mapping[int, Array]) -> Array:
    return _apply(matrices[pair.one], pair.one_xy) - _apply(matrices[pair.other], pair.other_xy)


def _apply(matrix: Array, xy: Array) -> Array:
    return np.asarray(xy @ matrix[:2, :2].T + matrix[:2, 2])


def _rms(errors: Array, weights: Array) -> float:
    """Of the tie points that count."""
    good = weights > 0.25 * weights.max()
    return float(np.sqrt((errors[good] ** 2).sum(axis=1).mean()))
