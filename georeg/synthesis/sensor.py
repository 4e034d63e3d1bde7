"""What a sensor and its ground segment do: blur, larger pixels, noise, stripes, few bits, JPEG."""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis import _noise
from georeg.synthesis._coarse import coarsened
from georeg.synthesis._jpeg import jpeg
from georeg.synthesis._ops import blur, wide
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic


def synthesise(
    images: Tensor,
    draws: Draws,
    factor: float | None = None,
    noise: float | None = None,
    quality: float | None = None,
    bits: int | None = None,
) -> Synthetic:
    """The same scene through a worse sensor; made to be put after another modality.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.
        factor: how many times larger pixels are, 1 for not; random up to 3 if None.
        noise: deviation in mid-grey, half of it shot noise; random up to 0.06 if None.
        quality: of JPEG, 1 to 100, 0 for none; random in some images if None.
        bits: per pixel; random if None.

    Returns:
        (B, C, H, W).
    """
    count = len(draws)
    fixed = torch.ones(count, device=images.device)
    coarse = 1 + 2 * draws.uniform() ** 2 * draws.chance(0.4)
    coarse = coarse if factor is None else fixed * factor
    out = blur(images, draws.uniform(0, 1.1) * draws.chance(0.6))
    out = coarsened(out, coarse, draws.uniform(shape=(2,)), draws.chance(0.15))
    out = _light(out, draws)
    strength = draws.uniform(0, 0.06) * draws.chance(0.6)
    strength = strength if noise is None else fixed * noise
    out = _noisy(out, draws, strength)
    out = _striped(out, draws)
    depth = draws.integers(4, 11).clamp(max=8)
    depth = depth if bits is None else torch.full_like(depth, bits)
    steps = wide(2.0**depth - 1)
    out = (out.clamp(0, 1) * steps).round() / steps
    good = torch.where(draws.chance(0.35), draws.uniform(20, 95), 0.0)
    good = good if quality is None else fixed * quality
    return Synthetic.of(torch.where(wide(good > 0), jpeg(out, good.clamp(1, 100)), out))


def _light(images: Tensor, draws: Draws) -> Tensor:
    """Exposure, contrast and gamma per channel, and light that falls off over the image."""
    channels = images.shape[1]
    common, own = draws.normal((1,)), draws.normal((channels,))
    gain = torch.exp(0.15 * common + 0.06 * own)[:, :, None, None]
    offset = (0.04 * draws.normal((1,)) + 0.02 * draws.normal((channels,)))[:, :, None, None]
    curve = wide(torch.exp(0.2 * draws.normal()))
    falloff = _noise.smooth(draws, (images.shape[-2], images.shape[-1]), max(images.shape[-2:]))
    field = 1 + falloff * wide(draws.uniform(0, 0.12) * draws.chance(0.5))
    return (images.clamp(0, 1) ** curve * gain * field + offset).clamp(0, 1)


def _noisy(images: Tensor, draws: Draws, strength: Tensor) -> Tensor:
    """Half read noise, half shot noise, which grows with the root of brightness."""
    spread = (0.5 + 0.5 * images.clamp(min=0) / 0.5).sqrt()
    return images + _noise.white(draws, images) * spread * wide(strength)


def _striped(images: Tensor, draws: Draws) -> Tensor:
    """Detectors of a line that differ a little, along x or y."""
    rows, columns = images.shape[-2:]
    down = draws.normal((1, 1, columns))
    across = draws.normal((1, rows, 1))
    stripes = torch.where(wide(draws.chance(0.5)), down, across)
    return images * (1 + stripes * wide(draws.uniform(0, 0.05) * draws.chance(0.3)))
