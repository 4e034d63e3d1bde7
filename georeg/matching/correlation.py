"""Masked normalised correlation of small blocks by FFT, and its sums over larger templates.

Correlation sums are additive, so blocks are correlated once, without overlap, and the sums of
any k x k blocks give the normalised correlation of the k times larger template at no further
cost. The masked normalisation is Padfield's (IEEE TIP 21(5), 2012) without the means, which the
features don't have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_FAST = (8, 12, 16, 18, 20, 24, 28, 32, 36, 40, 48, 56, 64, 72, 80, 96, 108, 112, 120, 128)
_BUDGET = 1_000_000  # numbers that the FFTs of one chunk hold, so that they stay in the cache


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Sums per block and displacement, each (B, rows, columns, 2 R + 1, 2 R + 1).

    Displacement [R + dy, R + dx] compares a moving block with the reference (dx, dy) cells away.
    """

    product: Tensor
    moving_energy: Tensor
    reference_energy: Tensor
    cells: Tensor
    block: int

    @property
    def radius(self) -> int:
        """R, in cells."""
        return (self.product.shape[-1] - 1) // 2

    def pooled(self, size: int) -> BlockSums:
        """Sums over all size x size groups of blocks; groups overlap."""
        return BlockSums(
            _group(self.product, size),
            _group(self.moving_energy, size),
            _group(self.reference_energy, size),
            _group(self.cells, size),
            self.block,
        )

    def correlation(self, size: int, min_share: float) -> tuple[Tensor, Tensor]:
        """Normalised correlation in [-1, 1], 0 where invalid, and where it is valid (bool).

        Args:
            size: blocks along a side of the templates that were pooled.
            min_share: least share of the template's cells that must be valid on both sides.
        """
        area = float((size * self.block) ** 2)
        valid = self.cells > min_share * area
        # Not quite 0, where the root has no slope: networks are trained through this.
        energy = (self.moving_energy * self.reference_energy).clamp(min=1e-12).sqrt()
        score = self.product / (energy + 2e-3 * area)
        return torch.where(valid, score, torch.zeros_like(score)), valid


def _group(x: Tensor, size: int) -> Tensor:
    rows = x.unfold(1, size, 1).sum(-1)
    return rows.unfold(2, size, 1).sum(-1)


def correlate_blocks(
    moving: Tensor,
    moving_mask: Tensor,
    references: Sequence[tuple[Tensor, Tensor]],
    block: int,
    radius: int,
) -> list[BlockSums]:
    """Correlate every block of the moving features with references around the same place.

    Args:
        moving: (B, C, h, w) features, 0 where invalid.
        moving_mask: (B, h, w), 1 where valid.
        references: features and masks of the same extent, one or several of them.
        block: side of a block in cells; blocks that stick out are dropped.
        radius: largest displacement in cells along each axis.

    Returns:
        The sums for each of the references.
    """
    batch, channels, height, width = moving.shape
    rows, columns = height // block, width // block
    side = block + 2 * radius
    fft = next((n for n in _FAST if n >= side), side + side % 2)
    one = torch.cat([moving, moving_mask[:, None], moving.square().sum(1, keepdim=True)], 1)
    templates = one[..., : rows * block, : columns * block].unfold(2, block, block)
    templates = templates.unfold(3, block, block)
    windows = [_windows(*two, radius, block, rows, columns) for two in references]
    reach = 2 * radius + 1
    out = moving.new_empty((len(windows), 4, batch, rows, columns, reach, reach))
    step = max(1, _BUDGET // (columns * (2 * channels + 8) * fft * fft))
    for n in range(batch):
        for first in range(0, rows, step):
            part = slice(first, first + step)
            a = torch.fft.rfft2(templates[n, :, part], s=(fft, fft)).conj()
            for number, two in enumerate(windows):
                b = torch.fft.rfft2(two[n, :, part], s=(fft, fft))
                spectra = torch.stack(
                    [
                        (a[:channels] * b[:channels]).sum(0),
                        a[channels + 1] * b[channels + 1],
                        a[channels] * b[channels],
                        a[channels] * b[channels + 1],
                    ]
                )
                sums = torch.fft.irfft2(spectra, s=(fft, fft))
                out[number, :, n, part] = sums[..., :reach, :reach]
    return [BlockSums(o[0], o[1], o[2], o[3], block) for o in out]


def _windows(
    features: Tensor, mask: Tensor, radius: int, block: int, rows: int, columns: int
) -> Tensor:
    """(B, C + 2, rows, columns, side, side): the search window of each block, 0 outside."""
    two = torch.cat([features, features.square().sum(1, keepdim=True), mask[:, None]], 1)
    two = F.pad(two, (radius, radius + block, radius, radius + block))
    side = block + 2 * radius
    windows = two.unfold(2, side, block)[:, :, :rows]
    return windows.unfold(3, side, block)[:, :, :, :columns]
