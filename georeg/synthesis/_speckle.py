"""Fully developed speckle of detected radar images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.synthesis._ops import wide
from georeg.synthesis.draws import Draws

_STEPS = 1024


def speckled(power: Tensor, looks: Tensor, grain: Tensor, draws: Draws) -> Tensor:
    """Power times speckle of mean 1 and variance 1 / looks (Goodman 1976).

    Args:
        power: (B, 1, H, W), not negative.
        looks: (B,) equivalent number of looks.
        grain: (B,) in [0, 0.25]: how much of a pixel's speckle its neighbours along each axis
            share. The number of looks is kept: what smoothing takes away is put in before.
        draws: one stream per image.
    """
    # A mean with weights g, 1 - 2 g, g along both axes keeps this share of the variance.
    kept = ((1 - 2 * grain) ** 2 + 2 * grain**2) ** 2
    noise = gamma(looks * kept, draws, tuple(power.shape[1:]))
    for dim in (-1, -2):
        noise = _shared(noise, grain, dim)
    return power * noise


def gamma(shape: Tensor, draws: Draws, size: tuple[int, ...]) -> Tensor:
    """(B, *size) gamma variates of mean 1, by inversion of their distribution function.

    Args:
        shape: (B,) from 0.1 on; the variance is 1 / shape.
        draws: one stream per image.
        size: of the result for each image.
    """
    wanted = shape.double()[:, None]
    last = 1 + 6 / wanted.sqrt() + 18 / wanted
    grid = torch.linspace(0, 1, _STEPS, device=shape.device, dtype=torch.float64) ** 2 * last
    share = torch.special.gammainc(wanted, wanted * grid).float()
    wish = draws.uniform(shape=size).flatten(1)
    place = torch.searchsorted(share, wish).clamp(1, _STEPS - 1)
    low, high = share.gather(1, place - 1), share.gather(1, place)
    part = ((wish - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    value = grid.float()
    left, right = value.gather(1, place - 1), value.gather(1, place)
    noise: Tensor = left + (right - left) * part
    return noise.view(-1, *size)


def _shared(noise: Tensor, grain: Tensor, dim: int) -> Tensor:
    """Weights g, 1 - 2 g, g along a dimension; at the edge the far neighbour stands in."""
    edge = (1, 1, 0, 0) if dim == -1 else (0, 0, 1, 1)
    padded = F.pad(noise, edge, mode="reflect")
    size = noise.shape[dim]
    sides = padded.narrow(dim, 0, size) + padded.narrow(dim, 2, size)
    return noise * wide(1 - 2 * grain) + sides * wide(grain)
