"""Painted: strokes of even colour with sharp borders, few and stronger colours, canvas."""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis import _noise
from georeg.synthesis._flat import kuwahara
from georeg.synthesis._ops import blur, grey, mixed, moved, rgb, wide
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic


def synthesise(images: Tensor, draws: Draws) -> Synthetic:
    """A painting of the image.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.

    Returns:
        (B, 3, H, W).
    """
    colour = rgb(images)
    broad = draws.chance(0.5).float()
    flat = mixed(broad, kuwahara(colour, 5), kuwahara(colour, 3))
    light = grey(flat)
    vivid = light + (flat - light) * wide(draws.uniform(0.8, 2.2))
    # Other pigments than the ground's: colours mixed anew, mostly keeping what is light.
    mixing = torch.eye(3, device=images.device) + draws.normal((3, 3)) * 0.25
    mixing = mixing / mixing.sum(2, keepdim=True).abs().clamp(min=0.3)
    other = torch.einsum("bij,bjhw->bihw", mixing, vivid)
    tints = torch.where(wide(draws.chance(0.5)), other, vivid)
    levels = wide(draws.integers(4, 10).float())
    few = mixed(draws.uniform(0, 1), _steps(tints, levels), tints)
    angle = draws.uniform(0, 2 * torch.pi)
    strokes = _brush(draws, flat, angle)
    out = few + strokes * wide(draws.uniform(0, 0.1))
    out = out + _canvas(images) * wide(draws.uniform(0, 0.06) * draws.chance(0.5))
    return Synthetic.of(mixed(draws.uniform(0.8, 1.3), out, torch.full_like(out, 0.5)))


def _steps(images: Tensor, levels: Tensor) -> Tensor:
    """Few levels, with borders between them not quite hard."""
    place = images * levels
    part = place - place.floor()
    return (place.floor() + torch.sigmoid((part - 0.5) * 12)) / levels


def _brush(draws: Draws, images: Tensor, angle: Tensor) -> Tensor:
    """(B, 1, H, W) streaks of deviation about 1 along one direction per image."""
    streaks = blur(_noise.white(draws, images[:, :1]), 0.7)
    for reach in (1, 2, 4):
        dx, dy = torch.cos(angle) * reach, torch.sin(angle) * reach
        streaks = (moved(streaks, dx, dy) + streaks + moved(streaks, -dx, -dy)) / 3
    return streaks / streaks.std((1, 2, 3), keepdim=True, correction=0).clamp(min=1e-3)


def _canvas(images: Tensor) -> Tensor:
    """(1, 1, H, W) the weave."""
    rows = torch.arange(images.shape[-2], device=images.device)[:, None]
    columns = torch.arange(images.shape[-1], device=images.device)[None]
    over = ((rows // 2 + columns // 2) % 2).to(images.dtype)
    return (over - 0.5)[None, None]
