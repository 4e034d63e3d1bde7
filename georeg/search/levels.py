"""One level of the tracking: which tiles there are, and the tie points that they show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from georeg.matching.protocol import Matcher, Surfaces, TilePoints
from georeg.matching.team import Team
from georeg.neighbours import BLOCK
from georeg.pairing.reading import each_batch
from georeg.pairing.scene import Scene
from georeg.search.locating import Start
from georeg.search.peaks import read_peaks
from georeg.search.thinning import CELL, thinned
from georeg.search.tiepoints import TiePoints, no_points
from georeg.search.voting import vote
from georeg.tiling import SIDE, TilePair, level_factors, plan
from georeg.transforms import Transform

Progress = Callable[[float], None]

USUAL = 320  # pixels a side of the tiles that settings count
_TRACK, _REFINE = 12.0, 6.0  # level pixels searched around the prediction
_NEAR = 6.0  # level pixels around the pooled estimate in which a peak is taken
_COARSE_TILES = 128  # enough for the levels that only predict


def coarse_factors(shape: tuple[int, int]) -> tuple[float, ...]:
    """Of the levels that predict the one that sees every pixel of the frame, from coarse to fine.

    One at least: a scene that is no larger than level 0 is looked at twice in full resolution,
    the second time through what the first one has found.

    Args:
        shape: (rows, columns) of the frame.
    """
    factors = level_factors(shape, SIDE)
    return factors[: max(1, len(factors) - 1)]


def plan_level(
    scene: Scene,
    matcher: Matcher,
    start: Start,
    transform: Transform,
    factor: float,
    tiles: int,
) -> list[TilePair]:
    """The tiles of one level, of 320 pixels at most so many (`tiles`), or as much ground."""
    most = tiles if factor == 1.0 else min(_COARSE_TILES, tiles)
    most = max(1, round(most * min(1.0, (USUAL / matcher.tile) ** 2)))
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
        return no_points()
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
