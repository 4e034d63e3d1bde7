"""A layout as a map draws it: flat colours, chosen things, names and symbols over them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from georeg.training.city.layout import Layout, Material
from georeg.training.city.picture import grain
from georeg.training.city.shapes import FINE, SHIFT, fixed

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

_LETTERS = "ABCDEFGHIJKLMNOPRSTUVWabcdefghijklmnopqrstuvwz0123456789"
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX)
_GREEN = (Material.GRASS, Material.WOOD, Material.CROP)


@dataclass(frozen=True, eq=False)
class _Style:
    """Colours and habits of a map."""

    ground: Array
    green: Array
    water: Array
    road: Array
    casing: Array | None
    house: Array
    outline: Array | None
    ink: Array
    kept: float  # share of buildings that are drawn
    wider: float  # roads against what they are
    slack: float  # pixels by which things are misplaced
    names: int
    signs: int
    print_noise: float


def _random_style(rng: np.random.Generator) -> _Style:
    def colour(low: float, high: float, spread: float) -> Array:
        return np.clip(rng.uniform(low, high) + rng.normal(size=3) * spread, 0, 1)

    dark = rng.random() < 0.12
    ground = colour(0.1, 0.25, 0.02) if dark else colour(0.82, 0.98, 0.03)
    free = rng.random() < 0.25  # no habits at all
    green = np.clip(ground + [-0.12, 0.02, -0.14], 0, 1) * rng.uniform(0.85, 1.05)
    water = np.clip(ground + [-0.3, -0.08, 0.03], 0, 1)
    road = colour(0.9, 1.0, 0.02) if rng.random() < 0.6 else colour(0.6, 0.95, 0.1)
    house = np.clip(ground - rng.uniform(0.02, 0.2) + rng.normal(size=3) * 0.03, 0, 1)
    if free:
        green, water, road, house = (colour(0, 1, 0.15) for _ in range(4))
    casing = colour(0.4, 0.8, 0.05) if rng.random() < 0.5 else None
    outline = np.clip(house - rng.uniform(0.1, 0.5), 0, 1) if rng.random() < 0.5 else None
    return _Style(
        ground, green, water, road, casing, house, outline,
        ink=colour(0.0, 0.5, 0.15),
        kept=float(rng.choice([1.0, 0.9, 0.6, 0.0], p=[0.5, 0.25, 0.15, 0.1])),
        wider=float(rng.uniform(0.8, 1.5)),
        slack=float(rng.uniform(0, 1.0)),
        names=int(rng.integers(0, 12)),
        signs=int(rng.integers(0, 12)),
        print_noise=float(rng.uniform(0, 0.05) * (rng.random() < 0.4)),
    )  # fmt: skip


def draw(layout: Layout, rng: np.random.Generator) -> Image:
    """(side, side, 3) in [0, 1]."""
    return _Drawer(layout, rng).draw()


class _Drawer:
    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self.layout, self.rng, self.style = layout, rng, _random_style(rng)
        size = layout.side * FINE
        self.canvas = np.empty((size, size, 3), np.float32)
        self.canvas[:] = self.style.ground

    def draw(self) -> Image:
        style = self.style
        for area in self.layout.areas:
            colour = style.water if area.material == Material.WATER else style.ground
            if area.material in _GREEN:
                colour = style.green
            self._fill(area.outline, colour, None)
        if style.casing is not None:
            for road in self.layout.roads:
                self._line(road.line, road.width * style.wider + 2.0, style.casing)
        for road in self.layout.roads:
            self._line(road.line, road.width * style.wider, style.road)
        for building in self.layout.buildings:
            if self.rng.random() < style.kept:
                tone = style.house * (1 + 0.04 * building.tint[0])
                self._fill(building.outline, np.clip(tone, 0, 1), style.outline)
        for _ in range(style.signs):
            self._sign()
        side = (self.layout.side, self.layout.side)
        small = np.asarray(cv2.resize(self.canvas, side, interpolation=cv2.INTER_AREA), np.float32)
        out = self._named(small)
        if style.print_noise:
            blurred = cv2.GaussianBlur(out, (0, 0), float(self.rng.uniform(0.3, 0.9)))
            noise = style.print_noise * grain(side, self.rng)[..., None]
            out = np.asarray(blurred + noise, np.float32)
        return np.asarray(np.clip(out, 0, 1), np.float32)

    def _moved(self, xy: Array) -> Array:
        return xy + self.rng.normal(size=2) * self.style.slack * 0.7

    def _fill(self, outline: Array, colour: Array, edge: Array | None) -> None:
        points = fixed(self._moved(outline))
        cv2.fillPoly(self.canvas, [points], colour.tolist(), cv2.LINE_8, SHIFT)
        if edge is not None:
            thick = FINE // 2
            cv2.polylines(self.canvas, [points], True, edge.tolist(), thick, cv2.LINE_8, SHIFT)

    def _line(self, line: Array, width: float, colour: Array) -> None:
        thick = max(1, round(width * FINE))
        points = fixed(self._moved(line))
        cv2.polylines(self.canvas, [points], False, colour.tolist(), thick, cv2.LINE_8, SHIFT)

    def _sign(self) -> None:
        """A pin or a disc."""
        x, y = self.rng.integers(0, self.layout.side * FINE, 2).tolist()
        radius = int(self.rng.integers(4, 9)) * FINE // 2
        colour = self.rng.uniform(0, 1, 3).tolist()
        if self.rng.random() < 0.5:
            tip = np.array([[x - radius, y], [x + radius, y], [x, y + 2 * radius]], np.int32)
            cv2.fillPoly(self.canvas, [tip], colour)
        cv2.circle(self.canvas, (x, y), radius, colour, -1)
        cv2.circle(self.canvas, (x, y), radius // 2, (1.0, 1.0, 1.0), -1)

    def _named(self, image: Image) -> Image:
        """Names, along anything."""
        side = self.layout.side
        for _ in range(self.style.names):
            letters = self.rng.choice(list(_LETTERS), int(self.rng.integers(2, 10)))
            scale = float(self.rng.uniform(0.25, 0.6))
            font = _FONTS[int(self.rng.integers(len(_FONTS)))]
            layer = np.zeros((side, side), np.uint8)
            at = (int(self.rng.integers(-20, side)), int(self.rng.integers(0, side)))
            cv2.putText(layer, "".join(letters), at, font, scale, 255, 1, cv2.LINE_AA)
            angle = float(self.rng.choice([0.0, 0.0, self.rng.uniform(-90, 90)]))
            turn = cv2.getRotationMatrix2D((float(at[0]), float(at[1])), angle, 1.0)
            share = cv2.warpAffine(layer, turn, (side, side)).astype(np.float32)[..., None] / 255
            if self.rng.random() < 0.5:  # a halo
                wide = cv2.GaussianBlur(share, (0, 0), 1.2)[..., None]
                halo = (self.style.ground - image) * np.clip(3 * wide, 0, 1)
                image = np.asarray(image + halo, np.float32)
            image = np.asarray(image + (self.style.ink - image) * share, np.float32)
        return np.asarray(image, np.float32)
