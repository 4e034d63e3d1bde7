"""What was found on one working grid, in pixels of another one of the same scene."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from georeg.errors import PointsError
from georeg.grid import Grid
from georeg.pairing.scene import Scene
from georeg.search.locating import Start, from_matrix, survey
from georeg.search.tiepoints import TiePoints, no_points
from georeg.search.tracking import Level, Tracked, fit_points
from georeg.settings import Settings

Array = npt.NDArray[np.float64]


def carried(
    start: Start, points: TiePoints, levels: tuple[Level, ...],
    old: Grid, scene: Scene, settings: Settings,
) -> tuple[Start, Tracked] | None:  # fmt: skip
    """A first estimate, and what was tracked from it, as a look at coarser pixels.

    Args:
        start: the first estimate.
        points: of the last level.
        levels: all of them.
        old: the grid in whose pixels these are; in the CRS of the scene's grid.
        scene: the rasters, on the other grid.
        settings: for the model that was asked for.

    Returns:
        None if the points agree on nothing there.
    """
    new = scene.frame.grid
    matrix = np.array(~new.transform @ old.transform).reshape(3, 3)
    step = math.sqrt(abs(float(np.linalg.det(matrix[:2, :2]))))
    tiles = points.tiles
    if tiles is not None:
        corners = _moved(matrix, tiles[:, :2]), _moved(matrix, tiles[:, :2] + tiles[:, 2:])
        tiles = np.concatenate([corners[0], corners[1] - corners[0]], axis=1)
    there = replace(
        points,
        claimed=_moved(matrix, points.claimed),
        true=_moved(matrix, points.true),
        sigma=points.sigma * step,
        block=points.block * step,
        tiles=tiles,
    )
    try:
        fit = fit_points(there, settings, unit=step, predicts=True)
    except PointsError:
        return None
    coarser = tuple(
        replace(level, factor=level.factor * step, goal="track", error=level.error * step)
        for level in levels
    )
    first = matrix @ np.array(start.transform.to_dict()["matrix"]) @ np.linalg.inv(matrix)
    again = survey(scene, from_matrix(first), start.margin)
    again = replace(again, tried=start.tried, limited=start.limited)
    return again, Tracked(there, fit, coarser, no_points())


def _moved(matrix: Array, xy: Array) -> Array:
    return np.asarray(xy @ matrix[:2, :2].T + matrix[:2, 2])
