"""What stands where: roads, blocks, buildings, trees. All lengths are pixels of the rendering."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_BEYOND = 0.35  # of the side: the layout goes on beyond the picture
_CORNER = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


class Material(IntEnum):
    """What a place is made of."""

    PAVEMENT = 0
    ASPHALT = 1
    GRASS = 2
    SOIL = 3
    WATER = 4
    CROP = 5
    MARKING = 6
    WALL = 7
    ROOF = 8
    TREE = 9
    CAR = 10
    WOOD = 11


@dataclass(frozen=True, eq=False)
class Area:
    """A piece of ground of one kind.

    Attributes:
        outline: (N, 2) corners.
        material: of it.
        tint: what makes this one differ from others of its kind, in [-1, 1].
    """

    outline: Array
    material: Material
    tint: float


@dataclass(frozen=True, eq=False)
class Road:
    """A strip of asphalt.

    Attributes:
        line: (N, 2) of its middle.
        width: across.
        marked: whether lines are painted on it.
    """

    line: Array
    width: float
    marked: bool


@dataclass(frozen=True, eq=False)
class Building:
    """A prism, maybe with a ridge.

    Attributes:
        outline: (N, 2) of its base, anticlockwise or not.
        height: of the eaves.
        tint: (3,) of its roof's colour, in [-1, 1].
        ridge: (2, 2) ends of the ridge above the base; None for a flat roof.
    """

    outline: Array
    height: float
    tint: Array
    ridge: Array | None


@dataclass(frozen=True, eq=False)
class Tree:
    """A crown.

    Attributes:
        place: (2,) of its stem.
        radius: of the crown.
        height: of the crown's middle.
        tint: as of areas.
    """

    place: Array
    radius: float
    height: float
    tint: float


@dataclass(frozen=True, eq=False)
class Layout:
    """A piece of land.

    Attributes:
        side: pixels of the picture.
        areas: from the first to the topmost.
        roads: likewise.
        buildings: in no order.
        trees: in no order.
        parking: (N, 3) places where cars may stand: x, y and direction in radians.
        texture: seed of the texture that stays through all dates.
    """

    side: int
    areas: tuple[Area, ...]
    roads: tuple[Road, ...]
    buildings: tuple[Building, ...]
    trees: tuple[Tree, ...]
    parking: Array
    texture: int


def random_layout(side: int, rng: np.random.Generator) -> Layout:
    """A town, suburb, industrial estate, park or farmland; at any GSD from decimetres to metres."""
    return _Planner(side, rng).plan()


class _Planner:
    """Divides land into blocks, blocks into lots, and puts things there."""

    def __init__(self, side: int, rng: np.random.Generator) -> None:
        self.side, self.rng = side, rng
        self.zoom = float(np.exp(rng.uniform(math.log(0.35), math.log(1.8))))
        self.rural = float(rng.random() ** 2)  # share of blocks that are no town
        self.height = float(np.exp(rng.uniform(math.log(4), math.log(45)))) * self.zoom
        self.middle = np.array([side / 2, side / 2])
        self.turn = rng.uniform(0, math.pi / 2)
        waves = rng.normal(size=(4, 2)) * rng.choice([0.0, 0.4, 1.0]) * side * 0.02
        self.waves = waves, rng.uniform(0.5, 2.5, (4, 2)), rng.uniform(0, 2 * math.pi, 4)
        self.areas: list[Area] = []
        self.roads: list[Road] = []
        self.buildings: list[Building] = []
        self.trees: list[Tree] = []
        self.parking: list[tuple[float, float, float]] = []

    def plan(self) -> Layout:
        """Everything."""
        reach = self.side * (0.5 + _BEYOND) * math.sqrt(2)
        ground = Material(int(self.rng.choice([Material.GRASS, Material.SOIL, Material.PAVEMENT])))
        whole = np.array([[-reach, -reach], [reach, reach]])
        self.areas.append(Area(self._placed(_box(whole)), ground, 0.0))
        for block in self._divided(whole, self.rng.uniform(90, 260) * self.zoom, roads=True):
            self._fill(block)
        if self.rng.random() < 0.3:
            self._river(reach)
        return Layout(
            self.side,
            tuple(self.areas),
            tuple(self.roads),
            tuple(self.buildings),
            tuple(self.trees),
            np.array(self.parking).reshape(-1, 3),
            int(self.rng.integers(2**31)),
        )

    def _placed(self, xy: Array) -> Array:
        """From the plan's own axes to pixels: turned, and bent a little as old towns are."""
        size, pace, phase = self.waves
        bent = xy.astype(np.float64)
        for wave in range(4):
            angle = bent @ pace[wave] * (2 * math.pi / self.side) + phase[wave]
            bent = bent + np.sin(angle)[:, None] * size[wave]
        c, s = math.cos(self.turn), math.sin(self.turn)
        return np.asarray(bent @ np.array([[c, s], [-s, c]]) + self.middle)

    def _seen(self, box: Array) -> bool:
        """Whether it may be in the picture, with what leans into it."""
        corners = self._placed(_box(box))
        slack = 0.15 * self.side
        return bool(
            (corners.max(axis=0) > -slack).all() and (corners.min(axis=0) < self.side + slack).all()
        )

    def _divided(self, box: Array, least: float, *, roads: bool) -> Iterator[Array]:
        """A (2, 2) box, low and high corner, cut in two until pieces are small enough."""
        if not self._seen(box):
            return
        size = box[1] - box[0]
        axis = int(size[1] > size[0])
        if size[axis] < least * self.rng.uniform(1.0, 2.2):
            yield box
            return
        cut = box[0, axis] + size[axis] * self.rng.uniform(0.35, 0.65)
        gap = 0.0
        if roads:
            wide = 1.0 + float(size[axis] > 4 * least)
            gap = self.rng.uniform(7, 15) * self.zoom * wide
            line = np.repeat(np.linspace(0, 1, 24)[:, None], 2, axis=1)
            line[:, 1 - axis] = box[0, 1 - axis] + line[:, 1 - axis] * size[1 - axis]
            line[:, axis] = cut
            marked = bool(self.rng.random() < 0.6) and gap > 6
            self.roads.append(Road(self._placed(line), gap, marked))
        low, high = box.copy(), box.copy()
        low[1, axis], high[0, axis] = cut - gap / 2, cut + gap / 2
        yield from self._divided(low, least, roads=roads)
        yield from self._divided(high, least, roads=roads)

    def _fill(self, block: Array) -> None:
        """What a block is for."""
        rng = self.rng
        rural = rng.random() < self.rural
        kinds = ("field", "wood", "meadow", "lake") if rural else (
            "dense", "suburb", "works", "park", "parking", "plaza"
        )  # fmt: skip
        odds = (0.6, 0.2, 0.15, 0.05) if rural else (0.34, 0.3, 0.14, 0.1, 0.07, 0.05)
        kind = str(rng.choice(kinds, p=odds))
        walk = rng.uniform(1.5, 4) * self.zoom if not rural else 0.0
        if walk:
            self._ground(block, Material.PAVEMENT)
        inner = _inset(block, walk)
        getattr(self, f"_{kind}")(inner)

    def _ground(self, box: Array, material: Material) -> None:
        corners = _dense(_box(box))
        self.areas.append(Area(self._placed(corners), material, float(self.rng.uniform(-1, 1))))

    def _dense(self, box: Array) -> None:
        self._ground(box, Material(int(self.rng.choice([Material.PAVEMENT, Material.SOIL]))))
        for lot in self._divided(box, self.rng.uniform(16, 40) * self.zoom, roads=False):
            if self.rng.random() < 0.88:
                self._building(_inset(lot, self.rng.uniform(0.3, 3) * self.zoom), 1.0)
            elif self.rng.random() < 0.5:
                self._crowd(lot, 3)

    def _suburb(self, box: Array) -> None:
        self._ground(box, Material.GRASS)
        for lot in self._divided(box, self.rng.uniform(26, 46) * self.zoom, roads=False):
            size = lot[1] - lot[0]
            if self.rng.random() < 0.85:
                share = self.rng.uniform(0.35, 0.6, 2)
                low = lot[0] + (size * (1 - share)) * self.rng.uniform(0.2, 0.8, 2)
                self._building(np.array([low, low + size * share]), 0.5)
            self._crowd(lot, int(self.rng.integers(0, 5)))

    def _works(self, box: Array) -> None:
        self._ground(box, Material(int(self.rng.choice([Material.ASPHALT, Material.PAVEMENT]))))
        for lot in self._divided(box, self.rng.uniform(60, 130) * self.zoom, roads=False):
            if self.rng.random() < 0.8:
                self._building(_inset(lot, self.rng.uniform(4, 14) * self.zoom), 0.7)
            else:
                self._rows(lot)

    def _park(self, box: Array) -> None:
        self._ground(box, Material.GRASS)
        if self.rng.random() < 0.4:
            self._pond(box, 0.35)
        line = self.rng.uniform(box[0], box[1], (4, 2))
        width = float(self.rng.uniform(1.5, 4)) * self.zoom
        self.roads.append(Road(self._placed(_smooth(line)), width, False))
        self._crowd(box, int(self.rng.integers(5, 40)))

    def _parking(self, box: Array) -> None:
        self._ground(box, Material.ASPHALT)
        self._rows(box)

    def _plaza(self, box: Array) -> None:
        self._ground(box, Material.PAVEMENT)
        for lot in self._divided(box, 22 * self.zoom, roads=False):
            if self.rng.random() < 0.35:
                self._ground(_inset(lot, 3 * self.zoom), Material.GRASS)
        self._crowd(box, int(self.rng.integers(0, 20)))

    def _field(self, box: Array) -> None:
        for strip in self._divided(box, self.rng.uniform(30, 110) * self.zoom, roads=False):
            kinds = [Material.CROP, Material.SOIL, Material.GRASS]
            self._ground(strip, Material(int(self.rng.choice(kinds, p=[0.6, 0.2, 0.2]))))
        if self.rng.random() < 0.3:
            self._crowd(box, 4)

    def _wood(self, box: Array) -> None:
        self._ground(box, Material.WOOD)

    def _meadow(self, box: Array) -> None:
        self._ground(box, Material.GRASS)
        self._crowd(box, int(self.rng.integers(0, 12)))

    def _lake(self, box: Array) -> None:
        self._ground(box, Material.GRASS)
        self._pond(box, 0.6)

    def _pond(self, box: Array, share: float) -> None:
        angle = np.linspace(0, 2 * math.pi, 40, endpoint=False)
        radius = np.ones_like(angle)
        for k in (2, 3, 5):
            radius += 0.15 * self.rng.normal() * np.sin(k * angle + self.rng.uniform(0, 6))
        size = (box[1] - box[0]) / 2 * share
        around = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None] * size
        self.areas.append(Area(self._placed(around + box.mean(axis=0)), Material.WATER, 0.0))

    def _river(self, reach: float) -> None:
        """Water through everything; what stands in it goes."""
        ends = self.rng.uniform(-0.5, 0.5, (5, 2)) * self.side
        ends[:, 0] = np.linspace(-reach, reach, 5)
        line = _smooth(ends)
        width = self.rng.uniform(12, 40) * self.zoom
        step = np.gradient(line, axis=0)
        across = np.stack([-step[:, 1], step[:, 0]], axis=1)
        across *= width / 2 / np.maximum(np.hypot(*step.T), 1e-6)[:, None]
        outline = np.concatenate([line + across, (line - across)[::-1]])
        self.areas.append(Area(self._placed(outline), Material.WATER, 0.0))
        placed = self._placed(line)

        def dry(place: Array) -> bool:
            return bool(np.hypot(*(placed - place).T).min() > 0.75 * width)

        self.buildings = [b for b in self.buildings if dry(b.outline.mean(axis=0))]
        self.trees = [t for t in self.trees if dry(t.place)]

    def _building(self, box: Array, tall: float) -> None:
        rng, size = self.rng, box[1] - box[0]
        if size.min() < 4 * self.zoom or size.min() < 3:
            return
        height = self.height * tall * float(np.exp(rng.normal() * 0.5))
        tint = rng.uniform(-1, 1, 3)
        if rng.random() < 0.25:  # an L
            part = box[0] + size * rng.uniform(0.4, 0.6, 2)
            (x0, y0), (x1, y1), (x, y) = box[0], box[1], part
            shape = np.array([[x0, y0], [x1, y0], [x1, y], [x, y], [x, y1], [x0, y1]])
            self.buildings.append(Building(self._placed(shape), height, tint, None))
            return
        ridge = None
        if rng.random() < 0.45:
            axis = int(size[1] > size[0])
            ridge = np.array([box.mean(axis=0), box.mean(axis=0)])
            end = rng.choice([0.0, 0.25]) * size[axis]
            ridge[0, axis], ridge[1, axis] = box[0, axis] + end, box[1, axis] - end
            ridge = self._placed(ridge)
        self.buildings.append(Building(self._placed(_box(box)), height, tint, ridge))

    def _crowd(self, box: Array, count: int) -> None:
        """Trees at random."""
        radius = self.rng.uniform(2.5, 6) * self.zoom
        for place in self._placed(self.rng.uniform(box[0], box[1], (count, 2))):
            size = radius * float(np.exp(self.rng.normal() * 0.25))
            self.trees.append(Tree(place, size, size * 1.5, float(self.rng.uniform(-1, 1))))

    def _rows(self, box: Array) -> None:
        """Places for cars."""
        long, wide = 5.0 * self.zoom, 2.6 * self.zoom
        if long < 4:
            return
        for y in np.arange(box[0, 1] + long, box[1, 1] - long / 2, 2.4 * long):
            x = np.arange(box[0, 0] + wide, box[1, 0] - wide / 2, wide)
            spots = self._placed(np.stack([x, np.full_like(x, y)], axis=1))
            up = self._placed(np.stack([x, np.full_like(x, y - 1)], axis=1)) - spots
            for (px, py), (ux, uy) in zip(spots, up, strict=True):
                self.parking.append((px, py, math.atan2(uy, ux)))


def _box(box: Array) -> Array:
    """Low and high corner -> (4, 2) outline."""
    middle, half = box.mean(axis=0), (box[1] - box[0]) / 2
    return np.asarray(middle + _CORNER * half)


def _inset(box: Array, by: float) -> Array:
    size = box[1] - box[0]
    step = np.minimum(by, size * 0.4)
    return np.array([box[0] + step, box[1] - step])


def _dense(outline: Array, parts: int = 8) -> Array:
    """With corners between, so that it can be bent."""
    after = np.roll(outline, -1, axis=0)
    share = np.arange(parts)[None, :, None] / parts
    return np.asarray((outline[:, None] * (1 - share) + after[:, None] * share).reshape(-1, 2))


def _smooth(line: Array, parts: int = 12) -> Array:
    """Through the points, without corners (Catmull and Rom 1974)."""
    ends = np.concatenate([2 * line[:1] - line[1:2], line, 2 * line[-1:] - line[-2:-1]])
    t = np.linspace(0, 1, parts, endpoint=False)[:, None]
    out = []
    for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        out.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
                   + (3 * b - a - 3 * c + d) * t**3)
        )  # fmt: skip
    return np.concatenate([*out, line[-1:]])
