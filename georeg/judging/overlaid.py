"""What stays in place on both rasters, though the ground doesn't: a sensor's noise, a watermark.

It is the same on both, pixel by pixel, and so holds every template where the ground of another
date or sensor is less alike. But it is fine: smoothed by two pixels, noise of a pixel loses six
sevenths, while fields, shores and streets stay. Lines in full contrast (a map's grid, thin text)
outlive that; the median around each pixel has none of what is narrower than half its width. Where
rasters that seem to lie in place plainly match elsewhere then, what was matched first isn't the
ground.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georeg.matching.team import Team
from georeg.pairing.scene import Scene
from georeg.search.locating import from_matrix
from georeg.search.searching import Search, scaled
from georeg.tiling import SIDE
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]

_IN_PLACE = 0.7  # pixels: what is displaced by less is in place
_SMOOTHED = 2.0  # standard deviation of the smoothing, pixels of level 0
_MEDIAN = 9  # pixels of level 0 along a side: lines of up to four are gone
_ROTATION, _SCALE = 2.0, 0.02  # that are searched on either side
_NODES = 5  # along either side of the frame


@dataclass(frozen=True)
class Smoothed:
    """Where two rasters match best without fine detail.

    Attributes:
        away: frame pixels from where the fit puts the whole.
        margin: lead over the best separate place; see `Vote`.
        separate: frame pixels that make another place.
    """

    away: float
    margin: float
    separate: float


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
    looks = [_look(scene, judges, claimed, nodes, separate, median) for median in (0, _MEDIAN)]
    # The plainest one of those that lead elsewhere, if any does.
    return max(
        (look for look in looks if look is not None),
        key=lambda look: (look.away > look.separate, look.margin),
        default=None,
    )


def _look(
    scene: Scene, judges: Team, claimed: Array, nodes: Array, separate: float, median: int
) -> Smoothed | None:
    """One look: where nodes are, by a fit (`claimed`) and without what smoothing takes."""
    side = min(judges.matcher.scene, SIDE)
    search = Search(scene, judges, side, smoothed=_SMOOTHED, median=median)
    found = search.guess(np.eye(3), search.reach, _ROTATION, _SCALE)
    if found is None:
        return None
    there = from_matrix(scaled(found.matrix, search.factor)).inverse(nodes)
    step = claimed - there
    step = step[np.isfinite(step).all(axis=1)]
    away = float(np.hypot(*np.median(step, axis=0))) if len(step) else math.nan
    return Smoothed(away, found.margin, separate * search.factor)


def _median(steps: Array) -> float:
    """Length of (N, 2) steps; inf if unknown."""
    return float(np.nan_to_num(np.median(np.hypot(*steps.T)), nan=math.inf))
