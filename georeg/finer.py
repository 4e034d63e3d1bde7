"""Whether a pair is worth another look, on finer pixels.

A refused one, because there was too little to see:
Templates are so many pixels wide, whatever a scene shows. Of a small one, or of a coast beside a
masked sea, there may be three or four of them, which is too little to fit or to confirm anything.
On pixels half as wide there are four times as many, and what each of them shows is smaller.

One that is trusted, because finer pixels place it more exactly. Everything is found and judged on
the coarser raster's pixels, on which both show the same. On finer ones there are more and smaller
templates, and what compares them, squares of differences, has twice the detail that a pixel has
room for. That places them two to three times as exactly, and shows bends that larger templates
average away, where one raster's pixels are finer and where none are
(benchmarks/results/resolutions.md).
"""

from __future__ import annotations

from dataclasses import replace

from georeg.fitting import Fit
from georeg.judging.astray import Astray
from georeg.matching.team import Team
from georeg.outcome import Outcome
from georeg.pairing.scene import Scene
from georeg.search.locating import Start
from georeg.search.sampling import agreeing
from georeg.search.tracking import Tracked
from georeg.settings import Settings

_FEW = 12.0  # places that share no pixels, without which a pair is looked at again
_LARGE = 320  # frame pixels a side: what shows so little of more won't show it on finer ones
_FINER = 2.0  # times
# Confidence and share of places that confirm the fit, in sum, and what it takes more where there
# are few of them: a second chance must be clearer than the first one. Of unrelated pairs, 200 each
# of 48, 56 and 72 px, the best had 1.86 on 9 places, 1.86 on 15, and 1.47 on 11 to 36; most related
# ones have 2 and more, and those of 48 px 3.
_CONVINCING, _MORE = 1.5, 8.0
_EQUAL = 1.25  # times as wide are pixels that count as equally wide
_ENLARGED = 4.0  # times that the coarser raster is enlarged at most
_ROOM = 2048**2  # pixels of a scene of which all are looked at; larger ones have places enough
# Share of the smaller templates that must agree with their fit. Of 76 alignments of development
# pairs, compared with those of the same pair without an error put on top, 24 of 36 with more came
# out closer than on the coarser pixels and 3 further apart, of 40 with less 11 and 28.
_MOST = 0.5
# Where so many of the usual templates agree, most of the smaller ones do as a rule. Else a few
# tiles are asked first: of development pairs 0.61 to 1 of their templates match about where they
# are predicted if most tell in the end, 0.38 where a bent scene was predicted by a shift, and 0.10
# to 0.34 where most don't (maps, speckle).
_SURE, _PROMISING = 0.8, 0.35


def finer(outcome: Outcome) -> Settings | None:
    """Settings of another look; None if there was enough to see, or the user chose the pixels."""
    settings, check = outcome.settings, outcome.verdict.check
    if outcome.verdict.ok or settings.working_resolution is not None or not settings.georef:
        return None
    if outcome.points is not None and not outcome.points.dense:
        return None
    grid = outcome.scene.frame.grid
    if max(grid.shape) > _LARGE or (check is not None and check.independent >= _FEW):
        return None
    return replace(settings, working_resolution=grid.transform.a / _FINER)


def convincing(outcome: Outcome) -> bool:
    """Whether what was found on finer pixels is clear enough."""
    verdict = outcome.verdict
    if not verdict.ok or verdict.check is None:
        return False
    found, places = verdict.confidence + verdict.check.hits, max(verdict.check.places, 1)
    return found >= _CONVINCING + _MORE / places


def sharper(outcome: Outcome) -> float | None:
    """How many times as fine are pixels for another look at what is trusted; None without need.

    Those of the finer raster, half as wide where both are as wide, or as near to it as the scene's
    size allows for in steps of two. Only for matchers of templates: what it is worth to others
    wasn't measured, and it takes time.
    """
    settings, frame, points = outcome.settings, outcome.scene.frame, outcome.points
    if settings.working_resolution is not None or settings.max_tiles is not None:
        return None  # so many finer tiles show less ground
    if points is None or not points.dense or outcome.scene.blocky:
        return None  # on finer pixels there is more of blocks of compression, not of the ground
    own = outcome.scene.own_pixel
    if own >= _EQUAL:
        return None  # it is the other look already
    times = min(max(1 / own, _FINER), _ENLARGED)
    rows, columns = frame.grid.shape
    while times >= _EQUAL and rows * columns * times**2 > _ROOM:
        times /= 2
    return times if times >= _EQUAL else None


def telling(tracked: Tracked, own: float) -> bool:
    """Whether templates that are smaller than usual on both rasters still tell where they belong.

    Where most of them don't (maps, whose lines are drawn beside what they stand for; speckle), what
    the rest agrees on may be chance, or something else than what most of the ground shows.

    Args:
        tracked: on the finer pixels.
        own: see `Scene.own_pixel`.
    """
    return own < _EQUAL or tracked.telling >= _MOST


def promising(outcome: Outcome, near: Scene, start: Start, known: Tracked, team: Team) -> bool:
    """Whether smaller templates may be `telling`: matching all of them takes seconds.

    Args:
        outcome: what was found on the coarser pixels.
        near: the scene on the finer ones.
        start: the first estimate there.
        known: what was found, there.
        team: the matcher.
    """
    if near.own_pixel < _EQUAL:
        return True
    if outcome.fit is not None and outcome.points is not None:
        usual = Tracked(outcome.points, outcome.fit, (), outcome.points)
        if usual.telling >= _SURE:
            return True
    return agreeing(near, team, start, known) >= _PROMISING


def as_exact(usual: Fit, smaller: Fit, times: float) -> bool:
    """Whether smaller templates are worth as much as the usual ones, together.

    There are `times` squared as many of them, so each may err `times` as much for a fit that is as
    good. Noise makes them err by more: what little each shows then no longer outweighs it.

    Args:
        usual: of the coarser pixels.
        smaller: of pixels that are so many times as fine.
        times: how many.
    """
    return smaller.error / times <= times * usual.error


def closer(scene: Scene, times: float) -> Scene:
    """The scene on pixels so many times as fine: the reference's own, if they are as wide."""
    if scene.own_pixel * times >= _EQUAL:
        return scene.zoomed(times)
    resolution = scene.frame.grid.transform.a / times
    return scene.with_georef(scene.frame.moving, resolution, scene.max_shift * times)


def part_elsewhere(outcome: Outcome, near: Scene) -> Astray | None:
    """A part that lies elsewhere, in pixels of the finer scene: there it may be out of sight."""
    check = outcome.verdict.check
    part = None if check is None else check.astray
    if part is None or part.away is None:
        return None
    step = ~near.frame.grid.transform @ outcome.scene.frame.grid.transform
    return part.zoomed(step.a, step.c, step.f)
