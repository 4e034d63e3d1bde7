"""What headers tell wrongly, or not at all: pixels without data, and their order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from georeg.judging.mirrored import look_mirrored
from georeg.matching.team import Team
from georeg.outcome import Outcome
from georeg.settings import Settings

# Of the pixels that were sampled. Real scenes have some (shadows, water, night), and it is only
# said where they were refused.
_WORTH = 0.1
_CLEAR = 1.0  # confidence of a first look that isn't doubted


def without_zeros(outcome: Outcome) -> Settings | None:
    """Settings of another look, where many pixels of both sides are exactly 0 and count as data.

    Those of gaps (scan lines that failed) are the same on both sides: they match better than the
    ground does, at places where it doesn't lie.

    Returns:
        None if there are few, the first look is clear, or another value is known to be no data.
    """
    scene, settings, verdict = outcome.scene, outcome.settings, outcome.verdict
    few = min(scene.moving_look.zeros, scene.reference_look.zeros) < _WORTH
    if few or (verdict.ok and verdict.confidence >= _CLEAR):
        return None
    headers = scene.moving.header, scene.reference.header
    if any(value is not None for header in headers for value in header.nodata):
        return None
    if outcome.points is not None and not outcome.points.dense:
        return None
    return replace(settings, moving_nodata=0.0, reference_nodata=0.0)


def naming_zeros(second: Outcome, first: Outcome) -> Outcome:
    """Another look that took zeros for pixels without data, which outputs don't: it says so."""
    verdict = second.verdict
    about = (
        f"{look.zeros:.0%} of {raster.name} is exactly 0, and was matched as pixels without data"
        f"{but}: name it with --{side}-nodata 0"
        for side, raster, look, but in (
            ("moving", first.scene.moving, first.scene.moving_look, ", but is written as data"),
            ("reference", first.scene.reference, first.scene.reference_look, ""),
        )
    )
    return replace(second, verdict=replace(verdict, warnings=(*verdict.warnings, *about)))


def hinted(outcome: Outcome, judges: Callable[[], AbstractContextManager[Team]]) -> Outcome:
    """The same, with warnings: where an alpha band is none, and, if it was refused, where many
    pixels are exactly 0 and count as data, or the moving raster is mirrored.

    Args:
        outcome: its rasters still open.
        judges: a matcher that returns surfaces; asked for where nothing was found.
    """
    scene, refused = outcome.scene, not outcome.verdict.ok
    hints: list[str] = []
    for side, raster, look in (
        ("moving", scene.moving, scene.moving_look),
        ("reference", scene.reference, scene.reference_look),
    ):
        about = raster.header.about_alpha(raster.name)
        if about:
            hints.append(about)
        if refused and look.zeros >= _WORTH:
            hints.append(
                f"{look.zeros:.0%} of {raster.name} is exactly 0, which counts as data: if there "
                f"is none, name it with --{side}-nodata 0"
            )
    if refused and outcome.settings.georef and outcome.verdict.confidence < _CLEAR:
        with judges() as team:
            mirrored = look_mirrored(scene, team, outcome.verdict.confidence)
        if mirrored:
            hints.append(mirrored)
    warnings = (*outcome.verdict.warnings, *hints)
    return replace(outcome, verdict=replace(outcome.verdict, warnings=warnings))
