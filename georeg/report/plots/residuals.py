"""What is left after the fit, as arrows on the reference."""

from __future__ import annotations

from georeg.report import svg
from georeg.report.facts import Facts
from georeg.report.palette import Theme
from georeg.report.plots import Backdrop
from georeg.report.plots._arrows import arrows_on

TITLE = "After: what is left"


def draw(facts: Facts, theme: Theme, backdrop: Backdrop) -> svg.Drawing | None:
    """The plot; None where no error is known."""
    if not facts.judged.any():
        return None
    label = f"{TITLE}: arrows on the reference. {caption(facts)}"
    crossed = facts.frame_xy[~facts.counted]
    return arrows_on(
        facts, theme, backdrop(0, "reference"), facts.left_out, "residuals", label, crossed
    )


def caption(facts: Facts) -> str:
    """In plain words."""
    return (
        "Errors of a fit that was made without the tie points around each arrow. Arrows that point "
        "every which way are noise; where neighbours agree, something is left that the transform "
        "can't follow. Crosses are tie points that were rejected."
    )
