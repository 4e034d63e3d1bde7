"""Vision transformer with the weights' names of DINOv2, and the block it is made of.

Sources: Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021 (transformer); Touvron et
al., "Going deeper with image transformers", ICCV 2021 (scale of the layers); Oquab et al.,
"DINOv2: learning robust visual features without supervision", TMLR 2024 (weights, patches of 14).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 14
_TRAINED = 37  # patches a side of the images it was trained with, 518 pixels
_NUDGE = 0.1  # of a patch: the size the positions are asked for, so that none is lost by rounding


class Attention(nn.Module):
    """Self-attention of several heads."""

    def __init__(self, dim: int, heads: int, bias: bool) -> None:
        """Take the width, the number of heads, and whether queries, keys, values have a bias."""
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        split = self.qkv(x).reshape(*x.shape[:2], 3, self.heads, -1)
        q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
        mixed: Tensor = self.proj(
            F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        )
        return mixed


class Mlp(nn.Module):
    """Two layers, the inner one four times as wide."""

    def __init__(self, dim: int) -> None:
        """Take the width."""
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class LayerScale(nn.Module):
    """One factor a channel."""

    def __init__(self, dim: int) -> None:
        """Take the width."""
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        return x * self.gamma


class Block(nn.Module):
    """Attention and two layers, each normalised before and added to what came in."""

    def __init__(
        self, dim: int, heads: int, *, bias: bool = False, scaled: bool = False, eps: float = 1e-5
    ) -> None:
        """Take width and heads.

        Args:
            dim: width.
            heads: of the attention; divides the width.
            bias: queries, keys and values have one.
            scaled: what is added has a learned factor a channel, as in DINOv2.
            eps: of the normalisation.
        """
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, heads, bias)
        self.ls1 = LayerScale(dim) if scaled else nn.Identity()
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim)
        self.ls2 = LayerScale(dim) if scaled else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        x = x + self.ls2(self.mlp(self.norm2(x)))
        return x


class PatchEmbed(nn.Module):
    """Each patch of pixels becomes a token."""

    def __init__(self, dim: int) -> None:
        """Take the width."""
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH, stride=PATCH)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, H / 14 * W / 14, C), row by row."""
        tokens: Tensor = self.proj(images)
        return tokens.flatten(2).transpose(1, 2)


class DinoV2(nn.Module):
    """ViT-L/14 as published, without the heads of its training."""

    def __init__(self, dim: int = 1024, depth: int = 24, heads: int = 16) -> None:
        """Untrained; the defaults are those of the large one."""
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, _TRAINED**2 + 1, dim))
        self.mask_token = nn.Parameter(torch.zeros(1, dim))  # of the training alone
        self.patch_embed = PatchEmbed(dim)
        self.blocks = nn.ModuleList(
            Block(dim, heads, bias=True, scaled=True, eps=1e-6) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        """Features of the patches.

        Args:
            images: (B, 3, H, W) in the weights' type, sides multiples of 14, ImageNet's mean and
                standard deviation removed.

        Returns:
            (B, C, H / 14, W / 14).
        """
        rows, columns = (side // PATCH for side in images.shape[-2:])
        x = self.patch_embed(images)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        x = x + self._positions(rows, columns)
        for block in self.blocks:
            x = block(x)
        tokens: Tensor = self.norm(x)[:, 1:]
        return tokens.transpose(1, 2).reshape(len(images), -1, rows, columns)

    def _positions(self, rows: int, columns: int) -> Tensor:
        """(1, 1 + rows * columns, C): those learned, interpolated unless the size is the same."""
        if rows == columns == _TRAINED:
            return self.pos_embed
        learned = self.pos_embed.float()
        plane = learned[:, 1:].transpose(1, 2).reshape(1, -1, _TRAINED, _TRAINED)
        # The scale, not the size, is what the published code fixes: it sets where samples lie.
        scale = ((rows + _NUDGE) / _TRAINED, (columns + _NUDGE) / _TRAINED)
        plane = F.interpolate(plane, scale_factor=scale, mode="bicubic")
        there = torch.cat([learned[:, :1], plane.flatten(2).transpose(1, 2)], dim=1)
        return there.to(self.pos_embed.dtype)
