"""Operations on batches of images, each image on its own: parameters are (B,) or plain numbers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SAMPLES = 4096  # pixels from which quantiles are read


def wide(values: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1, 1), to multiply images with."""
    return values[:, None, None, None]


def rgb(images: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 3, H, W)."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images[:, :3]


def grey(images: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 1, H, W) luminance (Rec. 601)."""
    if images.shape[1] == 1:
        return images
    weights = images.new_tensor([0.299, 0.587, 0.114])[None, :, None, None]
    return (images[:, :3] * weights).sum(1, keepdim=True)


def centres(size: int, like: Tensor) -> Tensor:
    """(size,) positions of pixels' middles: 0.5, 1.5, ..."""
    return torch.arange(size, device=like.device, dtype=like.dtype) + 0.5


def blur(images: Tensor, sigma: Tensor | float) -> Tensor:
    """Gaussian blur; the kernel is cut at the image's edge.

    As a product with matrices: any sigma per image, and for tiles as fast as a convolution.

    Args:
        images: (B, C, H, W).
        sigma: pixels, (B,) or one for all; 0 leaves an image as it is.
    """
    wanted = torch.as_tensor(sigma, dtype=images.dtype, device=images.device)
    rows, columns = (_gauss(wanted.reshape(-1), n, images) for n in images.shape[-2:])
    return rows[:, None] @ images @ columns[:, None].mT


def blur_along(images: Tensor, sigma: Tensor | float, dim: int) -> Tensor:
    """Gaussian blur along rows (dim -1: smears in x) or columns (-2) only."""
    wanted = torch.as_tensor(sigma, dtype=images.dtype, device=images.device)
    matrix = _gauss(wanted.reshape(-1), images.shape[dim], images)[:, None]
    return images @ matrix.mT if dim == -1 else matrix @ images


def _gauss(sigma: Tensor, size: int, like: Tensor) -> Tensor:
    place = centres(size, like)
    distance = (place[:, None] - place[None]) ** 2
    kernel = torch.exp(-distance[None] / (2 * sigma.clamp(min=0.05)[:, None, None] ** 2))
    return kernel / kernel.sum(2, keepdim=True)


def quantiles(images: Tensor, shares: list[float]) -> Tensor:
    """(B, C, H, W) -> (B, len(shares)) values that these shares of an image don't exceed."""
    flat = images.flatten(1)
    ordered = flat[:, :: max(1, flat.shape[1] // _SAMPLES)].sort(1).values
    last = ordered.shape[1] - 1
    return ordered[:, [round(share * last) for share in shares]]


def stretch(images: Tensor, low: float = 0.01, high: float = 0.99) -> Tensor:
    """Each image to [0, 1] between two of its quantiles, clipped; a flat one becomes 0.5."""
    ends = quantiles(images, [low, high])
    bottom, span = ends[:, 0], ends[:, 1] - ends[:, 0]
    flat = span < 1e-4
    out = ((images - wide(bottom)) / wide(span.clamp(min=1e-4))).clamp(0, 1)
    return torch.where(wide(flat), 0.5, out)


def standard(images: Tensor) -> Tensor:
    """Each channel to mean 0 and deviation 1; flat ones to 0."""
    centred = images - images.mean((2, 3), keepdim=True)
    return centred / centred.square().mean((2, 3), keepdim=True).sqrt().clamp(min=1e-3)


def gradient(images: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences per pixel along x and y; one-sided at the edge."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return dx, dy


def directed(images: Tensor, angle: Tensor) -> Tensor:
    """Slope per pixel towards an angle, (B,) radians from x to y."""
    dx, dy = gradient(images)
    return dx * wide(torch.cos(angle)) + dy * wide(torch.sin(angle))


def moved(images: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """What lies (dx, dy) pixels, (B,) each, further on; edges are repeated."""
    height, width = images.shape[-2:]
    theta = images.new_zeros((len(images), 2, 3))
    theta[:, 0, 0] = theta[:, 1, 1] = 1
    theta[:, 0, 2], theta[:, 1, 2] = 2 * dx / width, 2 * dy / height
    grid = F.affine_grid(theta, [len(images), 1, height, width], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def tone(images: Tensor, knots: Tensor) -> Tensor:
    """Values in [0, 1] through a curve of straight pieces.

    Args:
        images: (B, C, H, W); the curve is the same for all channels.
        knots: (B, K) what 0, 1 / (K - 1), ..., 1 become.
    """
    pieces = knots.shape[1] - 1
    place = images.clamp(0, 1) * pieces
    left = place.floor().clamp(max=pieces - 1)
    flat = left.long().flatten(1)
    low = knots.gather(1, flat).view_as(images)
    high = knots.gather(1, flat + 1).view_as(images)
    return low + (high - low) * (place - left)


def ranks(images: Tensor) -> Tensor:
    """(B, 1, H, W) -> the share of pixels that are darker: a flat histogram."""
    ordered = quantiles(images, [i / 64 for i in range(65)])
    # Equal quantiles (flat areas) would leave the rank undefined.
    ordered = ordered + torch.linspace(0, 1e-4, 65, device=images.device)
    place = torch.searchsorted(ordered, images.flatten(1).contiguous()).clamp(1, 64)
    low, high = ordered.gather(1, place - 1), ordered.gather(1, place)
    part = ((images.flatten(1) - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    return ((place - 1 + part) / 64).view_as(images)


def mixed(share: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """`one` where the share is 1, `other` where it is 0; (B,) or broadcastable."""
    weight = wide(share) if share.ndim == 1 else share
    return other + (one - other) * weight
