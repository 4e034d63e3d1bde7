"""Another time of year, or another day: snow, leaves, harvests, water levels, haze and clouds."""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis import _cues, _height, _noise
from georeg.synthesis._ops import blur, grey, mixed, moved, rgb, stretch, wide
from georeg.synthesis._segments import Segments, segment
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic

# What vegetation may turn into: dry, autumn, lush, ploughed, spring.
_TINTS = (
    (0.72, 0.64, 0.46),
    (0.60, 0.42, 0.22),
    (0.24, 0.42, 0.18),
    (0.45, 0.36, 0.28),
    (0.50, 0.62, 0.30),
)


def synthesise(
    images: Tensor, draws: Draws, snow: bool | None = None, clouds: bool | None = None
) -> Synthetic:
    """The same place at another time.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.
        snow: whether there is snow; in a third of the images if None.
        clouds: whether there are clouds; in a quarter of the images if None.

    Returns:
        (B, 3, H, W); the mask is False under clouds and in their shadows.
    """
    colour = rgb(images)
    segments = segment(images, draws, 8, draws.uniform(0.7, 1.6))
    low = 1 - _height.terrain(images, draws, 2.0)
    wet = _cues.water(images)
    white = draws.chance(0.33)
    white = white if snow is None else torch.full_like(white, snow)
    covered = draws.chance(0.25)
    covered = covered if clouds is None else torch.full_like(covered, clouds)
    out = _leaves(colour, draws, segments)
    out, wet = _water(out, draws, wet, low)
    out = mixed(white.float(), _snow(out, draws, images, wet, low), out)
    cast = 0.1 * draws.normal((1,)) + 0.04 * draws.normal((3,))
    out = out * torch.exp(cast)[:, :, None, None]
    out = _haze(out, draws)
    clouded, clear = _clouds(out, draws)
    out = torch.where(wide(covered), clouded, out)
    mask = torch.where(covered[:, None, None], clear, torch.ones_like(clear))
    return Synthetic(out.clamp(0, 1), mask)


def _leaves(images: Tensor, draws: Draws, segments: Segments) -> Tensor:
    """Vegetation in other colours; each kind of field with a brightness of its own."""
    light = grey(images)
    tints = images.new_tensor(_TINTS)[draws.integers(0, len(_TINTS))]
    turned = tints[:, :, None, None] * (0.4 + 1.2 * light)
    change = draws.normal((segments.means.shape[1],)) * wide(draws.uniform(0, 0.35))[:, 0, 0]
    fields = torch.exp(segments.softened(0.6).filled(change[..., None]))
    green = _cues.vegetation(images) * wide(draws.uniform(0.2, 1))
    return mixed(green, turned, images) * fields


def _water(images: Tensor, draws: Draws, wet: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
    """A flood or a drought around what is water now; returns the image and where water is."""
    noise = _noise.fractal(draws, (images.shape[-2], images.shape[-1]), 8.0)
    near = 0.75 * blur(wet, 3.0) + 0.25 * wet + 0.25 * (low - 0.5) + 0.03 * noise
    level = wide(draws.uniform(0.25, 0.7))
    new = torch.sigmoid((near - level) * 40)
    new = torch.where(wide(draws.chance(0.6)), new, wet)
    brown = draws.uniform(0, 1, (1,))
    muddy = images.new_tensor([0.45, 0.40, 0.30])
    clear = images.new_tensor([0.07, 0.13, 0.19])
    water = (clear + (muddy - clear) * brown)[:, :, None, None]
    shore = images.new_tensor([0.62, 0.57, 0.48])[None, :, None, None] + 0.2 * (grey(images) - 0.3)
    dry = mixed(((wet - new).clamp(min=0) * 1.2).clamp(max=1), shore, images)
    return mixed(new, water * (0.9 + 0.1 * noise), dry), new


def _snow(images: Tensor, draws: Draws, before: Tensor, wet: Tensor, low: Tensor) -> Tensor:
    """Snow on open, even ground first; relief shows in it, woods and roads stick out."""
    noise = _noise.fractal(draws, (images.shape[-2], images.shape[-1]), 4.0)
    busy, green = _cues.texture(before), _cues.vegetation(before)
    light = stretch(grey(before))
    deep = wide(draws.uniform(0.2, 1.2))
    amount = deep + 0.6 * (0.5 - busy) + 0.5 * (light - 0.5) - 0.3 * green + 0.1 * noise
    amount = amount - 0.3 * (low - 0.5) - 0.15
    frozen = wide(draws.chance(0.5).float())
    cover = torch.sigmoid(amount * 7) * (1 - wet * (1 - frozen))
    relief = light - blur(light, 3.0)
    snow = 0.88 + 0.55 * relief + 0.02 * noise
    blueish = images.new_tensor([0.97, 0.99, 1.02])[None, :, None, None]
    bare = images * wide(draws.uniform(0.5, 0.9))
    return mixed(0.93 * cover, snow * blueish, bare)


def _haze(images: Tensor, draws: Draws) -> Tensor:
    size = (images.shape[-2], images.shape[-1])
    veil = 0.5 + 0.2 * _noise.fractal(draws, size, max(size) / 8, 0.6)
    veil = (veil * wide(draws.uniform(0, 0.6) * draws.chance(0.35))).clamp(0, 0.75)
    air = images.new_tensor([0.74, 0.79, 0.84])[None, :, None, None]
    return mixed(veil, air.expand_as(images), images)


def _clouds(images: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Clouds and their shadows, and the (B, H, W) mask of ground that is clear of both."""
    size = (images.shape[-2], images.shape[-1])
    billow = _noise.fractal(draws, size, 2.0, draws.uniform(0.45, 0.62))
    edge = wide(draws.uniform(0.5, 1.5))
    thick = ((billow - edge) * wide(draws.uniform(1.5, 4))).clamp(0, 1)
    thick = thick * thick * (3 - 2 * thick)
    angle, away = draws.uniform(0, 2 * torch.pi), draws.uniform(0.04, 0.18) * max(size)
    shadow = moved(blur(thick, 1.5), torch.cos(angle) * away, torch.sin(angle) * away)
    shaded = images * (1 - shadow * wide(draws.uniform(0.4, 0.75)))
    top = (0.93 + 0.05 * billow - 0.1 * blur(shadow, 2.0)).clamp(0.6, 1)
    clear = (thick < 0.2) & (shadow < 0.2)
    return mixed(thick, top.expand_as(images), shaded), clear[:, 0]
