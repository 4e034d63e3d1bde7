"""Pixels without data that no header tells of, which refuse what would fit without them."""

from __future__ import annotations

from dataclasses import replace

from georeg.outcome import Outcome

# Of the pixels that were sampled. Real scenes have some (shadows, water, night), and it is only
# said where they were refused.
_WORTH = 0.1


def hinted(outcome: Outcome) -> Outcome:
    """The same; if it was refused, it says where many pixels are exactly 0 and count as data."""
    if outcome.verdict.ok:
        return outcome
    scene = outcome.scene
    hints = tuple(
        f"{look.zeros:.0%} of {raster.name} is exactly 0, which counts as data: if there is none, "
        f"name it with --{side}-nodata 0"
        for side, raster, look in (
            ("moving", scene.moving, scene.moving_look),
            ("reference", scene.reference, scene.reference_look),
        )
        if look.zeros >= _WORTH
    )
    verdict = replace(outcome.verdict, warnings=(*outcome.verdict.warnings, *hints))
    return replace(outcome, verdict=verdict)
