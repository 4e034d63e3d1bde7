"""Is one matcher better than another, or was it luck? Paired bootstrap over image pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_ROUNDS = 10_000
_AT_ONCE = 1_000_000  # numbers of resampled pairs in memory


@dataclass(frozen=True)
class Difference:
    """Of a figure between two matchers, first minus second.

    Attributes:
        mean: difference on the pairs that there are.
        low: 2.5th percentile over resampled pairs (Efron and Tibshirani 1993).
        high: 97.5th percentile.
        better: share of resamples in which the first one is better.
    """

    mean: float
    low: float
    high: float
    better: float

    def times(self, factor: float) -> Difference:
        """In another unit."""
        return replace(
            self, mean=factor * self.mean, low=factor * self.low, high=factor * self.high
        )


def paired(
    one: Sequence[float],
    other: Sequence[float],
    figure: Callable[[Array], Array] | None = None,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Difference:
    """Compare two matchers on the same pairs.

    Args:
        one: (N,) a number per pair.
        other: (N,) of the other matcher.
        figure: (R, n) numbers of resampled pairs -> (R,) figures; their mean if None.
        groups: (N,) kinds of pairs that count alike, resampled each on its own; all alike if None.
        seed: of the resampling.

    Raises:
        ValueError: the lengths differ.
    """
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} numbers against {len(b)}")
    value = figure or (lambda x: np.asarray(x.mean(axis=1)))
    kinds = np.asarray(groups if groups is not None else [""] * len(a))
    rng = np.random.default_rng(seed)
    real, drawn = [], []
    for kind in np.unique(kinds):
        mine = np.flatnonzero(kinds == kind)
        parts, some = [], max(1, _AT_ONCE // len(mine))
        for start in range(0, _ROUNDS, some):
            count = min(some, _ROUNDS - start)
            pick = mine[rng.integers(len(mine), size=(count, len(mine)))]
            parts.append(value(a[pick]) - value(b[pick]))
        drawn.append(np.concatenate(parts))
        real.append(value(a[mine][None])[0] - value(b[mine][None])[0])
    differences = np.mean(drawn, axis=0)
    low, high = np.percentile(differences, [2.5, 97.5])
    return Difference(
        float(np.mean(real)), float(low), float(high), float((differences > 0).mean())
    )


def area(limit: float) -> Callable[[Array], Array]:
    """AUC of errors up to a limit as a figure: (R, n) errors -> (R,) areas, 0 to 1."""

    def figure(errors: Array) -> Array:
        # The curve of recall is made of straight pieces between the sorted errors.
        ordered = np.sort(np.where(np.isfinite(errors), errors, np.inf), axis=1)
        count = errors.shape[1]
        below = np.minimum(ordered, limit)
        left = np.concatenate([np.zeros((len(errors), 1)), below[:, :-1]], axis=1)
        height = (np.arange(count) + 0.5) / count
        inside = ordered < limit
        rising = np.where(inside, (below - left) * height, 0).sum(axis=1)
        last = np.where(inside, below, 0).max(axis=1, initial=0)
        recall = inside.mean(axis=1)
        return np.asarray((rising + (limit - last) * recall) / limit)

    return figure
