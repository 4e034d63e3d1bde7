"""Tie points correct the RPCs: look, match, go back to the image, fit the bias, look again.

The image is looked at through its RPCs and the DEM, so what is matched is an orthoimage that
nobody had to write. Where the RPCs are far off, heights are taken from the wrong places at first;
the second look, through the first bias, has them right.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from georeg import transforms
from georeg.errors import InputError, PointsError
from georeg.matching.team import Team
from georeg.neighbours import robust_weights
from georeg.ortho.bias import BiasFit, fit_bias, largest_difference, nothing
from georeg.ortho.gcps import Gcps
from georeg.ortho.sensor import Sensor
from georeg.ortho.ties import Ties, collect
from georeg.pairing.frame import Frame
from georeg.pairing.scene import Scene
from georeg.search.locating import Start, from_matrix, locate, survey
from georeg.search.tracking import track
from georeg.settings import Settings
from georeg.transforms import Transform
from georeg.verdict import why_nothing

Array = npt.NDArray[np.float64]
Tell = Callable[[float], None]

log = logging.getLogger(__name__)

ROUNDS = 3
_STABLE = 0.1  # frame pixels by which the bias may still move


@dataclass(frozen=True, eq=False)
class Refined:
    """What the rounds led to.

    Attributes:
        scene: placed by the corrected sensor, on the frame of the last look.
        sensor: the same, with its bias.
        fit: the bias and how it was found; points of the file's GCPs, if used, come last.
        ties: of the last round.
        start: the first estimate.
        moves: by how many pixels of the image each round moved the bias.
    """

    scene: Scene
    sensor: Sensor
    fit: BiasFit
    ties: Ties
    start: Start
    moves: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Lost:
    """Nothing to go by.

    Attributes:
        reason: why.
        advice: what can be tried.
        start: the first estimate, None where there was none.
        points: number of tie points.
    """

    reason: str
    advice: str
    start: Start | None = None
    points: int = 0


def refine(
    scene: Scene,
    sensor: Sensor,
    team: Team,
    settings: Settings,
    model: str,
    control: Gcps | None,
    tell: Tell,
) -> Refined | Lost:
    """Find the bias of a sensor.

    Args:
        scene: placed by `sensor`.
        sensor: the RPCs without bias.
        team: to match.
        settings: how.
        model: one of `settings.BIASES`.
        control: GCPs of the file that count as much as all tie points together.
        tell: told the share of the work that is done.

    Raises:
        InputError: the DEM covers none of the tie points.
    """  # fmt: skip
    start = locate(scene, team, settings)
    if start is None:
        why = why_nothing(
            scene, settings, None,
            "nothing to go by: the overlap is too flat or mostly invalid",
            "look at both with 'georeg info', or choose another reference",
        )  # fmt: skip
        return Lost(*why)
    bias: Transform = nothing()
    moves: list[float] = []
    here = start
    while True:
        tracked = track(scene, team, here, settings, _part(tell, len(moves)))
        points = tracked.points
        if tracked.fit is None:
            why = why_nothing(
                scene, settings, here,
                f"only {len(points)} tie points, and they agree on nothing",
                "name the --modality of each side, or try --search wide or another --matcher",
            )  # fmt: skip
            return Lost(*why, start, len(points))
        ties = collect(points, scene.frame, sensor)
        if not len(ties):
            raise InputError(f"the DEM covers none of the {len(points)} tie points")
        try:
            fit = _fit(ties, control, sensor, model)
        except PointsError as error:
            return Lost(
                f"the tie points give no bias: {error}", "try another --matcher", start, len(ties)
            )
        moves.append(largest_difference(fit.bias, bias, scene.moving.header.shape))
        bias = fit.bias
        log.info(
            "round %d: %d tie points, %s moved by %.2f px",
            len(moves), len(ties), bias.name, moves[-1],
        )  # fmt: skip
        if moves[-1] <= _STABLE * ties.unit or len(moves) == ROUNDS:
            break
        old, scene = scene.frame, placed(scene, sensor.corrected(bias), settings)
        here = survey(scene, _expected(ties, fit, old, scene.frame), start.margin)
    corrected = sensor.corrected(bias)
    scene = replace(scene, frame=replace(scene.frame, moving=corrected))
    return Refined(scene, corrected, fit, ties, start, tuple(moves))


def placed(scene: Scene, sensor: Sensor, settings: Settings) -> Scene:
    """The scene with its moving raster placed by a sensor, on the frame where the two meet."""
    lenient = replace(sensor, beyond=sensor.ground.typical)
    scene = scene.with_georef(lenient, settings.working_resolution, scene.max_shift)
    return replace(scene, frame=replace(scene.frame, moving=sensor.strict()))


def identity() -> Transform:
    """Of the frame: claimed positions that are the true ones."""
    return from_matrix(np.eye(3))


def _expected(ties: Ties, fit: BiasFit, old: Frame, new: Frame) -> Transform:
    """Claimed -> true positions in the new frame, the bias being corrected in it.

    That isn't the identity where the DEM is poor: its slopes look like turns and scales.
    """
    off = ties.true - ties.on_frame(fit.residuals[: len(ties)])
    claimed, true = (new.grid.to_pixel(old.grid.to_map(xy)) for xy in (off, ties.true))
    weights = robust_weights(claimed, true, ties.score, closely=False)[0]  # as stiff as its models
    try:
        return transforms.load("affine").from_points(claimed, true, weights)
    except PointsError:
        return identity()


def _part(tell: Tell, number: int) -> Tell:
    return lambda share: tell((number + share) / ROUNDS)


def _fit(ties: Ties, control: Gcps | None, sensor: Sensor, model: str) -> BiasFit:
    predicted, seen, score = ties.predicted, ties.seen, ties.score
    sigma, importance = ties.sigma * ties.unit, np.ones(len(ties))
    if control is not None:
        n = len(control)
        predicted = np.concatenate([predicted, control.predicted(sensor)])
        seen = np.concatenate([seen, control.pixel])
        score = np.concatenate([score, np.ones(n)])
        sigma = np.concatenate([sigma, np.full(n, float(np.median(sigma)))])
        importance = np.concatenate([importance, np.full(n, max(1.0, len(ties) / n))])
    return fit_bias(
        predicted, seen, score, sigma,
        model=model, block=ties.block, unit=ties.unit, importance=importance,
    )  # fmt: skip
