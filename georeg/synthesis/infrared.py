"""Near infrared, thermal infrared by day and by night, and night vision."""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis import _cues, _noise
from georeg.synthesis._coarse import coarsened
from georeg.synthesis._ops import blur, grey, ranks, stretch, tone, wide
from georeg.synthesis._segments import Segments, segment
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic

KINDS = ("near", "thermal", "thermal_night", "night")


def synthesise(images: Tensor, draws: Draws, kind: str | None = None) -> Synthetic:
    """Infrared.

    Near: vegetation bright, water black. Thermal: surfaces by their warmth rather than their
    brightness, vegetation and water cool by day, water warm by night; low contrast, blurred,
    fewer pixels. Night: dark, noisy, with lights.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.
        kind: one of `KINDS` for all; random if None.

    Returns:
        (B, 1, H, W).
    """
    number = draws.choice([0.4, 0.3, 0.15, 0.15])
    if kind is not None:
        number = torch.full_like(number, KINDS.index(kind))
    segments = segment(images, draws, 7, draws.uniform(0.6, 1.8))
    near = _near(images, draws, segments)
    warm = _thermal(images, draws, segments, number == 2)
    dark = _night(images, draws)
    out = torch.where(wide((number == 1) | (number == 2)), warm, near)
    return Synthetic.of(torch.where(wide(number == 3), dark, out))


def _near(images: Tensor, draws: Draws, segments: Segments) -> Tensor:
    light = stretch(grey(images))
    green, wet = _cues.vegetation(images), _cues.water(images)
    own = draws.normal((segments.means.shape[1], 1)) * 0.12
    out = (
        light * wide(draws.uniform(0.4, 0.8))
        + (green - 0.5) * wide(draws.uniform(0.5, 1.1))
        + segments.softened(0.6).filled(own)
    )
    out = stretch(out, 0.005, 0.995) * (1 - wet * wide(draws.uniform(0.8, 1)))
    return stretch(out, 0.002, 0.998) ** wide(draws.uniform(0.7, 1.3))


def _thermal(images: Tensor, draws: Draws, segments: Segments, night: Tensor) -> Tensor:
    size = (images.shape[-2], images.shape[-1])
    green, wet = _cues.vegetation(images), _cues.water(images)
    # What is bright reflects sunlight and stays cool, or is dry and heats up: a random curve.
    curve = tone(ranks(blur(grey(images), 0.8)), draws.uniform(0, 1, (5,)))
    means = segments.means
    own = draws.uniform(0, 0.6, (means.shape[1],)) + 0.3 * means[..., 3]
    material = segments.softened(draws.uniform(0.5, 1.5)).filled(own[..., None])
    by_day = wide(torch.where(night, 0.3, 1.0))
    water = wide(torch.where(night, 0.8, -0.6) * draws.uniform(0.6, 1))
    out = (
        material
        + curve * wide(draws.uniform(0.15, 0.5)) * by_day
        - green * wide(draws.uniform(0.2, 0.6)) * by_day
        + wet * water
        + 0.12 * _noise.smooth(draws, size, max(size) / 3)
    )
    hot = _dots(images, draws, 0.0015) * wide(draws.uniform(0, 1))
    out = blur(out + hot, draws.uniform(0.5, 1.8))
    out = coarsened(
        out, 1 + 2 * draws.uniform(), draws.uniform(shape=(2,)), torch.zeros_like(night)
    )
    contrast = wide(draws.uniform(0.25, 0.95))
    out = (stretch(out, 0.005, 0.995) - 0.5) * contrast + wide(draws.uniform(0.35, 0.65))
    # Uncooled detectors: noise of each pixel and of each column.
    columns = draws.normal((1, 1, size[1])) * wide(draws.uniform(0, 0.012))
    out = out + _noise.white(draws, out) * wide(draws.uniform(0, 0.03)) + columns
    return torch.where(wide(draws.chance(0.3)), 1 - out, out)


def _night(images: Tensor, draws: Draws) -> Tensor:
    light = blur(stretch(grey(images)), draws.uniform(0.3, 1.2))
    dark = light ** wide(draws.uniform(0.9, 2)) * wide(draws.uniform(0.15, 0.5))
    lamps = _dots(images, draws, 0.002)
    glow = blur(lamps, draws.uniform(0.8, 1.6)) * 4 + blur(lamps, 6.0) * 8
    glow = glow * wide(draws.uniform(0, 1) * draws.chance(0.7))
    grain = _noise.white(draws, dark) * (0.3 + dark.sqrt()) * wide(draws.uniform(0.01, 0.08))
    return (dark + glow + grain) * wide(draws.uniform(0.8, 1.6))


def _dots(images: Tensor, draws: Draws, share: float) -> Tensor:
    """(B, 1, H, W): single pixels of up to 1 where the image is busy, 0 elsewhere."""
    size = (1, images.shape[-2], images.shape[-1])
    here = draws.uniform(shape=size) < 3 * share * _cues.texture(images) ** 2
    return here.float() * draws.uniform(0.3, 1, size)
