"""Larger pixels, shown on the same grid."""

from __future__ import annotations

from torch import Tensor

from georeg.synthesis._ops import centres


def coarsened(images: Tensor, factor: Tensor, phase: Tensor, blocky: Tensor) -> Tensor:
    """Averaged over larger pixels, then interpolated back to where it was.

    Args:
        images: (B, C, H, W).
        factor: (B,) how many times larger; at 1 an image is returned as it is.
        phase: (B, 2) in [0, 1): where the larger pixels begin, along rows and columns.
        blocky: (B,) bool, whether larger pixels stay visible as squares.
    """
    rows, columns = (
        _matrix(n, factor, phase[:, i], blocky, images) for i, n in enumerate(images.shape[-2:])
    )
    out = rows[:, None] @ images @ columns[:, None].mT
    return out.where((factor > 1)[:, None, None, None], images)


def _matrix(size: int, factor: Tensor, phase: Tensor, blocky: Tensor, like: Tensor) -> Tensor:
    """(B, size, size): down and up again."""
    factor = factor.clamp(min=1)[:, None]
    place = centres(size, like)
    large = (centres(size + 3, like)[None] - 1 - phase[:, None]) * factor
    distance = (large[:, :, None] - place).abs() / factor[:, :, None]
    half = 0.5 / factor[:, :, None]
    down = ((0.5 + half - distance) / (2 * half)).clamp(0, 1)
    # Those that lie outside altogether stay 0 here, and get no weight below.
    known = (down.sum(2) > 0).to(like.dtype)[:, None]
    down = down / down.sum(2, keepdim=True).clamp(min=1e-6)
    linear = (1 - distance.mT).clamp(min=0)
    up = linear.where(~blocky[:, None, None], (distance.mT <= 0.5).to(like.dtype)) * known
    return (up / up.sum(2, keepdim=True).clamp(min=1e-6)) @ down
