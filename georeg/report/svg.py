"""The few shapes that the plots are drawn with, as SVG text. Pure: numbers in, text out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from georeg.report.palette import Theme

Array = npt.NDArray[np.float64]

FONT = "Lato, 'Helvetica Neue', Arial, sans-serif"
_TICKS = 5  # about so many along an axis
_MARGIN, _HEAD = 16.0, 46.0  # around a drawing that stands alone, and above it


class Size(TypedDict):
    """Width and height of an element."""

    width: float
    height: float


def number(value: float) -> str:
    """A coordinate, short."""
    said = f"{value:.1f}".removesuffix(".0")
    return "0" if said == "-0" else said


def tag(name: str, content: str = "", **attributes: float | str | None) -> str:
    """An element; `_` in names of attributes becomes `-`, None is left out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="'
        f'{number(value) if isinstance(value, (int, float)) else escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{said}>{content}</{name}>" if content else f"<{name}{said}/>"


def text(
    x: float,
    y: float,
    words: str,
    *,
    fill: str,
    size: float = 12,
    anchor: str = "start",
    weight: str | None = None,
    transform: str | None = None,
) -> str:
    """Words with their baseline at (x, y); anchor is start, middle or end."""
    return tag(
        "text", escape(words), x=x, y=y, fill=fill, font_size=size,
        text_anchor=None if anchor == "start" else anchor, font_weight=weight, transform=transform,
    )  # fmt: skip


def halo(
    x: float, y: float, words: str, theme: Theme, *, anchor: str = "start",
    weight: str | None = None,
) -> str:  # fmt: skip
    """Words that stay legible on top of lines and bars."""
    return tag(
        "text", escape(words), x=x, y=y, fill=theme.ink, font_size=12, font_weight=weight,
        text_anchor=None if anchor == "start" else anchor, stroke=theme.paper, stroke_width=4,
        paint_order="stroke", stroke_linejoin="round",
    )  # fmt: skip


def line(
    x1: float, y1: float, x2: float, y2: float, *, stroke: str, width: float = 1,
    dash: str | None = None,
) -> str:  # fmt: skip
    """A straight line."""
    return tag(
        "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, stroke_width=width,
        stroke_dasharray=dash,
    )  # fmt: skip


def dots(xy: Array, *, fill: str, size: float = 4, opacity: float = 1.0) -> str:
    """Round dots at (N, 2) places, as one path."""
    path = "".join(f"M{number(x)} {number(y)}h0" for x, y in xy)
    return tag(
        "path", d=path, stroke=fill, stroke_width=size, stroke_linecap="round", fill="none",
        stroke_opacity=None if opacity >= 1 else f"{opacity:g}",
    )  # fmt: skip


def triangles(xy: Array, *, fill: str, size: float = 4, opacity: float = 1.0) -> str:
    """Triangles that point upwards at (N, 2) places, as one path."""
    half, tall = size * 0.62, size * 1.07
    shape = f"l{number(half)} {number(tall)}h{number(-2 * half)}z"
    path = "".join(f"M{number(x)} {number(y - 0.6 * tall)}{shape}" for x, y in xy)
    return tag("path", d=path, fill=fill, fill_opacity=None if opacity >= 1 else f"{opacity:g}")


def crosses(xy: Array, *, stroke: str, size: float = 5, width: float = 1.5) -> str:
    """Crosses (x) at (N, 2) places, as one path."""
    half = size / 2
    shape = f"l{number(size)} {number(size)}m0 {number(-size)}l{number(-size)} {number(size)}"
    path = "".join(f"M{number(x - half)} {number(y - half)}{shape}" for x, y in xy)
    return tag("path", d=path, stroke=stroke, stroke_width=width, fill="none")


def polyline(xy: Array, *, stroke: str, width: float = 1.5, dash: str | None = None) -> str:
    """A line through (N, 2) places."""
    points = " ".join(f"{number(x)},{number(y)}" for x, y in xy)
    return tag(
        "polyline", points=points, fill="none", stroke=stroke, stroke_width=width,
        stroke_dasharray=dash, stroke_linejoin="round",
    )  # fmt: skip


def arrows(start: Array, step: Array, *, stroke: str, width: float = 1.6) -> str:
    """Arrows from (N, 2) places by (N, 2) steps, as one path; no head where there is no room."""
    parts = []
    for (x, y), (dx, dy) in zip(start, step, strict=True):
        parts.append(f"M{number(x)} {number(y)}l{number(dx)} {number(dy)}")
        length = math.hypot(dx, dy)
        head = min(4.5, 0.45 * length)
        if head < 1.5:
            continue
        for side in (0.45, -0.45):
            angle = math.atan2(dy, dx) + math.pi + side
            hx, hy = head * math.cos(angle), head * math.sin(angle)
            tip = f"M{number(x + dx)} {number(y + dy)}"
            parts.append(f"{tip}l{number(hx)} {number(hy)}")
    return tag(
        "path", d="".join(parts), stroke=stroke, stroke_width=width, fill="none",
        stroke_linecap="round",
    )  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """A whole drawing.

    Attributes:
        width: in its own units, about a CSS pixel each.
        height: the same.
        label: what it shows, for those who can't see it.
        body: what is in it, from the back to the front.
    """

    width: float
    height: float
    label: str
    body: str

    def svg(self) -> str:
        """To be part of a page."""
        return tag(
            "svg", tag("title", escape(self.label)) + self.body,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {number(self.width)} {number(self.height)}", role="img",
            font_family=FONT,
        )  # fmt: skip

    def alone(self, title: str, theme: Theme) -> Drawing:
        """To stand alone: with a title, on paper, and with a margin."""
        width, height = self.width + 2 * _MARGIN, self.height + _HEAD + _MARGIN
        inner = tag(
            "svg", self.body, x=_MARGIN, y=_HEAD, width=self.width, height=self.height,
            viewBox=f"0 0 {number(self.width)} {number(self.height)}",
        )  # fmt: skip
        paper = tag("rect", width=width, height=height, fill=theme.paper)
        said = text(_MARGIN, 30, title, fill=theme.ink, size=16, weight="bold")
        return Drawing(width, height, self.label, paper + said + inner)


def ticks(low: float, high: float, count: int = _TICKS) -> list[float]:
    """Round numbers within a range."""
    low, high = min(low, high), max(low, high)
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def tick_labels(values: Sequence[float]) -> list[str]:
    """As many decimals as tell them apart."""
    step = abs(values[1] - values[0]) if len(values) > 1 else max(abs(values[0]), 1.0)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step else 0
    if round(step, decimals) and abs(step - round(step, decimals)) > 1e-6 * step:
        decimals += 1  # 2.5
    return [f"{value:.{decimals}f}".replace("-", "−") for value in values]  # a minus sign


@dataclass(frozen=True)
class Axes:
    """A plot's area and its scales.

    Attributes:
        x: left edge in the drawing.
        y: upper edge.
        width: of the area.
        height: of the area.
        xlim: values at the left and right edge.
        ylim: values at the lower and upper edge.
    """

    x: float
    y: float
    width: float
    height: float
    xlim: tuple[float, float]
    ylim: tuple[float, float]

    def at(self, values: Array) -> Array:
        """(N, 2) values -> (N, 2) places in the drawing."""
        (x0, x1), (y0, y1) = self.xlim, self.ylim
        x = self.x + (values[:, 0] - x0) / (x1 - x0) * self.width
        y = self.y + self.height - (values[:, 1] - y0) / (y1 - y0) * self.height
        return np.stack([x, y], axis=1)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The same for one place."""
        ((px, py),) = self.at(np.array([[x, y]])).tolist()
        return px, py

    def frame(self, theme: Theme, xlabel: str, ylabel: str, times: float = 1.0) -> str:
        """Grid lines, ticks and labels.

        Args:
            theme: colours.
            xlabel: below.
            ylabel: on the left.
            times: what the labels of y are multiplied by: 100 for shares in %.
        """
        parts = []
        xs, ys = ticks(*self.xlim, count=_along(self.width)), ticks(*self.ylim)
        for value, said in zip(xs, tick_labels(xs), strict=True):
            px, _ = self.place(value, self.ylim[0])
            parts.append(line(px, self.y, px, self.y + self.height, stroke=theme.faint))
            below = self.y + self.height + 16
            parts.append(text(px, below, said, fill=theme.muted, size=11, anchor="middle"))
        for value, said in zip(ys, tick_labels([times * y for y in ys]), strict=True):
            _, py = self.place(self.xlim[0], value)
            parts.append(line(self.x, py, self.x + self.width, py, stroke=theme.faint))
            parts.append(text(self.x - 6, py + 4, said, fill=theme.muted, size=11, anchor="end"))
        parts.append(
            tag(
                "rect", x=self.x, y=self.y, width=self.width, height=self.height, fill="none",
                stroke=theme.muted,
            )
        )  # fmt: skip
        middle = self.x + self.width / 2
        below = self.y + self.height + 34
        parts.append(text(middle, below, xlabel, fill=theme.ink, size=12, anchor="middle"))
        px, py = self.x - 42, self.y + self.height / 2
        turned = f"rotate(-90 {number(px)} {number(py)})"
        parts.append(
            text(px, py, ylabel, fill=theme.ink, size=12, anchor="middle", transform=turned)
        )
        return "".join(parts)


def _along(width: float) -> int:
    return max(2, min(8, round(width / 70)))
