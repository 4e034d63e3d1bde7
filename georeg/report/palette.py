"""Colours that people with any colour vision can tell apart, and never colour alone.

Okabe & Ito, "Color Universal Design", 2008: https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
}


@dataclass(frozen=True)
class Theme:
    """Colours of a plot: names of CSS variables on a page, plain colours in a file.

    Attributes:
        ink: of text and axes.
        muted: of what is less important.
        faint: of grid lines.
        paper: of the background.
        first: of the first series.
        second: of the second one.
        mark: of lines that stand for a number.
    """

    ink: str
    muted: str
    faint: str
    paper: str
    first: str
    second: str
    mark: str


LIGHT = Theme(
    ink="#1b1f24",
    muted="#57606a",
    faint="#d8dee4",
    paper="#ffffff",
    first=OKABE_ITO["blue"],
    second=OKABE_ITO["vermilion"],
    mark=OKABE_ITO["black"],
)

DARK = Theme(
    ink="#e6edf3",
    muted="#9da7b1",
    faint="#3a424b",
    paper="#1b2027",
    first=OKABE_ITO["sky"],
    second=OKABE_ITO["orange"],
    mark="#ffffff",
)

PAGE = Theme(**{name: f"var(--{name})" for name in Theme.__dataclass_fields__})


def css_variables(theme: Theme) -> str:
    """The declarations that give PAGE's names the colours of a theme."""
    named: Mapping[str, str] = vars(theme)
    return " ".join(f"--{name}: {colour};" for name, colour in named.items())
