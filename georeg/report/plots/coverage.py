"""Where in the overlap there are tie points, and where the fit extrapolates."""

from __future__ import annotations

import numpy as np

from georeg.report import svg
from georeg.report.facts import Facts
from georeg.report.palette import Theme
from georeg.report.plots import Backdrop, _map

TITLE = "Where the tie points are"
_BARE, _OUTSIDE = "o", "."
_BARE_FILL = "url(#plot-bare)"


def draw(facts: Facts, theme: Theme, backdrop: Backdrop) -> svg.Drawing | None:
    """The plot; None where nothing is known of the overlap."""
    cells = facts.report.get("coverage")
    if not cells:
        return None
    at = _map.Map.of(facts)
    side = float(cells["cell_px"]) * at.scale
    parts = [at.picture(facts, backdrop(0, "reference"), theme), _hatch()]
    for row, kinds in enumerate(cells["rows"]):
        for column, kind in enumerate(kinds):
            x, y = at.left + column * side, row * side
            size = svg.Size(
                width=max(0.0, min(side, at.left + at.width - x)),
                height=max(0.0, min(side, at.height - y)),
            )
            if kind == _BARE:
                parts.append(svg.tag("rect", **size, x=x, y=y, fill=_BARE_FILL, stroke=_map.BRIGHT))
            elif kind == _OUTSIDE:
                parts.append(svg.tag("rect", **size, x=x, y=y, fill="#000000", fill_opacity="0.55"))
    agree, rejected = at.at(facts.frame_xy[facts.inlier]), at.at(facts.frame_xy[~facts.inlier])
    parts.append(svg.crosses(rejected, stroke=_map.CASING, size=6, width=2.6))
    parts.append(svg.crosses(rejected, stroke=_map.OTHER, size=5, width=1.2))
    parts.append(svg.dots(agree, fill=_map.CASING, size=5.4))
    parts.append(svg.dots(agree, fill=_map.BRIGHT, size=3.4))
    parts.append(_key(theme, at))
    label = f"{TITLE}. {caption(facts)}"
    return svg.Drawing(_map.WIDTH, at.height + _map.LEGEND + 22, label, "".join(parts))


def _hatch() -> str:
    lines = svg.tag("path", d="M0 8L8 0", stroke=_map.BRIGHT, stroke_width=1.2)
    shade = svg.tag("rect", width=8, height=8, fill="#000000", fill_opacity="0.35")
    pattern = svg.tag(
        "pattern", shade + lines, id="plot-bare", width=8, height=8, patternUnits="userSpaceOnUse"
    )
    return svg.tag("defs", pattern)


def _key(theme: Theme, at: _map.Map) -> str:
    """Two lines of two."""
    x, y, right = at.left + 8, at.height + 19, 96.0
    here = np.array([[x, y - 4]])
    below = here + [0, 22]
    box = svg.Size(width=16, height=14)
    parts = [
        svg.dots(here, fill=_map.CASING, size=5.4),
        svg.dots(here, fill=_map.BRIGHT, size=3.4),
        svg.text(x + 12, y, "agrees", fill=theme.ink),
        svg.crosses(below, stroke=_map.CASING, size=6, width=2.6),
        svg.crosses(below, stroke=_map.OTHER, size=5, width=1.2),
        svg.text(x + 12, y + 22, "rejected", fill=theme.ink),
        svg.tag("rect", **box, x=x + right, y=y - 12, fill=_BARE_FILL, stroke=_map.BRIGHT),
        svg.text(x + right + 24, y, "no tie points near: the fit extrapolates", fill=theme.ink),
        svg.tag("rect", **box, x=x + right, y=y + 10, fill="#000000", fill_opacity="0.55"),
        svg.text(x + right + 24, y + 22, "nothing to match on either side", fill=theme.ink),
    ]
    return "".join(parts)


def caption(facts: Facts) -> str:
    """In plain words."""
    verdict = facts.verdict
    shown = facts.some and f" Shown: {facts.some}."
    return (
        f"{verdict['inliers']} of {verdict['tie_points']} tie points agree; they lie in or next "
        f"to {verdict['coverage']:.0%} of the overlap. Hatched squares have none near: what the "
        f"fit does there is only carried on from elsewhere.{shown}"
    )
