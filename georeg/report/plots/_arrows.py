"""Arrows on a picture, with a key that says how long they are."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from georeg.report import svg
from georeg.report.facts import Facts
from georeg.report.palette import Theme
from georeg.report.plots import _map

Array = npt.NDArray[np.float64]

_CELLS = 22  # along the longer side: more arrows than that hide each other
_LONG = 20.0  # drawing units of the 90th percentile
_KEY = (9.0, 40.0)  # shortest and longest arrow of the key


def arrows_on(
    facts: Facts,
    theme: Theme,
    content: str,
    step: Array,
    name: str,
    label: str,
    crossed: Array | None = None,
) -> svg.Drawing:
    """Arrows from the tie points that agree with their neighbours.

    Args:
        facts: whose tie points.
        theme: colours.
        content: the picture.
        step: (N, 2) reference pixels, of all tie points.
        name: of the plot.
        label: what it shows, for those who can't see it.
        crossed: (M, 2) frame pixels of tie points to be crossed out.
    """
    at = _map.Map.of(facts)
    known = facts.counted & np.isfinite(step).all(axis=1)
    chosen = np.flatnonzero(known)[_map.thinned(facts.frame_xy[known], _CELLS)]
    length = np.hypot(*step[known].T)
    usual = float(np.percentile(length, 90)) if len(length) else 1.0
    scale = _LONG / max(usual, 1e-6)
    start, move = at.at(facts.frame_xy[chosen]), step[chosen] * scale
    marks = []
    if crossed is not None and len(crossed):
        place = at.at(crossed[_map.thinned(crossed, 2 * _CELLS)])
        marks.append(svg.crosses(place, stroke=_map.CASING, size=7, width=3.2))
        marks.append(svg.crosses(place, stroke=_map.OTHER, size=6, width=1.6))
    marks.append(svg.arrows(start, move, stroke=_map.CASING, width=3.4))
    marks.append(svg.dots(start, fill=_map.CASING, size=4.2))
    marks.append(svg.arrows(start, move, stroke=_map.BRIGHT, width=1.5))
    marks.append(svg.dots(start, fill=_map.BRIGHT, size=2.4))
    parts = [at.picture(facts, content, theme), _map.clipped("".join(marks), at, name)]
    parts.append(_key(facts, theme, at, scale, crossed=crossed is not None and len(crossed) > 0))
    return svg.Drawing(_map.WIDTH, at.height + _map.LEGEND, label, "".join(parts))


def _key(facts: Facts, theme: Theme, at: _map.Map, scale: float, *, crossed: bool) -> str:
    """An arrow of a round length."""
    round_length = _round_length(scale)
    y = at.height + 19
    start, step = np.array([[at.left + 4, y - 4]]), np.array([[round_length * scale, 0.0]])
    x = at.left + round_length * scale + 14
    times = scale / at.scale * _frame_per_reference(facts)
    said = f"{facts.length(round_length)}, drawn {_times(times)}"
    parts = [
        svg.arrows(start, step, stroke=_map.CASING, width=3.4),
        svg.arrows(start, step, stroke=_map.BRIGHT, width=1.5),
        svg.text(x, y, said, fill=theme.ink),
    ]
    if crossed:
        x += 7.0 * len(said) + 24
        parts.append(svg.crosses(np.array([[x, y - 4]]), stroke=_map.CASING, size=7, width=3.2))
        parts.append(svg.crosses(np.array([[x, y - 4]]), stroke=_map.OTHER, size=6, width=1.6))
        parts.append(svg.text(x + 10, y, "rejected", fill=theme.ink))
    return "".join(parts)


def _round_length(scale: float) -> float:
    """The longest round length whose arrow fits the key."""
    power = 10.0 ** math.floor(math.log10(_KEY[1] / scale))
    fits = [m * power for m in (1, 2, 5) if _KEY[0] <= m * power * scale <= _KEY[1]]
    return fits[-1] if fits else power


def _frame_per_reference(facts: Facts) -> float:
    """Reference pixels along a frame pixel: what true scale means."""
    return float(facts.report["frame"]["reference_pixels_per_pixel"])


def _times(factor: float) -> str:
    if 0.95 < factor < 1.05:
        return "true to scale"
    how, times = ("enlarged", factor) if factor > 1 else ("reduced", 1 / factor)
    return f"{times:.0f} times {how}" if times >= 10 else f"{times:.1f} times {how}"
