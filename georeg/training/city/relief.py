"""A layout's heights as depth, elevation or hillshade, seen from above or askew."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from georeg.training.city.layout import Building, Layout, Tree
from georeg.training.city.picture import grain
from georeg.training.city.shapes import FINE, SHIFT, fixed, swept

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]


def model(layout: Layout, lean: Array, rng: np.random.Generator) -> Image:
    """(side, side, 3), all channels alike, in [0, 1]."""
    side = layout.side
    heights = surface(layout, lean)
    hills = grain((side, side), np.random.default_rng(layout.texture))
    rolling: Image = np.asarray(cv2.GaussianBlur(hills, (0, 0), side / 24), np.float32)
    tall = max(float(heights.std()), 0.5)
    amount = tall * rng.uniform(0, 1.2) ** 2 / max(float(rolling.std()), 1e-6)
    heights = np.asarray(heights + np.float32(amount) * rolling, np.float32)
    smooth = float(rng.uniform(0.3, 1.6))
    heights = np.asarray(cv2.GaussianBlur(heights, (0, 0), smooth), np.float32)
    if rng.random() < 0.5:
        shown = _shade(heights, rng)
    else:
        low, high = np.percentile(heights, [0.5, 99.5])
        shown = np.clip((heights - low) / max(float(high - low), 1e-3), 0, 1)
        shown = shown ** float(rng.uniform(0.5, 1.3))
        if rng.random() < 0.4:
            shown = 1 - shown
    return np.repeat(np.asarray(np.clip(shown, 0, 1), np.float32)[..., None], 3, axis=2)


def surface(layout: Layout, lean: Array) -> Image:
    """(side, side) heights of what is seen, in pixels."""
    size = layout.side * FINE
    out = np.zeros((size, size), np.float32)
    things: list[Building | Tree] = [*layout.buildings, *layout.trees]
    for thing in sorted(things, key=lambda t: -float(_place(t) @ lean)):
        if isinstance(thing, Tree):
            x, y = fixed((thing.place + thing.height * lean)[None])[0].tolist()
            radius = round(thing.radius * FINE * 2**SHIFT)
            cv2.circle(out, (x, y), radius, thing.height * 1.3, -1, cv2.LINE_8, SHIFT)
            continue
        for quad in swept(thing.outline, thing.height * lean)[:-1]:
            cv2.fillPoly(out, [fixed(quad)], thing.height / 2, cv2.LINE_8, SHIFT)
        top = thing.outline + thing.height * lean
        cv2.fillPoly(out, [fixed(top)], thing.height, cv2.LINE_8, SHIFT)
        if thing.ridge is not None:
            line = fixed(thing.ridge + 1.25 * thing.height * lean)
            cv2.polylines(out, [line], False, thing.height * 1.3, FINE, cv2.LINE_8, SHIFT)
    side = (layout.side, layout.side)
    return np.asarray(cv2.resize(out, side, interpolation=cv2.INTER_AREA), np.float32)


def _place(thing: Building | Tree) -> Array:
    return thing.place if isinstance(thing, Tree) else thing.outline.mean(axis=0)


def _shade(heights: Image, rng: np.random.Generator) -> Image:
    """Lambert's law under a sun."""
    azimuth, high = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(25, 60))
    steep = float(rng.uniform(0.15, 1.2))
    dy, dx = np.gradient(heights * steep)
    sun = (math.cos(azimuth) * math.cos(high), math.sin(azimuth) * math.cos(high), math.sin(high))
    light = (-dx * sun[0] - dy * sun[1] + sun[2]) / np.sqrt(dx**2 + dy**2 + 1)
    return np.asarray(np.clip(light, 0, 1) ** float(rng.uniform(0.7, 1.3)), np.float32)
