"""Squares of the reference in turn with squares of the moving raster, before and after."""

from __future__ import annotations

from georeg.report import svg
from georeg.report.facts import Encoded, Facts
from georeg.report.palette import Theme
from georeg.report.plots import Backdrop

TITLE = "Checkerboard of both rasters"
_WIDTH, _GAP, _HEAD = 960.0, 16.0, 24.0
_SQUARES = 6  # along the longer side


def draw(facts: Facts, theme: Theme, backdrop: Backdrop) -> svg.Drawing | None:
    """The plot; None where the rasters can't be seen."""
    if not facts.pictures:
        return None
    number = chosen(facts)
    picture = facts.pictures[number]
    sides = [side for side in ("before", "after") if side in picture.uris]
    width = (_WIDTH - _GAP) / 2
    scale = min(width / picture.width, 560.0 / picture.height)
    parts = [_squares(picture)]
    for column, side in enumerate(sides):
        left = column * (width + _GAP) + (width - picture.width * scale) / 2
        name = facts.begin if side == "before" else side
        said = f"{name.capitalize()}: {picture.title.lower()}"
        if side == "after" and not facts.verdict["ok"]:
            said += ", as the refused fit has it"
        parts.append(svg.text(left, 15, said, fill=theme.ink, size=13, weight="bold"))
        size = svg.Size(width=picture.width, height=picture.height)
        moving = svg.tag("g", backdrop(number, side), mask="url(#plot-squares)")
        edge = svg.tag("rect", **size, fill="none", stroke=theme.muted, stroke_width=1 / scale)
        paper = svg.tag("rect", **size, fill=theme.faint)
        moved = f"translate({svg.number(left)} {_HEAD}) scale({scale:.5f})"
        whole = paper + backdrop(number, "reference") + moving + edge
        parts.append(svg.tag("g", whole, transform=moved))
    height = _HEAD + picture.height * scale + 2
    return svg.Drawing(_WIDTH, height, f"{TITLE}. {caption(facts)}", "".join(parts))


def chosen(facts: Facts) -> int:
    """The overview where it shows single pixels, else the first close-up."""
    return 0 if facts.pictures[0].factor <= 1.5 or len(facts.pictures) < 2 else 1


def _squares(picture: Encoded) -> str:
    """A mask that shows every other square."""
    side = max(picture.width, picture.height) / _SQUARES
    white = svg.tag("rect", width=side, height=side, fill="#fff")
    other = svg.tag("rect", x=side, y=side, width=side, height=side, fill="#fff")
    pattern = svg.tag(
        "pattern", white + other, id="plot-square", width=2 * side, height=2 * side,
        patternUnits="userSpaceOnUse",
    )  # fmt: skip
    size = svg.Size(width=picture.width, height=picture.height)
    filled = svg.tag("rect", **size, fill="url(#plot-square)")
    mask = svg.tag("mask", filled, id="plot-squares", maskUnits="userSpaceOnUse", x=0, y=0, **size)
    return svg.tag("defs", pattern + mask)


def caption(facts: Facts) -> str:
    """In plain words."""
    return (
        "Where the rasters fit, roads, rivers and field edges go on from one square to the next. "
        "Both are shown as the matcher saw them: one grey image each, stretched, and shaded or "
        "despeckled where that applies."
    )
