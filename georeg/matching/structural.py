"""The built-in cross-modal matcher: self-similarity features, correlated densely. No weights.

Methods and their sources: MIND/SSC features (see mind.py), masked normalised correlation by FFT
(see correlation.py). Where single templates can't decide, the engine pools their surfaces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.matching.correlation import BlockSums, correlate_blocks
from georeg.matching.mind import STRIDE, mind_features
from georeg.matching.protocol import Device, Image, Mask, Surfaces, TileBatch

_MIN_SHARE = 0.35  # of a template's cells that must be valid on both sides
_MIN_DISPLACEMENTS = 0.2  # share of the search window in which that must hold


@dataclass(frozen=True)
class _Plan:
    """How a scene is cut into templates: cells of `unit` px, blocks of cells, blocks a side."""

    unit: int
    block: int
    size: int


def _plan(batch: TileBatch) -> _Plan:
    """Templates large enough to decide and small enough to be many, by the scene's extent."""
    side = math.sqrt((batch.moving_mask & batch.reference_mask).sum() / len(batch))
    wide = batch.goal == "locate" and (side >= 400 or batch.radius > 90)
    unit = 2 * STRIDE if wide else STRIDE
    if side >= 400 and batch.goal == "locate":
        return _Plan(unit, 64 // unit, 2)
    if side >= 200:
        return _Plan(unit, 32 // unit, 3)
    return _Plan(unit, 16 // unit, 4)


class StructuralMatcher:
    """Dense structural correlation in torch, on CPU or GPU."""

    name: ClassVar[str] = "structural"
    tile: ClassVar[int] = 320
    reach: ClassVar[int] = 52

    def __init__(self, device: Device | None = None) -> None:
        """Set where to compute."""
        self.device = torch.device((device or Device()).name)

    @torch.inference_mode()
    def match(self, batch: TileBatch) -> Surfaces:
        """Surfaces of overlapping templates, 96 px wide but for small and for large scenes."""
        one, one_mask = self._put(batch.moving, batch.moving_mask)
        two, two_mask = self._put(batch.reference, batch.reference_mask)
        plan = _plan(batch)
        if batch.goal == "refine":
            return self._refine(one, one_mask, two, two_mask, batch.radius, plan)
        moving = mind_features(one, one_mask)
        reference = mind_features(two, two_mask)
        if plan.unit > STRIDE:
            moving, reference = _halve(*moving), _halve(*reference)
        radius = max(1, math.ceil(batch.radius / plan.unit))
        sums = correlate_blocks(*moving, *reference, plan.block, radius)
        return _surfaces([(sums, 0, 0)], plan, float(plan.unit))

    def _refine(
        self,
        one: Tensor,
        one_mask: Tensor,
        two: Tensor,
        two_mask: Tensor,
        radius: float,
        plan: _Plan,
    ) -> Surfaces:
        """Every pixel of displacement from features at every other pixel.

        The moving features are compared with reference features of all four phases of the grid
        of cells: displacements on the 2 px grid alone would pull sub-pixel peaks to it.
        """
        moving = mind_features(one, one_mask)
        cells = max(1, math.ceil((radius + 1) / STRIDE))
        phases = []
        for y in range(STRIDE):
            for x in range(STRIDE):
                pad = (0, x, 0, y)
                shifted = F.pad(two[:, None], pad, mode="replicate")[:, 0, y:, x:]
                mask = F.pad(two_mask, pad)[:, y:, x:]
                reference = mind_features(shifted, mask)
                phases.append((correlate_blocks(*moving, *reference, plan.block, cells), y, x))
        return _surfaces(phases, plan, 1.0)

    def _put(self, images: Image, masks: Mask) -> tuple[Tensor, Tensor]:
        return (
            torch.from_numpy(np.ascontiguousarray(images)).to(self.device),
            torch.from_numpy(np.ascontiguousarray(masks)).to(self.device),
        )


def _halve(features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    coarse = (F.avg_pool2d(mask[:, None], 2)[:, 0] > 0.5).to(features.dtype)
    return F.avg_pool2d(features, 2) * coarse[:, None], coarse


def _surfaces(phases: list[tuple[BlockSums, int, int]], plan: _Plan, step: float) -> Surfaces:
    """Interleave the phases' correlations and keep the templates that can tell something."""
    stride = 1 if len(phases) == 1 else STRIDE
    parts = [
        (sums.pooled(plan.size).correlation(plan.size, _MIN_SHARE), y, x) for sums, y, x in phases
    ]
    first = parts[0][0][0]
    width = stride * first.shape[-1]
    score = first.new_full((*first.shape[:3], width, width), float("nan"))
    for (part, valid), y, x in parts:
        score[..., y::stride, x::stride] = torch.where(valid, part, score.new_tensor(torch.nan))
    # R cells of 2 px and the odd phases reach from -2 R to 2 R + 1 px: make it symmetric.
    score = score[..., : width - stride + 1, : width - stride + 1]
    keep = score.isfinite().float().mean((-1, -2)) >= _MIN_DISPLACEMENTS
    index = keep.nonzero().cpu().numpy()
    side = plan.block * plan.unit
    return Surfaces(
        index[:, 0],
        (index[:, [2, 1]] + plan.size / 2) * side,
        score[keep].cpu().numpy(),
        step,
        float(plan.size * side),
    )


MATCHER = StructuralMatcher
