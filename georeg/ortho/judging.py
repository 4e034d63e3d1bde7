"""Whether a refinement is to be trusted: the engine's own verdict, on what the bias leaves over.

The verdict weighs positions in the frame. So the errors of the bias, pixels of the image, become
errors on the ground at the same height.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from georeg import transforms
from georeg.checking import Check, check_alignment
from georeg.errors import PointsError
from georeg.fitting import Fit, Folding
from georeg.locating import Start, locate, survey
from georeg.matching.team import Team
from georeg.ortho.bias import matrix_of
from georeg.ortho.refine import Refined, identity
from georeg.ortho.sensor import Sensor
from georeg.ortho.ties import slopes
from georeg.scene import Scene
from georeg.settings import Settings
from georeg.tracking import TiePoints
from georeg.transforms import Transform
from georeg.verdict import Verdict, judge

Array = npt.NDArray[np.float64]

_MOST_BENT = 0.05  # of lengths in the image: no sensor's bias is that large
_SIDE = 8  # places along a side where a difference of two biases is looked at
_MIRRORED = 1.0  # lead with which a mirrored image counts as found
_FLIPS = {
    "upside down (rows reversed)": (1.0, -1.0),
    "mirrored (columns reversed)": (-1.0, 1.0),
    "turned by 180 degrees": (-1.0, -1.0),
}


def judged(found: Refined, before: Scene, judges: Team, settings: Settings) -> Verdict:
    """The verdict on a refinement.

    Args:
        found: the refinement.
        before: the scene as the RPCs alone place it.
        judges: see `check_alignment`.
        settings: see `judge`.
    """
    frame, ties, n = found.scene.frame, found.ties, len(found.ties)
    residuals = -ties.on_frame(found.fit.residuals[:n])
    held_out = -ties.on_frame(found.fit.held_out[:n])
    points = TiePoints(
        ties.true + residuals, ties.true, ties.score, ties.sigma, ties.templates,
        ties.block / ties.unit,
    )  # fmt: skip
    start = survey(found.scene, identity(), found.start.margin)
    fit = Fit(
        identity(),
        found.fit.weights[:n],
        found.fit.inlier[:n],
        residuals,
        held_out,
        Folding.over(ties.true, ties.block / ties.unit),
        tuple(_on_frame(found, model) for model in found.fit.fold_models),
        found.fit.noise / ties.unit,
        found.fit.ladder,
    )
    check = _check(found, before, judges, start, fit)
    moved = np.hypot(*ties.on_frame(ties.predicted - ties.seen)[fit.inlier].T)
    displacement = float(np.median(moved)) if len(moved) else 0.0
    verdict = judge(frame, start, points, fit, check, settings, displacement)
    bent = float(np.abs(matrix_of(found.fit.bias)[:2, :2] - np.eye(2)).max())
    if bent > _MOST_BENT:
        reason = (
            f"the bias would change lengths in the image by {bent:.0%}: do the RPCs belong to "
            "this image? --bias shift keeps them as they are"
        )
        return replace(verdict, ok=False, status="refused", reasons=(*verdict.reasons, reason))
    return verdict


def _check(found: Refined, before: Scene, judges: Team, start: Start, fit: Fit) -> Check:
    def fold(xy: Array) -> npt.NDArray[np.int64]:
        pixel = found.scene.frame.unclaim(xy)
        return found.fit.fold(np.where(np.isfinite(pixel), pixel, 0.0))

    earlier = replace(before, frame=replace(found.scene.frame, moving=before.frame.moving))
    return check_alignment(
        found.scene, judges, start, fit.transform, fit.fold_models, fold, earlier
    )


def _on_frame(found: Refined, model: Transform | None) -> Transform | None:
    """What another bias would make of positions claimed by the found one: small and smooth."""
    if model is None:
        return None
    frame = found.scene.frame
    x, y = np.meshgrid(
        np.linspace(0, frame.grid.width, _SIDE), np.linspace(0, frame.grid.height, _SIDE)
    )
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    height = found.sensor.height(frame.grid.to_map(xy))
    known = np.isfinite(height)
    xy, height = xy[known], height[known]
    raw = found.sensor.project(frame.grid.to_map(xy), height)
    other = model.inverse(found.fit.bias.forward(raw))
    jacobian = slopes(frame, found.sensor, xy, height)
    moved = np.linalg.solve(jacobian, (other - raw)[:, :, None])[:, :, 0]
    try:
        return transforms.load("affine").from_points(xy, xy + moved)
    except PointsError:
        return identity()


@dataclass(frozen=True, eq=False)
class _Flipped:
    """A sensor whose image has its rows or columns the other way round."""

    sensor: Sensor
    size: Array
    sign: Array

    def to_pixel(self, xy: Array) -> Array:
        pixel = self.sensor.to_pixel(xy)
        return np.where(self.sign > 0, pixel, self.size - pixel)

    def to_map(self, xy: Array) -> Array:
        return self.sensor.to_map(np.where(self.sign > 0, xy, self.size - xy))

    def to_dict(self) -> dict[str, object]:
        return self.sensor.to_dict()


def mirrored(scene: Scene, sensor: Sensor, team: Team, settings: Settings) -> str | None:
    """Whether the image fits the reference when it is flipped: then its RPCs are another image's.

    Returns:
        A sentence, None if no flip helps.
    """
    rows, columns = scene.moving.header.shape
    size = np.array([columns, rows], np.float64)
    for name, sign in _FLIPS.items():
        flipped = _Flipped(sensor, size, np.array(sign))
        seen = replace(scene, frame=replace(scene.frame, moving=flipped))
        start = locate(seen, team, settings)
        if start is not None and start.margin >= _MIRRORED:
            return (
                f"but the image fits the reference when it is {name}: it seems to be flipped "
                "against its RPCs"
            )
    return None
