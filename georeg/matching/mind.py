"""Self-similarity features: what a place looks like relative to its own neighbourhood.

Whatever a sensor makes of a field, a road or a roof, places that look alike in one modality tend
to look alike in another. MIND (Heinrich et al., Medical Image Analysis 16(7), 2012) describes a
pixel by its distances to small patches around it; SSC (Heinrich et al., MICCAI 2013) adds the
distances between those neighbours, which don't depend on one noisy centre.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.matching.cells import STRIDE, Canvas, normalise, pool, prepare, smooth

CHANNELS = 8

_D = STRIDE  # pixels between the compared patches: one cell, so that cells can be reused
_EDGE = 2  # cells around the image that the outermost features need
_FLAT = 1e-4  # contrast (of a full range of 1) that is no structure but rounding
# Squared differences of the image with itself, by the places (y, x) of both in units of D.
_MAPS = (((0, 0), (0, 1)), ((0, 0), (1, 0)), ((1, 0), (0, 1)), ((0, 0), (1, 1)))
# Which map, moved by which (y, x), is the distance between two arms or an arm and the centre.
_CHANNELS = (
    (2, -1, -1),  # left, up
    (3, 0, -1),  # left, down
    (3, -1, 0),  # right, up
    (2, 0, 0),  # right, down
    (0, 0, -1),  # left
    (0, 0, 0),  # right
    (1, -1, 0),  # up
    (1, 0, 0),  # down
)


def mind_features(images: Tensor, masks: Tensor, step: int = STRIDE) -> tuple[Tensor, Tensor]:
    """Features of a batch of images.

    Args:
        images: (B, H, W) in [0, 1]; odd last rows and columns are dropped.
        masks: (B, H, W), True where valid.
        step: pixels from cell to cell, 1 or 2.

    Returns:
        (B, 8, H // step, W // step) features, 0 where invalid, and the (B, H // step, W // step)
        float mask of cells whose features are free of invalid pixels.
    """
    canvas = prepare(images, masks, step)
    return describe(canvas), canvas.mask()


def describe(canvas: Canvas) -> Tensor:
    """Images without holes -> (B, 8, h, w) features, 0 where invalid."""
    distance = _distances(canvas)
    noise = distance.mean(1, keepdim=True)
    floor = noise.flatten(1).mean(1).mul(1e-3).add(_FLAT**2)[:, None, None, None]
    similarity = distance.div_(-torch.maximum(noise, floor)).exp_()
    similarity -= similarity.mean(1, keepdim=True)
    return normalise(similarity, canvas)


def _distances(canvas: Canvas) -> Tensor:
    """(B, 8, h, w) mean squared differences of patches.

    Arms are as long as a cell is wide, and the eight distances are only four different ones seen
    from neighbouring cells.
    """
    step = canvas.step
    batch, height, width = canvas.images.shape
    reach = _EDGE * STRIDE
    extra = STRIDE - step  # the last overlapping cells stick out
    edge = (reach, reach + _D + extra) * 2
    padded = F.pad(canvas.images[:, None], edge, mode="replicate")[:, 0]
    h, w = height + 2 * reach + extra, width + 2 * reach + extra
    rows, columns = (height + 2 * reach) // step, (width + 2 * reach) // step
    maps = padded.new_empty((batch, len(_MAPS), rows, columns))
    for number, places in enumerate(_MAPS):
        one, other = (padded[:, _D * y : _D * y + h, _D * x : _D * x + w] for y, x in places)
        maps[:, number] = pool((one - other).square_(), step)
    maps = smooth(maps, step)
    h, w = canvas.shape
    cell = STRIDE // step  # from a cell to the one that touches it
    first = (_EDGE - 1) * cell  # the filter took one cell from each side
    out = padded.new_empty((batch, CHANNELS, h, w))
    for channel, (m, y, x) in enumerate(_CHANNELS):
        top, left = first + y * cell, first + x * cell
        out[:, channel] = maps[:, m, top : top + h, left : left + w]
    return out
