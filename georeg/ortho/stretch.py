"""Where relief stretches an image: slopes that face away from the sensor show little of it.

Occlusion is not modelled. But what is hidden comes from where the ground turns away, and there
few pixels of the image must fill much ground, or come back in the wrong order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from georeg.grid import Grid
from georeg.ortho.sensor import Sensor

Array = npt.NDArray[np.float64]

FLAGGED = 3.0  # times that a report counts as stretched
_SIDE = 200  # places along a side that a report looks at


def stretch(sensor: Sensor, grid: Grid, xy: Array) -> Array:
    """How many times longer than on level ground a pixel of the image becomes, at most.

    Args:
        sensor: of the grid's CRS.
        grid: of the orthoimage.
        xy: (N, 2) pixels of the grid.

    Returns:
        (N,) from about 1 on, infinite where the ground faces away from the sensor; NaN where its
        height is unknown.
    """
    height = sensor.height(grid.to_map(xy))
    level = np.empty((len(xy), 2, 2))
    relief = np.empty((len(xy), 2, 2))
    for axis in (0, 1):
        half = np.eye(2)[axis] / 2
        ahead, behind = grid.to_map(xy + half), grid.to_map(xy - half)
        level[:, :, axis] = sensor.project(ahead, height) - sensor.project(behind, height)
        relief[:, :, axis] = sensor.project(ahead, sensor.height(ahead)) - sensor.project(
            behind, sensor.height(behind)
        )
    good = np.isfinite(relief).all(axis=(1, 2)) & np.isfinite(level).all(axis=(1, 2))
    out = np.full(len(xy), np.nan)
    if good.any():
        flat = np.linalg.svd(level[good], compute_uv=False)[:, 1]
        least = np.linalg.svd(relief[good], compute_uv=False)[:, 1]
        turned = np.linalg.det(relief[good]) * np.linalg.det(level[good]) <= 0
        with np.errstate(divide="ignore"):
            out[good] = np.where(turned, np.inf, flat / least)
    return out


def limited(
    mapping: Callable[[Array], Array], sensor: Sensor, grid: Grid, most: float
) -> Callable[[Array], Array]:
    """A mapping that leads nowhere where it stretches too much.

    Args:
        mapping: grid pixels -> image pixels.
        sensor: of the grid's CRS.
        grid: of the orthoimage.
        most: times.
    """

    def cut(xy: Array) -> Array:
        pixel = np.array(mapping(xy))
        with np.errstate(invalid="ignore"):
            pixel[stretch(sensor, grid, xy) > most] = np.nan
        return pixel

    return cut


def places(grid: Grid) -> Array:
    """(N, 2) pixels all over a grid, for reports."""
    rows, columns = grid.shape
    x = (np.arange(_SIDE) + 0.5) * columns / _SIDE
    y = (np.arange(_SIDE) + 0.5) * rows / _SIDE
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
