"""Masked normalised correlation of small blocks by FFT, and its sums over larger templates.

Correlation sums are additive, so blocks are correlated once, without overlap, and the sums of
any k x k blocks give the normalised correlation of the k times larger template at no further
cost. The masked normalisation is Padfield's (IEEE TIP 21(5), 2012) without the means, which the
features don't have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_FAST = (8, 12, 16, 18, 20, 24, 28, 32, 36, 40, 48, 56, 64, 72, 80, 96, 108, 112, 120, 128)
_PRODUCT = 15  # a term of an FFT takes as long as so many of a matrix product
_BUDGET = 1_000_000  # numbers that the FFTs of one chunk hold, so that they stay in the cache
_HELD = 8_000_000  # numbers of each sum of a scene that are held at a time


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
        return self._each(lambda x: _group(x, size))

    def at_rest(self) -> BlockSums:
        """Those without displacement only."""
        middle = slice(self.radius, self.radius + 1)
        return self._each(lambda x: x[..., middle, middle])

    def rows(self, first: int, count: int) -> BlockSums:
        """Some rows of blocks."""
        return self._each(lambda x: x.narrow(1, first, count))

    def _each(self, do: Callable[[Tensor], Tensor]) -> BlockSums:
        return BlockSums(
            do(self.product),
            do(self.moving_energy),
            do(self.reference_energy),
            do(self.cells),
            self.block,
        )

    def correlation(self, size: int, min_share: float | Tensor) -> tuple[Tensor, Tensor]:
        """Normalised correlation in [-1, 1], 0 where invalid, and where it is valid (bool).

        Args:
            size: blocks along a side of the templates that were pooled.
            min_share: least share of the template's cells that must be valid on both sides; for
                all, or as a (B, 1, 1, 1, 1) tensor.
        """
        area = float((size * self.block) ** 2)
        valid = self.cells > min_share * area
        # Not quite 0, where the root has no slope: networks are trained through this.
        energy = (self.moving_energy * self.reference_energy).clamp(min=1e-12).sqrt()
        score = self.product / (energy + 2e-3 * area)
        return torch.where(valid, score, torch.zeros_like(score)), valid


def _group(x: Tensor, size: int) -> Tensor:
    for axis in (1, 2):
        count = x.shape[axis] - size + 1
        total = x.narrow(axis, 0, count).clone()
        for k in range(1, size):
            total += x.narrow(axis, k, count)
        x = total
    return x


def correlate_blocks(
    moving: Tensor,
    moving_mask: Tensor,
    references: Sequence[tuple[Tensor, Tensor]],
    block: int,
    radius: int,
    first: tuple[int, int] = (0, 0),
) -> list[BlockSums]:
    """Correlate every block of the moving features with references around the same place.

    Args:
        moving: (B, C, h, w) features, 0 where invalid.
        moving_mask: (B, h, w), 1 where valid.
        references: features and masks, all of one extent, one or several of them.
        block: side of a block in cells; blocks that stick out are dropped.
        radius: largest displacement in cells along each axis.
        first: row and column of the references that are the same place as the first cell of the
            moving features; some block meets them at some displacement along either axis.

    Returns:
        The sums for each of the references.
    """
    batch, channels, height, width = moving.shape
    rows, columns = height // block, width // block
    side = block + 2 * radius
    high, wide = references[0][1].shape[1:]
    if _everywhere((high + block) * (wide + block), block, side):
        return [_directly(moving, moving_mask, two, block, radius, first) for two in references]
    fft = next((n for n in _FAST if n >= side), side + side % 2)
    one = torch.cat([moving, moving_mask[:, None], moving.square().sum(1, keepdim=True)], 1)
    templates = one[..., : rows * block, : columns * block].unfold(2, block, block)
    templates = templates.unfold(3, block, block)
    windows = [_windows(*two, radius, block, rows, columns, first) for two in references]
    reach = 2 * radius + 1
    out = moving.new_zeros((len(windows), 4, batch, rows, columns, reach, reach))
    shown = _with_data(templates[:, channels])
    step = max(1, _BUDGET // ((2 * channels + 8) * fft * fft))
    for n in range(batch):
        for down, across in _pieces(shown[n], step):
            a = torch.fft.rfft2(templates[n, :, down, across], s=(fft, fft)).conj()
            for number, two in enumerate(windows):
                b = torch.fft.rfft2(two[n, :, down, across], s=(fft, fft))
                spectra = torch.stack(
                    [
                        (a[:channels] * b[:channels]).sum(0),
                        a[channels + 1] * b[channels + 1],
                        a[channels] * b[channels],
                        a[channels] * b[channels + 1],
                    ]
                )
                sums = torch.fft.irfft2(spectra, s=(fft, fft))
                out[number, :, n, down, across] = sums[..., :reach, :reach]
    return [BlockSums(o[0], o[1], o[2], o[3], block) for o in out]


def correlate_scene(
    moving: tuple[Tensor, Tensor],
    reference: tuple[Tensor, Tensor],
    block: int,
    size: int,
    radius: int,
) -> Iterator[tuple[tuple[int, int], BlockSums]]:
    """`correlate_blocks` where most may be empty, and the search goes far: in bounded memory.

    Blocks without data around them, and those that meet the reference nowhere, are left out, and
    of the others some rows are looked at at a time.

    Args:
        moving: (B, C, h, w) features and (B, h, w) mask.
        reference: likewise, of the same extent.
        block: see `correlate_blocks`.
        size: blocks along a side of the templates that will be pooled; there is room for one.
        radius: see `correlate_blocks`.

    Yields:
        Row and column of the first block, and the sums from there on, in order of the rows: all
        templates that can tell anything are in one of them.
    """
    spans = []
    for axis in (1, 2):
        one, two = (_filled(mask, axis) for mask in (moving[1], reference[1]))
        spans.append(_meeting(one, two, moving[1].shape[axis] // block, block, size, radius))
    (top, bottom, rows), (left, right, columns) = spans
    shown = reference[0][..., rows, columns], reference[1][..., rows, columns]
    held = len(moving[1]) * (right - left) * (2 * radius + 1) ** 2
    step = max(1, _HELD // held - size + 1)
    across = slice(left * block, right * block)
    for row in range(top, bottom - size + 1, step):
        down = slice(row * block, min(row + step + size - 1, bottom) * block)
        some = moving[0][..., down, across], moving[1][..., down, across]
        first = down.start - rows.start, across.start - columns.start
        (sums,) = correlate_blocks(*some, [shown], block, radius, first)
        yield (row, left), sums


def _filled(mask: Tensor, axis: int) -> list[int]:
    """Rows (axis 1) or columns (2) of a (B, h, w) mask that aren't empty."""
    found: list[int] = mask.amax((0, 3 - axis)).nonzero()[:, 0].tolist()
    return found


def _meeting(
    moving: list[int], reference: list[int], count: int, block: int, size: int, radius: int
) -> tuple[int, int, slice]:
    """First block and the one after the last, and the cells of the reference, along one axis.

    Args:
        moving: cells with data.
        reference: likewise.
        count: blocks.
        block: see `correlate_scene`.
        size: likewise.
        radius: likewise.
    """
    if not reference:
        return 0, size, slice(0, None)
    near, far = reference[0] - radius - block, reference[-1] + radius
    among = [n for n in (cell // block for cell in moving) if n < count and near < n * block <= far]
    if not among:
        return 0, size, slice(0, None)
    first, last = max(0, among[0] - size + 1), min(count, among[-1] + size)
    return first, last, slice(reference[0], reference[-1] + 1)


def _pieces(shown: Tensor, most: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the blocks that are shown, in rectangles of at most so many blocks.

    Slices, because picking single blocks takes as long as their FFTs. The empty ones among them
    cost time and nothing else.

    Args:
        shown: (rows, columns), True where a block has data.
        most: blocks in a rectangle.
    """
    rows, columns = shown.shape
    high, wide = max(1, most // columns), min(most, columns)
    for top in range(0, rows, high):
        among = shown[top : top + high].any(0).nonzero()[:, 0].tolist()
        if not among:
            continue
        for left in range(among[0], among[-1] + 1, wide):
            yield slice(top, min(top + high, rows)), slice(left, min(left + wide, among[-1] + 1))


def _everywhere(places: int, block: int, side: int) -> bool:
    """Whether it is cheaper to compare every block with every place, as a matrix product.

    That is so where windows reach over most of a small scene: their FFTs then compute the same
    over and over.
    """
    return places * block**2 < _PRODUCT * side**2 * math.log2(side**2)


def _directly(
    moving: Tensor,
    moving_mask: Tensor,
    reference: tuple[Tensor, Tensor],
    block: int,
    radius: int,
    origin: tuple[int, int],
) -> BlockSums:
    """As `correlate_blocks`: sums over all places, of which each block keeps its window."""
    batch, channels, height, width = moving.shape
    rows, columns = height // block, width // block
    energy = moving.square().sum(1, keepdim=True)
    blocks = torch.cat([moving, moving_mask[:, None], energy], 1)
    blocks = blocks[..., : rows * block, : columns * block]
    blocks = blocks.unfold(2, block, block).unfold(3, block, block).flatten(2, 3).transpose(1, 2)
    features, mask = reference
    energy = features.square().sum(1, keepdim=True)
    # Farther out there is nothing.
    around = min(radius, block - 1) if mask.shape == moving_mask.shape else block - 1
    reach = 2 * radius + 1
    sums = moving.new_zeros((4, batch, rows, columns, reach, reach))
    for n in range(batch):
        shown = _with_data(blocks[n, :, channels]).nonzero()[:, 0]
        if not len(shown):
            continue
        kept = blocks[n, shown]
        template, cells = kept[:, :channels], kept[:, channels : channels + 1]
        found = (
            F.conv2d(features[n, None], template, padding=around),
            F.conv2d(mask[n, None, None], kept[:, channels + 1 :], padding=around),
            F.conv2d(energy[n, None], cells, padding=around),
            F.conv2d(mask[n, None, None], cells, padding=around),
        )
        for number, place in enumerate(shown.tolist()):
            row, column = divmod(place, columns)
            y = _overlap(origin[0] + row * block, radius, around, found[0].shape[2])
            x = _overlap(origin[1] + column * block, radius, around, found[0].shape[3])
            for kind, one in enumerate(found):
                sums[kind, n, row, column, y[1], x[1]] = one[0, number, y[0], x[0]]
    return BlockSums(sums[0], sums[1], sums[2], sums[3], block)


def _with_data(mask: Tensor) -> Tensor:
    """(...) where a (..., block, block) mask isn't empty: all sums of other blocks are 0.

    The margin around a scene has none, nor what a smaller or turned one leaves free.
    """
    return mask.amax((-1, -2)) > 0


def _overlap(start: int, radius: int, around: int, size: int) -> tuple[slice, slice]:
    """Of a block that starts there: its window in sums over all places, and these in its window.

    Element `around + i` of the sums is of the place i.
    """
    first, last = start - radius + around, start + radius + around + 1
    low = max(0, first)
    high = max(low, min(size, last))
    return slice(low, high), slice(low - first, high - first)


def _windows(
    features: Tensor,
    mask: Tensor,
    radius: int,
    block: int,
    rows: int,
    columns: int,
    first: tuple[int, int],
) -> Tensor:
    """(B, C + 2, rows, columns, side, side): the search window of each block, 0 outside."""
    two = torch.cat([features, features.square().sum(1, keepdim=True), mask[:, None]], 1)
    pads: list[int] = []
    for axis, count in ((1, columns), (0, rows)):
        size, at = mask.shape[axis + 1], first[axis]
        pads += [radius - at, at + count * block + radius - size]
    two = F.pad(two, pads)
    side = block + 2 * radius
    return two.unfold(2, side, block).unfold(3, side, block)
