"""Plots of what `georeg evaluate` found: how far off places, and whole pairs, are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from georeg.report import palette, svg
from georeg.training.evaluate import PRECISIONS, PairResult
from georeg.training.whole import LIMITS

Array = npt.NDArray[np.float64]
Results = Mapping[str, Sequence[PairResult]]

_DASHES = (None, "7 3", "2 3", "9 3 2 3")  # so that colour is never all that tells lines apart
_WITHIN = PRECISIONS.index(3.0)
_ROW, _NAMES, _WIDE = 22.0, 190.0, 420.0


def draw(results: Results) -> dict[str, str]:
    """SVG texts by name: places.svg and corners.svg, of what was measured."""
    theme = palette.LIGHT
    drawings = {
        "places": (f"Templates within {PRECISIONS[_WITHIN]:g} px of the truth", _places(results)),
        "corners": ("Whole pairs without a prior", _corners(results)),
    }
    return {
        f"{name}.svg": drawing.alone(title, theme).svg()
        for name, (title, drawing) in drawings.items()
        if drawing is not None
    }


def _colours() -> list[str]:
    return [v for k, v in palette.OKABE_ITO.items() if k not in ("black", "yellow")]


def _key(results: Results, x: float, y: float) -> str:
    """Which line is which matcher's."""
    theme, parts = palette.LIGHT, []
    for number, name in enumerate(results):
        at = y + 18 * number
        parts.append(_mark(number, x, x + 28, at))
        parts.append(svg.text(x + 34, at + 4, name, fill=theme.ink))
    return "".join(parts)


def _mark(number: int, x1: float, x2: float, y: float) -> str:
    colours = _colours()
    dash = _DASHES[number % len(_DASHES)]
    return svg.line(x1, y, x2, y, stroke=colours[number % len(colours)], width=3, dash=dash)


def _places(results: Results) -> svg.Drawing | None:
    """A line per group and matcher, as long as the share of its templates that is right."""
    groups: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, rows in results.items():
        for row in rows:
            if len(row.places) == len(PRECISIONS):
                groups[row.group][name].append(row.places[_WITHIN])
    if not groups:
        return None
    theme = palette.LIGHT
    tall = max(_ROW, 7.0 * len(results) + 8)
    axes = svg.Axes(_NAMES, 8, _WIDE, tall * len(groups), (0.0, 100.0), (0.0, 1.0))
    parts = []
    for value in (0, 25, 50, 75, 100):
        x, _ = axes.place(value, 0)
        parts.append(svg.line(x, axes.y, x, axes.y + axes.height, stroke=theme.faint))
        below = axes.y + axes.height + 16
        parts.append(svg.text(x, below, f"{value} %", fill=theme.muted, size=11, anchor="middle"))
    for place, (group, found) in enumerate(groups.items()):
        top = axes.y + place * tall
        parts.append(
            svg.text(_NAMES - 8, top + tall / 2 + 4, group, fill=theme.ink, size=11, anchor="end")
        )
        for number, name in enumerate(results):
            if found[name]:
                x, _ = axes.place(100 * float(np.mean(found[name])), 0)
                parts.append(_mark(number, axes.x, x, top + 8 + 7.0 * number))
    parts.append(_key(results, _NAMES, axes.y + axes.height + 36))
    height = axes.y + axes.height + 36 + 18 * len(results)
    label = f"Share of templates within {PRECISIONS[_WITHIN]:g} px, by group of pairs and matcher"
    return svg.Drawing(_NAMES + _WIDE + 30, height, label, "".join(parts))


def _corners(results: Results) -> svg.Drawing | None:
    """Recall against the error of corners; the areas under these curves are the AUC."""
    curves = {}
    for name, rows in results.items():
        errors = [row.corners for row in rows if row.corners is not None]
        if errors:
            curves[name] = _recall(errors)
    if not curves:
        return None
    theme = palette.LIGHT
    axes = svg.Axes(60, 8, _WIDE, 300, (0.0, LIMITS[-1]), (0.0, 1.0))
    parts = [axes.frame(theme, "mean error of the corners (px)", "share of the pairs (%)", 100)]
    colours = _colours()
    for number, name in enumerate(results):
        if name in curves:
            dash = _DASHES[number % len(_DASHES)]
            colour = colours[number % len(colours)]
            parts.append(svg.polyline(axes.at(curves[name]), stroke=colour, width=2, dash=dash))
    parts.append(_key(results, 60, axes.y + axes.height + 56))
    height = axes.y + axes.height + 60 + 18 * len(results)
    label = "Share of pairs against the error of their corners, by matcher"
    return svg.Drawing(60 + _WIDE + 30, height, label, "".join(parts))


def _recall(errors: Sequence[float]) -> Array:
    """(N, 2) steps of error and share, up to the largest limit."""
    ordered = np.sort(np.asarray(errors))
    ordered = ordered[ordered <= LIMITS[-1]]
    share = np.arange(1, len(ordered) + 1) / len(errors)
    x = np.concatenate([[0.0], np.repeat(ordered, 2), [LIMITS[-1]]])
    y = np.concatenate([[0.0, 0.0], np.repeat(share, 2)])[: len(x)]
    return np.stack([x, y], axis=1)
