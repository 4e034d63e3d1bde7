"""Transformer of LoFTR (Sun et al., CVPR 2021), which XoFTR has, too; named as in their weights."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from georeg.matching.networks.precision import exact

_HEADS = 8


def with_positions(x: Tensor, old: bool = False) -> Tensor:
    """(B, C, h, w) features plus the sines and cosines of their columns and rows, from 1.

    Args:
        x: features.
        old: use the rates that LoFTR's first weights were trained with. A slip in the order of
            operations makes them fall so fast that most channels say next to nothing.
    """
    channels, rows, cols = x.shape[1:]
    fall = -1.0 if old else -math.log(10000.0) / (channels // 2)
    step = torch.arange(0, channels // 2, 2, device=x.device).float()
    rates = (step * fall).exp()[:, None]
    across = torch.arange(1, cols + 1, device=x.device).float() * rates
    down = torch.arange(1, rows + 1, device=x.device).float() * rates
    parts = [across.sin()[:, None], across.cos()[:, None]]
    parts += [down.sin()[:, :, None], down.cos()[:, :, None]]
    code = torch.stack([part.expand(-1, rows, cols) for part in parts], 1)
    return x + code.flatten(0, 1).to(x)


class Transformer(nn.Module):
    """Linear self and cross attention in turns."""

    def __init__(self, dim: int = 256, turns: int = 4) -> None:
        """Random weights."""
        super().__init__()
        self.layers = nn.ModuleList(_Layer(dim) for _ in range(2 * turns))

    def forward(
        self, x0: Tensor, x1: Tensor, full0: Tensor | None = None, full1: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features (B, L, C) of both images' cells, and (B, L) which of them hold data (or all).

        The second image's cross attention sees what the first has already learned, as it was
        in training.
        """
        for number, layer in enumerate(self.layers):
            if number % 2 == 0:
                x0, x1 = layer(x0, x0, full0, full0), layer(x1, x1, full1, full1)
            else:
                x0 = layer(x0, x1, full0, full1)
                x1 = layer(x1, x0, full1, full0)
        return x0, x1


class _Layer(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim, bias=False)
        self.merge = nn.Linear(dim, dim, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * dim, 2 * dim, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(2 * dim, dim, bias=False),
        )
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)

    def forward(
        self, x: Tensor, source: Tensor, full: Tensor | None, keys: Tensor | None
    ) -> Tensor:
        q, k, v = (
            project(t).unflatten(-1, (_HEADS, -1))
            for project, t in ((self.q_proj, x), (self.k_proj, source), (self.v_proj, source))
        )
        message = self.norm1(self.merge(_attended(q, k, v, full, keys).flatten(2)))
        out: Tensor = x + self.norm2(self.mlp(torch.cat([x, message], 2)))
        return out


def _attended(q: Tensor, k: Tensor, v: Tensor, full: Tensor | None, keys: Tensor | None) -> Tensor:
    """Attention whose cost grows with the number of cells, not its square.

    Katharopoulos et al., ICML 2020, with the kernel elu + 1. Queries (B, L, heads, D), keys and
    values (B, S, heads, D). In single precision: the sums over all cells pass what float16 holds.
    """
    with exact(q):
        q, k, v = F.elu(q.float()).add_(1), F.elu(k.float()).add_(1), v.float()
        if full is not None:
            q = q * full[..., None, None]
        if keys is not None:
            k, v = k * keys[..., None, None], v * keys[..., None, None]
        count = v.shape[1]  # divided by and multiplied with, as officially
        values = torch.einsum("bshd,bshe->bhde", k, v / count)
        weight = torch.einsum("blhd,bhd->blh", q, k.sum(1)) + 1e-6
        return torch.einsum("blhd,bhde->blhe", q, values) / weight[..., None] * count
