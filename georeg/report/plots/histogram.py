"""How often which error occurs."""

from __future__ import annotations

import math

import numpy as np

from georeg.report import svg
from georeg.report.facts import Facts
from georeg.report.palette import Theme
from georeg.report.plots import Backdrop

TITLE = "How large the errors are"
_WIDTH, _HEIGHT = 430.0, 412.0
_LEFT, _TOP, _AREA = 64.0, 14.0, (352.0, 340.0)
_BINS = (6, 24)  # fewest and most


def draw(facts: Facts, theme: Theme, backdrop: Backdrop) -> svg.Drawing | None:
    """The plot; None where no error is known."""
    del backdrop
    accuracy = facts.verdict["accuracy"]
    length = np.hypot(*facts.errors.T)
    if not len(length) or accuracy is None:
        return None
    marks = {"RMSE": float(accuracy["rmse_px"]), "CE90": float(accuracy["ce90_px"])}
    reach = max(float(np.percentile(length, 99)), 1.25 * max(marks.values()), 1e-3)
    bins = min(max(round(math.sqrt(len(length))), _BINS[0]), _BINS[1])
    step = svg.ticks(0.0, reach, bins)[1]
    edges = np.arange(0.0, reach + step, step)
    counts, _ = np.histogram(length, edges)
    share = counts / len(length)
    axes = svg.Axes(_LEFT, _TOP, *_AREA, (0.0, float(edges[-1])), (0.0, 1.12 * float(share.max())))
    beyond = int((length > edges[-1]).sum())
    said = "length of the error (px)" + (f"; {beyond} are longer" if beyond else "")
    parts = [axes.frame(theme, said, "share of the tie points (%)", 100)]
    for low, high, value in zip(edges[:-1], edges[1:], share, strict=True):
        if value:
            left, top = axes.place(float(low), float(value))
            right, base = axes.place(float(high), 0.0)
            parts.append(
                svg.tag("rect", x=left + 0.7, y=top, width=right - left - 1.4, height=base - top,
                        fill=theme.first)
            )  # fmt: skip
    smaller = min(marks, key=lambda name: marks[name])  # either may be; names keep apart
    for (name, value), dash in zip(marks.items(), ("6 4", None), strict=True):
        x, _ = axes.place(value, 0.0)
        bottom = _TOP + _AREA[1]
        parts.append(svg.line(x, _TOP, x, bottom, stroke=theme.mark, width=2, dash=dash))
        side = "end" if name == smaller else "start"
        shift = -6 if side == "end" else 6
        parts.append(svg.halo(x + shift, _TOP + 16, name, theme, anchor=side, weight="bold"))
    return svg.Drawing(_WIDTH, _HEIGHT, f"{TITLE}. {caption(facts)}", "".join(parts))


def caption(facts: Facts) -> str:
    """In plain words."""
    accuracy = facts.verdict["accuracy"]
    if accuracy is None:
        return "Too few tie points to tell."
    return (
        f"RMSE {facts.length(accuracy['rmse_px'])}, CE90 {facts.length(accuracy['ce90_px'])}, at "
        "tie points left out of the fit. It includes the noise of the tie points themselves, and "
        "says nothing about places without any."
    )
