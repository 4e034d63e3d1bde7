"""Surface normals as colours: red to the right, green up, blue towards the viewer."""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis import _height
from georeg.synthesis._ops import blur, wide
from georeg.synthesis._segments import segment
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic


def synthesise(images: Tensor, draws: Draws) -> Synthetic:
    """Normals of a surface with terrain and objects.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.

    Returns:
        (B, 3, H, W); one axis or the other may point the other way, as conventions differ.
    """
    segments = segment(images, draws, 6, draws.uniform(0.8, 2))
    steps = _height.objects(images, draws, segments, draws.uniform(1, 2))
    hills = _height.terrain(images, draws, smoothest=1.5)
    share = wide(draws.uniform(0.2, 0.8))
    surface = blur(steps * share + hills * (1 - share), draws.uniform(0.4, 1.5))
    up = _height.normals(surface, draws.uniform(8, 40))
    turned = torch.stack([draws.sign(), draws.sign(), torch.ones(len(draws)).to(up)], 1)
    return Synthetic.of(up * turned[:, :, None, None] * 0.5 + 0.5)
