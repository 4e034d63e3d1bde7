"""Parts of a scene that don't lie where the fit of the rest puts them.

A mosaic's seam, a landslide: the tie points there are outliers of a good fit, whose error at all
the others says nothing of it. By chance single places match best elsewhere, each somewhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# Squares of a template's side that touch each other. Over the development pairs that are aligned,
# at most 2 agree on another displacement.
_LEAST = 3
# A smaller part is told by places that match elsewhere about as plainly as others do where the fit
# puts them, and so agree more closely: such squares of a third of a template's side. Over the same
# pairs, at most 4 of them touch each other.
_THIRD, _CLOSELY, _LEAST_PLAIN = 3, 0.6, 7
# Along a seam templates show both sides, and match less plainly: such squares count, too, where
# most of what doesn't confirm the fit lies in the part, and most of that matches plainly.
_MOSTLY = 0.5
_AGREE, _LOST = 0.6, 0.8  # share of a square's places
_PART = 0.1  # of all squares: fewer that nothing confirms aren't worth a word


@dataclass(frozen=True)
class Part:
    """Some squares of a grid.

    Attributes:
        size: side of a square, frame pixels.
        indices: column and row of each.
        first: least column and row of all squares that were looked at.
        last: largest ones.
        origin: corner of the grid's square (0, 0), frame pixels.
    """

    size: float
    indices: frozenset[tuple[int, int]]
    first: tuple[int, int]
    last: tuple[int, int]
    origin: tuple[float, float] = (0.0, 0.0)

    def hold(self, xy: Array) -> Mask:
        """(N,) which frame pixels lie in one of them; what lies outside of all: in the nearest."""
        square = np.floor((xy - np.array(self.origin)) / self.size).astype(np.int64)
        index = np.clip(square, self.first, self.last)
        return np.array([tuple(i) in self.indices for i in index.tolist()], np.bool_)


@dataclass(frozen=True)
class Astray:
    """A part that doesn't confirm the fit.

    Attributes:
        share: of the squares that were looked at.
        bounds: left, top, right, bottom in frame pixels.
        away: frame pixels (x, y) from where the fit puts it to where it matches best; None if its
            places agree on nothing.
        where: the squares themselves.
    """

    share: float
    bounds: tuple[float, float, float, float]
    away: tuple[float, float] | None
    where: Part

    def zoomed(self, times: float, x: float, y: float) -> Astray:
        """The same part in a frame whose pixels are so many times as fine.

        Args:
            times: how many.
            x: of this frame's origin in that one.
            y: likewise.
        """
        left, top, right, bottom = (times * side for side in self.bounds)
        where = self.where
        origin = (times * where.origin[0] + x, times * where.origin[1] + y)
        return replace(
            self,
            bounds=(left + x, top + y, right + x, bottom + y),
            away=None if self.away is None else (times * self.away[0], times * self.away[1]),
            where=replace(where, size=times * where.size, origin=origin),
        )

    def to_dict(self) -> dict[str, Any]:
        """For reports (JSON)."""
        return {
            "share": round(self.share, 4),
            "bounds_frame_px": [round(v, 1) for v in self.bounds],
            "away_frame_px": None if self.away is None else [round(v, 2) for v in self.away],
        }


def find_astray(
    center: Array, away: Array, size: float, near: float, plain: Mask | None = None
) -> Astray | None:
    """The largest part whose places match best elsewhere, all alike; else that nothing confirms.

    If there is neither, a smaller one that plainly matches elsewhere.

    Args:
        center: (N, 2) frame pixels of the places.
        away: (N, 2) frame pixels from where the fit puts each to where it matches best.
        size: side of the squares that are looked at as one: that of a template.
        near: frame pixels within which two displacements are the same, and no displacement is one.
        plain: (N,) which match elsewhere about as plainly as others do where the fit puts them;
            None if that isn't known.

    Returns:
        None if there is no such part.
    """
    missed = np.hypot(*away.T) > near
    if not missed.any():
        return None
    squares = _Squares(center, size)
    found = _alike(squares, away, missed, near, _LEAST)
    if found is not None:
        return found
    part = squares.part(missed, _LOST)
    if part is not None and part[0] >= max(_LEAST, _PART * squares.count):
        return Astray(part[0] / squares.count, part[1], None, part[2])
    if plain is None or not (missed & plain).any():
        return None
    smaller = _Squares(center, size / _THIRD)
    found = _alike(smaller, away, missed & plain, _CLOSELY * near, _LEAST_PLAIN)
    if found is not None:
        return found
    found = _alike(smaller, away, missed, _CLOSELY * near, _LEAST_PLAIN)
    if found is None:
        return None
    inside = missed & found.where.hold(center)
    mostly = inside.sum() > _MOSTLY * missed.sum() and plain[inside].mean() > _MOSTLY
    return found if mostly else None


def still_astray(part: Astray, center: Array, away: Array, near: float) -> bool:
    """Whether the places of a part don't confirm a fit either that was found on finer pixels.

    Those don't look as far on the ground: where the part lies may be beyond what they see.

    Args:
        part: that is displaced against the fit on coarser pixels, in frame pixels of the finer.
        center: (N, 2) frame pixels of the places.
        away: (N, 2) frame pixels from where the fit puts each to where it matches best.
        near: frame pixels within which no displacement is one.
    """
    inside = part.where.hold(center)
    missed = np.hypot(*away[inside].T) > near
    return bool(missed.any() and missed.mean() >= _AGREE)


def _alike(squares: _Squares, away: Array, which: Mask, near: float, least: int) -> Astray | None:
    """The largest part that matches best at the displacement most of some places agree on.

    Args:
        squares: in which the places lie.
        away: as in `find_astray`.
        which: (N,) places that may tell; one at least.
        near: frame pixels within which two displacements are the same.
        least: squares that such a part must have.
    """
    lost = away[which]
    alike = np.hypot(*(lost[:, None] - lost[None]).transpose(2, 0, 1)) <= near
    common = np.median(lost[alike[alike.sum(axis=1).argmax()]], axis=0)
    found = squares.part(which & (np.hypot(*(away - common).T) <= near), _AGREE)
    if found is None or found[0] < least:
        return None
    x, y = common.tolist()
    return Astray(found[0] / squares.count, found[1], (x, y), found[2])


class _Squares:
    """The squares in which places lie."""

    def __init__(self, center: Array, size: float) -> None:
        index = np.floor(center / size).astype(np.int64)
        self.first, self.size = index.min(axis=0), size
        self.index = index - self.first
        self.places = self._counted(np.ones(len(center), np.bool_))
        self.count = int((self.places > 0).sum())

    def _counted(self, which: Mask) -> npt.NDArray[np.int64]:
        counts = np.zeros(self.index.max(axis=0) + 1, np.int64)
        np.add.at(counts, tuple(self.index[which].T), 1)
        return counts

    def part(
        self, which: Mask, share: float
    ) -> tuple[int, tuple[float, float, float, float], Part] | None:
        """Most squares side by side with such a share of these places: number, bounds, which."""
        full = (self.places > 0) & (self._counted(which) >= share * self.places)
        label, parts = ndimage.label(full, np.ones((3, 3)))
        if not parts:
            return None
        sizes = np.bincount(label[full])
        inside = np.argwhere(label == sizes.argmax()) + self.first
        left, top = (inside.min(axis=0) * self.size).tolist()
        right, bottom = ((inside.max(axis=0) + 1) * self.size).tolist()
        (x, y), (last_x, last_y) = (
            self.first.tolist(),
            (self.index.max(axis=0) + self.first).tolist(),
        )
        indices = frozenset((column, row) for column, row in inside.tolist())
        part = Part(self.size, indices, (x, y), (last_x, last_y))
        return int(sizes.max()), (left, top, right, bottom), part
