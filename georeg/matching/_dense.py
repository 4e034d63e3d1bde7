"""What matchers share that compare dense features: templates, correlation, the way back.

A matcher of this kind says what a place looks like (`features`, `phases`); here tiles are cut into
templates and compared with every place within reach, as multi-channel correlation by FFT (Dubout
and Fleuret, ECCV 2012; Henriques et al., IEEE TPAMI 37(3), 2015) with masked normalisation (see
correlation.py), forward and backward (Kalal et al., ICPR 2010). Where single templates can't
decide, the engine pools their surfaces (see georeg/search/voting.py).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.matching.cells import STRIDE
from georeg.matching.correlation import BlockSums, correlate_blocks, correlate_scene
from georeg.matching.gaps import all_over, closed
from georeg.matching.protocol import Device, Image, Mask, Surfaces, TileBatch

_MIN_SHARE = 0.35  # of a template's cells that must be valid on both sides
_LEAST_PIXELS = 800  # of them, where gaps run through it: as the smallest templates need
_HIDDEN = 0.5  # of the templates, by such gaps
_GAP = 16  # cells that gaps may be wide
_MIN_DISPLACEMENTS = 0.2  # share of the search window in which that must hold
_BUDGET = 250_000  # numbers of each sum that are made a correlation at a time
_KEPT = 64_000_000  # numbers that the surfaces of a scene may have, about
_ENOUGH_DISPLACEMENTS = 100  # or so many of them: of a large window, land may be a small part
_CROWDED = 300  # pixels a side: such scenes, and tiles of larger ones, have room for many

Features = tuple[Tensor, Tensor]
"""(B, C, h, w) features by cell, 0 where invalid, and the (B, h, w) float mask of valid cells."""


@dataclass(frozen=True)
class _Plan:
    """How a scene is cut into templates: cells of `unit` px, blocks of cells, blocks a side."""

    unit: int
    block: int
    size: int


def _plan(batch: TileBatch) -> _Plan:
    """Templates large enough to decide and small enough to be many, by the scene's extent.

    Tiles of one level must get the same templates whatever they are batched with, so only the
    single image of 'locate' is asked how much of it is valid.
    """
    area = math.prod(batch.moving.shape[1:])
    if batch.goal == "locate":
        area = int((batch.moving_mask & batch.reference_mask).sum()) // max(len(batch), 1)
    side = math.sqrt(area)
    if batch.many:
        side = max(side, _CROWDED)
    if batch.goal == "detail":
        if side >= _CROWDED:
            return _Plan(STRIDE, 32 // STRIDE, 2)
        return _Plan(STRIDE, 16 // STRIDE, 4 if side >= 200 else 3)
    wide = batch.goal == "locate" and (side >= 400 or batch.radius > 90)
    unit = 2 * STRIDE if wide else STRIDE
    if side >= 400 and batch.goal == "locate":
        return _Plan(unit, 64 // unit, 2)
    if side >= 200:
        return _Plan(unit, 32 // unit, 3)
    if wide:
        return _Plan(unit, 32 // unit, 2)
    return _Plan(unit, 16 // unit, 4)


class DenseMatcher(ABC):
    """Base of the matchers here: surfaces of overlapping templates."""

    layouts: ClassVar[tuple[str, ...]] = ()
    tile: ClassVar[int] = 320
    small: ClassVar[int] = 192
    reach: ClassVar[int] = 32
    limit: ClassVar[int] = 704
    scene: ClassVar[int] = 1024
    side_by_side: ClassVar[bool] = True
    reliability: tuple[float, ...] | None = None  # see `Surfaces`

    def __init__(self, device: Device | None, check: bool) -> None:
        """Set where to compute.

        Args:
            device: the CPU if None.
            check: also look from the reference back into the moving tile (not for 'locate').
        """
        self.device = torch.device((device or Device()).name)
        self.check = check

    @abstractmethod
    def features(self, images: Tensor, masks: Tensor) -> Features:
        """Of cells that touch each other.

        Args:
            images: (B, H, W) in [0, 1].
            masks: (B, H, W) bool, True where valid.
        """

    @abstractmethod
    def phases(self, images: Tensor, masks: Tensor) -> list[Features]:
        """Features of the cells that touch each other from pixel (0, 0), (0, 1), (1, 0), (1, 1)
        (row, column) on: the first ones are those of `features`.
        """  # fmt: skip

    def scene_features(self, images: Tensor, masks: Tensor) -> Features:
        """The same for 'locate', where the resolution is anything."""
        return self.features(images, masks)

    @torch.inference_mode()
    def match(self, batch: TileBatch) -> Surfaces:
        """Surfaces of overlapping templates, 96 px wide but for small and for large scenes.

        Those of 'detail' are 64 px wide: the mean over a template takes a sixth off waves of
        three times its width.
        """
        plan = _plan(batch)
        one = self._put(batch.moving, batch.moving_mask, plan)
        if batch.goal in ("refine", "detail"):
            two = self._put(batch.reference, batch.reference_mask, plan)
            return self._refine(one, two, batch.radius, plan)
        moving, reference = self._cells(*one, batch.goal, plan), self._reference(batch, plan)
        radius = max(1, math.ceil(batch.radius / plan.unit))
        least = _least_share(moving[1], reference[1], plan)
        if batch.goal == "locate":
            return self._located(moving, reference, radius, plan, least)
        (sums,) = correlate_blocks(*moving, [reference], plan.block, radius)
        back = _look_back(moving, reference, batch.radius, plan) if self.check else None
        return self._surfaces([(sums, 0, 0)], plan, float(plan.unit), back, least)

    def _located(
        self, moving: Features, reference: Features, radius: int, plan: _Plan, share: Tensor
    ) -> Surfaces:
        """Of all templates of a scene; of some only where all would take too much memory."""
        shown = int((F.max_pool2d(moving[1], plan.block) > 0).sum())
        each = max(1, math.ceil(shown * (2 * radius + 1) ** 2 / _KEPT))
        parts = []
        for first, sums in correlate_scene(moving, reference, plan.block, plan.size, radius):
            found = self._surfaces([(sums, 0, 0)], plan, float(plan.unit), None, share)
            corner = np.array(first[::-1], np.float64) * plan.block * plan.unit
            parts.append(found.moved(corner).select(np.arange(0, len(found), each)))
        return Surfaces.concat(parts)

    def _cells(self, images: Tensor, masks: Tensor, goal: str, plan: _Plan) -> Features:
        """Features of cells of `plan.unit` px."""
        found = (self.scene_features if goal == "locate" else self.features)(images, masks)
        return _halve(*found) if plan.unit > STRIDE else found

    def _reference(self, batch: TileBatch, plan: _Plan) -> Features:
        """Those of the reference, kept where one scene after the other is compared with it.

        Only the last ones, and not on a GPU, where each batch has a stream of its own.
        """
        kept = batch.kept if self.device.type == "cpu" else None
        found: Features | None = None if kept is None else kept.get(plan)
        if found is None:
            two = self._put(batch.reference, batch.reference_mask, plan)
            found = self._cells(*two, batch.goal, plan)
            if kept is not None:
                kept.clear()
                kept[plan] = found
        return found

    def _refine(self, one: Features, two: Features, radius: float, plan: _Plan) -> Surfaces:
        """Every pixel of displacement from features at every other pixel.

        The moving features are compared with reference features of all four phases of the grid
        of cells: displacements on the 2 px grid alone would pull sub-pixel peaks to it.
        """
        moving, phases = self.features(*one), self.phases(*two)
        cells = max(1, math.ceil((radius + 1) / STRIDE))
        sums = correlate_blocks(*moving, phases, plan.block, cells)
        back = _look_back(moving, phases[0], radius, plan) if self.check else None
        places = [(y, x) for y in range(STRIDE) for x in range(STRIDE)]
        least = _least_share(moving[1], phases[0][1], plan)
        return self._surfaces(
            [(s, y, x) for s, (y, x) in zip(sums, places, strict=True)], plan, 1.0, back, least
        )

    def _surfaces(
        self,
        phases: list[tuple[BlockSums, int, int]],
        plan: _Plan,
        step: float,
        back: BlockSums | None,
        share: Tensor,
    ) -> Surfaces:
        """Interleave the phases' correlations and keep the templates that can tell something."""
        score = _interleaved([(_correlation(sums, plan, share), y, x) for sums, y, x in phases])
        least = min(_ENOUGH_DISPLACEMENTS, _MIN_DISPLACEMENTS * score.shape[-1] ** 2)
        keep = score.isfinite().sum((-1, -2)) >= least
        index = keep.nonzero().cpu().numpy()
        side = plan.block * plan.unit
        structure = _structure(phases[0][0], plan)[keep]
        return Surfaces(
            index[:, 0],
            (index[:, [2, 1]] + plan.size / 2) * side,
            score[keep].cpu().numpy(),
            step,
            float(plan.size * side),
            None if back is None else _correlation(back, plan, share)[keep].cpu().numpy(),
            0.0 if back is None else 2.0 * plan.unit,
            structure.cpu().numpy().astype(np.float64),
            self.reliability,
        )

    def _put(self, images: Image, masks: Mask, plan: _Plan) -> Features:
        """On the device, and not smaller than one template."""
        least = plan.size * plan.block * plan.unit
        pad = (0, max(0, least - images.shape[2]), 0, max(0, least - images.shape[1]))
        image = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        mask = torch.from_numpy(np.ascontiguousarray(masks)).to(self.device)
        return (F.pad(image, pad), F.pad(mask, pad)) if any(pad) else (image, mask)


def split_phases(features: Tensor, mask: Tensor) -> list[Features]:
    """Of overlapping cells those that touch each other, from each pixel of the first one on."""
    places = [(y, x) for y in range(STRIDE) for x in range(STRIDE)]
    return [(features[..., y::STRIDE, x::STRIDE], mask[..., y::STRIDE, x::STRIDE])
            for y, x in places]  # fmt: skip


def _halve(features: Tensor, mask: Tensor) -> Features:
    """Means of four cells, of which three must be valid, or two between gaps all over."""
    least = torch.where(all_over(mask, closed(mask, _GAP)), 0.5, 0.75)[:, None, None]
    coarse = (_of_four(mask) >= least).to(features.dtype)
    return _of_four(features) * coarse[:, None], coarse


def _of_four(x: Tensor) -> Tensor:
    """(..., h, w) -> (..., h // 2, w // 2) means of 2 x 2 cells, as pooling has them."""
    rows, columns = x.shape[-2] // 2 * 2, x.shape[-1] // 2 * 2
    x = x[..., :rows, :columns]
    upper, lower = x[..., ::2, :], x[..., 1::2, :]
    total = upper[..., ::2] + upper[..., 1::2]
    return total.add_(lower[..., ::2]).add_(lower[..., 1::2]).mul_(0.25)


def _look_back(moving: Features, reference: Features, radius: float, plan: _Plan) -> BlockSums:
    """The reference's blocks in the moving tile, in half the resolution.

    That finds as many wrong matches as the full one and costs a fifth.
    """
    cells = math.ceil(radius / plan.unit / 2) + 1
    (sums,) = correlate_blocks(*_halve(*reference), [_halve(*moving)], plan.block // 2, cells)
    return sums


def _interleaved(parts: list[tuple[Tensor, int, int]]) -> Tensor:
    """(B, rows, columns, W, W): correlations at every cell, or at every pixel from four phases."""
    if len(parts) == 1:
        return parts[0][0]
    first = parts[0][0]
    width = STRIDE * first.shape[-1]
    score = first.new_empty((*first.shape[:3], width, width))
    for part, y, x in parts:
        score[..., y::STRIDE, x::STRIDE] = part
    # R cells of 2 px and the odd phases reach from -2 R to 2 R + 1 px: make it symmetric.
    return score[..., : width - 1, : width - 1]


def _structure(sums: BlockSums, plan: _Plan) -> Tensor:
    """(B, rows, columns, 2) logarithms of the mean energy of features, see `Surfaces.structure`."""
    area = float((plan.size * plan.block) ** 2)
    there = sums.at_rest().pooled(plan.size)
    both = torch.cat([there.moving_energy, there.reference_energy], -1)[..., 0, :]
    ordered = both.sort(-1).values
    return torch.log(ordered.clamp(min=0) / area + 1e-3)


def _least_share(moving: Tensor, reference: Tensor, plan: _Plan) -> Tensor:
    """(B, 1, 1, 1, 1) share of a template's cells that must be valid on both sides.

    Of what lies inside both rasters: gaps that are narrow against a template (scan lines that
    failed, small clouds) leave it what lies on all sides of them, and its middle where it is. Only
    where they hide most of the templates, though: along a coast beside a masked sea those that
    show more of it are better without the others.

    Args:
        moving: (B, h, w) mask of valid cells.
        reference: likewise.
        plan: of the templates.
    """
    side = plan.size * plan.block
    filled = [closed(mask, side // 2) for mask in (moving, reference)]
    one, other = (
        m.sum((1, 2)) / f.sum((1, 2)).clamp(min=1)
        for m, f in zip((moving, reference), filled, strict=True)
    )
    least = min(_MIN_SHARE, _LEAST_PIXELS / (side * plan.unit) ** 2)
    share = (_MIN_SHARE * one * other).clamp(min=least)
    # Displaced, gaps of one side may lie beside those of the other one, or on them.
    both, inside = (
        F.avg_pool2d((m * r)[:, None], side, plan.block) for m, r in ((moving, reference), filled)
    )
    worst, best = (one + other - 1).clamp(min=0), torch.minimum(one, other)
    full = torch.minimum(both, worst[:, None, None, None] * inside) >= _MIN_SHARE
    any_ = torch.maximum(both, best[:, None, None, None] * inside) >= share[:, None, None, None]
    hidden = full.sum((1, 2, 3)) < _HIDDEN * any_.sum((1, 2, 3))
    share = torch.where(hidden, share, torch.full_like(share, _MIN_SHARE))
    return share[:, None, None, None, None]


def _correlation(sums: BlockSums, plan: _Plan, share: Tensor) -> Tensor:
    """(B, rows, columns, 2 R + 1, 2 R + 1) of templates, NaN where too little of one is valid."""
    batch, rows, columns, width, _ = sums.product.shape
    out = sums.product.new_empty(
        (batch, rows - plan.size + 1, columns - plan.size + 1, width, width)
    )
    # A few rows at a time: what lies between needs not leave the cache.
    step = max(1, _BUDGET // max(1, batch * columns * width**2))
    for first in range(0, out.shape[1], step):
        count = min(step, out.shape[1] - first)
        few = sums.rows(first, count + plan.size - 1).pooled(plan.size)
        score, valid = few.correlation(plan.size, share)
        out[:, first : first + count] = score.masked_fill_(~valid, torch.nan)
    return out
