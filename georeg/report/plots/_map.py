"""What the plots on top of a picture share: the picture, and where frame pixels lie on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georeg.report import svg
from georeg.report.facts import Facts
from georeg.report.palette import OKABE_ITO, Theme

Array = npt.NDArray[np.float64]

WIDTH = 480.0  # of all drawings
_TALLEST = 480.0
LEGEND = 30.0  # below the picture
CASING = "#000000"
BRIGHT = OKABE_ITO["yellow"]  # stands out on grey, with a black casing
OTHER = OKABE_ITO["sky"]


@dataclass(frozen=True)
class Map:
    """The frame, drawn at (left, 0) with `scale` units for one of its pixels."""

    left: float
    scale: float
    width: float
    height: float

    @classmethod
    def of(cls, facts: Facts) -> Map:
        """As large as fits."""
        scale = min(WIDTH / facts.width, _TALLEST / facts.height)
        width, height = facts.width * scale, facts.height * scale
        return cls((WIDTH - width) / 2, scale, width, height)

    def at(self, frame_xy: Array) -> Array:
        """(N, 2) frame pixels -> (N, 2) places in the drawing."""
        return np.asarray(frame_xy * self.scale + [self.left, 0.0])

    def picture(self, facts: Facts, content: str, theme: Theme) -> str:
        """The overview, or an empty field where there is none."""
        edge = svg.tag(
            "rect", x=self.left, y=0.0, width=self.width, height=self.height,
            fill=theme.faint if not content else "none", stroke=theme.muted,
        )  # fmt: skip
        if not content:
            return edge
        scale = self.scale * facts.pictures[0].factor
        moved = f"translate({svg.number(self.left)} 0) scale({scale:.5f})"
        # A veil lets the marks stand out, on bright pictures as well as on dark ones.
        veil = svg.tag(
            "rect", x=self.left, y=0.0, width=self.width, height=self.height, fill="#000000",
            fill_opacity="0.25",
        )  # fmt: skip
        return svg.tag("g", content, transform=moved) + veil + edge


def clipped(content: str, at: Map, name: str) -> str:
    """What may reach beyond the picture, cut off at its edge."""
    edge = svg.tag("rect", x=at.left, y=0.0, width=at.width, height=at.height)
    clip = svg.tag("clipPath", edge, id=f"plot-clip-{name}")
    return svg.tag("defs", clip) + svg.tag("g", content, clip_path=f"url(#plot-clip-{name})")


def thinned(xy: Array, cells: int) -> npt.NDArray[np.int64]:
    """Indices of at most one point in every cell of a grid, the one nearest to its middle."""
    if not len(xy):
        return np.zeros(0, np.int64)
    low, size = xy.min(axis=0), max(float(np.ptp(xy, axis=0).max()), 1e-9)
    place = (xy - low) / size * cells
    cell = np.minimum(np.floor(place).astype(np.int64), cells - 1)
    off = np.hypot(*(place - cell - 0.5).T)
    order = np.lexsort((off, cell[:, 0], cell[:, 1]))
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(cell[order], axis=0) != 0).any(axis=1)
    return np.sort(order[new])
