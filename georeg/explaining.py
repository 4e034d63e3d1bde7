"""What was decided on the way, and why: readable lines for `--explain`, and for reports.

The evidence is recorded where a decision is taken (`Radiometry.why`, `Choice.why`, `Level`,
`Rung.note`, `Rejected`, `Criterion`); here it is only put into words, in the user's units.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from georeg.crs import crs_name, in_metres
from georeg.outcome import Outcome
from georeg.radiometry import Radiometry
from georeg.search.locating import Start
from georeg.search.searching import angle_and_scale
from georeg.search.tracking import Level
from georeg.search.voting import CHANCE

_LOOKS = {"refine": ", the last look", "detail": ", a look at smaller places"}  # by goal


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        step: of the work: moving, reference, frame, matcher, search, level, points, model, verdict.
        decided: what.
        why: the evidence; empty where the decision speaks for itself.
        options: of the command line that decide otherwise.
    """

    step: str
    decided: str
    why: str = ""
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line."""
        why = f" ({self.why})" if self.why else ""
        options = f" [{', '.join(self.options)}]" if self.options else ""
        return f"{self.step}: {self.decided}{why}{options}"


def explain(outcome: Outcome) -> tuple[Decision, ...]:
    """All decisions of a run, in the order in which they were taken."""
    return (
        *_looks(outcome),
        *_frame(outcome),
        _matcher(outcome),
        *_search(outcome),
        *(_level(outcome, level) for level in outcome.levels),
        *_points(outcome),
        *_models(outcome),
        *_verdict(outcome),
    )


def _looks(outcome: Outcome) -> Iterator[Decision]:
    scene = outcome.scene
    for side, look in (
        ("moving", scene.moving_look),
        ("reference", scene.reference_look),
    ):
        yield Decision(
            side,
            f"seen as {look.modality}, by {_bands(look)}",
            look.why,
            (f"--{side}-modality", f"--{side}-bands"),
        )


def _bands(look: Radiometry) -> str:
    numbers = ", ".join(map(str, look.bands))
    return f"band{'s' if len(look.bands) > 1 else ''} {numbers}"


def _frame(outcome: Outcome) -> Iterator[Decision]:
    frame, settings = outcome.scene.frame, outcome.settings
    grid, pixels = frame.grid, frame.reference_pixels
    size = f"{grid.width} x {grid.height} px"
    size += "" if frame.metres is None else f" of {in_metres(frame.metres)}"
    if settings.working_resolution is not None:
        why = "the resolution was asked for"
    elif outcome.sharper:
        why = "finer than those on which the alignment was found, and is trusted"
    elif outcome.finer:
        why = "half the coarser one's, on which too few places could be compared"
    elif math.isclose(pixels, 1.0, rel_tol=1e-3):
        why = "the reference's pixels are the coarser ones, or as coarse"
    else:
        why = f"the moving raster's pixels are the coarser ones: {pixels:.3g} of the reference's"
    yield Decision(
        "frame", f"both are compared on {size} in {crs_name(grid.crs)}", why,
        ("--working-resolution",),
    )  # fmt: skip
    if not settings.georef:
        yield Decision("frame", "the moving raster's georeference is ignored", "--no-georef")
    shift = outcome.scene.max_shift
    metres = "" if frame.metres is None else f" ({in_metres(shift * frame.metres)})"
    why = "5 % of the overlap's diagonal, of a strip at most its width, at least 64 working pixels"
    yield Decision(
        "frame",
        f"shifts of up to {shift * pixels:.0f} px{metres} are looked for",
        why if settings.max_shift is None else "it was asked for",
        ("--max-shift",),
    )


def _matcher(outcome: Outcome) -> Decision:
    choice = outcome.choice
    if choice.name == "points":
        return Decision("matcher", "none: the tie points come from a file")
    where = f" on {outcome.device}" if outcome.device else ""
    weights = f" with the weights {choice.weights}" if choice.weights else ""
    why = "; ".join(filter(None, (choice.why, choice.better)))
    return Decision("matcher", f"{choice.name}{where}{weights}", why, ("--matcher", "--weights"))


def _search(outcome: Outcome) -> Iterator[Decision]:
    start = outcome.located
    if start is None:
        if outcome.start is None:
            yield Decision("search", "nothing was found to go by", options=("--search",))
        return
    yield Decision("search", _placed(outcome, start), _sure(start), ("--search", "--max-shift"))


def _placed(outcome: Outcome, start: Start) -> str:
    grid, pixels = outcome.scene.frame.grid, outcome.scene.frame.reference_pixels
    matrix = np.array(start.transform.to_dict()["matrix"])
    angle, scale = angle_and_scale(matrix)
    said = f"turned by {angle:+.2f} degrees, scaled by {scale:.4f}"
    if outcome.settings.georef:
        middle = np.array([[grid.width / 2, grid.height / 2]])
        dx, dy = (start.transform.forward(middle) - middle)[0] * pixels
        said += f", moved by {dx:+.1f} px in x and {dy:+.1f} px in y"
    return f"{said} at first sight"


def _sure(start: Start) -> str:
    tried = f"{start.tried} hypothes{'is' if start.tried == 1 else 'es'}"
    return (
        f"confidence {start.margin:.2f}: its lead over the best other place, after {tried}; "
        f"chance reaches {CHANCE:g}, clear scenes have 1 and more"
    )


def _level(outcome: Outcome, level: Level) -> Decision:
    pixels = outcome.scene.frame.reference_pixels
    name, share = "full resolution", level.factor / max(1.0, outcome.scene.own_pixel)
    if not math.isclose(share, 1.0, rel_tol=0.01):
        name = f"1/{share:.3g} of the resolution" if share > 1 else f"{1 / share:.3g} x as fine"
    name += _LOOKS.get(level.goal, "")
    if not level.tiles and level.note:
        error = f": {level.error * pixels:.2f} px at left-out points"
        return Decision("level", f"{name} is skipped", level.note + error)
    decided = f"{name}: {level.points} tie points in {level.tiles} tiles"
    if level.templates > level.points:
        decided += f", from {level.templates} places"
    if not level.model:
        return Decision("level", decided, f"no transform fits them: {level.note}")
    if level.note:
        return Decision("level", f"{decided}: not taken", level.note)
    error = f"{level.error * pixels:.2f} px at left-out points"
    return Decision("level", decided, f"{level.model} fits them, with {error}", ("--max-tiles",))


def _points(outcome: Outcome) -> Iterator[Decision]:
    points, fit = outcome.points, outcome.fit
    if points is None or fit is None:
        return
    used, rejected = int(fit.inlier.sum()), fit.rejected
    parts = [
        (rejected.neighbours, "disagree with the points around them"),
        (rejected.model, f"disagree with the {fit.transform.name} transform"),
        (rejected.far, "end up too far from where it puts them"),
    ]
    why = ", ".join(f"{number} {what}" for number, what in parts if number)
    yield Decision("points", f"{used} of {len(points)} tie points agree", why)


def _models(outcome: Outcome) -> Iterator[Decision]:
    fit = outcome.fit
    if fit is None:
        return
    pixels = outcome.scene.frame.reference_pixels
    for rung in fit.ladder:
        error = f"{rung.error * pixels:.2f} px at left-out points"
        if rung.name == fit.transform.name:
            why = error
            if len(fit.ladder) > 1:
                why += ": the simplest one that predicts as well as any"
            yield Decision("model", f"{rung.name} is taken", why, ("--transform",))
        else:
            known = f"{error}, " if math.isfinite(rung.error) else ""
            yield Decision("model", f"{rung.name} is not taken", known + rung.note)


def _verdict(outcome: Outcome) -> Iterator[Decision]:
    verdict = outcome.verdict
    for criterion in verdict.criteria:
        needed = f"needed: {criterion.needed}"
        said = "" if criterion.ok else "; this refuses"
        yield Decision("verdict", f"{criterion.name}: {criterion.found}", needed + said)
    for criterion in verdict.criteria:
        if not criterion.ok:
            yield Decision("verdict", f"refused: {criterion.reason}", f"next: {criterion.advice}")
    if verdict.ok:
        why = "; ".join((verdict.sentence(), *verdict.warnings))
        yield Decision("verdict", "it can be trusted", why)
