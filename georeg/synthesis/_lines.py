"""Long thin things in a picture: what a map would show as roads and streams."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.synthesis._ops import blur, gradient, grey, quantiles, ranks, wide

_ANGLES = 12
_REACH = 10  # pixels to both sides over which a line must go on
_BAND = 4096


def roads(images: Tensor, sigma: Tensor, share: Tensor) -> Tensor:
    """(B, 1, H, W) in [0, 1]: middles of straight bright or dark lines.

    Second derivatives across each of 12 directions, averaged along it: blobs and texture don't
    add up, lines do. Then only what is the ridge of that response.

    Args:
        images: (B, C, H, W).
        sigma: (B,) pixels, half the width of lines.
        share: (B,) of the image's pixels that are lines.
    """
    light = blur(ranks(grey(images)), sigma)
    dx, dy = gradient(light)
    dxx, dxy = gradient(dx)
    dyy = gradient(dy)[1]
    angle = torch.arange(_ANGLES, device=images.device, dtype=images.dtype) * torch.pi / _ANGLES
    normal = torch.stack([-torch.sin(angle), torch.cos(angle)], 1)
    nx, ny = normal[:, 0, None, None], normal[:, 1, None, None]
    across = dxx * nx**2 + 2 * dxy * nx * ny + dyy * ny**2
    along = F.conv2d(across, _bars(angle, images), padding=_REACH, groups=_ANGLES).abs()
    strongest = along.amax(1, keepdim=True)
    # A line answers in one direction, a corner or a blob in all.
    line = strongest - along.median(1, keepdim=True).values
    ridge = line - 1.12 * blur(line, sigma + 1.5)
    cut = quantiles(ridge, [i / 100 for i in range(100)])
    cut = cut.gather(1, ((1 - share) * 100).long().clamp(0, 99)[:, None])[:, 0]
    found = ((ridge - wide(cut)) * 40 / wide(cut.abs().clamp(min=1e-5))).clamp(0, 1)
    return found * (line > 1e-4)


def _bars(angle: Tensor, like: Tensor) -> Tensor:
    """(12, 1, n, n) thin bars, each of sum 1."""
    place = torch.arange(-_REACH, _REACH + 1, device=like.device, dtype=like.dtype)
    y, x = torch.meshgrid(place, place, indexing="ij")
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    off = y * cos - x * sin
    bars = torch.exp(-(off**2) / 0.8) * ((x**2 + y**2) <= (_REACH + 0.5) ** 2)
    return (bars / bars.sum((1, 2), keepdim=True))[:, None]


def contours(heights: Tensor, count: Tensor, width: float = 0.6) -> Tensor:
    """(B, 1, H, W) in [0, 1]: lines of equal height, every fifth one stronger.

    Args:
        heights: (B, 1, H, W) in [0, 1].
        count: (B,) how many between 0 and 1.
        width: of lines in pixels, half of it.
    """
    level = heights * wide(count)
    dx, dy = gradient(level)
    steep = (dx.square() + dy.square()).sqrt().clamp(min=0.01)
    nearest = level.round()
    # Distance to the line in pixels, were the slope even.
    away = (level - nearest).abs() / steep
    strong = torch.where(nearest % 5 == 0, 1.0, 0.6)
    return (width + 0.5 - away).clamp(0, 1) * strong * (steep < 0.5)


def thick(lines: Tensor, width: Tensor) -> Tensor:
    """(B, 1, H, W) lines in [0, 1] made about `width` (B,) pixels wide, smooth and even."""
    # A line of one pixel blurred by s has a ridge of 0.4 / s.
    spread = blur(lines, width * 0.45 + 0.35)
    return ((spread * wide(width * 0.45 + 0.35) / 0.4 - 0.25) * 3).clamp(0, 1)
