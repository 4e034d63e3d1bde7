"""An independent look at an alignment: how alike are the rasters where the fit says they match?

Whatever matcher found the tie points, this look is taken with the structural one, and every
place is judged through a model that was fitted without the tie points around that place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from georeg.judging.astray import Astray, find_astray, still_astray
from georeg.judging.overlaid import Smoothed, look_smoothed
from georeg.matching.protocol import Surfaces
from georeg.matching.team import Team
from georeg.pairing.reading import each_batch
from georeg.pairing.scene import Scene
from georeg.search.locating import Start
from georeg.search.voting import SEPARATE
from georeg.tiling import TilePair, plan
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_TILES = 16  # evenly spread: enough for a share
RADIUS = 12.0  # of the pixels looked at around the prediction among which the best place is sought
HIT = 2.5  # of the pixels looked at from the prediction within which the best place is one
# Times the contrast of most places that don't confirm a fit up to which others are as plain; share
# of the rest that must confirm it, and how many of those that share no pixels there must be.
_PLAIN, _SURE, _LEAST_REST = 1.25, 0.8, 3
_TELLING = 0.6  # share of displacements that must be valid for a template to count
_AS_PLAIN = 0.5  # of how far the places that confirm a fit stand out


@dataclass(frozen=True)
class Check:
    """What was seen.

    Attributes:
        places: templates that were judged.
        independent: about how many of them share no pixels.
        hits: share of them whose best match lies where the left-out model predicts it.
        chance: the share that pure chance would give.
        before: mean structural similarity at the georeference's own claim.
        after: mean structural similarity at the left-out models' prediction.
        astray: a part of the overlap that doesn't confirm the fit; None if there is none.
        plain: share of the places that are plainer than the others and don't confirm the fit, while
            the others do: water, snow; 0 if that isn't why some don't.
        smoothed: where they match best without fine detail; None if that wasn't looked at, because
            the fit moves things, or they were placed by what they show.
        unit: frame pixels along a side of those that were looked at.
    """

    places: int
    independent: float
    hits: float
    chance: float
    before: float
    after: float
    astray: Astray | None = None
    smoothed: Smoothed | None = None
    plain: float = 0.0
    unit: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """For reports (JSON)."""
        return {
            "places": self.places,
            "independent_places": round(self.independent, 1),
            "hits": round(self.hits, 6),
            "hits_by_chance": round(self.chance, 4),
            "similarity_before": round(self.before, 4),
            "similarity_after": round(self.after, 4),
            "astray": None if self.astray is None else self.astray.to_dict(),
            "smoothed": None if self.smoothed is None else asdict(self.smoothed),
        }


def check_alignment(
    scene: Scene,
    judges: Team,
    start: Start,
    transform: Transform,
    left_out: Sequence[Transform | None],
    fold: Any,
    before: Scene | None = None,
    *,
    claimed: bool = True,
    unit: float = 1.0,
    part: Astray | None = None,
) -> Check:
    """Judge a transform at places all over the overlap.

    Args:
        scene: the rasters.
        judges: a matcher that returns surfaces.
        start: for the texture.
        transform: claimed -> true.
        left_out: one model per fold; the transform itself where that is empty.
        fold: (N, 2) frame pixels -> (N,) fold of each; unused if `left_out` is empty.
        before: the scene on the same frame as it was placed at first, if not like `scene`.
        claimed: whether the moving raster lies where its file says, and not where it was found.
        unit: frame pixels along a side of the pixels to look at.
        part: that a look at coarser pixels saw elsewhere, in pixels of this frame.
    """
    pairs = plan(
        scene.frame.grid.shape,
        unit,
        tile=judges.matcher.tile,
        limit=judges.matcher.limit,
        margin=judges.matcher.reach,
        most=_TILES,
        texture=start.texture,
        texture_factor=start.factor,
        to_moving=lambda xy: scene.frame.unclaim(transform.inverse(xy)),
        to_reference=scene.frame.to_reference,
    )
    after = _surfaces(scene, judges, pairs, transform, RADIUS)
    first = _surfaces(before or scene, judges, pairs, None, 2.0)
    similarity_before = _central(first) if first is not None else 0.0
    if after is None:
        return Check(0, 0.0, 0.0, 1.0, similarity_before, 0.0)
    telling = np.isfinite(after.score).mean(axis=(1, 2)) >= _TELLING
    after = after.select(telling)
    if not len(after):
        return Check(0, 0.0, 0.0, 1.0, similarity_before, 0.0)
    offset = _offsets(after.center, transform, left_out, fold)
    side = 2 * after.radius + 1
    score = np.nan_to_num(after.score, nan=-1.0)
    row, column = np.divmod(score.reshape(len(score), -1).argmax(axis=1), side)
    best = (np.stack([column, row], axis=1) - after.radius) * after.step
    distance = np.hypot(*(best - offset).T)
    hit = HIT * unit
    chance = math.pi * hit**2 / (side * after.step) ** 2
    place = np.clip(np.rint(np.nan_to_num(offset, nan=1e6) / after.step), -1e6, 1e6)
    index = place.astype(np.int64) + after.radius
    known = ((index >= 0) & (index < side)).all(axis=1)
    index = np.clip(index, 0, side - 1)
    values = after.score[np.arange(len(after)), index[:, 1], index[:, 0]]
    similarity = float(np.nanmean(np.where(known, values, 0.0)))
    independent = len(np.unique(np.floor(after.center / after.size), axis=0))
    return Check(
        len(after),
        float(independent),
        float((distance <= hit).mean()),
        chance,
        similarity_before,
        similarity,
        _astray(after, best, offset, hit, part),
        look_smoothed(scene, judges, transform, SEPARATE) if claimed else None,
        _plain(after, start, distance <= hit),
        unit,
    )


def _plain(surfaces: Surfaces, start: Start, hits: Mask) -> float:
    """See `Check.plain`.

    Noise on water has about the same contrast all over. What has more is land; if nearly all of
    that confirms the fit, it is the water that doesn't.
    """
    if hits.all():
        return 0.0
    side = max(1, round(surfaces.size / start.factor))
    contrast = cv2.blur(start.texture, (side, side))
    x, y = np.floor(surfaces.center / start.factor).astype(np.int64).T
    rows, columns = contrast.shape
    seen = contrast[np.clip(y, 0, rows - 1), np.clip(x, 0, columns - 1)]
    plain = seen <= _PLAIN * float(np.median(seen[~hits]))
    rest = ~plain
    apart = len(np.unique(np.floor(surfaces.center[rest] / surfaces.size), axis=0))
    if apart < _LEAST_REST or hits[rest].mean() < _SURE:
        return 0.0
    return float(plain.mean())


def _astray(
    surfaces: Surfaces, best: Array, offset: Array, hit: float, known: Astray | None
) -> Astray | None:
    away = best - offset
    finite = np.asarray(np.isfinite(away).all(axis=1))
    some, away = surfaces.select(finite), away[finite]
    plain = _elsewhere(some, best[finite], offset[finite], hit)
    found = find_astray(some.center, away, some.size, hit, plain)
    if known is None or (found is not None and found.away is not None):
        return found
    return known if still_astray(known, some.center, away, hit) else found


def _elsewhere(surfaces: Surfaces, best: Array, offset: Array, near: float) -> Mask | None:
    """(N,) which places, where they match best elsewhere, do so about as plainly as others confirm
    the fit.

    By what a place matches better than where the fit puts it, against half of what others match
    better there than at their next best place. Where it rises to the border of what was looked at,
    that is no place. None if none confirms the fit.
    """
    score = np.nan_to_num(surfaces.score, nan=-1.0)
    steps = (np.arange(2 * surfaces.radius + 1) - surfaces.radius) * surfaces.step
    position = np.stack(np.meshgrid(steps, steps), axis=-1)

    def most(which: Mask) -> Array:
        return np.asarray(np.where(which, score, -1.0).max(axis=(1, 2)), np.float64)

    def distance(xy: Array) -> Array:
        return np.asarray(np.linalg.norm(position - xy[:, None, None], axis=-1))

    hit = np.hypot(*(best - offset).T) <= near
    if not hit.any():
        return None
    peak = score.max(axis=(1, 2))
    lead = float(np.median((peak - most(distance(best) > 2 * near))[hit]))
    inside = np.abs(best).max(axis=1) < steps[-1]
    gain = peak - most(distance(offset) <= near)
    return np.asarray(inside & (gain >= _AS_PLAIN * lead))


def _offsets(
    center: Array, transform: Transform, left_out: Sequence[Transform | None], fold: Any
) -> Array:
    """(N, 2) where the left-out models place what the transform places at `center`, relative."""
    if not left_out:
        return np.zeros_like(center)
    claimed = transform.inverse(center)
    number = fold(center)
    offset = np.full_like(center, np.nan)
    for k, model in enumerate(left_out):
        mine = number == k
        if model is not None and mine.any():
            offset[mine] = model.forward(claimed[mine]) - center[mine]
    return offset


def _surfaces(
    scene: Scene,
    judges: Team,
    pairs: list[TilePair],
    transform: Transform | None,
    radius: float,
) -> Surfaces | None:
    """Surfaces of all tiles, centres in frame pixels."""
    parts = []
    for group, found in each_batch(
        pairs,
        scene.moving_view(transform),
        scene.reference_view(),
        judges,
        radius=radius,
        goal="track",
    ):
        if not isinstance(found, Surfaces):
            continue
        for number, pair in enumerate(group):
            mine = found.select(found.tile == number)
            inside = pair.counts(mine.center)
            lifted = Surfaces(
                mine.tile, pair.lift(mine.center), mine.score,
                mine.step * pair.factor, mine.size * pair.factor,
            )  # fmt: skip
            parts.append(lifted.select(inside))
    parts = [p for p in parts if len(p)]
    return Surfaces.concat(parts) if parts else None


def _central(surfaces: Surfaces) -> float:
    middle = surfaces.score[:, surfaces.radius, surfaces.radius]
    return float(np.nanmean(middle)) if np.isfinite(middle).any() else 0.0
