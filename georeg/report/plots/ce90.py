"""Errors as a cloud, and the circle that holds 90% of them (CE90)."""

from __future__ import annotations

import math

import numpy as np

from georeg.report import svg
from georeg.report.facts import Facts
from georeg.report.palette import Theme
from georeg.report.plots import Backdrop

TITLE = "Errors in x and y"
_SIDE = 430.0
_LEFT, _TOP, _AREA = 64.0, 14.0, 340.0


def draw(facts: Facts, theme: Theme, backdrop: Backdrop) -> svg.Drawing | None:
    """The plot; None where no error is known."""
    del backdrop
    errors, accuracy = facts.errors, facts.verdict["accuracy"]
    if not len(errors) or accuracy is None:
        return None
    ce90 = float(accuracy["ce90_px"])
    # All of it on one scale: a cloud that is longer one way than the other must look so.
    reach = 1.08 * max(float(np.percentile(np.abs(errors), 99.5)), ce90, 1e-3)
    axes = svg.Axes(_LEFT, _TOP, _AREA, _AREA, (-reach, reach), (reach, -reach))
    inside = (np.abs(errors) <= reach).all(axis=1)
    x, y = axes.place(0.0, 0.0)
    radius = ce90 / (2 * reach) * _AREA
    mean = np.array([[accuracy["mean_x_px"], accuracy["mean_y_px"]]])
    ((mx, my),) = axes.at(mean).tolist()
    at = radius * math.sqrt(0.5)
    parts = [
        axes.frame(theme, "error in x (px), to the right", "error in y (px), downwards"),
        svg.dots(axes.at(errors[inside]), fill=theme.first, size=4, opacity=_opacity(len(errors))),
        svg.line(x, _TOP, x, _TOP + _AREA, stroke=theme.muted),
        svg.line(_LEFT, y, _LEFT + _AREA, y, stroke=theme.muted),
        svg.tag("circle", cx=x, cy=y, r=radius, fill="none", stroke=theme.mark, stroke_width=2),
        svg.text(x + at + 5, y - at - 5, "CE90", fill=theme.mark, weight="bold"),
        svg.line(mx - 9, my, mx + 9, my, stroke=theme.paper, width=5),
        svg.line(mx, my - 9, mx, my + 9, stroke=theme.paper, width=5),
        svg.line(mx - 8, my, mx + 8, my, stroke=theme.second, width=2.4),
        svg.line(mx, my - 8, mx, my + 8, stroke=theme.second, width=2.4),
    ]
    below = _TOP + _AREA + 58
    parts.append(svg.line(_LEFT, below - 4, _LEFT + 16, below - 4, stroke=theme.second, width=2.4))
    parts.append(svg.line(_LEFT + 8, below - 12, _LEFT + 8, below + 4, stroke=theme.second,
                          width=2.4))  # fmt: skip
    outside = int((~inside).sum())
    beyond = f"; {outside} error{'s' if outside > 1 else ''} beyond the edge" if outside else ""
    parts.append(svg.text(_LEFT + 22, below, f"mean error{beyond}", fill=theme.ink))
    return svg.Drawing(_SIDE, below + 10, f"{TITLE}. {caption(facts)}", "".join(parts))


def _opacity(count: int) -> float:
    return max(0.4, min(0.85, 300 / max(count, 1)))


def caption(facts: Facts) -> str:
    """In plain words."""
    accuracy = facts.verdict["accuracy"]
    if accuracy is None:
        return "Too few tie points to tell."
    mean = math.hypot(accuracy["mean_x_px"], accuracy["mean_y_px"])
    shown = facts.some and f" Shown: {facts.some}."
    return (
        "90% of the tie points that agree with their neighbours lie within "
        f"{facts.length(accuracy['ce90_px'])} of where a fit without these puts them. The mean "
        "error is "
        f"{facts.length(mean)}.{shown}"
    )
