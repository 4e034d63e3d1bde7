"""An event camera's view: where the logarithm of brightness changed while the camera moved."""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis import _noise
from georeg.synthesis._ops import blur, grey, moved, quantiles, wide
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic

# Background, brighter, darker.
_COLOURS = (
    ((1.0, 1.0, 1.0), (0.9, 0.1, 0.1), (0.1, 0.1, 0.9)),
    ((0.0, 0.0, 0.0), (0.9, 0.2, 0.2), (0.2, 0.3, 1.0)),
    ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    ((0.12, 0.16, 0.22), (0.9, 0.95, 1.0), (0.25, 0.5, 0.85)),
)


def synthesise(images: Tensor, draws: Draws) -> Synthetic:
    """Events of a short motion whose middle is the image's place: edges don't move on average.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.

    Returns:
        (B, 3, H, W): a flat background with dots of two colours.
    """
    angle, reach = draws.uniform(0, 2 * torch.pi), draws.uniform(0.5, 1.5)
    dx, dy = torch.cos(angle) * reach, torch.sin(angle) * reach
    light = torch.log(blur(grey(images), draws.uniform(0.4, 1)).clamp(min=0) + 0.05)
    change = moved(light, dx, dy) - moved(light, -dx, -dy)
    step = quantiles(change.abs(), [0.9])[:, 0].clamp(min=0.02) * draws.uniform(0.35, 0.9)
    # Each pixel has a threshold of its own, as real sensors do.
    own = 1 + 0.15 * _noise.white(draws, change)
    count = (change / (wide(step) * own.clamp(min=0.3))).clamp(-4, 4).trunc()
    noise = draws.uniform(0, 0.03)
    false = (draws.uniform(shape=tuple(change.shape[1:])) < wide(noise)).float()
    count = count + false * draws.sign(tuple(change.shape[1:]))
    count = count.clamp(-4, 4)
    strength = (count.abs() / wide(draws.integers(1, 4).float())).clamp(0, 1)
    colours = images.new_tensor(_COLOURS)[draws.integers(0, len(_COLOURS))]
    ground, up, down = (colours[:, i, :, None, None] for i in range(3))
    ink = torch.where(count > 0, up, down)
    out = ground + (ink - ground) * strength
    return Synthetic.of(blur(out, draws.uniform(0, 0.5)))
