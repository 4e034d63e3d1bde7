"""Key points read from maps of scores: what the detectors have in common.

georeg counts a key point of theirs between the pixels, where the map of scores peaks; the
official codes of DISK and XFeat leave it at whole pixels.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from kornia.geometry.subpix import nms2d
from torch import Tensor

_WINDOW = 5  # pixels of a side of what a key point must lead; the official number of all of them
_BORDER = 4  # pixels next to the edge, or to something invalid, without key points

Found = tuple[Tensor, Tensor, Tensor]


class Detector(Protocol):
    """A network that finds key points and describes them."""

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """As of a `torch.nn.Module`."""
        ...

    def eval(self) -> Any:
        """As of a `torch.nn.Module`."""
        ...

    def detect(self, images: Tensor, masks: Tensor | None, count: int) -> list[Found]:
        """The best key points of each image.

        Args:
            images: (B, H, W) in [0, 1].
            masks: (B, H, W), True where valid; None if all is.
            count: how many at most.

        Returns:
            Per image (N, 2) xy in pixels, 0 at the centre of the first, (N,) score and (N, D)
            descriptors of length 1, best first; at least float32.
        """
        ...


def framed(images: Tensor, masks: Tensor | None, multiple: int) -> tuple[Tensor, Tensor]:
    """Images that a network takes, without edges that the ground doesn't have.

    Args:
        images: (B, H, W).
        masks: (B, H, W), True where valid; None if all is.
        multiple: of which sides must be; what is missing is added on the right and below.

    Returns:
        (B, 1, H', W') with the mean of the valid pixels in all others, and (B, H', W') the masks.
    """
    height, width = images.shape[1:]
    pad = (0, -width % multiple, 0, -height % multiple)
    valid = torch.ones_like(images, dtype=torch.bool) if masks is None else masks
    count = valid.flatten(1).sum(1).clamp(min=1)
    mean = (images * valid).flatten(1).sum(1) / count
    valid = F.pad(valid, pad)
    filled = F.pad(images, pad).where(valid, mean[:, None, None])
    return filled[:, None], valid


def clear_of(valid: Tensor) -> Tensor:
    """(B, H, W) -> the same, True where neither edge nor anything invalid is near."""
    outside = F.pad(1 - valid.float(), (_BORDER,) * 4, value=1.0)
    return F.max_pool2d(outside[:, None], 2 * _BORDER + 1, 1)[:, 0] == 0


def peaks(score: Tensor, clear: Tensor, least: float) -> tuple[Tensor, Tensor]:
    """Pixels that lead their surroundings.

    Args:
        score: (H, W).
        clear: (H, W), True where key points may be.
        least: what their score must exceed.

    Returns:
        (N, 2) x, y, row by row, and (N,) scores.
    """
    leads = nms2d(score[None, None], (_WINDOW, _WINDOW), mask_only=True)[0, 0]
    yx = (leads & clear & (score > least)).nonzero()
    return yx.flip(1), score[yx[:, 0], yx[:, 1]]


def best(score: Tensor, count: int) -> Tensor:
    """(N,) scores -> (M,) indices of the highest, `count` at most, in a fixed order."""
    return score.sort(descending=True, stable=True).indices[:count]


def between(score: Tensor, xy: Tensor) -> Tensor:
    """Where the parabolas through 3 x 3 scores around (N, 2) pixels are highest: (N, 2)."""
    x, y = xy.unbind(1)
    middle = score[y, x]
    offsets = []
    for before, after in ((score[y, x - 1], score[y, x + 1]), (score[y - 1, x], score[y + 1, x])):
        bend = (2 * middle - before - after).clamp(min=1e-12)
        offsets.append(((after - before) / (2 * bend)).clamp(-0.5, 0.5))
    return xy.to(score) + torch.stack(offsets, 1)
