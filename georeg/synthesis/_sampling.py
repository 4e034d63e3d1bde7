"""Images between their pixels, by cubic splines.

Torch's bicubic sampling (Keys' kernel with -0.75) doesn't keep straight slopes straight: it moves
edges by up to 0.08 px, depending on where between pixels it reads. Interpolating splines keep even
cubic ones (Unser 1999), and blur less.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.synthesis._bspline import weights


def sampled(images: Tensor, xy: Tensor, size: tuple[int, int]) -> Tensor:
    """What images are at any positions; beyond their edge, what they are there.

    Args:
        images: (B, C, H, W).
        xy: (B, h * w, 2) positions in edge convention, row by row.
        size: h and w.

    Returns:
        (B, C, h, w); a little beyond the images' range at sharp edges.
    """
    height, width = images.shape[-2:]
    spans = images.new_tensor([width, height])
    # Far away there is nothing but the edge, and huge positions would lose their fractions.
    place = torch.minimum(xy.clamp(min=-1), spans + 1) - 0.5
    first = place.floor()
    kernel = weights(place - first)
    near, far = kernel[..., 0] + kernel[..., 1], kernel[..., 2] + kernel[..., 3]
    # Two neighbours and their weights are one linear interpolation (Sigg and Hadwiger 2005).
    before = first - 1 + kernel[..., 1] / near
    after = first + 1 + kernel[..., 3] / far
    coefficients = _filtered(images, -2).mT
    coefficients = _filtered(coefficients, -2).mT
    out = images.new_zeros((*images.shape[:2], *size))
    for x, weight_x in ((before[..., 0], near[..., 0]), (after[..., 0], far[..., 0])):
        for y, weight_y in ((before[..., 1], near[..., 1]), (after[..., 1], far[..., 1])):
            grid = (2 * torch.stack([x, y], -1) + 1) / spans - 1
            part = F.grid_sample(
                coefficients, grid.view(-1, *size, 2), padding_mode="border", align_corners=False
            )
            out = out + part * (weight_x * weight_y).view(-1, 1, *size)
    return out


def _filtered(images: Tensor, dim: int) -> Tensor:
    """Coefficients along rows whose spline goes through the pixels."""
    size = images.shape[dim]
    matrix = torch.eye(size, dtype=torch.float64, device=images.device) * 4
    index = torch.arange(size, device=images.device)
    for step in (-1, 1):
        matrix[index, (index + step).clamp(0, size - 1)] += 1
    inverse: Tensor = torch.linalg.inv(matrix / 6).to(images.dtype)
    return inverse @ images
