"""Drawn outlines: pencil or ink on paper, light on dark, bare edge maps."""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis import _noise
from georeg.synthesis._ops import blur, gradient, grey, mixed, quantiles, rgb, stretch, wide
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic


def synthesise(images: Tensor, draws: Draws) -> Synthetic:
    """Outlines of what the image shows.

    Lines come from differences of Gaussians with a soft threshold (XDoG, Winnemoeller et al. 2012)
    or from colour gradients; shading in pencil may remain between them.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.

    Returns:
        (B, 1, H, W).
    """
    sigma = draws.uniform(0.6, 1.6)
    light = stretch(grey(images))
    fine, coarse = blur(light, sigma), blur(light, sigma * 1.6)
    band = coarse - fine
    cut = quantiles(band.clamp(min=0), [0.9])[:, 0].clamp(min=1e-3) * draws.uniform(0.3, 1)
    ink = torch.sigmoid((band / wide(cut) - 1) * wide(draws.uniform(3, 10)))
    dx, dy = gradient(blur(rgb(images), sigma))
    steep = (dx.square() + dy.square()).amax(1, keepdim=True).sqrt()
    edges = stretch(steep, 0.3, 0.985) ** wide(draws.uniform(0.6, 1.2))
    lines = mixed(draws.chance(0.5).float(), ink, edges)
    shading = (1 - light) * wide(draws.uniform(0, 0.35) * draws.chance(0.4))
    # Pressure varies, and paper has a grain that takes pencil unevenly.
    size = (images.shape[-2], images.shape[-1])
    pressure = (0.85 + 0.15 * _noise.smooth(draws, size, 24.0)).clamp(0.4, 1)
    grain = 1 + _noise.white(draws, lines) * wide(draws.uniform(0, 0.25))
    drawn = ((lines * pressure + shading) * grain.clamp(0, 2)).clamp(0, 1)
    paper, pencil = wide(draws.uniform(0.85, 1)), wide(draws.uniform(0, 0.3))
    out = paper + (pencil - paper) * drawn
    return Synthetic.of(torch.where(wide(draws.chance(0.35)), 1 - out, out))
