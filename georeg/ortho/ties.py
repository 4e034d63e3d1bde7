"""Tie points of a sensor's image: where they are in it, and where on the ground, with height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georeg.ortho.sensor import Sensor
from georeg.pairing.frame import Frame
from georeg.search.tiepoints import TiePoints

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ties:
    """N tie points that have a height.

    Attributes:
        seen: (N, 2) pixels of the image.
        predicted: (N, 2) pixels by the RPCs alone.
        true: (N, 2) frame pixels by the reference.
        lonlat: (N, 2) degrees on WGS 84.
        height: (N,) metres above the ellipsoid.
        per_frame: (N, 2, 2) derivatives of the pixel by the RPCs by the frame pixel, at the same
            height.
        score: (N,) probability of being right.
        sigma: (N,) standard deviation in frame pixels.
        unit: pixels of the image that are one frame pixel.
        block: pixels of the image below which two points aren't independent.
        templates: how many places were looked at to find them.
    """

    seen: Array
    predicted: Array
    true: Array
    lonlat: Array
    height: Array
    per_frame: Array
    score: Array
    sigma: Array
    unit: float
    block: float
    templates: int

    def __len__(self) -> int:
        """Number of tie points."""
        return len(self.seen)

    def on_frame(self, pixels: Array) -> Array:
        """(N, 2) differences in the image -> (N, 2) differences in frame pixels."""
        return np.asarray(np.linalg.solve(self.per_frame, pixels[:, :, None])[:, :, 0], np.float64)


def collect(points: TiePoints, frame: Frame, sensor: Sensor) -> Ties:
    """Take what was matched in the frame back to the image.

    Args:
        points: as matched; claimed by `sensor`.
        frame: their frame.
        sensor: the RPCs; a bias doesn't count.
    """
    seen = frame.unclaim(points.claimed)
    at = frame.grid.to_map(points.true)
    height = sensor.height(at)
    predicted = sensor.project(at, height)
    good = np.isfinite(seen).all(axis=1) & np.isfinite(predicted).all(axis=1)
    true, height = points.true[good], height[good]
    per_frame = slopes(frame, sensor, true, height)
    unit = 1.0
    if len(true):
        unit = float(np.median(np.sqrt(np.abs(np.linalg.det(per_frame)))))
    return Ties(
        seen[good],
        predicted[good],
        true,
        sensor.lonlat(at[good]),
        height,
        per_frame,
        points.score[good],
        points.sigma[good],
        unit,
        points.block * unit,
        points.templates,
    )


def slopes(frame: Frame, sensor: Sensor, frame_xy: Array, height: Array) -> Array:
    """(N, 2, 2) derivatives of the pixel by the RPCs by the frame pixel, at the same height."""
    out = np.empty((len(frame_xy), 2, 2))
    for axis in (0, 1):
        half = np.eye(2)[axis] / 2
        ahead, behind = (frame.grid.to_map(frame_xy + side * half) for side in (1, -1))
        out[:, :, axis] = sensor.project(ahead, height) - sensor.project(behind, height)
    return out
