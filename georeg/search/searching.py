"""One look at the whole scene on a coarse level: hypotheses, each judged by all templates."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from georeg.grid import Window
from georeg.matching.protocol import Surfaces, TileBatch, TilePoints
from georeg.matching.team import Team
from georeg.pairing.scene import Scene
from georeg.pairing.views import View
from georeg.search.voting import Vote, climb, vote
from georeg.tiling import FARTHEST, LONGEST, SIDE, coarsest

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_MANY = 36
_LIMIT = 1 / 255  # of an image in [0, 1]: what is that near to either end is at its limit
_AROUND = 5  # pixels a side around what is left out: its edges aren't at a limit


class Guess(NamedTuple):
    """A hypothesis that was looked at.

    Attributes:
        matrix: (3, 3) moving -> reference, in pixels of the level.
        margin: see `Vote`.
        support: templates, or points, that it rests on.
        limited: see `Vote`.
    """

    matrix: Array
    margin: float
    support: int
    limited: bool = False

    @property
    def weight(self) -> float:
        """The margin as it would be of 36 templates: what chance reaches falls as 1 / root(N)."""
        return self.margin * math.sqrt(min(self.support, _MANY) / _MANY)


def level(
    scene: Scene, side: int = SIDE, longest: int = LONGEST, *, bounded: bool = False
) -> tuple[Window, float, int]:
    """Window of a level with a margin for the largest shift, its factor, and the margin.

    Where it is `bounded`, that shift is at most the one that brings anything anywhere.
    """
    grid = scene.frame.grid
    factor = max(coarsest(grid.shape, side, longest), scene.max_shift / FARTHEST)
    most = min(scene.max_shift, max(grid.shape) / 2) if bounded else scene.max_shift
    pad = math.ceil(most / factor) + 8
    return grid.zoom(factor).window.pad(pad), factor, pad


class Search:
    """A level of the scene.

    Attributes:
        factor: of the level against the frame.
        reference: image and mask of the reference.
        reach: largest shift in pixels of the level that is looked for by default.
        everywhere: the shift that brings anything anywhere.
        middle: (x, y) of the scene, in pixels of the level.
        lean: share of rotations and changes of scale to look for: what they move at the ends of a
            long strip is searched as far as in other scenes.
        sparse: whether the matcher answered with points.
        tried: how many hypotheses were looked at.
        guesses: what those of the wide search came to; see `guessing.wide`.
        limit: largest shift of the middle that is possible at all; None if any is.
    """

    def __init__(
        self,
        scene: Scene,
        team: Team,
        side: int,
        *,
        longest: int = LONGEST,
        smoothed: float = 0.0,
        median: int = 0,
        limited: bool = False,
        bounded: bool = False,
    ) -> None:
        """Look at the reference.

        Args:
            scene: the rasters.
            team: the matcher.
            side: pixels of the level along the longer side of the scene.
            longest: see `coarsest`.
            smoothed: standard deviation in pixels of the level by which both are smoothed.
            median: pixels of the level along a side of the squares whose medians are smoothed
                then; 0 for the pixels themselves.
            limited: whether the scene's largest shift is one that the user knows.
            bounded: see `level`.
        """
        self.scene, self.team = scene, team
        self.smoothed, self.median = smoothed, median
        self.window, self.factor, pad = level(scene, side, longest, bounded=bounded)
        self.sparse = False
        self.tried = 0
        self.guesses: tuple[Guess | None, ...] = ()
        self.reference = self._smooth(*scene.reference_view().look(self.window, self.factor))
        self._kept: dict[Any, Any] = {}
        self._hidden: Mask | None = None
        self.reach = float(pad)
        self.limit = scene.max_shift / self.factor if limited else None
        grid = scene.frame.grid
        self.extent = max(grid.shape) / self.factor / 2
        self.everywhere = self.extent
        self.lean = min(1.0, round(side / 2 / self.extent, 6))
        self.middle = np.array([grid.width / 2 / self.factor, grid.height / 2 / self.factor])

    def hide_limits(self, start: Array) -> float:
        """Leave out what is white or black on both in the same place, as what is drawn there is.

        To be called before any guess; the moving raster is known so at this start only.

        Args:
            start: (3, 3) moving -> reference.

        Returns:
            The share of what both show that is left out.
        """
        image, mask = self.reference
        moving, moving_mask = self._moving(start)
        both = mask & moving_mask
        white = np.minimum(image, moving) >= 1 - _LIMIT
        alike = both & (white | (np.maximum(image, moving) <= _LIMIT))
        around = cv2.dilate(alike.astype(np.uint8), np.ones((_AROUND, _AROUND), np.uint8))
        self._hidden = around.astype(np.bool_)
        self.reference = self._shown(image, mask)
        return float(alike.sum() / max(both.sum(), 1))

    def _shown(self, image: Image, mask: Mask) -> tuple[Image, Mask]:
        if self._hidden is None:
            return image, mask
        return np.where(self._hidden, np.float32(0), image), mask & ~self._hidden

    def guess(
        self, start: Array, reach: float, rotation: float, scale: float, steps: int = 9
    ) -> Guess | None:
        """The best similarity around a start.

        Args:
            start: (3, 3) moving -> reference.
            reach: pixels of the level to search beyond it.
            rotation: degrees to search on either side; fewer of strips (`lean`).
            scale: relative change of scale to search on either side; likewise.
            steps: see `vote`.

        Returns:
            None if there is nothing to go by.
        """
        self.tried += 1
        return self.peek(start, reach, rotation, scale, steps)

    def peek(
        self, start: Array, reach: float, rotation: float, scale: float, steps: int
    ) -> Guess | None:
        """`guess`, uncounted; may be called in several threads."""
        rotation, scale = self.lean * rotation, self.lean * scale
        found, origin = self._match(start, reach + self._sway(rotation, scale))
        self.sparse = isinstance(found, TilePoints)
        if isinstance(found, TilePoints):
            return _from_points(found, origin, start)
        result = vote(
            found.moved(origin), self._middle(), rotation=rotation, scale=scale, steps=steps,
            within=self._within(start),
        )  # fmt: skip
        if result is None:
            return None
        return Guess(result.matrix() @ start, result.margin, result.support, result.limited)

    def sheared(self, start: Array, reach: float) -> Array | None:
        """The best affine uphill from the best similarity near a start.

        Args:
            start: (3, 3) moving -> reference.
            reach: pixels of the level to search beyond it.

        Returns:
            (3, 3); None if there is nothing to go by, or no surfaces.
        """
        self.tried += 1
        found, origin = self._match(start, reach)
        if isinstance(found, TilePoints):
            return None
        placed = found.moved(origin)
        result = vote(placed, self._middle(), rotation=0.0, scale=0.0)
        if result is None:
            return None
        return np.asarray(climb(placed, self._middle(), result.matrix()) @ start)

    def _match(self, start: Array, radius: float) -> tuple[Surfaces | TilePoints, Array]:
        """Everything against the reference, and what to add to its positions."""
        image, mask = self._moving(start)
        reference, reference_mask = self.reference
        found = self.team.match(
            TileBatch(
                image[None], mask[None], reference[None], reference_mask[None], radius, "locate",
                kept=self._kept,
            )
        )  # fmt: skip
        return found, np.array([self.window.x, self.window.y], np.float64)

    def _middle(self) -> tuple[float, float]:
        return float(self.middle[0]), float(self.middle[1])

    def _within(self, start: Array) -> tuple[float, float, float] | None:
        """What shifts beyond a start are possible: their middle and radius."""
        if self.limit is None:
            return None
        x, y = self.middle - (start[:2, :2] @ self.middle + start[:2, 2])
        return float(x), float(y), self.limit

    def _sway(self, rotation: float, scale: float) -> float:
        """Pixels by which rotation (degrees) and scale move what lies far from the middle."""
        return 0.7 * (math.radians(rotation) + scale) * self.extent

    def from_level(self, matrix: Array, factor: float) -> Array:
        """A matrix in pixels of another level."""
        return scaled(matrix, factor / self.factor)

    def on_map(self, guess: Guess | None) -> Guess | None:
        """The same guess, its matrix in coordinates of the frame's CRS."""
        return None if guess is None else guess._replace(matrix=_by(self._to_map(), guess.matrix))

    def from_map(self, guess: Guess | None) -> Guess | None:
        """The guess whose matrix is in coordinates of the frame's CRS, here."""
        back = np.asarray(np.linalg.inv(self._to_map()), np.float64)
        return None if guess is None else guess._replace(matrix=_by(back, guess.matrix))

    def _to_map(self) -> Array:
        transform = np.array(self.scene.frame.grid.transform, np.float64).reshape(3, 3)
        return np.asarray(transform @ np.diag([self.factor, self.factor, 1.0]))

    def _moving(self, start: Array) -> tuple[Image, Mask]:
        """The moving raster, pre-warped by a matrix."""
        inverse = np.linalg.inv(start)
        view = self.scene.moving_view(None)

        def to_source(xy: Array) -> Array:
            on_level = xy / self.factor
            back = on_level @ inverse[:2, :2].T + inverse[:2, 2]
            return view.to_source(back * self.factor)

        placed = View(view.raster, view.radiometry, to_source)
        return self._shown(*self._smooth(*placed.look(self.window, self.factor)))

    def _smooth(self, image: Image, mask: Mask) -> tuple[Image, Mask]:
        """What is invalid adds nothing to its neighbours."""
        if not self.smoothed:
            return image, mask
        if self.median:
            image = _medians(image, mask, self.median)
        weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), self.smoothed)
        total = cv2.GaussianBlur(np.where(mask, image, np.float32(0)), (0, 0), self.smoothed)
        return np.where(mask, total / np.maximum(weight, np.float32(1e-6)), image), mask


def _medians(image: Image, mask: Mask, side: int) -> Image:
    """Of squares around each pixel; what is invalid counts as its surroundings."""
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), side / 2)
    total = cv2.GaussianBlur(np.where(mask, image, np.float32(0)), (0, 0), side / 2)
    filled = np.where(mask, image, total / np.maximum(weight, np.float32(1e-6)))
    # OpenCV has wide medians of bytes only; images are in [0, 1], and smoothed afterwards.
    levels = np.clip(np.rint(filled * 255), 0, 255).astype(np.uint8)
    return np.asarray(cv2.medianBlur(levels, side).astype(np.float32) / np.float32(255))


def similarity(angle: float, scale: float, middle: Array) -> Array:
    """(3, 3) rotation (degrees) and scale about a point."""
    return Vote(angle, scale, (0.0, 0.0), (float(middle[0]), float(middle[1])), 0, 0, 0).matrix()


def scaled(matrix: Array, factor: float) -> Array:
    """A (3, 3) matrix between pixels, for pixels of which `factor` make one of those."""
    return _by(np.diag([factor, factor, 1.0]), matrix)


def _by(way: Array, matrix: Array) -> Array:
    """A (3, 3) matrix in the coordinates to which the other (3, 3) one leads."""
    return np.asarray(way @ matrix @ np.linalg.inv(way))


def angle_and_scale(matrix: Array) -> tuple[float, float]:
    """Rotation in degrees, from x towards y, and scale of a (3, 3) similarity."""
    angle = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
    return angle, math.sqrt(abs(float(np.linalg.det(matrix[:2, :2]))))


def better(one: Guess | None, other: Guess | None) -> Guess | None:
    """The one with the larger margin."""
    if one is None or other is None:
        return one or other
    return other if other.margin > one.margin else one


def _from_points(points: TilePoints, origin: Array, start: Array) -> Guess | None:
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
    return Guess(np.vstack([matrix, [0, 0, 1]]) @ start, 2.0 * share * evidence, count)
