"""Whether a raster that matches nowhere is mirrored: no search turns what it looks for over."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from georeg.matching.team import Team
from georeg.pairing.scene import Scene
from georeg.search.searching import Search, scaled
from georeg.tiling import SIDE

Array = npt.NDArray[np.float64]

_PLAIN = 0.55  # margin of a look that can't be chance: of real pairs turned over none had 0.2
_ROTATION, _SCALE = 2.0, 0.02  # that are searched on either side

_WAYS = (
    "is mirrored, its columns run from right to left: mirror it, or exchange left and right in its "
    "georeference",
    "is mirrored, its rows run from bottom to top: mirror it, or exchange top and bottom in its "
    "georeference",
    "is transposed, its rows are columns: exchange them where it is written",
)


def look_mirrored(scene: Scene, judges: Team, margin: float) -> str:
    """Look at the whole with the moving raster's columns or rows, or both, the other way round.

    Args:
        scene: the rasters.
        judges: a matcher that returns surfaces.
        margin: of the first estimate, as the raster is.

    Returns:
        What is wrong and what to do about it; empty if it matches plainly in none of these ways.
    """
    rows, columns = scene.moving.header.shape
    corners = np.array([[0.0, 0.0], [columns, 0.0], [0.0, rows]])
    shown = (corners * [-1, 1] + [columns, 0], corners * [1, -1] + [0, rows], corners[:, ::-1])
    claimed = scene.frame.claim(corners)
    search = Search(scene, judges, min(judges.matcher.scene, SIDE))
    best, said = max(margin, _PLAIN), ""
    for what, place in zip(_WAYS, shown, strict=True):
        true = scene.frame.claim(place)
        if not (np.isfinite(claimed).all() and np.isfinite(true).all()):
            continue
        start = scaled(_affine(claimed, true), 1 / search.factor)
        found = search.guess(start, search.reach, _ROTATION, _SCALE)
        if found is not None and found.margin > best:
            best = found.margin
            said = f"{scene.moving.name} {what}. That way it matches (confidence {best:.2f})"
    return said


def _affine(one: Array, other: Array) -> Array:
    """(3, 3) that takes three positions to three others."""
    matrix = np.eye(3)
    matrix[:2] = np.linalg.solve(np.column_stack([one, np.ones(3)]), other).T
    return matrix
