"""Scenes for the tests of the data engine: fields, a lake, roads, a town; no two pixels alike."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.synthesis.draws import Draws


def draws(count: int, seed: int = 0) -> Draws:
    """Streams of a seed."""
    return Draws.start(torch.Generator().manual_seed(seed), count)


def scenes(count: int, height: int, width: int | None = None, seed: int = 3) -> Tensor:
    """(count, 3, height, width) aerial pictures, in a way."""
    width = width or height
    random = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    place = torch.stack([x, y], -1).float()
    out = []
    for _ in range(count):
        middle = torch.rand((14, 2), generator=random) * torch.tensor([width, height])
        field = (place[:, :, None] - middle).abs().amax(-1).argmin(-1)
        colour = torch.rand((14, 3), generator=random) * 0.5 + 0.2
        colour[:, 1] += 0.15 * torch.rand(14, generator=random)
        image = colour[field]
        lake = (place - middle[0]).square().sum(-1) < (0.18 * max(height, width)) ** 2
        image[lake] = torch.tensor([0.06, 0.1, 0.16])
        town = torch.rand((height // 4 + 1, width // 4 + 1), generator=random)
        town = town.repeat_interleave(4, 0).repeat_interleave(4, 1)[:height, :width]
        built = (place - middle[1]).abs().amax(-1) < 0.2 * max(height, width)
        image[built & ~lake] = town[built & ~lake][:, None] * torch.tensor([0.9, 0.85, 0.8])
        for number in range(2, 5):
            angle = float(torch.rand(1, generator=random)) * math.pi
            off = (place - middle[number]) @ torch.tensor([math.cos(angle), math.sin(angle)])
            image[(off.abs() < 1.2) & ~lake] = 0.85
        out.append(image.permute(2, 0, 1))
    images = torch.stack(out) + 0.02 * torch.randn((count, 3, height, width), generator=random)
    return F.avg_pool2d(F.pad(images.clamp(0, 1), (1, 1, 1, 1), mode="replicate"), 3, 1)


def edges(images: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H - 4, W - 4) steepness of any channel, a little blurred."""
    smooth = F.avg_pool2d(images, 3, 1)
    dx, dy = smooth[..., 1:-1, 2:] - smooth[..., 1:-1, :-2], 0
    dy = smooth[..., 2:, 1:-1] - smooth[..., :-2, 1:-1]
    return (dx.square() + dy.square()).amax(1).sqrt()


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """(B, H, W) twice -> (B,) Pearson's."""
    a, b = (t.flatten(1) - t.flatten(1).mean(1, keepdim=True) for t in (one, other))
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt().clamp(min=1e-9)
