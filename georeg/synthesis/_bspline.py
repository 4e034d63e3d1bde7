"""Uniform cubic B-splines over a lattice: smooth, and exact at any position."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.synthesis._ops import centres

_FINER = 8  # entries of the table between two nodes
_ROUNDS = 6


def nodes(size: int, spacing: float) -> int:
    """How many nodes cover `size` pixels; the first lies at -spacing."""
    return int(-(-size // spacing)) + 3


def weights(t: Tensor) -> Tensor:
    """(...) in [0, 1] -> (..., 4) weights of the nodes around."""
    s = 1 - t
    return torch.stack([s**3, 3 * t**3 - 6 * t**2 + 4, 3 * s**3 - 6 * s**2 + 4, t**3], dim=-1).div_(
        6
    )


def slopes(t: Tensor) -> Tensor:
    """(...) -> (..., 4) derivatives of `weights`."""
    s = 1 - t
    return torch.stack([-(s**2), 3 * t**2 - 4 * t, 4 * s - 3 * s**2, t**2], dim=-1).div_(2)


def surface(lattice: Tensor, size: tuple[int, int], spacing: float) -> Tensor:
    """(B, C, h, w) node values -> (B, C, H, W) at the middles of pixels."""
    height, width = size
    rows = _matrix(height, lattice.shape[2], spacing, lattice)
    columns = _matrix(width, lattice.shape[3], spacing, lattice)
    return rows @ lattice @ columns.mT


def _matrix(size: int, count: int, spacing: float, like: Tensor) -> Tensor:
    """(size, count) weights of each node at each pixel's middle."""
    place = centres(size, like) / spacing
    first = place.floor()
    out = like.new_zeros((size, count + 1))
    index = first.long()[:, None] + torch.arange(4, device=like.device)
    # A fourth node of weight almost 0 may lie beyond the lattice.
    out.scatter_(1, index.clamp(max=count), weights(place - first))
    return out[:, :count]


def at(lattice: Tensor, xy: Tensor, spacing: float) -> tuple[Tensor, Tensor]:
    """Values and derivatives at any positions; beyond the lattice those of its edge.

    Args:
        lattice: (B, C, h, w).
        xy: (B, N, 2) pixels.
        spacing: pixels from node to node.

    Returns:
        (B, N, C) values and (B, N, C, 2) derivatives by x and y.
    """
    batch, channels, height, width = lattice.shape
    spans = xy.new_tensor([width - 3, height - 3])
    place = xy / spacing
    inside = ((place >= 0) & (place <= spans)).to(xy.dtype)
    place = torch.minimum(place.clamp(min=0), spans)
    cell = torch.minimum(place.floor(), spans - 1)
    t = place - cell
    number = (cell[..., 1] * (width - 3) + cell[..., 0]).long()
    table = F.unfold(lattice, 4).mT.reshape(batch, -1, channels, 4, 4)
    which = torch.arange(batch, device=xy.device)[:, None]
    around = table[which, number]
    along_x, along_y = weights(t[..., 0]), weights(t[..., 1])
    # Sums of products: einsum would make tiny matrix products of them, many times slower.
    rows = (around * along_x[:, :, None, None]).sum(-1)
    value = (rows * along_y[:, :, None]).sum(-1)
    dy = (rows * slopes(t[..., 1])[:, :, None]).sum(-1) * inside[..., 1:]
    bent = (around * slopes(t[..., 0])[:, :, None, None]).sum(-1)
    dx = (bent * along_y[:, :, None]).sum(-1) * inside[..., :1]
    return value, torch.stack([dx, dy], dim=-1) / spacing


def unbent(lattice: Tensor, xy: Tensor, spacing: float) -> Tensor:
    """(B, N, 2) positions p with p + displacement(p) = xy, good to about 0.1 px.

    Args:
        lattice: (B, 2, h, w) displacements, no steeper than 0.5.
        xy: (B, N, 2) pixels.
        spacing: pixels from node to node.
    """
    height, width = ((n - 3) * _FINER for n in lattice.shape[-2:])
    table = surface(lattice, (height, width), float(_FINER))
    spans = xy.new_tensor([width, height]) * (spacing / _FINER)
    found = xy
    for _ in range(_ROUNDS):
        grid = (2 * found / spans - 1)[:, None]
        moved = F.grid_sample(table, grid, padding_mode="border", align_corners=False)
        found = xy - moved[:, :, 0].mT
    return found


def gathered(images: Tensor, spacing: float) -> Tensor:
    """(B, C, H, W) -> (B, C, h, w): what images are around each node, smoothed."""
    rows, columns = (
        _around(size, nodes(size, spacing), spacing, images) for size in images.shape[-2:]
    )
    return rows @ images @ columns.mT


def _around(size: int, count: int, spacing: float, like: Tensor) -> Tensor:
    """(count, size) weights of pixels around each node, nearest ones for nodes outside."""
    node = (torch.arange(count, device=like.device, dtype=like.dtype) - 1) * spacing
    node = node.clamp(0, size)
    kernel = torch.exp(-(((centres(size, like) - node[:, None]) / (spacing * 0.6)) ** 2) / 2)
    return kernel / kernel.sum(1, keepdim=True)
