"""Pooling the evidence of many templates that alone can't decide.

Each template's similarity surface becomes a log-likelihood over displacements that knows that
the template may be wrong altogether: a flat or many-peaked surface then says little, not
something false. A hypothesis about the whole scene (rotation, scale, shift) is worth the sum of
what all templates say at the displacements that it predicts; the maximum is the estimate, and its
lead over the best separate shift is the confidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from georeg.matching.protocol import Surfaces

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_SHARPNESS = 1.2  # weight of one standard deviation of a surface
_OUTLIERS = 0.3  # prior share of templates that are plainly wrong
_NOTHING = math.log(_OUTLIERS)  # what a template says of displacements where it has no data
_MAX_TEMPLATES = 256  # more of them add time, not evidence
_NUMBERS, _TEMPLATES = 12_000_000, 64  # of all surfaces at most, but so many templates at least
_AT_ONCE = 250_000  # numbers that are worked on at a time, so that they stay in the cache
CHANCE = 0.3  # margin (lead per template) that chance reaches
_ALIKE = 9.0  # steps of the filter below that are one number rather than several
_WANDER = 1.5  # rounds move on from the best of the one before: at most by so much of its range
SEPARATE = 8.0  # pixels, and never less than two steps, that make a second maximum separate


@dataclass(frozen=True)
class Vote:
    """A similarity about `pivot`, in pixels of the surfaces' own scene.

    Attributes:
        rotation: degrees, from x towards y.
        scale: factor.
        shift: pixels (x, y).
        pivot: fixed point of rotation and scale.
        score: mean log-likelihood ratio per template against pure chance.
        margin: lead of `score` over that of the best separate shift, both among all templates and
            among those that see what lies there.
        support: number of templates.
        limited: whether it leads only because other shifts aren't possible.
    """

    rotation: float
    scale: float
    shift: tuple[float, float]
    pivot: tuple[float, float]
    score: float
    margin: float
    support: int
    limited: bool = False

    def matrix(self) -> Array:
        """(3, 3) moving -> reference."""
        angle = math.radians(self.rotation)
        c, s = self.scale * math.cos(angle), self.scale * math.sin(angle)
        x, y = self.pivot
        dx, dy = self.shift
        return np.array(
            [[c, -s, x + dx - c * x + s * y], [s, c, y + dy - s * x - c * y], [0.0, 0.0, 1.0]]
        )


def log_likelihood(score: Image) -> Image:
    """(K, W, W) similarities -> log-likelihood ratios against chance, with room for outliers."""
    out = np.empty(score.shape, np.float32)
    step = max(1, _AT_ONCE // max(1, score[0].size)) if len(score) else 1
    for first in range(0, len(score), step):
        out[first : first + step] = _log_likelihood(score[first : first + step])
    return out


def _log_likelihood(score: Image) -> Image:
    flat = score.reshape(len(score), -1)
    valid = np.isfinite(flat)
    count = np.maximum(valid.sum(axis=1, keepdims=True), 1)
    clean = np.where(valid, flat, 0)
    mean = clean.sum(axis=1, keepdims=True) / count
    spread = np.sqrt((np.where(valid, flat - mean, 0) ** 2).sum(axis=1, keepdims=True) / count)
    exponent = np.where(valid, (flat - mean) / (spread + 1e-6) * _SHARPNESS, -np.inf)
    exponent -= exponent.max(axis=1, keepdims=True, initial=-1e9)
    odds = np.exp(exponent)
    odds *= count / np.maximum(odds.sum(axis=1, keepdims=True), 1e-30)
    out = np.log(_OUTLIERS + (1 - _OUTLIERS) * odds)
    return np.asarray(out.reshape(score.shape), dtype=np.float32)


def vote(
    surfaces: Surfaces,
    pivot: tuple[float, float],
    *,
    rotation: float,
    scale: float,
    steps: int = 9,
    within: tuple[float, float, float] | None = None,
) -> Vote | None:
    """The best similarity, searched from coarse to fine over rotation and scale.

    Args:
        surfaces: of one scene; centres in its pixels.
        pivot: fixed point of the similarity, best the scene's middle.
        rotation: degrees to search on either side of none.
        scale: largest relative change of scale to search on either side of none.
        steps: hypotheses along rotation and along scale in the first round.
        within: x, y and radius in pixels of what a shift can be at all; anything if None. A repeat
            beyond is no rival then, unless it is better by more than chance: then it is the one.
            What chance reaches anywhere still is one: among a few shifts some place always leads.

    Returns:
        None if there are no surfaces.
    """
    if not len(surfaces):
        return None
    most = min(_MAX_TEMPLATES, max(_TEMPLATES, _NUMBERS // surfaces.score[0].size))
    if len(surfaces) > most:
        surfaces = surfaces.select(np.linspace(0, len(surfaces) - 1, most).round().astype(np.int64))
    pool = _Pool(surfaces, pivot, _WANDER * (math.radians(rotation) + scale))
    best = _searched(pool, rotation, scale, steps)
    possible = None if within is None else pool.possible(*within)
    if possible is not None and not possible[best.place]:
        inside = _searched(pool, rotation, scale, steps, possible)
        if best.score - inside.score <= CHANCE * len(surfaces):
            best = inside
        else:
            possible = None
    total = pool.sum(best.rotation, best.scale)
    radius = surfaces.radius
    y, x = best.place
    guard = max(2, round(SEPARATE / surfaces.step))
    # Templates that look beyond the data speak against large shifts, though they know nothing.
    seeing = pool.seen(total, best)
    lead = min(_lead(of, y, x, guard, possible) for of in (total, seeing))
    free = min(_lead(of, y, x, guard) for of in (total, seeing))
    dx, dy = _sub_step(total, y, x)
    return Vote(
        best.rotation,
        best.scale,
        ((x + dx - radius) * surfaces.step, (y + dy - radius) * surfaces.step),
        pivot,
        best.score / len(surfaces),
        max(0.0, lead) / len(surfaces),
        len(surfaces),
        free <= CHANCE * len(surfaces) < lead,
    )


def _searched(
    pool: _Pool, rotation: float, scale: float, steps: int, possible: Mask | None = None
) -> _Hypothesis:
    """The best of the possible shifts, from coarse to fine over rotation and scale."""
    best = _Hypothesis(0.0, 1.0, *pool.at(0.0, 1.0, possible))
    span_r, span_s, n = rotation, scale, steps
    while True:
        angles = best.rotation + np.linspace(-span_r, span_r, n if span_r > 0 else 1)
        scales = best.scale + np.linspace(-span_s, span_s, n if span_s > 0 else 1)
        for angle in angles:
            for factor in scales:
                score, place = pool.at(float(angle), float(factor), possible)
                if score > best.score:
                    best = _Hypothesis(float(angle), float(factor), score, place)
        span_r, span_s, n = span_r / (n - 1), span_s / (n - 1), 5
        # Finer than half a step at the scene's edge there is nothing to be seen.
        if max(math.radians(span_r), span_s) * pool.extent < 0.5 * pool.step:
            return best


def climb(surfaces: Surfaces, pivot: tuple[float, float], start: Array) -> Array:
    """The affine that pooled evidence is best for, uphill from a start: blurred first, then sharp.

    Sheared and unevenly scaled scenes (oblique views, shrunken paper) are half a template off
    under the best similarity.

    Args:
        surfaces: of one scene; centres in its pixels.
        pivot: about which the affine is varied.
        start: (3, 3) moving -> reference.

    Returns:
        (3, 3) moving -> reference.
    """
    relative = surfaces.center - np.asarray(pivot)
    extent = max(1.0, float(np.abs(relative).max()))
    design = np.column_stack([relative / extent, np.ones(len(relative))])
    target = surfaces.center @ (start[:2, :2].T - np.eye(2)) + start[:2, 2]
    # (3, 2): displacement in steps by place
    found = np.linalg.lstsq(design, target / surfaces.step, rcond=None)[0]
    likely = log_likelihood(surfaces.score)
    for sigma, first in ((2.0, 3.0), (1.0, 1.5)):
        soft = np.stack([cv2.GaussianBlur(s, (0, 0), sigma) for s in likely])
        found = _uphill(soft, design, found, first, surfaces.radius)
    linear = found[:2].T * surfaces.step / extent + np.eye(2)
    out = np.eye(3)
    out[:2, :2] = linear
    out[:2, 2] = np.asarray(pivot) - linear @ pivot + found[2] * surfaces.step
    return out


def _uphill(
    soft: Image, design: Array, start: Array, first: float, radius: int, last: float = 0.2
) -> Array:
    """Pattern search (Hooke and Jeeves, J. ACM 8(2), 1961) over the six parameters."""
    which = np.arange(len(soft))

    def score(parameters: Array) -> float:
        place = design @ parameters + radius
        low = np.clip(np.floor(place).astype(np.int64), 0, 2 * radius - 1)
        x, y = np.clip(place - low, 0.0, 1.0).T
        i, j = low.T
        upper = soft[which, j, i] * (1 - x) + soft[which, j, i + 1] * x
        lower = soft[which, j + 1, i] * (1 - x) + soft[which, j + 1, i + 1] * x
        return float((upper * (1 - y) + lower * y).sum())

    best, height, step = start, score(start), first
    while step >= last:
        before = height
        for place in np.ndindex(best.shape):
            for sign in (1.0, -1.0):
                tried = best.copy()
                tried[place] += sign * step
                reached = score(tried)
                if reached > height:
                    best, height = tried, reached
                    break
        if height <= before:
            step /= 2
    return best


@dataclass(frozen=True)
class _Hypothesis:
    rotation: float
    scale: float
    score: float
    place: tuple[int, int]


class _Pool:
    """The log-likelihoods, ready to be summed under any rotation and scale."""

    def __init__(self, surfaces: Surfaces, pivot: tuple[float, float], most: float) -> None:
        """`most`: displacement by rotation and scale, by distance from the pivot."""
        self.radius = surfaces.radius
        self.step = surfaces.step
        self.relative = surfaces.center - np.asarray(pivot)
        self.extent = float(np.abs(self.relative).max(initial=1.0))
        smooth = _smooth(log_likelihood(surfaces.score))
        # Hypotheses move templates by no more than this; nothing is known beyond the windows.
        self.most = min(self.radius, math.ceil(most * math.sqrt(2) * self.extent / self.step) + 1)
        pad = self.most
        around = ((0, 0), (pad, pad), (pad, pad))
        self.padded = np.pad(smooth, around, constant_values=_NOTHING)
        self.valid = np.pad(np.isfinite(surfaces.score), around)

    def possible(self, x: float, y: float, radius: float) -> Mask:
        """(2 R + 1, 2 R + 1) shifts that lie within a radius (pixels), the nearest one at least."""
        at = (np.arange(2 * self.radius + 1) - self.radius) * self.step
        apart = np.hypot(at[None, :] - x, at[:, None] - y)
        return np.asarray(apart <= max(radius + self.step, float(apart.min())))

    def sum(self, rotation: float, scale: float) -> Image:
        """(2 R + 1, 2 R + 1) total over all templates, by shift."""
        return self._summed(self.padded, rotation, scale)

    def seen(self, total: Image, best: _Hypothesis) -> Image:
        """The total as if all templates saw what those see that have data there.

        Where less than half have, and fewer than at the best place, it is left as it is.
        """
        count = self._summed(self.valid, best.rotation, best.scale)
        all_of = len(self.valid)
        mean = (total - np.float32(_NOTHING) * (all_of - count)) / np.maximum(count, 1)
        return np.where(count >= min(all_of / 2, count[best.place]), mean * all_of, total)

    def _summed(self, of: Image | Mask, rotation: float, scale: float) -> Image:
        angle = math.radians(rotation)
        c, s = scale * math.cos(angle) - 1, scale * math.sin(angle)
        x, y = self.relative.T
        offset = np.stack([c * x - s * y, s * x + c * y], axis=1) / self.step
        x, y = np.clip(np.rint(offset), -self.most, self.most).astype(np.int64).T + self.most
        width, stride = 2 * self.radius + 1, of.shape[-1]
        # Windows from their first number to their last one, in one piece: what lies between their
        # rows falls on columns that nobody asks for. That takes half as long as row by row.
        total = np.zeros((width, stride), np.float32)
        length = total.size - (stride - width)
        flat = total.reshape(-1)[:length]
        surfaces: npt.NDArray[Any] = of.reshape(len(of), -1)
        for surface, start in zip(surfaces, (y * stride + x).tolist(), strict=True):
            flat += surface[start : start + length]
        return total[:, :width]

    def at(
        self, rotation: float, scale: float, possible: Mask | None = None
    ) -> tuple[float, tuple[int, int]]:
        """The total and the place (row, column) of the best possible shift."""
        total = self.sum(rotation, scale)
        if possible is not None:
            total = np.where(possible, total, np.float32(-np.inf))
        place = divmod(int(total.argmax()), total.shape[1])
        return float(total[place]), place


def _lead(total: Image, y: int, x: int, guard: int, possible: Mask | None = None) -> float:
    """By how much a place (row, column) surpasses all possible ones that aren't next to it.

    If not all are possible it must surpass what the largest of as many would be by chance, too.
    """
    rest = total.copy()
    if possible is not None:
        rest[~possible] = _by_chance(total)
    rest[max(0, y - guard) : y + guard + 1, max(0, x - guard) : x + guard + 1] = -np.inf
    second = rest.max() if np.isfinite(rest).any() else total.min()
    return float(total[y, x] - second)


def _by_chance(total: Image) -> float:
    """About the largest of so many normal numbers as vary like most of these."""
    middle = float(np.median(total))
    spread = 1.4826 * float(np.median(np.abs(total - middle)))
    return middle + spread * math.sqrt(2 * math.log(max(total.size / _ALIKE, 2.0)))


def _smooth(x: Image) -> Image:
    """Binomial 3 x 3 filter: a rotated hypothesis is rounded to whole steps per template."""
    for axis in (1, 2):
        padded = np.pad(x, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        turned = np.moveaxis(padded, axis, 0)
        both = np.moveaxis(turned[:-2] + turned[2:], 0, axis)
        x = 0.5 * x + 0.25 * both
    return x


def _sub_step(total: Image, y: int, x: int) -> tuple[float, float]:
    """Where between the steps the maximum lies, by a parabola along each axis."""

    def vertex(before: float, here: float, after: float) -> float:
        bend = before - 2 * here + after
        return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0

    rows, columns = total.shape
    dx = vertex(*total[y, x - 1 : x + 2].tolist()) if 0 < x < columns - 1 else 0.0
    dy = vertex(*total[y - 1 : y + 2, x].tolist()) if 0 < y < rows - 1 else 0.0
    return dx, dy
