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
        band = raster.header.mistaken_alpha
        if band is not None:
            hints.append(
                f"band {band} of {raster.name} is declared as alpha, but holds a picture (near "
                "infrared?): it was taken for a band like others, not for a mask. Say so "
                f"with gdal_edit.py -colorinterp_{band} undefined"
            )
        if refused and look.zeros >= _WORTH:
            hints.append(
                f"{look.zeros:.0%} of {raster.name} is exactly 0, which counts as data: if there "
                f"is none, name it with --{side}-nodata 0"
            )
    warnings = (*outcome.verdict.warnings, *hints)
    return replace(outcome, verdict=replace(outcome.verdict, warnings=warnings))
