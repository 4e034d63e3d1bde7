"""A layout as an imaging radar sees it: rough and smooth, layover, shadow, corners that shine."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from georeg.training.city.layout import Layout, Material
from georeg.training.city.picture import grain
from georeg.training.city.shapes import FINE, SHIFT, fixed, swept

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

# Mean and spread of the backscatter in decibels.
_DECIBELS: dict[Material, tuple[float, float]] = {
    Material.PAVEMENT: (-15, 2), Material.ASPHALT: (-20, 3), Material.GRASS: (-13, 2.5),
    Material.SOIL: (-14, 3), Material.WATER: (-23, 3), Material.CROP: (-11, 3),
    Material.MARKING: (-20, 1), Material.WALL: (-6, 3), Material.ROOF: (-10, 4),
    Material.TREE: (-8, 2), Material.CAR: (-4, 3), Material.WOOD: (-9, 2),
}  # fmt: skip


def scan(layout: Layout, rng: np.random.Generator) -> Image:
    """(side, side, 3), all channels alike, in [0, 1]: amplitudes or decibels with speckle."""
    return _Scanner(layout, rng).scan()


class _Scanner:
    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self.layout, self.rng = layout, rng
        size = layout.side * FINE
        self.power = np.zeros((size, size), np.float32)
        azimuth = rng.uniform(0, 2 * math.pi)
        self.away = np.array([math.cos(azimuth), math.sin(azimuth)])
        look = math.radians(rng.uniform(24, 55))
        # Heights move towards the sensor; mostly maps are in ground range.
        self.lay, self.dark = 1 / math.tan(look), math.tan(look)
        self.level = {
            m: 10 ** ((mean + rng.normal() * spread) / 10) for m, (mean, spread) in
            _DECIBELS.items()
        }  # fmt: skip

    def scan(self) -> Image:
        for area in self.layout.areas:
            tint = 10 ** (0.25 * area.tint)
            self._fill(area.outline, self.level[area.material] * tint)
        for road in self.layout.roads:
            thick = max(1, round(road.width * FINE))
            level = self.level[Material.ASPHALT]
            cv2.polylines(self.power, [fixed(road.line)], False, level, thick, cv2.LINE_8, SHIFT)
        for x, y, _ in self.layout.parking[:: int(self.rng.integers(1, 4))]:
            box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 1.2 + (x, y)
            self._fill(box, self.level[Material.CAR])
        self._shadows()
        self._built()
        return self._speckled()

    def _fill(self, outline: Array, level: float) -> None:
        cv2.fillPoly(self.power, [fixed(outline)], level, cv2.LINE_8, SHIFT)

    def _shadows(self) -> None:
        hidden = np.zeros(self.power.shape, np.uint8)
        for building in self.layout.buildings:
            by = building.height * self.dark * self.away
            for quad in swept(building.outline, by):
                cv2.fillPoly(hidden, [fixed(quad)], 255, cv2.LINE_8, SHIFT)
        for tree in self.layout.trees:
            x, y = fixed((tree.place + tree.height * self.dark * self.away)[None])[0].tolist()
            radius = round(tree.radius * FINE * 2**SHIFT)
            cv2.circle(hidden, (x, y), radius, 255, -1, cv2.LINE_8, SHIFT)
        self.power *= np.where(hidden > 0, 0.03, 1.0).astype(np.float32)

    def _built(self) -> None:
        """Roofs and walls fall towards the sensor, and add to what lies there."""
        extra = np.zeros_like(self.power)
        layer = np.zeros_like(self.power)
        strength = float(np.exp(self.rng.normal() * 0.5))
        for building in self.layout.buildings:
            by = -building.height * self.lay * self.away
            cv2.fillPoly(self.power, [fixed(building.outline)], self.level[Material.ROOF] * 0.3)
            layer[:] = 0
            roof = self.level[Material.ROOF] * 10 ** (0.4 * building.tint[0])
            cv2.fillPoly(layer, [fixed(building.outline + by)], roof, cv2.LINE_8, SHIFT)
            after = np.roll(building.outline, -1, axis=0)
            middle = building.outline.mean(axis=0)
            for one, two in zip(building.outline, after, strict=True):
                edge = two - one
                normal = np.array([edge[1], -edge[0]]) / max(float(np.hypot(*edge)), 1e-6)
                normal *= np.sign(normal @ ((one + two) / 2 - middle))
                facing = float(-normal @ self.away)
                if facing <= 0:
                    continue
                wall = np.array([one, two, two + by, one + by])
                level = self.level[Material.WALL] * facing
                cv2.fillPoly(layer, [fixed(wall)], level, cv2.LINE_8, SHIFT)
                # A wall and the street before it are a corner; it shines most when seen straight.
                corner = 8 * strength * facing**6 * self.level[Material.WALL]
                line = fixed(np.array([one, two]))
                cv2.polylines(layer, [line], False, corner, FINE, cv2.LINE_8, SHIFT)
            extra += layer
        for tree in self.layout.trees:
            x, y = fixed((tree.place - 0.5 * tree.height * self.lay * self.away)[None])[0].tolist()
            radius = round(tree.radius * FINE * 2**SHIFT)
            level = self.level[Material.TREE] * (1 + 0.3 * tree.tint)
            cv2.circle(self.power, (x, y), radius, level, -1, cv2.LINE_8, SHIFT)
        self.power += extra

    def _speckled(self) -> Image:
        side, rng = self.layout.side, self.rng
        power = cv2.resize(self.power, (side, side), interpolation=cv2.INTER_AREA)
        power = power * np.exp(
            0.25 * grain((side, side), np.random.default_rng(self.layout.texture))
        )
        rate = 10 ** rng.uniform(-4.5, -2.8)
        shining = (rng.random((side, side)) < rate) * 10 ** rng.uniform(0, 1.2, (side, side))
        power = power + cv2.GaussianBlur(shining.astype(np.float32), (0, 0), 0.7) * 2
        looks = 2 ** (4 * rng.random() ** 1.2)
        gain: Image = rng.gamma(looks, 1 / looks, (side, side)).astype(np.float32)
        if rng.random() < 0.6:
            gain = np.asarray(cv2.GaussianBlur(gain, (0, 0), float(rng.uniform(0.4, 0.8))))
        power = np.maximum(power * gain, 10 ** rng.uniform(-2.8, -2.3))
        shown = np.sqrt(power) if rng.random() < 0.5 else 10 * np.log10(power)
        low, high = np.percentile(shown, [0.5, rng.uniform(98, 99.8)])
        out = np.clip((shown - low) / max(float(high - low), 1e-6), 0, 1)
        return np.repeat(np.asarray(out, np.float32)[..., None], 3, axis=2)
