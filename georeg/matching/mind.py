"""Self-similarity features: what a place looks like relative to its own neighbourhood.

Whatever a sensor makes of a field, a road or a roof, places that look alike in one modality tend
to look alike in another. MIND (Heinrich et al., Medical Image Analysis 16(7), 2012) describes a
pixel by its distances to small patches around it; SSC (Heinrich et al., MICCAI 2013) adds the
distances between those neighbours, which don't depend on one noisy centre.

Features come at half resolution: cell i covers pixels 2i and 2i + 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

STRIDE = 2
CHANNELS = 8

_D = 2  # pixels between the compared patches
_SIDE = 0.125  # kernel [1/8, 3/4, 1/8] on cells of 2 px: with the 2 x 2 mean a sigma of 1.1 px
_REACH = 2  # cells around invalid pixels whose features touch them
_SOFT = 0.3  # share of the median length added to each length: weak structure stays weak

_ARMS = ((-_D, 0), (_D, 0), (0, -_D), (0, _D))
_PAIRS = (
    (_ARMS[0], _ARMS[2]),
    (_ARMS[0], _ARMS[3]),
    (_ARMS[1], _ARMS[2]),
    (_ARMS[1], _ARMS[3]),
    *((arm, (0, 0)) for arm in _ARMS),
)


def mind_features(images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Features of a batch of images.

    Args:
        images: (B, H, W) in [0, 1]; odd last rows and columns are dropped.
        masks: (B, H, W), True where valid.

    Returns:
        (B, 8, H // 2, W // 2) features, 0 where invalid, and the (B, H // 2, W // 2) float mask
        of cells whose features are free of invalid pixels.
    """
    height, width = images.shape[1] // 2 * 2, images.shape[2] // 2 * 2
    images, masks = images[:, :height, :width], masks[:, :height, :width]
    valid = _shrink(masks)
    filled = _fill(images, masks)
    reach = _D + 2
    padded = F.pad(filled[:, None], (reach,) * 4, mode="replicate")[:, 0]
    h, w = height + 4, width + 4

    def shifted(arm: tuple[int, int]) -> Tensor:
        x, y = _D + arm[0], _D + arm[1]
        return padded[:, y : y + h, x : x + w]

    distance = images.new_empty((len(images), CHANNELS, h // 2, w // 2))
    for channel, (one, other) in enumerate(_PAIRS):
        squared = (shifted(one) - shifted(other)).square_()
        distance[:, channel] = F.avg_pool2d(squared[:, None], 2)[:, 0]
    distance = _smooth(_smooth(distance, 2), 3)
    noise = distance.mean(1, keepdim=True)
    floor = noise.flatten(1).mean(1).mul(1e-3).add(1e-12)[:, None, None, None]
    similarity = distance.div_(-torch.maximum(noise, floor)).exp_()
    similarity -= similarity.mean(1, keepdim=True)
    length = torch.linalg.vector_norm(similarity, dim=1, keepdim=True)
    typical = length.flatten(1).median(1).values[:, None, None, None]
    features = similarity / (length + _SOFT * typical + 1e-6)
    return features * valid[:, None], valid


def _fill(images: Tensor, masks: Tensor) -> Tensor:
    """Invalid pixels take the mean of the valid ones, so that they don't dominate distances."""
    weight = masks.to(images.dtype)
    mean = (images * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1)
    return torch.where(masks, images, mean[:, None, None])


def _shrink(masks: Tensor) -> Tensor:
    invalid = (~masks).to(torch.float32)[:, None]
    cells = F.max_pool2d(invalid, 2)
    size = 2 * _REACH + 1
    return 1.0 - F.max_pool2d(cells, size, stride=1, padding=_REACH)[:, 0]


def _smooth(x: Tensor, dim: int) -> Tensor:
    n = x.shape[dim] - 2
    sides = x.narrow(dim, 0, n) + x.narrow(dim, 2, n)
    return torch.add(x.narrow(dim, 1, n) * (1 - 2 * _SIDE), sides, alpha=_SIDE)
