"""What all dense features share: the grid of cells, invalid pixels, smoothing and normalisation.

Features come at half resolution: cell i covers pixels 2 i and 2 i + 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

STRIDE = 2

_SIDE = 0.125  # kernel [1/8, 3/4, 1/8] on cells of 2 px: with the 2 x 2 mean a sigma of 1.1 px
_REACH = 2  # cells around invalid pixels whose features touch them
_SOFT = 0.3  # share of the median length added to each length: weak structure stays weak


def prepare(images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Images without holes, and the cells whose features will be free of invalid pixels.

    Args:
        images: (B, H, W); odd last rows and columns are dropped.
        masks: (B, H, W), True where valid.

    Returns:
        (B, H, W) images of even height and width in which invalid pixels have the mean of the
        valid ones, so that they don't dominate, and the (B, H // 2, W // 2) float mask.
    """
    height, width = images.shape[1] // 2 * 2, images.shape[2] // 2 * 2
    images, masks = images[:, :height, :width], masks[:, :height, :width]
    weight = masks.to(images.dtype)
    mean = torch.where(masks, images, 0.0).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1)
    invalid = F.max_pool2d(1 - weight[:, None], STRIDE)
    size = 2 * _REACH + 1
    for kernel, pad in (((size, 1), (_REACH, 0)), ((1, size), (0, _REACH))):
        invalid = F.max_pool2d(invalid, kernel, stride=1, padding=pad)
    return torch.where(masks, images, mean[:, None, None]), 1 - invalid[:, 0]


def pool(x: Tensor) -> Tensor:
    """(B, H, W) pixels -> (B, H // 2, W // 2) means of cells."""
    return F.avg_pool2d(x[:, None], STRIDE)[:, 0]


def smooth(x: Tensor) -> Tensor:
    """(B, C, h + 2, w + 2) cells -> (B, C, h, w), by a narrow binomial filter along both axes."""
    for dim in (2, 3):
        n = x.shape[dim] - 2
        sides = x.narrow(dim, 0, n) + x.narrow(dim, 2, n)
        x = torch.add(x.narrow(dim, 1, n) * (1 - 2 * _SIDE), sides, alpha=_SIDE)
    return x


def normalise(features: Tensor, valid: Tensor) -> Tensor:
    """Vectors of length about 1, shorter where structure is weak, 0 where invalid.

    Args:
        features: (B, C, h, w), overwritten.
        valid: (B, h, w) float mask.
    """
    length = features.square().sum(1, keepdim=True).sqrt_()
    among = torch.where(valid[:, None] > 0, length, torch.nan).flatten(1)
    typical = among.nanmedian(1).values.nan_to_num_(0.0)[:, None, None, None]
    weight = valid[:, None] / length.add_(typical, alpha=_SOFT).add_(1e-6)
    return features.mul_(weight)
