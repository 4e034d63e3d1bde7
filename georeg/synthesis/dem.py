"""Terrain: elevations, hillshade under any sun, or relief tinted by height."""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis import _height, _noise
from georeg.synthesis._ops import blur, stretch, tone, wide
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic

LOOKS = ("hillshade", "elevation", "tinted")

# Hypsometric tints from low to high, as atlases have them.
_TINTS = (
    ((0.44, 0.66, 0.45), (0.72, 0.80, 0.54), (0.93, 0.88, 0.64), (0.78, 0.60, 0.42),
     (0.60, 0.45, 0.37), (0.96, 0.95, 0.94)),
    ((0.20, 0.30, 0.60), (0.25, 0.60, 0.55), (0.60, 0.80, 0.40), (0.98, 0.90, 0.40),
     (0.90, 0.50, 0.25), (0.60, 0.15, 0.15)),
    ((0.60, 0.66, 0.60), (0.72, 0.74, 0.66), (0.82, 0.80, 0.72), (0.88, 0.86, 0.80),
     (0.93, 0.92, 0.88), (1.00, 1.00, 1.00)),
)  # fmt: skip


def synthesise(images: Tensor, draws: Draws, look: str | None = None) -> Synthetic:
    """Terrain whose forms follow the image's structure.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.
        look: one of `LOOKS` for all; random if None.

    Returns:
        (B, 3, H, W); all channels are equal but in tinted ones.
    """
    size = (images.shape[-2], images.shape[-1])
    heights = _height.terrain(images, draws, smoothest=0.8)
    sigma = draws.uniform(0.3, 2.2)
    heights = blur(heights, sigma)
    # Elevation models have errors of their own, in blobs.
    error = _noise.smooth(draws, size, 3.0) * wide(draws.uniform(0, 0.004))
    heights = heights + error
    steep = draws.uniform(0.06, 0.25) * max(size)
    azimuth = draws.uniform(0, 2 * torch.pi)
    altitude = torch.deg2rad(draws.uniform(25, 60))
    shaded = stretch(_height.shade(heights, steep, azimuth, altitude), 0.005, 0.995)
    shaded = shaded ** wide(draws.uniform(0.7, 1.3))
    low = stretch(heights, 0.002, 0.998)
    low = torch.where(wide(draws.chance(0.15)), 1 - low, low)
    palettes = images.new_tensor(_TINTS)
    palette = palettes[draws.integers(0, len(_TINTS))]
    tints = torch.cat([tone(low, palette[:, :, c]) for c in range(3)], 1)
    strength = wide(draws.uniform(0.4, 1))
    tinted = tints * (1 - strength + strength * (0.35 + 0.75 * shaded))
    kind = draws.choice([0.55, 0.25, 0.2])
    if look is not None:
        kind = torch.full_like(kind, LOOKS.index(look))
    out = torch.where(wide(kind == 1), low, shaded).expand(-1, 3, -1, -1)
    return Synthetic.of(torch.where(wide(kind == 2), tinted, out))
