"""Whether a refinement is to be trusted: the engine's own verdict, on what the bias leaves over.

The verdict weighs positions in the frame. So the errors of the bias, pixels of the image, become
errors on the ground at the same height.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from georeg.errors import PointsError
from georeg.fitting import Fit
from georeg.folding import Folding
from georeg.judging.checking import Check, check_alignment
from georeg.matching.team import Team
from georeg.ortho.bias import matrix_of
from georeg.ortho.refine import Refined, identity
from georeg.ortho.sensor import Sensor
from georeg.pairing.scene import Scene
from georeg.search.locating import Start, locate, survey
from georeg.search.tiepoints import TiePoints
from georeg.search.tracking import fit_points
from georeg.settings import Settings
from georeg.verdict import Verdict, judge

Array = npt.NDArray[np.float64]

_MOST_BENT = 0.05  # of lengths in the image: no sensor's bias is that large
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
        Folding.over(ties.true, points.block),
        (),
        found.fit.noise / ties.unit,
        found.fit.ladder,
    )
    check = _check(found, before, judges, start, points, settings)
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


def _check(
    found: Refined, before: Scene, judges: Team, start: Start, points: TiePoints, settings: Settings
) -> Check:
    """Do image and reference show the same, where the tie points around say so?

    What a poor DEM leaves over is left to a transform of the frame: it makes the orthoimage
    inexact, which the accuracy tells, but the tie points are no less true for it.
    """
    earlier = replace(before, frame=replace(found.scene.frame, moving=before.frame.moving))
    try:
        rest = fit_points(points, settings)
    except PointsError:
        return check_alignment(
            found.scene, judges, start, identity(), (), None, earlier, claimed=False
        )
    return check_alignment(
        found.scene, judges, start, rest.transform, rest.fold_models, rest.folding.fold, earlier,
        claimed=False,
    )  # fmt: skip


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
