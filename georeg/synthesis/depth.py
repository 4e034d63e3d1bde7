"""Depth as networks guess it from one picture: even within objects, steps between them."""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis import _height, _noise
from georeg.synthesis._ops import blur, grey, stretch, wide
from georeg.synthesis._segments import segment
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic


def synthesise(images: Tensor, draws: Draws) -> Synthetic:
    """Depth, near either bright or dark.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.

    Returns:
        (B, 1, H, W).
    """
    size = (images.shape[-2], images.shape[-1])
    segments = segment(images, draws, 6, draws.uniform(1.0, 2.5))
    steps = _height.objects(images, draws, segments, draws.uniform(0.5, 1.5))
    hills = _height.terrain(images, draws, smoothest=4.0)
    ramp = _noise.smooth(draws, size, max(size) / 2)
    out = (
        steps * wide(draws.uniform(0.4, 1))
        + hills * wide(draws.uniform(0.1, 0.8))
        + 0.2 * ramp * wide(draws.uniform(0, 1))
    )
    out = guided(out, grey(images), draws.uniform(2, 5))
    out = stretch(out, 0.002, 0.998)
    out = torch.where(wide(draws.chance(0.3)), 1 - out, out)
    return Synthetic.of(out ** wide(draws.uniform(0.6, 1.6)))


def guided(images: Tensor, guide: Tensor, sigma: Tensor, keep: float = 0.003) -> Tensor:
    """Smoothed within objects, sharp at the guide's edges (guided filter, He et al. 2010).

    Args:
        images: (B, 1, H, W).
        guide: (B, 1, H, W).
        sigma: (B,) pixels over which it smoothes.
        keep: variance of the guide above which an edge is kept.
    """
    mean, other = blur(guide, sigma), blur(images, sigma)
    slope = (blur(guide * images, sigma) - mean * other) / (
        blur(guide.square(), sigma) - mean.square() + keep
    )
    offset = other - slope * mean
    return blur(slope, sigma) * guide + blur(offset, sigma)
