"""Any matcher's points, kept where the way back leads home (A to B, and B to A)."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from georeg.matching.protocol import (
    Array,
    Index,
    Matcher,
    Surfaces,
    TileBatch,
    TilePoints,
)

_NEAR = 6.0  # pixels from a point within which another one may vouch for it
_SAME = 1.5  # pixels by which their displacements may differ


class Symmetric:
    """A matcher that is asked both ways; matchers with surfaces look back by themselves."""

    def __init__(self, matcher: Matcher) -> None:
        """Wrap it: what it says of itself stays."""
        self.inner = matcher
        self.name, self.layouts = matcher.name, matcher.layouts
        self.tile, self.reach, self.limit = matcher.tile, matcher.reach, matcher.limit
        self.small = matcher.small
        self.scene, self.side_by_side = matcher.scene, matcher.side_by_side

    def match(self, batch: TileBatch) -> Surfaces | TilePoints:
        """The points that the swapped batch confirms."""
        there = self.inner.match(batch)
        if isinstance(there, Surfaces):
            return there
        swapped = TileBatch(
            batch.reference, batch.reference_mask, batch.moving, batch.moving_mask,
            batch.radius, batch.goal, batch.many,
        )  # fmt: skip
        back = self.inner.match(swapped)
        if isinstance(back, Surfaces):
            return there
        return there.select(np.nonzero(_confirmed(there, back))[0])


def _confirmed(there: TilePoints, back: TilePoints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(N,) whether points of the way back near by say the same."""
    out = np.zeros(len(there), np.bool_)
    for number in np.unique(there.tile):
        mine: Index = np.nonzero(there.tile == number)[0]
        other: Index = np.nonzero(back.tile == number)[0]
        if not len(other):
            continue
        # The way back starts in the reference: its moving points are our reference.
        displacement = back.moving_xy[other] - back.reference_xy[other]
        distance, nearest = cKDTree(back.reference_xy[other]).query(there.moving_xy[mine])
        expected: Array = there.reference_xy[mine] - there.moving_xy[mine]
        away = np.hypot(*(expected - displacement[nearest]).T)
        out[mine] = (distance <= _NEAR) & (away <= _SAME)
    return out
