"""Decimated views of two rasters, before and after: what a report shows of the pixels.

However large the rasters are, one overview of the frame and a few close-ups are all that is read.
They show what the matcher saw: one image, stretched, despeckled or shaded; see `radiometry`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georeg.grid import Window
from georeg.pairing.scene import Scene
from georeg.pairing.views import View
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]
Grey = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

SIDE = 1000  # pixels along the longer side of the overview
CLOSE = 300  # pixels a side of a close-up


@dataclass(frozen=True, eq=False)
class Picture:
    """One place of the frame, in both rasters.

    Attributes:
        title: of the place.
        factor: frame pixels along a side of one of its pixels.
        reference: (rows, columns, 2), grey and alpha.
        before: the same of the moving raster, as its georeference has it.
        after: the same as the fit has it; None without one.
    """

    title: str
    factor: float
    reference: Grey
    before: Grey
    after: Grey | None

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the pictures."""
        return self.reference.shape[0], self.reference.shape[1]


@dataclass(frozen=True, eq=False)
class Pictures:
    """An overview of all of the frame, and close-ups in its full resolution, or in the finer
    raster's where the frame's pixels are smaller than any raster's.
    """

    overview: Picture
    close_ups: tuple[Picture, ...] = ()


def take_pictures(
    scene: Scene, transform: Transform | None, residuals: Array | None = None
) -> Pictures:
    """Look at both rasters.

    Args:
        scene: the rasters.
        transform: claimed -> true frame pixels; None if there is none.
        residuals: (N, 3) true frame positions x and y of tie points that agree, and the lengths of
            their residuals: what is worth a close look.

    Raises:
        InputError: a raster can't be decoded.
    """
    grid, own = scene.frame.grid, max(1.0, scene.own_pixel)
    factor = max(own, max(grid.shape) / SIDE)
    window = Window(0, 0, math.ceil(grid.width / factor), math.ceil(grid.height / factor))
    overview = _picture(scene, transform, "All of it", window, factor)
    width, height = (max(1, round(side / own)) for side in (grid.width, grid.height))
    if max(width, height) <= 1.5 * CLOSE:
        return Pictures(overview)
    close_ups = []
    for title, (x, y) in _places(overview, residuals):
        left = min(max(0, round(x / own - CLOSE / 2)), max(0, width - CLOSE))
        top = min(max(0, round(y / own - CLOSE / 2)), max(0, height - CLOSE))
        near = Window(left, top, min(CLOSE, width), min(CLOSE, height))
        close_ups.append(_picture(scene, transform, title, near, own))
    return Pictures(overview, tuple(close_ups))


def _picture(
    scene: Scene, transform: Transform | None, title: str, window: Window, factor: float
) -> Picture:
    after = None if transform is None else _seen(scene.moving_view(transform), window, factor)
    return Picture(
        title,
        factor,
        _seen(scene.reference_view(), window, factor),
        _seen(scene.moving_view(None), window, factor),
        after,
    )


def _seen(view: View, window: Window, factor: float) -> Grey:
    image, mask = view.look(window, factor)
    levels = np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)
    return np.stack([levels, np.where(mask, np.uint8(255), np.uint8(0))], axis=-1)


def _places(overview: Picture, residuals: Array | None) -> list[tuple[str, tuple[float, float]]]:
    """Where to look closely: one typical place in every quarter, and the worst of all."""
    rows, columns = overview.shape
    width, height = columns * overview.factor, rows * overview.factor
    names = ("Upper left", "Upper right", "Lower left", "Lower right")
    places = []
    for number, name in enumerate(names):
        right, down = number % 2, number // 2
        if residuals is not None and len(residuals):
            x, y, _ = residuals.T
            mine = ((x >= width / 2) == right) & ((y >= height / 2) == down)
            if not mine.any():
                continue
            quarter = residuals[mine]
            typical = quarter[np.argsort(quarter[:, 2], kind="stable")[len(quarter) // 2]]
            places.append((name, (float(typical[0]), float(typical[1]))))
        else:
            place = _valid(overview, right, down)
            if place is not None:
                places.append((name, place))
    if residuals is not None and len(residuals):
        worst = residuals[np.argmax(residuals[:, 2])]
        places.append(("Largest residual", (float(worst[0]), float(worst[1]))))
    return places


def _valid(overview: Picture, right: int, down: int) -> tuple[float, float] | None:
    """Where a quarter has pixels of both rasters, nearest to their middle; None where nowhere."""
    both = (overview.reference[..., 1] > 0) & (overview.before[..., 1] > 0)
    rows, columns = both.shape
    half = both.copy()
    half[: rows // 2 if down else 0] = False
    half[rows if down else rows // 2 :] = False
    half[:, : columns // 2 if right else 0] = False
    half[:, columns if right else columns // 2 :] = False
    y, x = np.nonzero(half)
    if not len(x):
        return None
    nearest = np.argmin((x - x.mean()) ** 2 + (y - y.mean()) ** 2)
    return (float(x[nearest]) + 0.5) * overview.factor, (float(y[nearest]) + 0.5) * overview.factor
