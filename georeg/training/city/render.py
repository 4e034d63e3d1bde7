"""All that a layout can be rendered as, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from georeg.training.city import chart, radar, relief
from georeg.training.city.layout import Layout
from georeg.training.city.picture import by_chance, by_day, paint, random_eye

Image = npt.NDArray[np.float32]
Render = Callable[[Layout, np.random.Generator], Image]


def _optical(layout: Layout, rng: np.random.Generator) -> Image:
    return paint(layout, by_day(rng), random_eye(rng))


def _grey(layout: Layout, rng: np.random.Generator) -> Image:
    return paint(layout, by_chance(rng), random_eye(rng))


def _infrared(layout: Layout, rng: np.random.Generator) -> Image:
    return paint(layout, by_chance(rng, plants=float(rng.uniform(0.6, 0.9))), random_eye(rng))


def _relief(layout: Layout, rng: np.random.Generator) -> Image:
    return relief.model(layout, random_eye(rng).lean, rng)


RENDERS: Mapping[str, Render] = {
    "city-optical": _optical,
    "city-map": chart.draw,
    "city-radar": radar.scan,
    "city-relief": _relief,
    "city-grey": _grey,
    "city-infrared": _infrared,
}
"""(side, side, 3) pictures in [0, 1] of a layout."""

WEIGHTS: Mapping[str, float] = {
    "city-optical": 5.0, "city-map": 2.0, "city-radar": 2.0, "city-relief": 1.0,
    "city-grey": 1.2, "city-infrared": 0.8,
}  # fmt: skip
"""How often each is a view."""
