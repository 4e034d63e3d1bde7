"""Whether errors depend on the place: against x, y, and the distance from the middle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from georeg.report import svg
from georeg.report.facts import Facts
from georeg.report.palette import Theme
from georeg.report.plots import Backdrop

TITLE = "Errors by place"
_WIDTH, _HEIGHT = 960.0, 300.0
_LEFT, _TOP, _AREA, _GAP = 64.0, 14.0, (246.0, 200.0), 74.0
_PARTS = 12  # of an axis, each with a median of its own
_LEAST = 5  # errors in one of them

Array = npt.NDArray[np.float64]


def draw(facts: Facts, theme: Theme, backdrop: Backdrop) -> svg.Drawing | None:
    """The plot; None where no error is known."""
    del backdrop
    errors, xy = facts.errors, facts.frame_xy[facts.judged]
    if not len(errors):
        return None
    middle = np.array([facts.width, facts.height]) / 2
    radius = np.hypot(*(xy - middle).T)
    length = np.hypot(*errors.T)
    both = 1.05 * max(float(np.percentile(np.abs(errors), 99.5)), 1e-3)
    longest = 1.05 * max(float(np.percentile(length, 99.5)), 1e-3)
    parts = []
    for number, (name, values, end) in enumerate(
        (("x (px of the frame)", xy[:, 0], facts.width), ("y (px of the frame)", xy[:, 1],
         facts.height))
    ):  # fmt: skip
        axes = svg.Axes(_panel(number), _TOP, *_AREA, (0.0, float(end)), (-both, both))
        parts.append(axes.frame(theme, name, "error (px)" if number == 0 else ""))
        zero, _ = axes.at(np.array([[0.0, 0.0], [end, 0.0]])).tolist()
        parts.append(svg.line(zero[0], zero[1], zero[0] + _AREA[0], zero[1], stroke=theme.muted))
        parts.append(_series(axes, values, errors[:, 1], theme, second=True))
        parts.append(_series(axes, values, errors[:, 0], theme, second=False))
    farthest = float(max(radius.max(), 1.0))
    axes = svg.Axes(_panel(2), _TOP, *_AREA, (0.0, farthest), (0.0, longest))
    parts.append(axes.frame(theme, "distance from the middle (px)", "length of the error (px)"))
    shown = length <= longest
    place = axes.at(np.column_stack([radius, length])[shown])
    parts.append(svg.dots(place, fill=theme.muted, size=3.4, opacity=_opacity(len(length))))
    parts.append(_medians(axes, radius, length, theme.mark, theme))
    parts.append(_key(theme))
    return svg.Drawing(_WIDTH, _HEIGHT, f"{TITLE}. {caption(facts)}", "".join(parts))


def _panel(number: int) -> float:
    return _LEFT + number * (_AREA[0] + _GAP)


def _series(axes: svg.Axes, at: Array, errors: Array, theme: Theme, *, second: bool) -> str:
    inside = np.abs(errors) <= axes.ylim[1]
    place = axes.at(np.column_stack([at, errors])[inside])
    opacity = _opacity(len(errors))
    if second:
        marks = svg.triangles(place, fill=theme.second, size=4.4, opacity=opacity)
    else:
        marks = svg.dots(place, fill=theme.first, size=3.4, opacity=opacity)
    colour = theme.second if second else theme.first
    return marks + _medians(axes, at, errors, colour, theme, dash="7 4" if second else None)


def _medians(
    axes: svg.Axes, at: Array, errors: Array, colour: str, theme: Theme, dash: str | None = None
) -> str:
    """A line through the medians of parts of the axis."""
    edges = np.linspace(axes.xlim[0], axes.xlim[1], _PARTS + 1)
    part = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, _PARTS - 1)
    points = [
        ((edges[k] + edges[k + 1]) / 2, float(np.median(errors[part == k])))
        for k in range(_PARTS)
        if (part == k).sum() >= _LEAST
    ]
    if len(points) < 2:
        return ""
    place = axes.at(np.array(points))
    casing = svg.polyline(place, stroke=theme.paper, width=5)
    return casing + svg.polyline(place, stroke=colour, width=2.2, dash=dash)


def _opacity(count: int) -> float:
    return max(0.3, min(0.75, 200 / max(count, 1)))


def _key(theme: Theme) -> str:
    y = _HEIGHT - 12
    x = _LEFT
    return "".join(
        [
            svg.dots(np.array([[x + 4, y - 4]]), fill=theme.first, size=6),
            svg.line(x + 14, y - 4, x + 40, y - 4, stroke=theme.first, width=2.2),
            svg.text(x + 46, y, "error in x, its median", fill=theme.ink),
            svg.triangles(np.array([[x + 204, y - 4]]), fill=theme.second, size=7),
            svg.line(x + 214, y - 4, x + 240, y - 4, stroke=theme.second, width=2.2, dash="7 4"),
            svg.text(x + 246, y, "error in y, its median", fill=theme.ink),
            svg.dots(np.array([[_panel(2) + 4, y - 4]]), fill=theme.muted, size=6),
            svg.line(_panel(2) + 14, y - 4, _panel(2) + 40, y - 4, stroke=theme.mark, width=2.2),
            svg.text(_panel(2) + 46, y, "length of the error, its median", fill=theme.ink),
        ]
    )


def caption(facts: Facts) -> str:
    """In plain words."""
    shown = facts.some and f" Shown: {facts.some}."
    return (
        "Medians that stay at zero mean that nothing systematic is left; a slope or a bow means "
        f"that a more flexible --transform could do better.{shown}"
    )
