"""From the first estimate to exact tie points: level by level, from coarse to fine.

Each level predicts through the current transform, so that its tiles roughly overlie each other,
and searches a shrinking radius. The last level works on every pixel of the working resolution.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.spatial import cKDTree

from georeg.errors import PointsError
from georeg.fitting import Fit, fit_transform
from georeg.folding import BLOCKS
from georeg.matching.team import Team
from georeg.pairing.scene import Scene
from georeg.search.levels import USUAL, Progress, coarse_factors, match_level, plan_level
from georeg.search.locating import Start
from georeg.search.tiepoints import COLUMNS, MANY, PREDICT, TiePoints, enough, no_points, some
from georeg.search.voting import CHANCE
from georeg.settings import USUAL_TILES, Settings
from georeg.tiling import RATIO, TilePair
from georeg.transforms import Transform

log = logging.getLogger(__name__)

AUTO = ("shift", "similarity", "affine", "projective", "polynomial2", "field")
_SHARP = 1.0  # frame pixels of error at left-out points with which levels may be skipped
_STIFF = ("shift", "similarity", "affine", "projective")  # they hardly bend within a template
_COVERED = 0.1  # of the scene in tiles; where less is, what is between them limits the fit
_AS_GOOD = 0.75  # of the share of templates that tell, for smaller ones to be taken
_LEAST = 6  # tie points without which it makes no sense to go on
_MORE = 4  # times as many tiles, where displacements change between them
_WORTH = 1.3  # times as much ground must they show
_OPEN, _BEYOND = 1.0, 2.0  # frame pixels, and noises, of error at left-out points that tell of that
_TRIES = 3  # with smaller templates, each through what the one before has found
_REACHED = 3.0  # frame pixels, half of what is searched: what lies further off may be missed
_MISSED = 0.02  # share of the scene, and of places, of which that is worth another look
_MOST = 0.5  # of the places that told nothing must lie there
_SAME = 0.99  # of the pixels of a level that was looked at already
_NODES = 32  # along either side, where that is asked
_CLEAR = 0.6  # of an error is what it must fall to with smaller parts left out, to count
_BLURRED = 0.5  # level pixels by which coarse tie points are unsure where displacements bend


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
    scene: Scene,
    team: Team,
    start: Start,
    settings: Settings,
    progress: Progress,
    known: Tracked | None = None,
) -> Tracked:
    """Tie points and the fit at full working resolution.

    Args:
        scene: the rasters.
        team: the matcher.
        start: the first estimate.
        settings: for the model that was asked for, and the tiles.
        progress: told the share done.
        known: what a look at coarser pixels has found already, in this scene's frame.
    """
    factors = coarse_factors(scene.frame.grid.shape)
    tiles = settings.max_tiles or USUAL_TILES
    found = known or Tracked(no_points(), None, (), no_points())
    share = 1.0 / (len(factors) + 1)
    run = _Run(scene, team, start, settings, progress, share, tiles, len(found.levels))
    for factor in factors:
        if known is not None and factor >= known.levels[-1].factor * _SAME:
            continue
        if found.fit is not None and found.fit.error <= _SHARP:
            # The fit already predicts within what the last level searches.
            level = Level(
                factor, "track", 0, error=found.fit.error, note="the fit predicts well enough"
            )
            found = replace(found, levels=(*found.levels, level))
            continue
        found = run.level(found, factor, "track")
        # A strip within a wider frame may have too few pixels on a coarse level, and enough here.
        if found.fit is None and (factor <= 1.0 or start.margin < CHANCE):
            return found
    found = run.between(found, run.fine(found))
    if found.fit is None or _bent(found.fit.transform) or not _open(found.fit):
        return found
    # Nothing can follow what neighbours agree on. Then it counts as what the fit is off by, as
    # long as it isn't far: were they outliers, the error that is stated would be too small.
    try:
        return replace(found, fit=fit_points(found.points, settings, closely=False))
    except PointsError:
        return found


def _open(fit: Fit, unit: float = 1.0) -> bool:
    """Whether parts that were left out lie elsewhere, while neighbours agree.

    Then displacements change from part to part in a way that the fit can't know in between.
    """
    return fit.error > max(_OPEN * unit, _BEYOND * math.sqrt(2) * fit.noise)


def _bends(found: Tracked) -> bool:
    """Whether displacements change within a template, and smaller ones would see more of it."""
    return found.fit is not None and found.points.dense and _bent(found.fit.transform)


def _noted(levels: tuple[Level, ...], note: str) -> tuple[Level, ...]:
    """With a note why the last one's points weren't taken."""
    *before, last = levels
    return (*before, replace(last, note=last.note or note))


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
    tiles: int
    known: int = 0  # levels that were looked at before

    @property
    def covered(self) -> bool:
        """Whether tiles cover enough of the scene for smaller templates to say more of it."""
        rows, columns = self.scene.frame.grid.shape
        return self.tiles * USUAL**2 >= _COVERED * rows * columns

    @property
    def further(self) -> bool:
        """Whether to look further at what bends: a transform may, and it isn't chance anyway."""
        return self.start.margin >= CHANCE and not set(models(self.settings)) <= set(_STIFF)

    def fine(self, found: Tracked) -> Tracked:
        """What was found so far, and then on every pixel of the working resolution."""
        bent = self.covered and _bends(found)
        if bent:
            before = found
            found, taken = self.detail(found)
            if taken:
                return self.further_off(before, found)
        found = self.level(found, 1.0, "refine")
        if not self.covered or bent or found.fit is None:
            return found
        if _bends(found):
            closer, taken = self.detail(found)
            return self.further_off(found, closer) if taken else closer
        if found.points.dense and self.further and _open(found.fit):
            return self.closely(found)
        return found

    def further_off(self, before: Tracked, found: Tracked) -> Tracked:
        """What another look tells, through what was found, where that is out of reach of the last.

        Tie points stop where a fit that goes on from them is off by more than is searched: at a
        bend beyond them, which the ones of this look show more of.

        Args:
            before: through which the last look was taken.
            found: what it has found.
        """
        for _ in range(_TRIES):
            if before.fit is None or found.fit is None or not _gapless(found.points):
                break  # nothing is known between tiles, however far a look reaches
            lost = 1 - found.telling
            beyond = self._elsewhere(before.fit.transform, found.fit.transform)
            if min(lost, beyond) < _MISSED or beyond < _MOST * lost:
                break  # rasters that differ a lot have places all over that tell nothing
            again, taken = self.detail(found)
            if not taken or again.fit is None:
                return again
            if again.telling <= found.telling or again.fit.error > found.fit.error:
                note = "no more places agree, or not as well"
                return replace(found, levels=_noted(again.levels, note))
            before, found = found, again
        return found

    def _elsewhere(self, before: Transform, now: Transform) -> float:
        """Share of the scene where two fits are further apart than a look through one sees."""
        rows, columns = self.scene.frame.grid.shape
        share = (np.arange(_NODES) + 0.5) / _NODES
        nodes = np.stack(np.meshgrid(share * columns, share * rows), axis=-1).reshape(-1, 2)
        away = np.hypot(*(before.inverse(nodes) - now.inverse(nodes)).T)
        return float((away > _REACHED).mean())

    def closely(self, found: Tracked) -> Tracked:
        """What smaller templates find, where it may bend so closely that others can't show it.

        As long as they explain clearly more, they may show more still through what they found.
        """
        for _ in range(_TRIES):
            closer, taken = self.detail(found)
            if found.fit is None or closer.fit is None or not (taken and _bends(closer)):
                return replace(found, levels=_noted(closer.levels, "they show no bend, either"))
            more = closer.telling * _CLEAR >= found.telling
            if not more and closer.fit.error > _CLEAR * found.fit.error:
                return replace(found, levels=_noted(closer.levels, "hardly explains more"))
            found = closer
            if not more:
                break
        return found

    def between(self, coarse: Tracked, found: Tracked) -> Tracked:
        """What more tiles tell, where displacements change between those of the last level.

        Args:
            coarse: what was known before that level.
            found: what its tiles tell.
        """
        if found.fit is None or not self.further or not self._sparse(found, found.fit):
            return found
        more = replace(self, tiles=_MORE * self.tiles)
        if self.settings.max_tiles is not None:
            return replace(found, points=replace(found.points, sparse=True))
        log.info("displacements change between the tiles: more of them")
        good = found.telling >= _AS_GOOD * coarse.telling
        again = more.fine(found if good else replace(coarse, levels=found.levels))
        if again.fit is None or again.fit.error >= found.fit.error:
            return replace(found, levels=again.levels)
        return replace(again, points=replace(again.points, sparse=more._sparse(again, again.fit)))

    def _sparse(self, found: Tracked, fit: Fit) -> bool:
        """Whether displacements change between the tiles, and not all there are were matched."""
        if not _open(fit):
            return False
        few, many = (
            sum(pair.core.width * pair.core.height for pair in run.pairs(found, 1.0))
            for run in (self, replace(self, tiles=_MORE * self.tiles))
        )
        return many >= _WORTH * few

    def pairs(self, before: Tracked, factor: float) -> list[TilePair]:
        """The tiles of a level, through what was found before."""
        transform = self.start.transform if before.fit is None else before.fit.transform
        matcher = self.team.matcher
        return plan_level(self.scene, matcher, self.start, transform, factor, self.tiles)

    def detail(self, found: Tracked) -> tuple[Tracked, bool]:
        """What smaller templates find, if they still tell; and whether they do.

        Where rasters differ a lot, they see too little: then it is what was found before.
        """
        closer = self.level(found, 1.0, "detail")
        if closer.telling >= _AS_GOOD * found.telling > 0:
            return closer, True
        note = f"{closer.telling:.0%} of the places agree, {found.telling:.0%} did before"
        return replace(found, levels=_noted(closer.levels, note)), False

    def level(self, before: Tracked, factor: float, goal: str) -> Tracked:
        """What was found so far, and then on one more level; no fit where that fails."""
        number = len(before.levels) - self.known

        def step(share: float) -> None:
            self.progress(min(1.0, (number + share) * self.share))

        transform = self.start.transform if before.fit is None else before.fit.transform
        pairs = self.pairs(before, factor)
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
            try:
                used, fit = self._fitted(points, transform, factor, goal, before.coarse)
                level = replace(level, model=fit.transform.name, error=fit.error)
                if 1.0 < factor <= RATIO:  # coarser ones aren't exact enough to help
                    blurred = replace(used, sigma=np.maximum(used.sigma, _BLURRED * factor))
                    coarse = some(blurred, fit.inlier)
            except PointsError as error:
                log.info("level %.3g: %s", factor, error)
                level = replace(level, note=str(error))
        return Tracked(points, fit, (*before.levels, level), coarse)

    def _fitted(
        self, points: TiePoints, guess: Transform, factor: float, goal: str, coarse: TiePoints
    ) -> tuple[TiePoints, Fit]:
        """The points of a level that were used, and their fit."""
        fit_some = partial(
            fit_points,
            settings=self.settings,
            unit=factor,
            predicts=goal == "track" and factor > 1.0,
            guess=guess if _bent(guess) else None,
            support=_between(coarse, points) if factor == 1.0 else None,
        )
        if goal != "track":
            return points, fit_some(points)
        used = enough(points, MANY if _bent(guess) else PREDICT)
        fit = fit_some(used)
        if _open(fit, factor):  # few points see less of what bends than more do
            closer = enough(points, MANY)
            if len(closer) > len(used):
                used, fit = closer, fit_some(closer)
        return used, fit


def fit_points(
    points: TiePoints,
    settings: Settings,
    *,
    unit: float = 1.0,
    predicts: bool = False,
    guess: Transform | None = None,
    support: TiePoints | None = None,
    closely: bool = True,
) -> Fit:
    """The best model for the points.

    Args:
        points: of one level.
        settings: for the model that was asked for.
        unit: frame pixels along a pixel of the level.
        predicts: whether the fit is to predict a finer level, and no more.
        guess: what the level before says of displacements that bend.
        support: points of that level which tell, too; the fit isn't judged by them.
        closely: see `fit_transform`.

    Raises:
        PointsError: they agree on nothing, or are too few.
    """
    parts = [points] if support is None or not len(support) else [points, support]
    blocks = _blocks(points, predicts)
    fit_all = partial(
        fit_transform,
        *(np.concatenate([getattr(p, f) for p in parts]) for f in COLUMNS),
        models=models(settings),
        block=max(p.block for p in parts),
        unit=unit,
        guess=guess,
        own=len(points),
        closely=closely,
    )
    fit = fit_all(blocks=blocks)
    if math.isinf(blocks) or not _open(fit, unit) or not _gapless(points):
        return fit
    # What is left out is wider than any gap between points, and tells of nothing but its width.
    closer = fit_all(blocks=math.inf)
    return closer if _bent(closer.transform) and closer.error < _CLEAR * fit.error else fit


def _gapless(points: TiePoints) -> bool:
    """Whether templates were all over what the tiles cover, side by side."""
    if not points.dense or points.tiles is None:
        return False
    low = points.tiles[:, :2].min(axis=0)
    high = (points.tiles[:, :2] + points.tiles[:, 2:]).max(axis=0)
    # Tiles overlap: with gaps between them they have less than the whole.
    return float(points.tiles[:, 2:].prod(axis=1).sum()) >= float(np.prod(high - low))


def _between(coarse: TiePoints, points: TiePoints) -> TiePoints:
    """What a coarser level saw where this one has no tiles: all that tells of bends in between."""
    if points.tiles is None or not len(coarse):
        return no_points()
    half = float(points.tiles[:, 2:].max()) / 2
    middle = points.tiles[:, :2] + points.tiles[:, 2:] / 2
    away = cKDTree(middle).query(coarse.true, p=np.inf)[0]
    return some(coarse, np.flatnonzero(away > half))


def _blocks(points: TiePoints, predicts: bool) -> float:
    """How many blocks to leave out along a side.

    Ten, which tell how a fit does in a gap; but as many as tiles where there are more of them. To
    predict a finer level, what lies between the templates of this one is all that counts.
    """
    if predicts and points.dense:
        return math.inf
    tiles = 0 if points.tiles is None else len(points.tiles)
    return max(BLOCKS, math.floor(math.sqrt(tiles)))
