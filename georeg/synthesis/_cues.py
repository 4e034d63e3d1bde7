"""What colours and texture say of the ground. Guesses, but the same kind of guess everywhere.

Each is (B, 1, H, W) in [0, 1]. In grey images vegetation is 0.5 everywhere: nothing can be said.
"""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis._flat import opened
from georeg.synthesis._ops import blur, grey, ranks, rgb, standard


def vegetation(images: Tensor) -> Tensor:
    """Green against what else the image has (excess green, Woebbecke et al. 1995)."""
    colour = rgb(images)
    red, green, blue = colour[:, :1], colour[:, 1:2], colour[:, 2:]
    excess = (2 * green - red - blue) / (red + green + blue + 0.1)
    return torch.sigmoid(2.5 * (blur(_against(excess, 0.02), 0.7) - 0.2))


def water(images: Tensor) -> Tensor:
    """Dark, smooth and rather blue than red."""
    colour = rgb(images)
    dark = 1 - ranks(blur(grey(images), 1.5))
    blue = _against(colour[:, 2:] - colour[:, :1], 0.02)
    sure = torch.sigmoid(8 * (dark - 0.72)) * torch.sigmoid(6 * (0.55 - texture(images)))
    return sure * torch.sigmoid(3 * (blue + 0.6))


def texture(images: Tensor, sigma: float = 1.4) -> Tensor:
    """Local contrast: 0 for the smoothest places of an image, 1 for the busiest.

    The contrast along a single edge doesn't count: it would be a class of its own.
    """
    light = grey(images)
    mean = blur(light, sigma)
    spread = (blur(light.square(), sigma) - mean.square()).clamp(min=0).sqrt()
    return ranks(blur(opened(spread, 2 * round(3.5 * sigma) + 1), 1.5 * sigma))


def _against(values: Tensor, least: float) -> Tensor:
    """Standardised; where values hardly differ they count for less."""
    spread = values.std((2, 3), keepdim=True, correction=0)
    return standard(values) * spread / (spread + least)
