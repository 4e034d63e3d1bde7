"""What headers tell wrongly, or not at all, of pixels without data."""

from __future__ import annotations

from dataclasses import replace

from georeg.outcome import Outcome

# Of the pixels that were sampled. Real scenes have some (shadows, water, night), and it is only
# said where they were refused.
_WORTH = 0.1


def hinted(outcome: Outcome) -> Outcome:
    """The same, with warnings: where an alpha band is none, and, if it was refused, where many
    pixels are exactly 0 and count as data.
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
    warnings = (*outcome.verdict.warnings, *hints)
    return replace(outcome, verdict=replace(outcome.verdict, warnings=warnings))
