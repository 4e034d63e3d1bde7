"""Parts of XoFTR (Tuzcuoglu et al., CVPR Workshops 2024), named as in its official weights."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FINE, _MEDIUM, _COARSE = 128, 196, 256  # channels at 1/2, 1/4 and 1/8
_HEADS = 8
_HEADS_MEDIUM = 7


class Backbone(nn.Module):
    """ResNet down to 1/8, without a pyramid back up."""

    def __init__(self) -> None:
        """Random weights."""
        super().__init__()
        self.conv1 = nn.Conv2d(1, _FINE, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(_FINE)
        self.layer1 = nn.Sequential(_Residual(_FINE, _FINE, 1), _Residual(_FINE, _FINE, 1))
        self.layer2 = nn.Sequential(_Residual(_FINE, _MEDIUM, 2), _Residual(_MEDIUM, _MEDIUM, 1))
        self.layer3 = nn.Sequential(_Residual(_MEDIUM, _COARSE, 2), _Residual(_COARSE, _COARSE, 1))
        self.layer3_outconv = nn.Conv2d(_COARSE, _COARSE, 1, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 1, H, W) -> features of 128 channels at 1/2, 196 at 1/4 and 256 at 1/8."""
        half = self.layer1(F.relu(self.bn1(self.conv1(images))))
        quarter = self.layer2(half)
        return half, quarter, self.layer3_outconv(self.layer3(quarter))


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1:
            shorter = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shorter, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class FineProcess(nn.Module):
    """Features of matched cells' windows that know of each other and of the coarse ones."""

    def __init__(self) -> None:
        """Random weights."""
        super().__init__()
        self.conv_merge = nn.Sequential(
            nn.Conv2d(2 * _COARSE, _MEDIUM, 1, bias=False),
            nn.Conv2d(_MEDIUM, _MEDIUM, 3, padding=1, groups=_MEDIUM, bias=False),
            nn.BatchNorm2d(_MEDIUM),
        )
        self.out_conv_m = nn.Conv2d(_MEDIUM, _MEDIUM, 1, bias=False)
        self.out_conv_f = nn.Conv2d(_FINE, _FINE, 1, bias=False)
        self.self_attn_m = _WindowSelf(_MEDIUM, _HEADS_MEDIUM, False)
        self.cross_attn_m = _WindowCross(_MEDIUM, _HEADS_MEDIUM)
        self.self_attn_f = _WindowSelf(_FINE, _HEADS, True)
        self.cross_attn_f = _WindowCross(_FINE, _HEADS)
        self.down_proj_m_f = nn.Linear(_MEDIUM, _FINE, bias=False)

    def maps(
        self, half: Tensor, quarter: Tensor, before: Tensor, after: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Features to cut windows from, of 128 channels at 1/2, 196 at 1/4 and 196 at 1/8.

        Args:
            half: (B, 128, H / 2, W / 2) of the backbone.
            quarter: (B, 196, H / 4, W / 4) of the backbone.
            before: (B, 256, H / 8, W / 8) of the backbone.
            after: the same, of the transformer.
        """
        coarse = self.conv_merge(torch.cat([after, before], 1))
        return self.out_conv_f(half), self.out_conv_m(quarter), coarse

    def forward(
        self, fine: list[Tensor], medium: list[Tensor], coarse: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Windows of M matches in both images -> (M, 25, 128) for each.

        Args:
            fine: (M, 25, 128) of both images, at 1/2.
            medium: (M, 9, 196) at 1/4.
            coarse: (M, 1, 196) at 1/8.
        """
        both = self.self_attn_m(torch.cat(medium), torch.cat(coarse))
        both = self.down_proj_m_f(torch.cat(self.cross_attn_m(*both.chunk(2))))
        both = self.self_attn_f(torch.cat(fine), both)
        found: tuple[Tensor, Tensor] = self.cross_attn_f(*both.chunk(2))
        return found


class _WindowSelf(nn.Module):
    """Attention within a window and to the window of the level above."""

    def __init__(self, dim: int, heads: int, above: bool) -> None:
        super().__init__()
        self.mlp = _Mlp(dim)
        self.gamma = nn.Parameter(torch.ones(dim))
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.attn = _Attention(dim, heads)
        self.pos_embed = _Positions(dim)
        self.pos_embed_pre = _Positions(dim) if above else nn.Identity()

    def forward(self, x: Tensor, above: Tensor) -> Tensor:
        both = torch.cat([self.pos_embed(x), self.pos_embed_pre(above)], 1)
        message = self.mlp(torch.cat([both, self.attn(self.norm2(both))], -1))
        out: Tensor = (both + self.gamma * self.norm1(message))[:, : x.shape[1]]
        return out


class _WindowCross(nn.Module):
    """Attention between the windows of both images."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = _Mlp(dim)
        self.cross_attn = _BothWays(dim, heads)
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x0: Tensor, x1: Tensor) -> tuple[Tensor, Tensor]:
        messages = self.cross_attn(self.norm1(x0), self.norm1(x1))
        x0, x1 = (
            x + self.gamma * self.norm2(self.mlp(torch.cat([x, message], -1)))
            for x, message in zip((x0, x1), messages, strict=True)
        )
        return x0, x1


class _Mlp(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2 * dim, 2 * dim)
        self.fc2 = nn.Linear(2 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class _Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.kv_proj = nn.Linear(dim, 2 * dim, bias=False)
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.merge = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        key, value = (_heads(t, self.heads) for t in self.kv_proj(x).chunk(2, -1))
        found = F.scaled_dot_product_attention(_heads(self.q_proj(x), self.heads), key, value)
        out: Tensor = self.merge(found.transpose(1, 2).flatten(2))
        return out


class _BothWays(nn.Module):
    """Cross attention whose one similarity serves both directions."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qk_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim, bias=False)
        self.merge = nn.Linear(dim, dim, bias=False)
        self.temperature = nn.Parameter(torch.zeros(1))  # in the official weights, but unused

    def forward(self, x0: Tensor, x1: Tensor) -> tuple[Tensor, Tensor]:
        qk0, qk1, v0, v1 = (
            _heads(project(x), self.heads)
            for project in (self.qk_proj, self.v_proj)
            for x in (x0, x1)
        )
        similar = qk0 @ qk1.mT * qk0.shape[-1] ** -0.5
        found = (similar.softmax(-1) @ v1, similar.mT.softmax(-1) @ v0)
        out0, out1 = (self.merge(x.transpose(1, 2).flatten(2)) for x in found)
        return out0, out1


def _heads(x: Tensor, heads: int) -> Tensor:
    """(M, L, C) -> (M, heads, L, C / heads)."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)


class _Positions(nn.Module):
    """Learned encoding of (row, column) in [-1, 1] in a square window."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pos_mlp = nn.Sequential(nn.Linear(2, 512), nn.ReLU(), nn.Linear(512, dim, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        reach = math.isqrt(x.shape[1]) // 2
        steps = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype) / reach
        out: Tensor = x + self.pos_mlp(torch.cartesian_prod(steps, steps))
        return out
