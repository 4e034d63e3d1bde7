"""How far the moving raster was off, and where to, as arrows on the reference."""

from __future__ import annotations

from georeg.report import svg
from georeg.report.facts import Facts
from georeg.report.palette import Theme
from georeg.report.plots import Backdrop
from georeg.report.plots._arrows import arrows_on

TITLE = "Before the fit: how far the moving raster was off"


def draw(facts: Facts, theme: Theme, backdrop: Backdrop) -> svg.Drawing | None:
    """The plot; None where no tie points agree."""
    if not facts.inlier.any():
        return None
    label = f"{TITLE}: arrows on the reference. {caption(facts)}"
    return arrows_on(facts, theme, backdrop(0, "reference"), facts.before, "displacements", label)


def caption(facts: Facts) -> str:
    """In plain words."""
    offset = facts.report["tie_points"]["offset_before"]
    placed = facts.verdict.get("placed")
    start = "the first look" if placed else "the moving raster's georeference"
    return (
        f"Each arrow goes from where {start} puts a tie point to where it "
        f"is in the reference: {facts.length(offset['median_px'])} in the median."
    )
