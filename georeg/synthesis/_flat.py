"""Texture taken out, edges kept."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def kuwahara(images: Tensor, width: int) -> Tensor:
    """Each pixel gets the mean of the most even of four squares at its corners (Kuwahara 1976).

    Args:
        images: (B, C, H, W).
        width: side of a square in pixels.
    """
    reach = width - 1
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    mean = F.avg_pool2d(padded, width, 1)
    square = F.avg_pool2d(padded.square(), width, 1)
    spread = (square - mean.square()).sum(1, keepdim=True)
    height, columns = images.shape[-2:]
    best, least = images, torch.full_like(images[:, :1], torch.inf)
    for y in (0, reach):
        for x in (0, reach):
            here = spread[..., y : y + height, x : x + columns]
            better = here < least
            best = torch.where(better, mean[..., y : y + height, x : x + columns], best)
            least = torch.where(better, here, least)
    return best


def opened(images: Tensor, width: int) -> Tensor:
    """Without what is bright and narrower than `width` pixels (an odd number)."""
    return _highest(-_highest(-images, width), width)


def _highest(images: Tensor, width: int) -> Tensor:
    """The maximum of squares, along one axis after the other."""
    reach = width // 2
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    return F.max_pool2d(F.max_pool2d(padded, (1, width), 1), (width, 1), 1)
