"""One file per plot; file name = name of the picture that `georeg plot` writes.

Each has `TITLE`, `draw`, which is None where there is nothing to draw, and `caption`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Protocol, cast

from georeg.report.facts import Facts
from georeg.report.palette import Theme
from georeg.report.svg import Drawing

Backdrop = Callable[[int, str], str]
"""Number of a picture and its side (reference, before, after) -> SVG that draws it from (0, 0) in
its own pixels, or nothing if there is none."""

NAMES = (
    "checkerboard", "displacements", "residuals", "coverage", "ce90", "histogram", "by_place",
    "ladder",
)  # fmt: skip
"""All plots, in the order in which they are shown."""


class Plot(Protocol):
    """A plot's module."""

    TITLE: str

    def draw(self, facts: Facts, theme: Theme, backdrop: Backdrop) -> Drawing | None:
        """The plot; None where there is nothing to draw."""

    def caption(self, facts: Facts) -> str:
        """What it shows, in plain words."""


def load(name: str) -> Plot:
    """The plot of that name."""
    return cast("Plot", importlib.import_module(f"georeg.report.plots.{name}"))


def embedded(facts: Facts) -> Backdrop:
    """A backdrop that carries its pictures along, for drawings that stand alone."""

    def backdrop(number: int, side: str) -> str:
        if number >= len(facts.pictures) or side not in facts.pictures[number].uris:
            return ""
        picture = facts.pictures[number]
        size = f'width="{picture.width}" height="{picture.height}"'
        return f'<image href="{picture.uris[side]}" {size}/>'

    return backdrop
