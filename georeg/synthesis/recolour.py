"""Other wavelengths: what a sensor of unknown response makes of the same materials.

Pixels that look alike stay alike, and nothing else is kept: their values go through a small random
network (after Xu et al., "Robust and generalizable visual representation learning via random
convolutions", ICLR 2021, with one pixel as the kernel), or each channel through a random curve.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from georeg.synthesis._ops import blur, mixed, rgb, stretch, tone, wide
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic

KINDS = ("network", "curve")
_WIDTH = 8  # of the network's hidden layer


def synthesise(images: Tensor, draws: Draws, kind: str | None = None) -> Synthetic:
    """The same ground in other colours.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.
        kind: one of `KINDS` for all; random if None.

    Returns:
        (B, 3, H, W).
    """
    share = draws.chance(0.5).float()
    if kind is not None:
        share = torch.full_like(share, float(kind == "curve"))
    colour = rgb(images)
    # Neighbouring ground shines in, or doesn't.
    around = blur(colour, draws.uniform(1, 5)) - colour
    near = colour + around * wide(draws.uniform(0, 0.6) * draws.chance(0.4))
    out = mixed(share, _curves(colour, draws), _network(near, draws))
    out = stretch(out, 0.005, 0.995)
    grey = draws.chance(0.5)
    out = torch.where(wide(grey), out.mean(1, keepdim=True).expand_as(out), out)
    return Synthetic.of(out)


def _network(images: Tensor, draws: Draws) -> Tensor:
    """(B, 3, H, W) in [0, 1]: two random layers over each pixel's colour."""
    first = draws.normal((_WIDTH, 3)) * wide(draws.uniform(2, 6))[:, 0]
    offset = draws.normal((_WIDTH,))[:, :, None, None]
    hidden = torch.tanh(torch.einsum("bij,bjhw->bihw", first, images - 0.5) + offset)
    second = draws.normal((3, _WIDTH)) / math.sqrt(_WIDTH)
    return torch.sigmoid(2 * torch.einsum("bij,bjhw->bihw", second, hidden))


def _curves(images: Tensor, draws: Draws) -> Tensor:
    """(B, 3, H, W) in [0, 1]: a curve per channel, rising, falling or neither."""
    knots = draws.uniform(0, 1, (3, 6))
    rising = knots.sort(2).values
    falling = rising.flip(2)
    kind = draws.choice([0.25, 0.3, 0.45])[:, None, None]
    knots = torch.where(kind == 0, rising, torch.where(kind == 1, falling, knots))
    return torch.cat([tone(images[:, c : c + 1], knots[:, c]) for c in range(3)], 1)
