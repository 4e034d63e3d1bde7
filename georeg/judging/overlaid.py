"""What stays in place on both rasters, though the ground doesn't: a sensor's noise, a watermark.

It is the same on both, pixel by pixel, and so holds every template where the ground of another
date or sensor is less alike. But it is fine: smoothed by two pixels, noise of a pixel loses six
sevenths, while fields, shores and streets stay. Lines in full contrast (a map's grid, thin text)
outlive that; the median around each pixel has none of what is narrower than half its width. Large
letters outlive that, too; they are white or black on both, pixel by pixel, and are left out. Where
rasters that seem to lie in place plainly match elsewhere then, what was matched first isn't the
ground.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from georeg.matching.team import Team
from georeg.pairing.scene import Scene
from georeg.search.locating import from_matrix
from georeg.search.searching import Search, scaled
from georeg.tiling import SIDE
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]

PLAIN = 0.55  # margin of a look that contradicts a fit
_IN_PLACE = 0.7  # pixels: what is displaced by less is in place
_SMOOTHED = 2.0  # standard deviation of the smoothing, pixels of level 0
_MEDIAN = 9  # pixels of level 0 along a side: lines of up to four are gone
_DRAWN = 0.02  # share at a limit of both; the contrast stretch alone puts less there
_MOST_DRAWN = 0.6  # more leaves too little to look at
_ROTATION, _SCALE = 2.0, 0.02  # that are searched on either side
_NODES = 5  # along either side of the frame


@dataclass(frozen=True)
class Smoothed:
    """Where two rasters match best without fine detail.

    Attributes:
        away: frame pixels from where the fit puts the whole.
        margin: lead over the best separate place; see `Vote`.
        separate: frame pixels that make another place.
        drawn: share of what both show that was left out instead, because it is white or black on
            both.
    """

    away: float
    margin: float
    separate: float
    drawn: float = 0.0


def look_smoothed(
    scene: Scene, judges: Team, transform: Transform, separate: float
) -> Smoothed | None:
    """Look at the whole without fine detail, where a fit leaves things in place.

    In place is what keeps its map position, or its pixel.

    Args:
        scene: the rasters.
        judges: a matcher that returns surfaces.
        transform: claimed -> true.
        separate: pixels of level 0 that make another place.

    Returns:
        None if the fit moves things, or there is nothing to go by.
    """
    rows, columns = scene.frame.grid.shape
    share = (np.arange(_NODES) + 0.5) / _NODES
    nodes = np.stack(np.meshgrid(share * columns, share * rows), axis=-1).reshape(-1, 2)
    claimed = transform.inverse(nodes)
    pixel = scene.frame.unclaim(claimed) - scene.frame.to_reference(nodes)
    if min(_median(claimed - nodes), _median(pixel)) > _IN_PLACE:
        return None
    side = min(judges.matcher.scene, SIDE)
    seen = (claimed, nodes, separate)
    looks = [
        _look(Search(scene, judges, side, smoothed=_SMOOTHED, median=wide), np.zeros(2), *seen)
        for wide in (0, _MEDIAN)
    ]
    found = _plainest(looks)
    if found is None or found.away <= found.separate or found.margin < PLAIN:
        between = _look_between(Search(scene, judges, side), *seen)
        found = _plainest([found, between])
    return found


def _plainest(looks: list[Smoothed | None]) -> Smoothed | None:
    """Of those that lead elsewhere, if any does."""
    return max(
        (look for look in looks if look is not None),
        key=lambda look: (look.away > look.separate, look.margin),
        default=None,
    )


def _look(
    search: Search, step: Array, claimed: Array, nodes: Array, separate: float
) -> Smoothed | None:
    """One look, from a step (2,) on: where nodes are, by a fit (`claimed`) and as is seen now."""
    start = np.eye(3)
    start[:2, 2] = step / search.factor
    found = search.guess(start, search.reach, _ROTATION, _SCALE)
    if found is None:
        return None
    there = from_matrix(scaled(found.matrix, search.factor)).inverse(nodes)
    steps = claimed - there
    steps = steps[np.isfinite(steps).all(axis=1)]
    away = float(np.hypot(*np.median(steps, axis=0))) if len(steps) else math.nan
    return Smoothed(away, found.margin, separate * search.factor)


def _look_between(search: Search, claimed: Array, nodes: Array, separate: float) -> Smoothed | None:
    """A look without what is drawn over both; None if nothing is, or there is little besides."""
    steps = nodes - claimed
    step = np.median(steps[np.isfinite(steps).all(axis=1)], axis=0)
    start = np.eye(3)
    start[:2, 2] = step / search.factor
    drawn = search.hide_limits(start)
    if not _DRAWN <= drawn <= _MOST_DRAWN:
        return None
    found = _look(search, step, claimed, nodes, separate)
    return None if found is None else replace(found, drawn=drawn)


def _median(steps: Array) -> float:
    """Length of (N, 2) steps; inf if unknown."""
    return float(np.nan_to_num(np.median(np.hypot(*steps.T)), nan=math.inf))
