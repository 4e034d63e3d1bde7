"""What JPEG leaves of an image (ITU-T T.81): quantised 8 x 8 cosine blocks, coarser colour."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_LIGHT = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_COLOUR = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    *([99] * 32),
)  # fmt: skip


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """Images as they come back from a JPEG file.

    Args:
        images: (B, C, H, W) in [0, 1], C is 1 or 3.
        quality: (B,) from 1 to 100, in libjpeg's sense.
    """
    height, width = images.shape[-2:]
    padded = _padded(images, -height % 16, -width % 16) * 255
    if images.shape[1] == 1:
        return (_coded(padded - 128, _LIGHT, quality) + 128)[..., :height, :width].div(255)
    red, green, blue = padded[:, :1], padded[:, 1:2], padded[:, 2:]
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    light_out = _coded(light - 128, _LIGHT, quality) + 128
    blueness, redness = (
        F.interpolate(
            _coded(F.avg_pool2d(part, 2), _COLOUR, quality), scale_factor=2, mode="bilinear"
        )
        for part in ((blue - light) * 0.564, (red - light) * 0.713)
    )
    red_out = light_out + 1.402 * redness
    blue_out = light_out + 1.772 * blueness
    green_out = light_out - 0.344 * blueness - 0.714 * redness
    out = torch.cat([red_out, green_out, blue_out], 1)
    return out[..., :height, :width].clamp(0, 255) / 255


def _padded(images: Tensor, rows: int, columns: int) -> Tensor:
    return F.pad(images, (0, columns, 0, rows), mode="replicate")


def _coded(plane: Tensor, table: tuple[int, ...], quality: Tensor) -> Tensor:
    """(B, 1, h, w) rounded in cosine space."""
    batch, _, height, width = plane.shape
    cosine = _cosine(plane)
    blocks = plane.view(batch, height // 8, 8, width // 8, 8).transpose(2, 3)
    scale = torch.where(quality < 50, 5000 / quality.clamp(min=1), 200 - 2 * quality)
    base = plane.new_tensor(table).view(1, 8, 8)
    steps = ((base * scale[:, None, None] + 50) / 100).floor().clamp(1, 255)[:, None, None]
    waves = cosine @ blocks @ cosine.mT
    back = cosine.mT @ ((waves / steps).round() * steps) @ cosine
    return back.transpose(2, 3).reshape(batch, 1, height, width)


def _cosine(like: Tensor) -> Tensor:
    """(8, 8) orthonormal cosine transform."""
    place = torch.arange(8, device=like.device, dtype=like.dtype)
    matrix = torch.cos((2 * place[None] + 1) * place[:, None] * math.pi / 16) / 2
    return torch.cat([matrix[:1] / math.sqrt(2), matrix[1:]])
