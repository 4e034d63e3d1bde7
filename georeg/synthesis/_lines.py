"""Long thin things in a picture: what a map would show as roads and streams."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.synthesis._ops import blur, gradient, grey, quantiles, ranks, wide

_ANGLES = 8
_REACH = 7  # pixels to both sides over which a line must go on
_GROWTH = 16  # pixels by which a clear line goes on along a weaker one


def roads(images: Tensor, sigma: Tensor, share: Tensor, best: Tensor) -> tuple[Tensor, Tensor]:
    """Middles of long, rather straight bright or dark lines.

    Second derivatives across each of 8 directions, averaged along it: blobs and texture don't add
    up, lines do. What is a ridge of that response is averaged along its direction once more, so
    that a line grows over its gaps and short pieces go.

    Args:
        images: (B, C, H, W).
        sigma: (B,) pixels, half the width of lines.
        share: (B,) of the image's pixels that are middles of lines.
        best: (B,) the same for the clearest of them.

    Returns:
        All lines and the clearest, (B, 1, H, W) in [0, 1] each.
    """
    light = blur(ranks(grey(images)), sigma)
    dx, dy = gradient(light)
    dxx, dxy = gradient(dx)
    dyy = gradient(dy)[1]
    angle = torch.arange(_ANGLES, device=images.device, dtype=images.dtype) * torch.pi / _ANGLES
    nx, ny = -torch.sin(angle)[:, None, None], torch.cos(angle)[:, None, None]
    across = dxx * nx**2 + 2 * dxy * nx * ny + dyy * ny**2
    bars = _bars(angle, images)
    along = _along(across, bars).abs()
    # A line answers in one direction, a corner or a blob in all.
    along = (along - along.mean(1, keepdim=True)).clamp(min=0)
    ridge = (along - 0.9 * blur(along, sigma + 1.0)).clamp(min=0)
    longer = _along(ridge, bars).amax(1, keepdim=True)
    crest = longer - 1.05 * blur(longer, sigma + 1.0)
    levels = quantiles(crest, [i / 500 for i in range(500)])
    weak = _above(crest, levels, 2.5 * share)
    return _grown(crest, levels, share, weak), _grown(crest, levels, best, weak)


def _along(images: Tensor, bars: Tensor) -> Tensor:
    """(B, 8, H, W) each averaged along its bar; by FFT, ten times faster than convolving."""
    padded = F.pad(images, (_REACH,) * 4)
    size = padded.shape[-2:]
    # The bars are symmetric: correlation and convolution are the same.
    product = torch.fft.rfft2(padded) * torch.fft.rfft2(bars[:, 0], s=tuple(size))
    full: Tensor = torch.fft.irfft2(product, s=tuple(size))
    return full[..., 2 * _REACH :, 2 * _REACH :]


def _grown(crest: Tensor, levels: Tensor, share: Tensor, weak: Tensor) -> Tensor:
    """What is above a level, and what hangs on it along weaker lines (hysteresis, Canny 1986)."""
    found = _above(crest, levels, 0.5 * share)
    for _ in range(_GROWTH):
        found = torch.minimum(F.max_pool2d(found, 3, 1, 1), weak)
    return found


def _above(crest: Tensor, levels: Tensor, share: Tensor) -> Tensor:
    last = levels.shape[1]
    place = ((1 - share) * last).long().clamp(0, last - 1)[:, None]
    cut = wide(levels.gather(1, place)[:, 0].clamp(min=1e-5))
    return ((crest / cut - 1) * 4 + 0.5).clamp(0, 1)


def _bars(angle: Tensor, like: Tensor) -> Tensor:
    """(8, 1, n, n) thin bars, each of sum 1."""
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
