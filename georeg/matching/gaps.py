"""Gaps: invalid pixels between valid ones, as narrow as scan lines that failed."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

_ALL_OVER = 0.75  # coasts have 0.89 and more, lines and single pixels 0.55 and less
_SINGLE = 2  # pixels: gaps up to so wide are interpolated, and then count as valid


def running(
    pairwise: Callable[[Tensor, Tensor], Tensor], x: Tensor, width: int, axis: int
) -> Tensor:
    """What `pairwise` makes of each `width` neighbours along an axis: shorter by `width` - 1.

    Windows twice as wide are made of two: pooling looks at every cell of every window, and takes
    ten to thirty times as long.

    Args:
        pairwise: of any two and in any order, twice, too: maximum, minimum, and, or. Of widths that
            are powers of two each is taken once: sums, too.
        x: any tensor.
        width: at least 1.
        axis: along which they are neighbours.
    """
    wide = 1
    while wide < width:
        step = min(wide, width - wide)
        count = x.shape[axis] - step
        x = pairwise(x.narrow(axis, 0, count), x.narrow(axis, step, count))
        wide += step
    return x


def closed(mask: Tensor, gap: int) -> Tensor:
    """(B, h, w) masks with gaps filled that are up to `gap` wide: dilated, then eroded."""
    if bool(mask.all()):
        return mask
    half = gap // 2
    filled = F.pad(mask, (2 * half,) * 4)
    for largest in (torch.maximum, torch.minimum):
        for axis in (1, 2):
            filled = running(largest, filled, 2 * half + 1, axis)
    return filled


def all_over(valid: Tensor, without: Tensor) -> Tensor:
    """(B,) whether gaps leave little of what would be valid without them.

    Args:
        valid: (B, h, w) mask.
        without: (B, h, w) the same with its gaps closed.
    """
    return valid.sum((1, 2)) < _ALL_OVER * without.sum((1, 2))


def interpolated(images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Images and masks without the gaps that are no wider than a feature's own detail.

    Single invalid pixels (a nodata value that occurs in the image, too) all over it would leave
    hardly a feature that doesn't touch one.

    Args:
        images: (B, H, W).
        masks: (B, H, W), True where valid.
    """
    filled = closed(masks, _SINGLE)
    single = filled & ~masks
    if bool(single.any()):
        images = torch.where(single, bridge(images, masks, _SINGLE), images)
    return images, filled


def bridge(images: Tensor, masks: Tensor, reach: int) -> Tensor:
    """(B, H, W) weighted means of the valid pixels around each, by a tent; where there are none,
    the image as it is.

    Normalised convolution: Knutsson and Westin, CVPR 1993.

    Args:
        images: (B, H, W).
        masks: (B, H, W), True where valid.
        reach: pixels to where the tent is 0; a power of two.
    """
    both = torch.stack([torch.where(masks, images, 0.0), masks.to(images.dtype)])
    both = F.pad(both, (reach - 1,) * 4)
    for axis in (2, 3, 2, 3):  # a box twice
        both = running(torch.add, both, reach, axis)
    return torch.where(both[1] > 0, both[0] / both[1], images)
