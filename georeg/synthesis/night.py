"""Night: little light, lamps along what is built, noise; what is bright by day may not be."""

from __future__ import annotations

from torch import Tensor

from georeg.synthesis import _cues, _noise
from georeg.synthesis._ops import blur, grey, rgb, stretch, wide
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic


def synthesise(images: Tensor, draws: Draws) -> Synthetic:
    """The scene after sunset.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.

    Returns:
        (B, 3, H, W).
    """
    size = (1, images.shape[-2], images.shape[-1])
    curve = wide(draws.uniform(1.3, 3.0))
    dim = rgb(images).clamp(0, 1) ** curve * wide(draws.uniform(0.2, 0.9))
    tint = draws.uniform(0.5, 1, (3,))[:, :, None, None]
    # Lamps stand where there is structure, and light what is around them.
    built = _cues.texture(images, 2.0) ** 3
    rate = wide(10 ** draws.uniform(-3.4, -1.7))
    lamps = (draws.uniform(shape=size) < rate * built).float() * draws.uniform(0.4, 1, size)
    glow = blur(lamps, draws.uniform(0.5, 1.3)) * 6
    pool = blur(lamps, draws.uniform(3, 9)) * wide(draws.uniform(10, 60))
    lit = stretch(grey(images)) * (1 - wide(draws.uniform(0, 0.6)))
    light = wide(draws.chance(0.7).float())
    out = dim * tint + (glow + pool * lit) * light
    grain = _noise.white(draws, out) * wide(draws.uniform(0, 0.06))
    exposed = out * wide(draws.uniform(0.8, 1.8))
    return Synthetic.of((exposed + grain).clamp(0, 1) ** wide(draws.uniform(0.6, 1)))
