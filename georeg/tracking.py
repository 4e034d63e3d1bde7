"""From the first estimate to exact tie points: level by level, from coarse to fine.

Each level predicts through the current transform, so that its tiles roughly overlie each other,
and searches a shrinking radius. The last level works on every pixel of the working resolution.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from georeg.errors import PointsError
from georeg.fitting import Fit, fit_transform
from georeg.folding import BLOCKS
from georeg.locating import Start
from georeg.matching.protocol import Matcher, Surfaces, TilePoints
from georeg.matching.team import Team
from georeg.peaks import read_peaks
from georeg.reading import each_batch
from georeg.scene import Scene
from georeg.settings import Settings
from georeg.thinning import CELL, best_of_cells, thinned
from georeg.tiling import RATIO, SIDE, TilePair, level_factors, plan
from georeg.transforms import LADDER, Transform
from georeg.voting import vote

Array = npt.NDArray[np.float64]
Progress = Callable[[float], None]

log = logging.getLogger(__name__)

AUTO = ("shift", "similarity", "affine", "projective", "polynomial2", "field")
_TRACK, _REFINE = 12.0, 6.0  # level pixels searched around the prediction
_NEAR = 6.0  # level pixels around the pooled estimate in which a peak is taken
_COARSE_TILES = 128  # enough for the levels that only predict
_SHARP = 1.0  # frame pixels of error at left-out points with which levels may be skipped
_MANY, _PREDICT = 4000, 800  # tie points that are too many to predict with, and that are enough
_USUAL = 320  # pixels a side of the tiles that settings count
_STIFF = ("shift", "similarity", "affine", "projective")  # they hardly bend within a template
_COVERED = 0.1  # of the scene in tiles; where less is, what is between them limits the fit
_AS_GOOD = 0.75  # of the share of templates that tell, for smaller ones to be taken
_LEAST = 6  # tie points without which it makes no sense to go on
_BLURRED = 0.5  # level pixels by which coarse tie points are unsure where displacements bend
_COLUMNS = ("claimed", "true", "score", "sigma")  # of tie points
BLOCK = 0.67  # of a template: points closer than that share most of their pixels


@dataclass(frozen=True, eq=False)
class TiePoints:
    """Matches in the frame.

    Attributes:
        claimed: (N, 2) frame pixels by the moving raster's georeference.
        true: (N, 2) frame pixels by the reference.
        score: (N,) probability of being right.
        sigma: (N,) standard deviation in frame pixels.
        templates: how many places were looked at to find them.
        block: frame pixels below which two points aren't independent.
        tiles: (T, 4) x, y, width, height in frame pixels of the windows that were matched.
        dense: whether they were read off templates' surfaces, or are key points.
    """

    claimed: Array
    true: Array
    score: Array
    sigma: Array
    templates: int
    block: float
    tiles: Array | None = None
    dense: bool = False

    def __len__(self) -> int:
        """Number of tie points."""
        return len(self.claimed)


@dataclass(frozen=True)
class Level:
    """What became of one level.

    Attributes:
        factor: frame pixels along a side of one of its pixels.
        goal: track (to predict the next one), refine (the last one), or detail (the last one, too,
            with smaller templates, because the displacements bend).
        tiles: how many were matched; 0 if the level was skipped, because the fit so far predicts
            well enough already.
        templates: places that were looked at.
        points: tie points that were found.
        model: the transform that was fitted; empty if none could be.
        error: weighted RMSE at left-out points, frame pixels.
        note: why there is no model, why the level was skipped, or why its points weren't taken.
    """

    factor: float
    goal: str
    tiles: int
    templates: int = 0
    points: int = 0
    model: str = ""
    error: float = math.nan
    note: str = ""


@dataclass(frozen=True, eq=False)
class Tracked:
    """What all levels have found.

    Attributes:
        points: of the last one.
        fit: of the last one; None if its points agree on nothing.
        levels: all of them.
        coarse: of the level before the one that sees every pixel, the points that its fit explains.
    """

    points: TiePoints
    fit: Fit | None
    levels: tuple[Level, ...]
    coarse: TiePoints

    @property
    def telling(self) -> float:
        """Share of the places looked at whose tie points agree with the fit."""
        if self.fit is None:
            return 0.0
        # Where there are more points than a fit needs, it has seen a part of them.
        return float(self.fit.inlier.mean()) * len(self.points) / self.points.templates


def models(settings: Settings) -> tuple[str, ...]:
    """The ladder to climb, or the one model that was asked for."""
    return AUTO if settings.transform == "auto" else (settings.transform,)


def track(
    scene: Scene, team: Team, start: Start, settings: Settings, progress: Progress
) -> Tracked:
    """Tie points and the fit at full working resolution."""
    factors = level_factors(scene.frame.grid.shape, SIDE)
    passes = [(factor, "track") for factor in factors[: max(1, len(factors) - 1)]]
    run = _Run(scene, team, start, settings, progress, 1.0 / (len(passes) + 1))
    found = Tracked(_no_points(), None, (), _no_points())
    for factor, goal in passes:
        if found.fit is not None and found.fit.error <= _SHARP:
            # The fit already predicts within what the last level searches.
            level = Level(
                factor, goal, 0, error=found.fit.error, note="the fit predicts well enough"
            )
            found = replace(found, levels=(*found.levels, level))
            continue
        found = run.level(found, factor, goal)
        if found.fit is None:
            return found
    bent = run.covered and _bends(found)
    if bent:
        found, taken = run.detail(found)
        if taken:
            return found
    found = run.level(found, 1.0, "refine")
    if run.covered and not bent and _bends(found):
        found, _ = run.detail(found)
    return found


def _bends(found: Tracked) -> bool:
    """Whether displacements change within a template, and smaller ones would see more of it."""
    return found.fit is not None and found.points.dense and _bent(found.fit.transform)


def _bent(transform: Transform) -> bool:
    return transform.name not in _STIFF


@dataclass(frozen=True, eq=False)
class _Run:
    """What all levels have in common, `share` of the work being one level's."""

    scene: Scene
    team: Team
    start: Start
    settings: Settings
    progress: Progress
    share: float

    @property
    def covered(self) -> bool:
        """Whether tiles cover enough of the scene for smaller templates to say more of it."""
        rows, columns = self.scene.frame.grid.shape
        return self.settings.max_tiles * _USUAL**2 >= _COVERED * rows * columns

    def detail(self, found: Tracked) -> tuple[Tracked, bool]:
        """What smaller templates find, if they still tell; and whether they do.

        Where rasters differ a lot, they see too little: then it is what was found before.
        """
        closer = self.level(found, 1.0, "detail")
        if closer.telling >= _AS_GOOD * found.telling > 0:
            return closer, True
        *levels, last = closer.levels
        note = f"{closer.telling:.0%} of the places agree, {found.telling:.0%} did before"
        return replace(found, levels=(*levels, replace(last, note=last.note or note))), False

    def level(self, before: Tracked, factor: float, goal: str) -> Tracked:
        """What was found so far, and then on one more level; no fit where that fails."""
        number = len(before.levels)

        def step(share: float) -> None:
            self.progress(min(1.0, (number + share) * self.share))

        transform = self.start.transform if before.fit is None else before.fit.transform
        pairs = plan_level(
            self.scene, self.team.matcher, self.start, transform, factor, self.settings
        )
        points = match_level(
            self.scene, self.team, pairs, transform, goal, step, pooled=not before.levels
        )
        log.info(
            "level %.3g: %d tiles, %d tie points from %d templates",
            factor,
            len(pairs),
            len(points),
            points.templates,
        )
        level = Level(factor, goal, len(pairs), points.templates, len(points))
        fit, coarse = None, before.coarse
        if len(points) < _LEAST:
            level = replace(level, note=f"fewer than {_LEAST} tie points")
        else:
            used = points
            if goal == "track":
                used = enough(points, _MANY if _bent(transform) else _PREDICT)
            try:
                fit = fit_points(
                    used,
                    self.settings,
                    unit=factor,
                    predicts=goal == "track" and factor > 1.0,
                    guess=transform if _bent(transform) else None,
                    support=_between(before.coarse, points) if factor == 1.0 else None,
                )
                level = replace(level, model=fit.transform.name, error=fit.error)
                if 1.0 < factor <= RATIO:  # coarser ones aren't exact enough to help
                    blurred = replace(used, sigma=np.maximum(used.sigma, _BLURRED * factor))
                    coarse = _some(blurred, fit.inlier)
            except PointsError as error:
                log.info("level %.3g: %s", factor, error)
                level = replace(level, note=str(error))
        return Tracked(points, fit, (*before.levels, level), coarse)


def fit_points(
    points: TiePoints,
    settings: Settings,
    *,
    unit: float = 1.0,
    predicts: bool = False,
    guess: Transform | None = None,
    support: TiePoints | None = None,
) -> Fit:
    """The best model for the points.

    Args:
        points: of one level.
        settings: for the model that was asked for.
        unit: frame pixels along a pixel of the level.
        predicts: whether the fit is to predict a finer level, and no more.
        guess: what the level before says of displacements that bend.
        support: points of that level which tell, too; the fit isn't judged by them.

    Raises:
        PointsError: they agree on nothing, or are too few.
    """
    parts = [points] if support is None or not len(support) else [points, support]
    return fit_transform(
        *(np.concatenate([getattr(p, f) for p in parts]) for f in _COLUMNS),
        models=models(settings),
        block=max(p.block for p in parts),
        unit=unit,
        blocks=_blocks(points, predicts),
        guess=guess,
        own=len(points),
    )


def _between(coarse: TiePoints, points: TiePoints) -> TiePoints:
    """What a coarser level saw where this one has no tiles: all that tells of bends in between."""
    if points.tiles is None or not len(coarse):
        return _no_points()
    half = float(points.tiles[:, 2:].max()) / 2
    middle = points.tiles[:, :2] + points.tiles[:, 2:] / 2
    away = cKDTree(middle).query(coarse.true, p=np.inf)[0]
    return _some(coarse, np.flatnonzero(away > half))


def _blocks(points: TiePoints, predicts: bool) -> float:
    """How many blocks to leave out along a side.

    Ten, which tell how a fit does in a gap; but as many as tiles where there are more of them. To
    predict a finer level, what lies between the templates of this one is all that counts.
    """
    if predicts and points.dense:
        return math.inf
    tiles = 0 if points.tiles is None else len(points.tiles)
    return max(BLOCKS, math.floor(math.sqrt(tiles)))


def enough(points: TiePoints, cells: int = _PREDICT) -> TiePoints:
    """The best of so many even cells, where there are more points than predict the next level.

    Seconds go by with all of them, in which a GPU has nothing to do.
    """
    if len(points) <= _MANY:
        return points
    area = float(np.prod(np.ptp(points.claimed, axis=0)))
    if points.tiles is not None:  # there may be gaps between them
        area = min(area, float(points.tiles[:, 2:].prod(axis=1).sum()))
    side = max(1.0, math.sqrt(area / cells))  # points on a line span no area
    keep = best_of_cells(points.claimed, points.score, side, 1)
    log.info("the best %d of %d tie points predict the next level", len(keep), len(points))
    return _some(points, keep)


def _some(points: TiePoints, keep: npt.NDArray[Any]) -> TiePoints:
    """Those of an index or a mask."""
    chosen = {name: getattr(points, name)[keep] for name in _COLUMNS}
    return replace(points, **chosen)


def plan_level(
    scene: Scene,
    matcher: Matcher,
    start: Start,
    transform: Transform,
    factor: float,
    settings: Settings,
) -> list[TilePair]:
    """The tiles of one level."""
    most = settings.max_tiles if factor == 1.0 else min(_COARSE_TILES, settings.max_tiles)
    most = max(1, round(most * min(1.0, (_USUAL / matcher.tile) ** 2)))
    small = matcher.small if factor == 1.0 else None  # the other levels only predict
    return plan(
        scene.frame.grid.shape,
        factor,
        tile=matcher.tile,
        small=small,
        limit=matcher.limit,
        margin=matcher.reach,
        most=most,
        texture=start.texture,
        texture_factor=start.factor,
        to_moving=lambda xy: scene.frame.unclaim(transform.inverse(xy)),
        to_reference=scene.frame.to_reference,
    )


def match_level(
    scene: Scene,
    team: Team,
    pairs: list[TilePair],
    transform: Transform,
    goal: str,
    progress: Progress,
    *,
    pooled: bool = False,
) -> TiePoints:
    """Match all tiles of a level and read tie points near the (pooled) prediction."""
    radius = _TRACK if goal == "track" else _REFINE
    found: list[Surfaces | TilePoints] = []
    done = 0
    for group, result in each_batch(
        pairs,
        scene.moving_view(transform),
        scene.reference_view(),
        team,
        radius=radius,
        goal=goal,
    ):
        found.append(_in_level(result, group, done))
        done += len(group)
        progress(done / len(pairs))
    if not found:
        return _no_points()
    factor = pairs[0].factor
    points, templates, size = _read(found, pooled)
    return TiePoints(
        transform.inverse(points.moving_xy * factor),
        points.reference_xy * factor,
        points.score,
        points.sigma * factor,
        templates,
        BLOCK * size * factor,
        np.array([(w.x, w.y, w.width, w.height) for w in (p.window for p in pairs)]) * factor,
        isinstance(found[0], Surfaces),
    )


def _in_level(
    found: Surfaces | TilePoints, group: list[TilePair], before: int
) -> Surfaces | TilePoints:
    """Tile pixels to level pixels, tiles by their number in the level, `before` being that of the
    group's first, and only what lies in the tiles' cores.
    """  # fmt: skip
    anchor = found.center if isinstance(found, Surfaces) else found.moving_xy
    keep = np.zeros(len(found), np.bool_)
    origin = np.zeros((len(found), 2))
    for number, pair in enumerate(group):
        mine = found.tile == number
        keep[mine] = pair.counts(anchor[mine])
        origin[mine] = (pair.window.x, pair.window.y)
    if isinstance(found, Surfaces):
        return found.moved(origin).select(keep)
    moved = replace(
        found,
        tile=found.tile + before,
        moving_xy=found.moving_xy + origin,
        reference_xy=found.reference_xy + origin,
    )
    return moved.select(keep)


def _read(found: list[Surfaces | TilePoints], pooled: bool) -> tuple[TilePoints, int, float]:
    """Points, number of templates and side of a template, in level pixels."""
    surfaces = [f for f in found if isinstance(f, Surfaces)]
    if not surfaces:
        points = TilePoints.concat([f for f in found if isinstance(f, TilePoints)])
        return thinned(points), len(points), CELL
    everything = Surfaces.concat(surfaces)
    expected = None
    if pooled and len(everything):
        middle = everything.center.mean(axis=0)
        result = vote(
            everything, (float(middle[0]), float(middle[1])), rotation=1.5, scale=0.015, steps=5
        )
        if result is not None:
            matrix = result.matrix()
            expected = everything.center @ matrix[:2, :2].T + matrix[:2, 2] - everything.center
    points = read_peaks(everything, expected, _NEAR)
    return points, len(everything), everything.size


def _no_points() -> TiePoints:
    empty = np.zeros((0, 2))
    return TiePoints(empty, empty, np.zeros(0), np.zeros(0), 0, 0.0)


def known_models() -> tuple[str, ...]:
    """Values of `--transform`."""
    return ("auto", *LADDER)
