"""What the detector-free networks share: coarse cells, their similarity, and windows on them.

A coarse cell is 8 x 8 pixels; the cells of an image are numbered row by row.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CELL = 8  # pixels
TEMPERATURE = 0.1  # of all softmaxes that decide on matches

_BORDER = 2  # cells next to the edge that are never matched
_MASKED = -1e9  # similarity of cells that hold no data; not infinite, for rows without any data


def check(images: Tensor, multiple: int) -> None:
    """Refuse images that the strides would cut.

    Raises:
        ValueError: not (B, H, W), or a side that isn't a multiple of `multiple` pixels.
    """
    if images.ndim != 3 or images.shape[1] % multiple or images.shape[2] % multiple:
        raise ValueError(
            f"images must be (B, H, W) with sides that are multiples of {multiple} pixels, "
            f"not {tuple(images.shape)}"
        )


def cell_masks(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Which cells hold data, and which of them may be matched.

    The official codes know only padding at the right and at the bottom. For such masks this is
    the same: two cells along the edge of the data are not matched.

    Args:
        masks: (B, H, W) bool, True where valid.

    Returns:
        Two (B, H / 8, W / 8) bool masks: at least half the pixels are valid; and no cell within
        two of it, nor the edge of the image, is without data.
    """
    full = F.avg_pool2d(masks[:, None].float(), CELL) >= 0.5
    holes = F.pad((~full).float(), (_BORDER,) * 4, value=1.0)
    near = F.max_pool2d(holes, 2 * _BORDER + 1, 1) > 0
    return full[:, 0], ~near[:, 0]


def similarity(features0: Tensor, features1: Tensor, full0: Tensor, full1: Tensor) -> Tensor:
    """Scaled dot products of all cells of one image with all of the other, in single precision.

    Args:
        features0: (L, C) of the first image's cells.
        features1: (S, C) of the second's.
        full0: (L,) bool, which cells hold data.
        full1: (S,) the same of the second image.

    Returns:
        (L, S), ready for a softmax.
    """
    root = features0.shape[1] ** 0.5
    found = torch.mm(features0.float() / root, (features1.float() / root).T).div_(TEMPERATURE)
    if not (full0.all() and full1.all()):
        found.masked_fill_(~(full0[:, None] & full1[None]), _MASKED)
    return found


def window(features: Tensor, cells: Tensor, size: int, stride: int, before: int) -> Tensor:
    """Square windows of a feature map, zero outside of it.

    Args:
        features: (C, h, w).
        cells: (M,) numbers of coarse cells.
        size: side of the windows, in elements of the feature map.
        stride: elements of the feature map per coarse cell.
        before: rows and columns of the window before the cell's first element.

    Returns:
        (M, size * size, C), row by row.
    """
    columns = features.shape[2] // stride
    padded = F.pad(features, (before, size, before, size)).permute(1, 2, 0)
    steps = torch.arange(size, device=cells.device)
    rows = cells.div(columns, rounding_mode="floor")[:, None] * stride + steps
    cols = (cells % columns)[:, None] * stride + steps
    return padded[rows[:, :, None], cols[:, None, :]].flatten(1, 2)


def first_pixels(cells: Tensor, columns: int) -> Tensor:
    """(M,) numbers of cells in a grid of `columns` -> (M, 2) x, y of their first pixels."""
    return torch.stack([cells % columns, cells.div(columns, rounding_mode="floor")], 1) * CELL
