"""The transforms that were tried, from stiff to flexible, and how well each one predicts."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import Any

from georeg.report import svg
from georeg.report.facts import Facts
from georeg.report.palette import Theme
from georeg.report.plots import Backdrop

TITLE = "Which transform, and why"
_WIDTH = 720.0
_LEFT, _RIGHT, _ROW, _TOP = 118.0, 330.0, 42.0, 8.0
_WRAP = 50  # characters of a note


def draw(facts: Facts, theme: Theme, backdrop: Backdrop) -> svg.Drawing | None:
    """The plot; None where nothing was fitted."""
    del backdrop
    rungs = facts.report["ladder"]
    if not rungs:
        return None
    known = [r["held_out_rmse_px"] for r in rungs if _finite(r["held_out_rmse_px"])]
    longest = 1.08 * max(known, default=1.0)
    height = _TOP + _ROW * len(rungs)
    axes = svg.Axes(_LEFT, _TOP, _RIGHT - _LEFT, height - _TOP, (0.0, longest), (1.0, 0.0))
    parts = [_scale(axes, theme)]
    for number, rung in enumerate(rungs):
        y = _TOP + _ROW * (number + 0.5)
        parts.append(_rung(axes, y, rung, facts, theme))
    label = f"{TITLE}. {caption(facts)}"
    return svg.Drawing(_WIDTH, height + 44, label, "".join(parts))


def _scale(axes: svg.Axes, theme: Theme) -> str:
    parts = []
    values = svg.ticks(*axes.xlim, count=3)
    bottom = axes.y + axes.height
    for value, said in zip(values, svg.tick_labels(values), strict=True):
        x, _ = axes.place(value, 0.0)
        parts.append(svg.line(x, axes.y, x, bottom, stroke=theme.faint))
        parts.append(svg.text(x, bottom + 16, said, fill=theme.muted, size=11, anchor="middle"))
    middle = axes.x + axes.width / 2
    said = "weighted RMSE (px)"
    parts.append(svg.text(middle, bottom + 34, said, fill=theme.ink, anchor="middle"))
    return "".join(parts)


def _rung(
    axes: svg.Axes, y: float, rung: Mapping[str, Any], facts: Facts, theme: Theme
) -> str:  # fmt: skip
    taken = rung["transform"] == facts.report["transform"]
    error = rung["held_out_rmse_px"]
    weight = "bold" if taken else None
    parts = [
        svg.text(
            axes.x - 12, y + 4, rung["transform"], fill=theme.ink, anchor="end", weight=weight,
            size=13,
        )
    ]  # fmt: skip
    if _finite(error):
        x, _ = axes.place(error, 0.0)
        filled = theme.first if taken else theme.paper
        parts.append(
            svg.tag("rect", x=axes.x, y=y - 9, width=max(1.0, x - axes.x), height=18, fill=filled,
                    stroke=theme.first, stroke_width=1.4)
        )  # fmt: skip
        parts.append(svg.line(axes.x, y - 15, axes.x, y + 15, stroke=theme.muted))
        parts.append(
            svg.text(_RIGHT + 12, y + 4, f"{error:.2f}", fill=theme.ink, weight=weight, size=13)
        )
    said = "taken" if taken else rung["note"] or "not taken"
    lines = textwrap.wrap(said, _WRAP)[:2]
    first = y + 4 - 7.5 * (len(lines) - 1)
    for number, words in enumerate(lines):
        fill = theme.ink if taken else theme.muted
        parts.append(svg.text(_RIGHT + 58, first + 15 * number, words, fill=fill, weight=weight))
    return "".join(parts)


def _finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def caption(facts: Facts) -> str:
    """In plain words."""
    return (
        "Every transform is fitted without one part of the tie points after the other, and judged "
        "on the parts left out. A more flexible one is taken only where that error really drops. "
        "Here sure tie points count more and outliers little, so the error of the one that is "
        "taken is smaller than the plain RMSE above."
    )
