"""Scattered points made fewer: equal ones merged, dense ones averaged per cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from georeg.transforms.base import Array


@dataclass(frozen=True, eq=False)
class Scatter:
    """(N, 2) positions, (N, 2) values there and (N,) positive weights."""

    xy: Array
    values: Array
    weights: Array

    def grouped(self, labels: npt.NDArray[np.int64]) -> Scatter:
        """Weighted means of the points with the same label, the weights added up."""
        weights = np.asarray(np.bincount(labels, self.weights), dtype=np.float64)
        columns = np.column_stack([self.xy, self.values]).T
        sums = [np.bincount(labels, self.weights * column) for column in columns]
        means = np.stack(sums, axis=1) / weights[:, None]
        return Scatter(means[:, :2], means[:, 2:], weights)

    def distinct(self) -> Scatter:
        """Equal points made one; the rest sorted."""
        return self.grouped(np.unique(self.xy, axis=0, return_inverse=True)[1].ravel())

    def merged(self, distance: float) -> Scatter:
        """Chains of points closer than `distance` made one; for few points, as pairs are listed."""
        pairs = cKDTree(self.xy).query_pairs(distance, output_type="ndarray")
        if not len(pairs):
            return self
        shape = (len(self.xy), len(self.xy))
        graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=shape)
        return self.grouped(connected_components(graph, directed=False)[1].astype(np.int64))

    def thinned(self, limit: int) -> Scatter:
        """At most `limit` points: averages over the cells of the finest square grid that does."""
        if len(self.xy) <= limit:
            return self
        low, size = self.xy.min(axis=0), np.ptp(self.xy, axis=0).max()
        coarse, fine = 1, 2 * limit  # cells along the longer side: few enough, and too many
        while fine - coarse > 1:
            middle = (coarse + fine) // 2
            if _cells(self.xy, low, size / middle).max() < limit:
                coarse = middle
            else:
                fine = middle
        return self.grouped(_cells(self.xy, low, size / coarse))


def _cells(xy: Array, low: Array, side: float) -> npt.NDArray[np.int64]:
    """(N,) number of each point's cell; only occupied cells have one."""
    column, row = np.floor((xy - low) / side * (1.0 - 1e-12)).astype(np.int64).T
    return np.unique(row * (column.max() + 1) + column, return_inverse=True)[1].ravel()
