"""Level 0: where, roughly, does the moving raster lie? One small image sees the whole overlap."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from georeg import transforms
from georeg.grid import Window
from georeg.matching.protocol import Surfaces, TileBatch, TilePoints
from georeg.matching.team import Team
from georeg.scene import Scene
from georeg.settings import Settings
from georeg.tiling import SIDE
from georeg.transforms import Transform
from georeg.views import View
from georeg.voting import Vote, vote

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

log = logging.getLogger(__name__)

_WIDE_SIDE = 512  # the same for the wide search, which tries hundreds of hypotheses
_ROTATION, _SCALE = 10.0, 0.10  # of the normal search, on either side
_CONFIDENT = 0.55  # margin at which no further hypothesis is tried
_AGAIN = (3.0, 0.03)  # degrees and share: beyond that, look again through the first estimate
_PRE_ROTATION, _PRE_SCALE = (-7.0, 0.0, 7.0), (0.93, 1.0, 1.07)


@dataclass(frozen=True, eq=False)
class Start:
    """A first transform, claimed -> true frame pixels, and how sure it is.

    Attributes:
        transform: a similarity.
        margin: lead over the best separate hypothesis; see `Vote`. 0.3 or less is what chance
            reaches, clear scenes have 1 and more.
        factor: of level 0 against the frame.
        texture: (rows, columns) of level 0: local contrast of the weaker side, 0 where invalid.
        tried: how many hypotheses were looked at; 0 if nobody had to search.
    """

    transform: Transform
    margin: float
    factor: float
    texture: Image
    tried: int = 0


def locate(scene: Scene, team: Team, settings: Settings) -> Start | None:
    """Search the whole overlap for shift, rotation and scale.

    Returns:
        None if there is nothing to go by.
    """
    wide = settings.search == "wide"
    side = min(team.matcher.scene, _WIDE_SIDE if wide else SIDE)
    search = _Search(scene, team, *_level(scene, side))
    best = search.wide() if wide else search.normal()
    if best is None:
        return None
    matrix, margin = best
    scaled = np.diag([search.factor, search.factor, 1.0])
    matrix = scaled @ matrix @ np.linalg.inv(scaled)
    log.info("located: %s", describe(matrix, margin))
    seen = search.reference if side == SIDE else None
    return replace(survey(scene, from_matrix(matrix), margin, seen), tried=search.tried)


def survey(
    scene: Scene, transform: Transform, margin: float, reference: tuple[Image, Mask] | None = None
) -> Start:
    """What level 0 shows of the overlap through a transform that is known already.

    Args:
        scene: the rasters.
        transform: claimed -> true frame pixels.
        margin: see `Start`.
        reference: the reference on level 0, if it was looked at already.
    """
    window, factor, pad = _level(scene)
    reference = reference or scene.reference_view().look(window, factor)
    moving = scene.moving_view(transform).look(window, factor)
    texture = np.minimum(_texture(*reference), _texture(*moving))[pad:-pad, pad:-pad]
    return Start(transform, margin, factor, texture)


def from_matrix(matrix: Array) -> Transform:
    """A similarity from its (3, 3) matrix."""
    return transforms.from_dict({"name": "similarity", "matrix": matrix.tolist()})


def _level(scene: Scene, side: int = SIDE) -> tuple[Window, float, int]:
    """Window of level 0 with a margin for the largest shift, its factor, and the margin."""
    grid = scene.frame.grid
    factor = max(1.0, max(grid.shape) / side)
    pad = math.ceil(scene.max_shift / factor) + 8
    return grid.zoom(factor).window.pad(pad), factor, pad


def describe(matrix: Array, margin: float) -> str:
    """A similarity in words."""
    angle, scale = angle_and_scale(matrix)
    return f"rotation {angle:.2f} degrees, scale {scale:.4f}, margin {margin:.2f}"


def angle_and_scale(matrix: Array) -> tuple[float, float]:
    """Rotation in degrees, from x towards y, and scale of a (3, 3) similarity."""
    angle = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
    return angle, math.sqrt(abs(float(np.linalg.det(matrix[:2, :2]))))


class _Search:
    """Hypotheses about the whole scene, each judged by all templates together."""

    def __init__(
        self,
        scene: Scene,
        team: Team,
        window: Window,
        factor: float,
        pad: int,
    ) -> None:
        self.scene, self.team, self.window, self.factor = scene, team, window, factor
        self.sparse = False  # whether the matcher answered with points
        self.tried = 0
        self.reference = scene.reference_view().look(window, factor)
        self.reach = float(pad)
        grid = scene.frame.grid
        self.middle = np.array([grid.width / 2 / factor, grid.height / 2 / factor])

    def normal(self) -> tuple[Array, float] | None:
        """Around the georeference."""
        best = self._try(np.eye(3), self.reach, _ROTATION, _SCALE)
        # Key points and networks bear as much rotation and scale as is searched here.
        if self.sparse or (best is not None and best[1] >= _CONFIDENT):
            return None if best is None else self._again(best)
        for angle in _PRE_ROTATION:
            for scale in _PRE_SCALE:
                if angle or scale != 1:
                    start = similarity(angle, scale, self.middle)
                    best = _better(best, self._try(start, self.reach, 5.0, 0.05))
        return None if best is None else self._again(best)

    def wide(self) -> tuple[Array, float] | None:
        """Any rotation, scale 1/4..4, anywhere in the reference; likely ones first.

        Networks see things that are turned by 30 degrees and half as large again as well: they
        are asked at four rotations, then at the four between, and at every second octave.
        """
        best: tuple[Array, float] | None = None
        reach = 0.5 * max(self.scene.frame.grid.shape) / self.factor
        best = self._try(np.eye(3), reach, 8.0, 0.09, steps=5)
        for scale, angles in _few_guesses() if self.sparse else _guesses():
            if best is not None and best[1] >= 2 * _CONFIDENT:
                break
            for angle in angles:
                start = similarity(angle, scale, self.middle)
                best = _better(best, self._try(start, reach, 8.0, 0.09, steps=5))
        return None if best is None else self._again(best)

    def _again(self, best: tuple[Array, float]) -> tuple[Array, float]:
        """Once more through the estimate, where templates had to be compared askew."""
        matrix, margin = best
        angle = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
        scale = math.hypot(matrix[0, 0], matrix[1, 0])
        if abs(angle) < _AGAIN[0] / 2 and abs(scale - 1) < _AGAIN[1] / 2:
            return best
        second = self._try(matrix, min(self.reach, 32.0), *_AGAIN)
        if second is None:
            return best
        return second[0], max(margin, second[1])

    def _try(
        self, start: Array, reach: float, rotation: float, scale: float, steps: int = 9
    ) -> tuple[Array, float] | None:
        image, mask = self.moving(start)
        extent = max(self.scene.frame.grid.shape) / self.factor / 2
        radius = reach + 0.7 * (math.radians(rotation) + scale) * extent
        batch = TileBatch(
            image[None],
            mask[None],
            self.reference[0][None],
            self.reference[1][None],
            radius,
            "locate",
        )
        found = self.team.match(batch)
        self.tried += 1
        self.sparse = isinstance(found, TilePoints)
        origin = np.array([self.window.x, self.window.y], np.float64)
        middle = (float(self.middle[0]), float(self.middle[1]))
        if isinstance(found, Surfaces):
            placed = found.moved(origin)
            result = vote(placed, middle, rotation=rotation, scale=scale, steps=steps)
            return None if result is None else (result.matrix() @ start, result.margin)
        return _from_points(found, origin, start)

    def moving(self, start: Array) -> tuple[Image, Mask]:
        """The moving raster on the level, pre-warped by a matrix in level pixels."""
        inverse = np.linalg.inv(start)
        view = self.scene.moving_view(None)

        def to_source(xy: Array) -> Array:
            level = xy / self.factor
            back = level @ inverse[:2, :2].T + inverse[:2, 2]
            return view.to_source(back * self.factor)

        placed = View(view.raster, view.radiometry, to_source)
        return placed.look(self.window, self.factor)


def _guesses() -> Iterator[tuple[float, list[float]]]:
    """Scales and angles of the wide search; each set is looked at as a whole."""
    angles = [0.0, 90.0, 180.0, 270.0]
    angles += [a for a in np.arange(15.0, 360.0, 15.0).tolist() if a % 90]
    for ring in range(len(angles) // 4):
        for step in sorted(range(-8, 9), key=abs):
            yield 4.0 ** (step / 8), angles[4 * ring : 4 * ring + 4]


def _few_guesses() -> Iterator[tuple[float, list[float]]]:
    for first in (0.0, 45.0):
        for step in (0, -2, 2, -4, 4):
            yield 2.0 ** (step / 2), [first + turn for turn in (0.0, 90.0, 180.0, 270.0)]


def similarity(angle: float, scale: float, middle: Array) -> Array:
    """(3, 3) rotation (degrees) and scale about a point."""
    return Vote(angle, scale, (0.0, 0.0), (float(middle[0]), float(middle[1])), 0, 0, 0).matrix()


def _better(
    one: tuple[Array, float] | None, other: tuple[Array, float] | None
) -> tuple[Array, float] | None:
    if one is None or other is None:
        return one or other
    return other if other[1] > one[1] else one


def _from_points(points: TilePoints, origin: Array, start: Array) -> tuple[Array, float] | None:
    """A similarity by consensus of point matches, for matchers without surfaces.

    The margin is the share of agreeing points, on the scale of a vote's margin: half of the
    points agreeing is clear (chance reaches some per cent).
    """
    if len(points) < 4:
        return None
    found: tuple[Any, Any] = cv2.estimateAffinePartial2D(
        points.moving_xy + origin,
        points.reference_xy + origin,
        method=cv2.RANSAC,
        ransacReprojThreshold=4.0,
        maxIters=5000,
        confidence=0.999,
    )
    matrix, inlier = found
    if matrix is None:
        return None
    count = int(inlier.sum())
    share = count / len(points)
    evidence = min(1.0, max(0.0, (count - 4) / 12))
    return np.vstack([matrix, [0, 0, 1]]) @ start, 2.0 * share * evidence


def _texture(image: Image, mask: Mask) -> Image:
    """Local standard deviation over 15 x 15 pixels, 0 where mostly invalid."""
    weight = cv2.blur(mask.astype(np.float32), (15, 15))
    mean = cv2.blur(image, (15, 15)) / np.maximum(weight, 1e-6)
    square = cv2.blur(image * image, (15, 15)) / np.maximum(weight, 1e-6)
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    return np.where(weight > 0.5, deviation, np.float32(0)).astype(np.float32)
