"""A layout as a camera sees it: from an angle, under a sun, at a date."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from georeg.training.city.layout import Building, Layout, Material, Road, Tree
from georeg.training.city.shapes import FINE, SHIFT, fixed, swept

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]


# Red, green, blue by day, and how strong the texture is.
_DAY: dict[Material, tuple[float, float, float, float]] = {
    Material.PAVEMENT: (0.58, 0.56, 0.53, 0.05),
    Material.ASPHALT: (0.36, 0.36, 0.37, 0.04),
    Material.GRASS: (0.34, 0.42, 0.24, 0.09),
    Material.SOIL: (0.55, 0.46, 0.36, 0.08),
    Material.WATER: (0.16, 0.24, 0.30, 0.02),
    Material.CROP: (0.42, 0.45, 0.24, 0.06),
    Material.MARKING: (0.85, 0.85, 0.82, 0.02),
    Material.WALL: (0.55, 0.52, 0.50, 0.03),
    Material.ROOF: (0.55, 0.50, 0.48, 0.04),
    Material.TREE: (0.20, 0.30, 0.16, 0.12),
    Material.CAR: (0.6, 0.6, 0.62, 0.0),
    Material.WOOD: (0.20, 0.29, 0.16, 0.14),
}


@dataclass(frozen=True, eq=False)
class Palette:
    """What materials look like.

    Attributes:
        colour: (materials, 3) in [0, 1].
        texture: (materials,) deviation.
        spread: how much things of one kind differ in brightness.
        roofs: how much roofs differ in colour.
        shadow: (3,) what is left of the light in shadows.
    """

    colour: Array
    texture: Array
    spread: float
    roofs: float
    shadow: Array


@dataclass(frozen=True, eq=False)
class Eye:
    """From where, and under which light.

    Attributes:
        lean: (2,) pixels by which a point one pixel above the ground is displaced.
        sun: (2,) pixels by which its shadow is.
        date: seed of what changes from date to date: cars, part of the texture.
    """

    lean: Array
    sun: Array
    date: int


def random_eye(rng: np.random.Generator, most: float = 0.5) -> Eye:
    """Somewhere above, at some hour."""
    away, azimuth = most * rng.random() ** 1.3, rng.uniform(0, 2 * math.pi)
    length, hour = rng.uniform(0.3, 1.6), rng.uniform(0, 2 * math.pi)
    return Eye(
        away * np.array([math.cos(azimuth), math.sin(azimuth)]),
        length * np.array([math.cos(hour), math.sin(hour)]),
        int(rng.integers(2**31)),
    )


def by_day(rng: np.random.Generator) -> Palette:
    """Colours of some place, season and camera."""
    table = np.array([_DAY[m] for m in Material])
    colour = table[:, :3] + rng.normal(size=(len(table), 3)) * rng.uniform(0.01, 0.05)
    colour *= np.exp(rng.normal(size=(len(table), 1)) * 0.15)
    colour[Material.CAR] = 0.5
    light = np.exp(rng.normal(size=3) * 0.08) * rng.uniform(0.8, 1.2)
    return Palette(
        np.clip(colour * light, 0.02, 1),
        table[:, 3] * rng.uniform(0.5, 1.5),
        float(rng.uniform(0.05, 0.18)),
        float(rng.uniform(0.04, 0.22)),
        rng.uniform(0.25, 0.65) * np.array([0.85, 0.95, 1.15]),
    )


def by_chance(rng: np.random.Generator, *, plants: float | None = None) -> Palette:
    """One grey per material: what other wavelengths may make of them.

    Args:
        rng: the chance.
        plants: brightness of vegetation, where that is known (near infrared).
    """
    grey = rng.uniform(0.05, 0.95, len(Material))
    if plants is not None:
        for material in (Material.GRASS, Material.TREE, Material.CROP, Material.WOOD):
            grey[material] = plants + rng.normal() * 0.06
        grey[Material.WATER] = rng.uniform(0.02, 0.12)
    texture = np.array([_DAY[m][3] for m in Material]) * rng.uniform(0.1, 0.8)
    shadow = np.full(3, rng.uniform(0.3, 1.0))
    colour = np.repeat(grey[:, None], 3, axis=1)
    return Palette(
        np.clip(colour, 0, 1), texture, float(rng.uniform(0, 0.12)),
        float(rng.uniform(0.02, 0.2)), shadow,
    )  # fmt: skip


def paint(layout: Layout, palette: Palette, eye: Eye) -> Image:
    """(side, side, 3) in [0, 1]."""
    return _Painter(layout, palette, eye).paint()


class _Painter:
    def __init__(self, layout: Layout, palette: Palette, eye: Eye) -> None:
        self.layout, self.palette, self.eye = layout, palette, eye
        self.rng = np.random.default_rng(eye.date)
        self.size = layout.side * FINE
        self.canvas = np.zeros((self.size, self.size, 3), np.float32)
        self.what = np.zeros((self.size, self.size), np.uint8)

    def paint(self) -> Image:
        for area in self.layout.areas:
            self._fill(area.outline, area.material, self._tinted(area.material, area.tint))
        for road in self.layout.roads:
            self._road(road)
        self._cars()
        self.canvas *= self._light()
        things: list[tuple[float, Callable[[], None]]] = []
        for building in self.layout.buildings:
            depth = float(building.outline.mean(axis=0) @ self.eye.lean)
            things.append((depth, lambda b=building: self._building(b)))  # type: ignore[misc]
        for tree in self.layout.trees:
            depth = float(tree.place @ self.eye.lean)
            things.append((depth, lambda t=tree: self._tree(t)))  # type: ignore[misc]
        # What lies further out is hidden by what leans over it.
        for _, draw in sorted(things, key=lambda thing: -thing[0]):
            draw()
        return self._textured()

    def _tinted(self, material: Material, tint: float) -> Array:
        colour = self.palette.colour[material]
        return np.asarray(np.clip(colour * (1 + tint * self.palette.spread), 0, 1))

    def _fill(self, outline: Array, material: Material, colour: Array) -> None:
        points = fixed(outline)
        cv2.fillPoly(self.canvas, [points], colour.tolist(), cv2.LINE_8, SHIFT)
        cv2.fillPoly(self.what, [points], int(material), cv2.LINE_8, SHIFT)

    def _line(self, line: Array, width: float, material: Material, colour: Array) -> None:
        points, thick = fixed(line), max(1, round(width * FINE))
        cv2.polylines(self.canvas, [points], False, colour.tolist(), thick, cv2.LINE_8, SHIFT)
        cv2.polylines(self.what, [points], False, int(material), thick, cv2.LINE_8, SHIFT)

    def _road(self, road: Road) -> None:
        self._line(road.line, road.width, Material.ASPHALT, self._tinted(Material.ASPHALT, 0.0))
        if not road.marked:
            return
        paint = self._tinted(Material.MARKING, 0.0)
        for first, last in zip(road.line[:-1:2], road.line[1::2], strict=False):
            self._line(np.stack([first, last]), 0.6, Material.MARKING, paint)

    def _cars(self) -> None:
        spots = self.layout.parking
        if not len(spots):
            return
        pace = np.median(np.hypot(*np.diff(spots[:, :2], axis=0).T)) if len(spots) > 1 else 5.0
        long, wide = 1.7 * pace, 0.7 * pace
        for x, y, angle in spots[self.rng.random(len(spots)) < self.rng.uniform(0.2, 0.9)]:
            c, s = math.cos(angle), math.sin(angle)
            half = np.array([[long, wide], [long, -wide], [-long, -wide], [-long, wide]]) / 2
            corners = half @ np.array([[c, s], [-s, c]]) + (x, y)
            self._fill(corners, Material.CAR, self.rng.uniform(0.05, 0.95) * np.ones(3))

    def _light(self) -> Image:
        """(n, n, 3) share of the sun's light that reaches the ground."""
        dark = np.zeros((self.size, self.size), np.uint8)
        sun = self.eye.sun
        for building in self.layout.buildings:
            for quad in swept(building.outline, building.height * sun):
                cv2.fillPoly(dark, [fixed(quad)], 255, cv2.LINE_8, SHIFT)
        for tree in self.layout.trees:
            self._disc(dark, tree.place + tree.height * sun, tree.radius)
        share = cv2.GaussianBlur(dark.astype(np.float32) / 255, (0, 0), 1.2)[..., None]
        return np.asarray(1 - share * (1 - self.palette.shadow), np.float32)

    @staticmethod
    def _disc(image: npt.NDArray[np.uint8], place: Array, radius: float) -> None:
        x, y = fixed(place[None])[0].tolist()
        cv2.circle(image, (x, y), round(radius * FINE * 2**SHIFT), 255, -1, cv2.LINE_8, SHIFT)

    def _building(self, building: Building) -> None:
        up = building.height * self.eye.lean
        wall = self._tinted(Material.WALL, float(building.tint[0]))
        sun = self.eye.sun / max(float(np.hypot(*self.eye.sun)), 1e-6)
        for quad in swept(building.outline, up):
            edge = quad[1] - quad[0]
            facing = float(np.array([edge[1], -edge[0]]) @ sun) / max(float(np.hypot(*edge)), 1e-6)
            self._fill(quad, Material.WALL, np.clip(wall * (0.85 - 0.25 * facing), 0, 1))
        tint = self.palette.roofs * building.tint
        roof = np.clip(
            self.palette.colour[Material.ROOF] * (1 + 2 * tint.mean()) + 0.5 * tint, 0, 1
        )
        top = building.outline + up
        self._fill(top, Material.ROOF, roof)
        if building.ridge is not None and len(top) == 4:
            self._gable(top, building.ridge + 1.25 * up, roof, sun)
        else:
            self._clutter(top, roof)

    def _gable(self, top: Array, ridge: Array, roof: Array, sun: Array) -> None:
        for k in range(4):
            one, two = top[k], top[(k + 1) % 4]
            middle = (one + two) / 2
            near = sorted(ridge, key=lambda end: float(np.hypot(*(end - one))))
            face = np.array([one, two, near[1], near[0]])
            out = middle - top.mean(axis=0)
            facing = -float(out @ sun) / max(float(np.hypot(*out)), 1e-6)
            self._fill(face, Material.ROOF, np.clip(roof * (1 + 0.28 * facing), 0, 1))

    def _clutter(self, top: Array, roof: Array) -> None:
        """What stands on flat roofs."""
        low, high = top.min(axis=0), top.max(axis=0)
        random = np.random.default_rng(abs(hash((round(low[0]), round(high[1])))) % 2**31)
        span = float((high - low).min())
        for _ in range(int(random.integers(0, 5)) if span > 8 else 0):
            share = random.uniform(0.3, 0.7, 2)
            place = top[0] + share[0] * (top[1] - top[0]) + share[1] * (top[-1] - top[0])
            size = random.uniform(0.04, 0.12, 2) * span
            box = place + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size
            self._fill(box, Material.ROOF, np.clip(roof * random.uniform(0.6, 1.5), 0, 1))

    def _tree(self, tree: Tree) -> None:
        place = tree.place + tree.height * self.eye.lean
        x, y = fixed(place[None])[0].tolist()
        radius = round(tree.radius * FINE * 2**SHIFT)
        colour = self._tinted(Material.TREE, tree.tint)
        cv2.circle(self.canvas, (x, y), radius, colour.tolist(), -1, cv2.LINE_8, SHIFT)
        cv2.circle(self.what, (x, y), radius, int(Material.TREE), -1, cv2.LINE_8, SHIFT)
        lit = place - 0.3 * tree.radius * self.eye.sun / max(float(np.hypot(*self.eye.sun)), 1e-6)
        x, y = fixed(lit[None])[0].tolist()
        bright = np.clip(colour * 1.35, 0, 1).tolist()
        cv2.circle(self.canvas, (x, y), radius // 2, bright, -1, cv2.LINE_8, SHIFT)

    def _textured(self) -> Image:
        side = (self.layout.side, self.layout.side)
        small = cv2.resize(self.canvas, side, interpolation=cv2.INTER_AREA)
        sharp = np.asarray(self.palette.texture, np.float32)[self.what]
        strength = cv2.resize(sharp, side, interpolation=cv2.INTER_AREA)
        lasting = grain(side, np.random.default_rng(self.layout.texture))
        own = grain(side, self.rng)
        mixed = 0.75 * lasting + 0.66 * own
        return np.asarray(
            np.clip(small * (1 + 2 * (strength * mixed)[..., None]), 0, 1), np.float32
        )


def grain(shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """Noise of several scales, deviation about 1."""
    out = np.zeros(shape, np.float32)
    for scale, weight in ((1, 0.6), (2, 0.5), (5, 0.45), (14, 0.4)):
        coarse = (max(2, shape[0] // scale), max(2, shape[1] // scale))
        noise = rng.normal(size=coarse).astype(np.float32)
        out += weight * cv2.resize(noise, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return out
