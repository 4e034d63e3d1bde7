"""Tile pairs with known truth, for the tests of the matchers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import network_cases
import scenes
from georeg import choosing, matching
from georeg.matching.protocol import (
    Array,
    Device,
    Image,
    Mask,
    Matcher,
    Surfaces,
    TileBatch,
    TilePoints,
    Weights,
)
from georeg.matching.running import run
from georeg.models import catalogue, recognise
from georeg.search.peaks import read_peaks
from model_cases import SHIPPED, packaged

STEP = 1 / 32  # pixels; scenes.sample places its samples on multiples of that
SHIFT = (76 * STEP, -115 * STEP)  # 2.375, -3.59375

BUILT_IN = [name for name in matching.available() if not matching.kind(name).layouts]
BUILT_IN += [e.name for e in catalogue.ENTRIES if e.shipped]
TRAINED = [name for name in matching.available() if name not in BUILT_IN]


@dataclass(frozen=True, eq=False)
class Subject:
    """A matcher, and tiles on which it finds something.

    Attributes:
        matcher: ready to run; one that is trained has the random weights of recorded results.
        side: of the tiles, pixels; small for networks, which take their time.
        shift: random features are equal only at places that are whole cells of a network apart.
        radius: pixels.
    """

    matcher: Matcher
    side: int = 320
    shift: tuple[float, float] = SHIFT
    radius: float = 6.0

    def pair(self, seed: int = 0, noise: float = 0.01) -> tuple[Image, Image]:
        return shifted(self.shift, (self.side, self.side), seed, noise)

    def batch(
        self, pairs: list[tuple[Image, Image]], masks: list[tuple[Mask, Mask]] | None = None
    ) -> TileBatch:
        return batch_of(pairs, "refine", self.radius, masks)


def subject(name: str, device: Device | None = None) -> Subject:
    """The test is skipped if the matcher needs weights and there are none recorded."""
    device = device or Device()
    if name in BUILT_IN:
        return Subject(choosing.loader(name)(device))
    return Subject(matching.load(name, device, weights(name)), 96, (8.0, -16.0), 24.0)


def weights(name: str, options: tuple[str, ...] = ()) -> Weights:
    """Random ones, with which results of a network were recorded; or real ones, if there are."""
    if name in SHIPPED:
        files = SHIPPED[name].items()
        return Weights(name, {what: recognise.load(packaged(file), what) for what, file in files})
    states = network_cases.golden_states(matching.kind(name).layouts[0])
    return Weights("random", states, options)


def shifted(
    shift: tuple[float, float] = SHIFT,
    shape: tuple[int, int] = (320, 320),
    seed: int = 0,
    noise: float = 0.01,
) -> tuple[Image, Image]:
    """A moving and a reference image of one sensor; what lies at x there lies at x + shift here."""
    reference = scenes.texture(shape, seed)
    moving = scenes.sample(reference, scenes.pixels(shape) + shift, shape)
    rng = np.random.default_rng(seed + 1)
    moving = 0.8 * moving + 0.1 + noise * rng.normal(size=shape).astype(np.float32)
    return np.clip(moving, 0, 1).astype(np.float32), reference


def batch_of(
    pairs: list[tuple[Image, Image]],
    goal: str = "refine",
    radius: float = 6.0,
    masks: list[tuple[Mask, Mask]] | None = None,
) -> TileBatch:
    """A batch, valid everywhere unless told otherwise; 0 where invalid."""
    moving = np.stack([m for m, _ in pairs])
    reference = np.stack([r for _, r in pairs])
    whole = np.ones(moving.shape, np.bool_)
    one = whole if masks is None else np.stack([m for m, _ in masks])
    two = whole if masks is None else np.stack([r for _, r in masks])
    return TileBatch(
        np.where(one, moving, np.float32(0)),
        one,
        np.where(two, reference, np.float32(0)),
        two,
        radius,
        goal,
    )


def points_of(matcher: Matcher, batch: TileBatch) -> TilePoints:
    """What the engine would make of the matcher's answer."""
    found = run(matcher, batch)
    return read_peaks(found) if isinstance(found, Surfaces) else found


def displacement(points: TilePoints) -> Array:
    """(N, 2) pixels from moving to reference."""
    return points.reference_xy - points.moving_xy


class Hungry:
    """A matcher for which memory runs out above some tile pairs; it tells tiles by their mean."""

    name: ClassVar[str] = "hungry"
    layouts: ClassVar[tuple[str, ...]] = ()
    tile: ClassVar[int] = 8
    small: ClassVar[int] = 8
    reach: ClassVar[int] = 0
    limit: ClassVar[int] = 16
    scene: ClassVar[int] = 16
    side_by_side: ClassVar[bool] = True

    def __init__(self, most: int, error: BaseException, surfaces: bool = False) -> None:
        self.most, self.error, self.surfaces = most, error, surfaces
        self.sizes: list[int] = []

    def match(self, batch: TileBatch) -> Surfaces | TilePoints:
        n = len(batch)
        self.sizes.append(n)
        if n > self.most:
            raise self.error
        value = batch.moving.mean(axis=(1, 2))
        xy = np.stack([value, value], axis=1).astype(np.float64)
        tile = np.arange(n)
        if self.surfaces:
            score = np.tile(value[:, None, None], (1, 3, 3)).astype(np.float32)
            return Surfaces(tile, xy, score, 1.0, 8.0, score + 1, 2.0)
        return TilePoints(tile, xy, xy, value.astype(np.float64), np.ones(n))
