"""What all dense features share: the grid of cells, invalid pixels, smoothing and normalisation.

A cell is 2 x 2 pixels. Features come for every second pixel, as cells that touch each other, or
for every pixel, as cells that overlap (`step`): those of one phase are a slice of the latter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.matching import gaps
from georeg.matching.gaps import running

STRIDE = 2  # pixels along the side of a cell

_SIDE = 0.125  # kernel [1/8, 3/4, 1/8] on cells of 2 px: with the 2 x 2 mean a sigma of 1.1 px
_REACH = 2  # cells around invalid pixels whose features touch them
# Gaps up to so many pixels wide (scan lines that failed; 28 px in Landsat-7's panchromatic band)
# are bridged, where they are all over, by what lies so near; features may touch them, but not as
# near as that.
_NARROW, _BRIDGE, _BESIDE = 32, 8, 1
_SOFT = 0.3  # share of the median length added to each length: weak structure stays weak
_SAMPLE = 3  # every third cell along each axis tells the median length


@dataclass(frozen=True, eq=False)
class Canvas:
    """Images ready to be described.

    Attributes:
        images: (B, H, W), H and W even; invalid pixels have the mean of the valid ones, so that
            they don't dominate.
        valid: (B, H // step, W // step) float mask of the cells whose features will be free of
            invalid pixels; None if there are no invalid pixels.
        step: pixels from cell to cell, 1 or 2.
    """

    images: Tensor
    valid: Tensor | None
    step: int

    @property
    def shape(self) -> tuple[int, int]:
        """Cells (rows, columns)."""
        return self.images.shape[1] // self.step, self.images.shape[2] // self.step

    def mask(self) -> Tensor:
        """`valid`, or ones."""
        if self.valid is not None:
            return self.valid
        return self.images.new_ones((len(self.images), *self.shape))


def prepare(images: Tensor, masks: Tensor, step: int = STRIDE) -> Canvas:
    """Fill holes and find the cells that they don't touch.

    Args:
        images: (B, H, W); odd last rows and columns are dropped.
        masks: (B, H, W), True where valid.
        step: pixels from cell to cell.
    """
    height, width = images.shape[1] // 2 * 2, images.shape[2] // 2 * 2
    images, masks = images[:, :height, :width], masks[:, :height, :width]
    if bool(masks.all()):
        return Canvas(images, None, step)
    images, masks = gaps.interpolated(images, masks)
    count = masks.sum((1, 2)).clamp(min=1)
    mean = torch.where(masks, images, 0.0).sum((1, 2)) / count
    images = torch.where(masks, images, mean[:, None, None])
    closed = gaps.closed(masks, _NARROW)
    clear, without = (_free(m, _REACH * STRIDE, step) for m in (masks, closed))
    # Else they are bays and straits: features that touch a coast tell of it, not of the land.
    many = gaps.all_over(clear, without)[:, None, None]
    if bool(many.any()):
        narrow = many & closed & ~masks
        images = torch.where(narrow, gaps.bridge(images, masks, _BRIDGE), images)
        clear = torch.where(many, without & _free(masks, _BESIDE, step), clear)
    return Canvas(images, clear.to(images.dtype), step)


def _free(masks: Tensor, around: int, step: int) -> Tensor:
    """(B, H // step, W // step) cells that no invalid pixel comes nearer to than `around`."""
    height, width = masks.shape[1:]
    free = F.pad(masks, (around, around + STRIDE - step) * 2, value=True)
    for axis in (1, 2):
        free = running(torch.logical_and, free, STRIDE + 2 * around, axis)
    return free[:, ::step, ::step][:, : height // step, : width // step]


def pool(x: Tensor, step: int) -> Tensor:
    """(B, H, W) pixels -> (B, ceil((H - 1) / step), ceil((W - 1) / step)) means of cells."""
    rows = x[:, 0:-1:step] + x[:, 1::step]
    return (rows[:, :, 0:-1:step] + rows[:, :, 1::step]).mul_(0.25)


def smooth(x: Tensor, step: int) -> Tensor:
    """(B, C, h + 2 k, w + 2 k) cells -> (B, C, h, w), k = 2 / step: narrow binomial filter."""
    k = STRIDE // step
    for dim in (2, 3):
        n = x.shape[dim] - 2 * k
        sides = x.narrow(dim, 0, n) + x.narrow(dim, 2 * k, n)
        x = torch.add(sides.mul_(_SIDE), x.narrow(dim, k, n), alpha=1 - 2 * _SIDE)
    return x


def normalise(features: Tensor, canvas: Canvas) -> Tensor:
    """Vectors of length about 1, shorter where structure is weak, 0 where invalid.

    Args:
        features: (B, C, h, w), overwritten.
        canvas: tells which cells are valid.
    """
    length = features.square().sum(1).sqrt_()
    among = length[:, ::_SAMPLE, ::_SAMPLE]
    if canvas.valid is None:
        typical = among.flatten(1).median(1).values
    else:
        known = canvas.valid[:, ::_SAMPLE, ::_SAMPLE] > 0
        among = torch.where(known, among, torch.nan).flatten(1)
        typical = among.nanmedian(1).values.nan_to_num_(0.0)
    weight = length.add_(typical[:, None, None], alpha=_SOFT).add_(1e-6).reciprocal_()
    if canvas.valid is not None:
        weight *= canvas.valid
    return features.mul_(weight[:, None])
