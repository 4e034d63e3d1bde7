"""Refinement of a dense warp at one scale, by convolutions: a part of RoMa.

Source: Edstedt et al., "RoMa: robust dense feature matching", CVPR 2024, and "DKM: dense kernelized
feature matching", CVPR 2023, whose refiners these are.

Coordinates are normalised: the image spans [-1, 1], edges at the ends, so the centre of pixel i of
n lies at (2 i + 1) / n - 1. A warp is (B, 2, H, W), x before y.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from georeg.matching.networks.precision import exact

_BLOCKS = 8
_GAIN = 40 / 32  # of displacements before they are embedded, as in training


def centres(height: int, width: int, device: torch.device) -> Tensor:
    """(1, 2, H, W) normalised coordinates of the pixels' centres."""
    y = torch.linspace(-1 + 1 / height, 1 - 1 / height, height, device=device)
    x = torch.linspace(-1 + 1 / width, 1 - 1 / width, width, device=device)
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]


def sampled(features: Tensor, places: Tensor) -> Tensor:
    """Features (B, C, h, w) at normalised places (B, H, W, 2), bilinear, 0 outside, in float32."""
    return F.grid_sample(features.float(), places, mode="bilinear", align_corners=False)


def local_correlation(here: Tensor, there: Tensor, warp: Tensor, radius: int) -> Tensor:
    """Products of features with those around where the warp leads.

    Args:
        here: (B, C, H, W) features.
        there: (B, C, H, W) features of the other image.
        warp: (B, 2, H, W) normalised places in the other image.
        radius: R, pixels.

    Returns:
        (B, (2 R + 1)^2, H, W), offsets row by row; the scalar product over the root of C.
    """
    height, width = here.shape[-2:]
    side = 2 * radius + 1
    dy = torch.linspace(-2 * radius / height, 2 * radius / height, side, device=here.device)
    dx = torch.linspace(-2 * radius / width, 2 * radius / width, side, device=here.device)
    here = here.float() / here.shape[1] ** 0.5
    places = warp.permute(0, 2, 3, 1)
    # A row of offsets at a time: all at once would need side^2 copies of the features.
    products = []
    for j in range(side):
        moved = places[:, :, None] + torch.stack([dx, dy[j].expand(side)], dim=-1)[:, None]
        window = sampled(there, moved.flatten(2, 3)).reshape(*here.shape[:3], side, width)
        products.append((here[:, :, :, None] * window).sum(dim=1).transpose(1, 2))
    return torch.cat(products, dim=1)


def _block(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 5, padding=2, groups=channels),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 1),
    )


class ConvRefiner(nn.Module):
    """What to add to a warp and to the logit of its certainty."""

    def __init__(self, features: int, embedded: int, radius: int) -> None:
        """Take the sizes.

        Args:
            features: channels of each image.
            embedded: channels that the displacement becomes.
            radius: of the local correlation, 0 for none.
        """
        super().__init__()
        channels = 2 * features + embedded + ((2 * radius + 1) ** 2 if radius else 0)
        self.radius = radius
        self.disp_emb = nn.Conv2d(2, embedded, 1)
        self.block1 = _block(channels)
        self.hidden_blocks = nn.Sequential(*[_block(channels) for _ in range(_BLOCKS)])
        self.out_conv = nn.Conv2d(channels, 3, 1)

    def forward(
        self, here: Tensor, there: Tensor, warp: Tensor, scale: float
    ) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            here: (B, C, H, W) features.
            there: (B, C, H, W) features of the other image.
            warp: (B, 2, H, W) normalised places in the other image.
            scale: side of the images over that of the coarse pass.

        Returns:
            (B, 2, H, W) displacement in quarters of this scale's stride, (B, 1, H, W) logit.
        """
        height, width = here.shape[-2:]
        displacement = warp - centres(height, width, here.device)
        parts = [here.float(), sampled(there, warp.permute(0, 2, 3, 1))]
        parts.append(self.disp_emb(_GAIN * scale * displacement).float())
        if self.radius:
            parts.append(local_correlation(here, there, warp, self.radius))
        x = self.hidden_blocks(self.block1(torch.cat(parts, dim=1)))
        with exact(x):
            out: Tensor = self.out_conv(x.float())
        return out[:, :2], out[:, 2:]
