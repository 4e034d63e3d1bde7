"""Key points read from maps of scores: what the detectors have in common.

georeg takes key points to be where the slightly blurred map of scores peaks, between the pixels.
DISK's and XFeat's official codes leave them at whole pixels, ALIKED's takes a mean weighted by
softmaxes. On real images that are shifted by fractions of a pixel, the median distance of matches
from the truth is 0.25 px instead of 0.56 with DISK, and 0.18 px instead of 0.28 with ALIKED.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from kornia.geometry.subpix import nms2d
from torch import Tensor, nn

# Pixels along one axis: how far apart the places of two key points are that belong together, for
# sure matches and for unsure ones. Twice (which is how sigma takes it, see _network.py) what was
# measured with ALIKED and XFeat on 8 pairs of visible and near infrared images (DISK: taken over):
# 0.75 px for scores of 1, 1.9 px for scores of 0.2.
MEASURED = (1.4, 4.2)

_WINDOW = 5  # pixels of a side of what a key point must lead; the official number of all of them
_BORDER = 4  # pixels next to the edge, or to something invalid, without key points
_BLUR = 0.8  # pixels; sigma
_FARTHEST = 1.0  # pixels from a whole one

Points = tuple[Tensor, Tensor, Tensor]


class Detector(nn.Module):
    """A network that finds key points and describes them.

    Attributes:
        spread: pixels along one axis; standard deviation of the difference of the places of two
            key points that belong together, if LightGlue is sure of it, and if it isn't at all.
    """

    spread: ClassVar[tuple[float, float]]

    def detect(self, images: Tensor, masks: Tensor | None, count: int) -> list[Points | None]:
        """The best key points of each image.

        Args:
            images: (B, H, W) in [0, 1].
            masks: (B, H, W), True where valid; None if all is.
            count: how many at most.

        Returns:
            Per image (N, 2) xy in pixels, 0 at the centre of the first, (N,) score and (N, D)
            descriptors of length 1, best first; float32. None where not all numbers are finite.
        """
        raise NotImplementedError


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
    """Where the parabolas through 3 x 3 blurred scores around (N, 2) pixels are highest: (N, 2).

    The score is (H, W); pixels of its outermost row and column can't be asked for.
    """
    steps = torch.arange(-2, 3, device=score.device)
    weight = (steps / _BLUR).square().mul(-0.5).softmax(0).to(score)
    smooth = F.conv2d(F.pad(score[None, None], (2,) * 4, mode="replicate"), weight.view(1, 1, 1, 5))
    smooth = F.conv2d(smooth, weight.view(1, 1, 5, 1))[0, 0]
    x, y = xy.unbind(1)
    here = smooth[y, x]
    offsets = []
    for one, two in ((smooth[y, x - 1], smooth[y, x + 1]), (smooth[y - 1, x], smooth[y + 1, x])):
        bend = (2 * here - one - two).clamp(min=1e-12)  # blurred, it needn't be a peak any more
        offsets.append(((two - one) / (2 * bend)).clamp(-_FARTHEST, _FARTHEST))
    return xy.to(score) + torch.stack(offsets, 1)
