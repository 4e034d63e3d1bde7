"""Sub-pixel places for any matcher's points, by the built-in dense matcher.

A network says where something lies to a pixel or so; around what it says, the structural
matcher's similarity has its peak within a tenth. Where it has none, the network's points stay.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from georeg.matching.protocol import Array, Index, Matcher, Surfaces, TileBatch, TilePoints
from georeg.search.peaks import read_peaks

_RADIUS = 6.0  # pixels around the pre-warped place that the dense matcher looks at
_NEAR = 2.5  # pixels from what the points say within which its peak must lie
_AROUND = 0.5  # of a template's side: points that near its middle speak for it
_LEAST = 2  # points that must


class Refined:
    """A matcher whose points are placed anew by one that returns surfaces."""

    def __init__(self, matcher: Matcher, dense: Matcher) -> None:
        """Wrap it: what it says of itself stays."""
        self.inner, self.dense = matcher, dense
        self.name, self.layouts = matcher.name, matcher.layouts
        self.tile, self.reach, self.limit = matcher.tile, matcher.reach, matcher.limit
        self.small = matcher.small
        self.scene, self.side_by_side = matcher.scene, matcher.side_by_side

    def match(self, batch: TileBatch) -> Surfaces | TilePoints:
        """Points as of the matcher, but exact where they can be; not for 'locate'."""
        found = self.inner.match(batch)
        if isinstance(found, Surfaces) or batch.goal == "locate" or not len(found):
            return found
        near = replace(batch, radius=min(batch.radius, _RADIUS), goal="refine")
        surfaces = self.dense.match(near)
        return sharpened(found, surfaces) if isinstance(surfaces, Surfaces) else found


def sharpened(points: TilePoints, surfaces: Surfaces) -> TilePoints:
    """Points at the middles of templates where surfaces have peaks near what `points` say.

    Args:
        points: of a batch.
        surfaces: of the same batch.

    Returns:
        Those, in place of the points under their templates, and all other points as they are.
    """
    expected, under = _expected(points, surfaces)
    exact = read_peaks(surfaces, expected, _NEAR)
    told = _told(exact, surfaces)
    rest = ~np.isin(under, told) if len(told) else np.ones(len(points), np.bool_)
    return TilePoints.concat([exact, points.select(rest)])


def _expected(points: TilePoints, surfaces: Surfaces) -> tuple[Array, Index]:
    """(K, 2) displacements that points say templates have, NaN if none do; and for each point the
    number of the nearest template, -1 if none is near.
    """  # fmt: skip
    expected = np.full((len(surfaces), 2), np.nan)
    under = np.full(len(points), -1, np.int64)
    displacement = points.reference_xy - points.moving_xy
    reach = _AROUND * surfaces.size
    for number in np.unique(points.tile):
        mine = np.nonzero(points.tile == number)[0]
        middle = np.nonzero(surfaces.tile == number)[0]
        if not len(middle):
            continue
        tree = cKDTree(points.moving_xy[mine])
        for k in middle:
            near: list[int] = tree.query_ball_point(surfaces.center[k], reach)
            if len(near) >= _LEAST:
                expected[k] = np.median(displacement[mine[near]], axis=0)
        distance, nearest = cKDTree(surfaces.center[middle]).query(points.moving_xy[mine])
        under[mine] = np.where(distance <= reach, middle[nearest], -1)
    return expected, under


def _told(exact: TilePoints, surfaces: Surfaces) -> Index:
    """Numbers of the templates whose middles points lie at."""
    key = {
        (int(t), float(x), float(y)): k
        for k, (t, (x, y)) in enumerate(zip(surfaces.tile, surfaces.center, strict=True))
    }
    return np.array(
        [
            key[int(t), float(x), float(y)]
            for t, (x, y) in zip(exact.tile, exact.moving_xy, strict=True)
        ],
        np.int64,
    )
