"""What the detector-free networks share: coarse cells, their matches, and windows on them.

A coarse cell is 8 x 8 pixels; the cells of an image are numbered row by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.matching.networks.precision import exact

CELL = 8  # pixels
TEMPERATURE = 0.1  # of all softmaxes that decide on matches

_BORDER = 2  # cells next to the edge that are never matched
_HELD = 2 << 30  # bytes of similarities at a time on a GPU; there are three such matrices
_REFINED = (2048, 32_768)  # matches refined at once, on a CPU and on a GPU
_MASKED = -1e9  # similarity of cells that hold no data; not infinite, for rows without any data


@dataclass(frozen=True, eq=False)
class Side:
    """One image of every pair, ready for the network.

    Attributes:
        images: (B, 1, H, W) float32, 0 where invalid.
        valid: (B, H, W) bool.
        full: (B, h, w) bool, which cells hold data.
        free: (B, h, w) bool, which of them may be matched: no cell within two of it, nor the edge
            of the image, is without data. For padding that is the official codes' rule.
    """

    images: Tensor
    valid: Tensor
    full: Tensor
    free: Tensor


def sides(
    images0: Tensor,
    masks0: Tensor | None,
    images1: Tensor,
    masks1: Tensor | None,
    device: torch.device,
    multiple: int = CELL,
    corner: bool = False,
) -> tuple[Side, Side]:
    """Both images of every pair.

    The official codes know only padding at the right and at the bottom.

    Args:
        images0: (B, H, W).
        masks0: (B, H, W) bool, True where valid; None: everywhere.
        images1: (B, H', W').
        masks1: (B, H', W') bool or None.
        device: where to.
        multiple: of pixels, that sides must be.
        corner: a cell holds data if its upper left pixel does; else, if half of its pixels do.

    Raises:
        ValueError: shapes that don't fit each other, or that the strides would cut.
    """
    if len(images0) != len(images1):
        raise ValueError(f"{len(images0)} images 0, but {len(images1)} images 1")
    found = []
    for images, masks in ((images0, masks0), (images1, masks1)):
        if images.ndim != 3 or images.shape[1] % multiple or images.shape[2] % multiple:
            raise ValueError(
                f"images must be (B, H, W) with sides that are multiples of {multiple} pixels, "
                f"not {tuple(images.shape)}"
            )
        if masks is not None and masks.shape != images.shape:
            raise ValueError(f"masks are {tuple(masks.shape)}, images {tuple(images.shape)}")
        values = torch.as_tensor(images, device=device).float()
        valid = torch.ones_like(values, dtype=torch.bool)
        if masks is not None:
            valid = torch.as_tensor(masks, device=device).bool()
        if corner:
            full = valid[:, ::CELL, ::CELL]
        else:
            full = (F.avg_pool2d(valid[:, None].float(), CELL) >= 0.5)[:, 0]
        found.append(Side(values.where(valid, 0)[:, None], valid, full, _free(full)))
    return found[0], found[1]


def _free(full: Tensor) -> Tensor:
    holes = F.pad((~full).float()[:, None], (_BORDER,) * 4, value=1.0)
    return F.max_pool2d(holes, 2 * _BORDER + 1, 1)[:, 0] == 0


class Matched(NamedTuple):
    """Matches of cells in a batch, pair by pair.

    Attributes:
        which: (M,) pairs that they are of, in order.
        cells0: (M,) numbers of cells of image 0, in order within a pair.
        cells1: (M,) those of image 1.
    """

    which: Tensor
    cells0: Tensor
    cells1: Tensor

    def parts(self) -> Iterator[Matched]:
        """As many as are refined at once."""
        count = _REFINED[self.which.device.type == "cuda"]
        for part in zip(*(torch.split(x, count) for x in self), strict=True):
            if len(part[0]):
                yield Matched(*part)


def groups(features0: Tensor, features1: Tensor) -> Iterator[slice]:
    """Pairs of a batch whose similarities are held at once: on a CPU they are one by one.

    Args:
        features0: (B, L, C) of the first images' cells.
        features1: (B, S, C) of the second's.
    """
    each = 4 * features0.shape[1] * features1.shape[1]
    most = max(1, _HELD // each) if features0.device.type == "cuda" else 1
    for first in range(0, max(1, len(features0)), most):
        yield slice(first, first + most)


def similarity(features0: Tensor, features1: Tensor, full0: Tensor, full1: Tensor) -> Tensor:
    """Scaled dot products of all cells of one image with all of the other, in single precision.

    Args:
        features0: (..., L, C) of the first image's cells.
        features1: (..., S, C) of the second's.
        full0: (..., L) bool, which cells hold data.
        full1: (..., S) the same of the second image.

    Returns:
        (..., L, S), ready for a softmax.
    """
    root = features0.shape[-1] ** 0.5
    with exact(features0):
        one, two = features0.float() / root, (features1.float() / root).mT
        if one.ndim == 3 and len(one) == 1:  # the sums in another order, as officially
            one, two = one[0], two[0]
        found = torch.matmul(one, two).div_(TEMPERATURE).view(*full0.shape, full1.shape[-1])
    if not (full0.all() and full1.all()):
        found.masked_fill_(~(full0[..., :, None] & full1[..., None, :]), _MASKED)
    return found


def mutual(
    features: tuple[Tensor, Tensor], pair: tuple[Side, Side], threshold: float
) -> tuple[Matched, Tensor]:
    """Cells that are each other's best, and how sure: dual softmax (Sun et al., CVPR 2021).

    Args:
        features: (B, L, C) and (B, S, C) of both images' cells.
        pair: the images.
        threshold: least confidence.

    Returns:
        The matches, and their (M,) confidence.
    """
    parts = []
    for some in groups(*features):
        full0, full1, free0, free1 = (
            x[some].flatten(1) for x in (pair[0].full, pair[1].full, pair[0].free, pair[1].free)
        )
        similar = similarity(features[0][some], features[1][some], full0, full1)
        confidence = similar.softmax(1).mul_(similar.softmax(2))
        best, there = confidence.max(2)
        ok = (best > threshold) & free0 & free1.gather(1, there)
        ok &= best == confidence.amax(1).gather(1, there)
        which, cells0 = ok.nonzero().T
        parts.append((which + some.start, cells0, there[which, cells0], best[which, cells0]))
    *matched, confidence = (torch.cat(part) for part in zip(*parts, strict=True))
    return Matched(*matched), confidence


def window(
    features: Tensor, which: Tensor, cells: Tensor, size: int, stride: int, before: int
) -> Tensor:
    """Square windows of feature maps, zero outside of them.

    Args:
        features: (B, C, h, w).
        which: (M,) of the maps.
        cells: (M,) numbers of coarse cells.
        size: side of the windows, in elements of the feature map.
        stride: elements of the feature map per coarse cell.
        before: rows and columns of the window before the cell's first element.

    Returns:
        (M, size * size, C), row by row.
    """
    columns = features.shape[3] // stride
    padded = F.pad(features, (before, size, before, size)).permute(0, 2, 3, 1)
    steps = torch.arange(size, device=cells.device)
    rows = cells.div(columns, rounding_mode="floor")[:, None] * stride + steps
    cols = (cells % columns)[:, None] * stride + steps
    return padded[which[:, None, None], rows[:, :, None], cols[:, None, :]].flatten(1, 2)


def first_pixels(cells: Tensor, columns: int) -> Tensor:
    """(M,) numbers of cells in a grid of `columns` -> (M, 2) x, y of their first pixels."""
    return torch.stack([cells % columns, cells.div(columns, rounding_mode="floor")], 1) * CELL


def moments(heat: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Where in a square window, and how sharply.

    Args:
        heat: (M, side * side), not negative, row by row.
        side: of the window.

    Returns:
        (M, 2) mean x, y from the window's middle, and (M,) standard deviation along one axis (of
        both the quadratic mean); in elements of the window.
    """
    places = torch.arange(side, device=heat.device, dtype=heat.dtype) - (side - 1) / 2
    heat = heat / heat.sum(1, keepdim=True)
    plane = heat.reshape(-1, side, side)
    along = torch.stack([plane.sum(1), plane.sum(2)], 1)  # (M, 2, side)
    mean = (along * places).sum(2)
    variance = (along * (places - mean[..., None]).square()).sum(2)
    return mean, variance.mean(1).sqrt()
