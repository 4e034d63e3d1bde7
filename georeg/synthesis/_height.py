"""A height for every pixel of a picture: not the true one, but one that goes with its structure."""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis import _noise
from georeg.synthesis._ops import blur, gradient, grey, stretch, wide
from georeg.synthesis._segments import Segments
from georeg.synthesis.draws import Draws


def terrain(images: Tensor, draws: Draws, smoothest: float = 1.2) -> Tensor:
    """(B, 1, H, W) heights in [0, 1] that vary at all scales, without steps.

    Bands of brightness, each up or down by chance, and noise: valleys and ridges are where the
    image has dark and bright lines, or the other way round.
    """
    light = stretch(grey(images))
    sigma, last = smoothest, blur(light, smoothest)
    out = 0.5 * _noise.fractal(draws, (images.shape[-2], images.shape[-1]), 6.0)
    out = out * wide(draws.uniform(0.2, 1))
    overall = draws.sign()
    while sigma < max(images.shape[-2:]) / 4:
        coarser = blur(light, sigma * 2)
        # Mostly of one sign, or structures of different size would undo each other.
        sign = torch.where(draws.chance(0.8), overall, -overall)
        band = (last - coarser) * wide(sign * draws.uniform(0.3, 1)) * (sigma**0.5)
        out = out + 2 * band
        last, sigma = coarser, sigma * 2
    return stretch(out, 0.0, 1.0)


def objects(images: Tensor, draws: Draws, segments: Segments, sigma: Tensor | float) -> Tensor:
    """(B, 1, H, W) heights in [0, 1] with steps at borders, as of buildings, trees and fields.

    Water lies lowest, busy and bright segments rather high.
    """
    means = segments.means
    level = draws.uniform(0, 1, (means.shape[1],))
    level = level * 0.7 + 0.3 * means[..., 3] - 0.8 * means[..., 2]
    steps = stretch(segments.softened(sigma).filled(level[..., None]), 0.0, 1.0)
    detail = stretch(blur(grey(images), sigma)) - 0.5
    part = wide(draws.uniform(0.1, 0.4) * draws.sign())
    return (steps * 0.8 + 0.1 + detail * part).clamp(0, 1)


def normals(heights: Tensor, scale: Tensor) -> Tensor:
    """(B, 3, H, W) unit normals: x to the right, y up the image, z towards the viewer.

    Args:
        heights: (B, 1, H, W).
        scale: (B,) pixels that a height of 1 is.
    """
    dx, dy = gradient(heights)
    steep = wide(scale)
    up = torch.cat([-dx * steep, dy * steep, torch.ones_like(dx)], 1)
    return up / up.square().sum(1, keepdim=True).sqrt()


def shade(heights: Tensor, scale: Tensor, azimuth: Tensor, altitude: Tensor) -> Tensor:
    """(B, 1, H, W) in [0, 1]: how bright slopes are under a sun (Lambert).

    Args:
        heights: (B, 1, H, W).
        scale: (B,) pixels that a height of 1 is.
        azimuth: (B,) radians clockwise from up.
        altitude: (B,) radians above the horizon.
    """
    sun = torch.stack(
        [
            torch.sin(azimuth) * torch.cos(altitude),
            torch.cos(azimuth) * torch.cos(altitude),
            torch.sin(altitude),
        ],
        1,
    )
    return (normals(heights, scale) * sun[:, :, None, None]).sum(1, keepdim=True).clamp(min=0)
