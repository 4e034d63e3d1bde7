"""Smooth random fields."""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis import _bspline
from georeg.synthesis._ops import standard, wide
from georeg.synthesis.draws import Draws


def lattice(draws: Draws, size: tuple[int, int], spacing: float, channels: int = 1) -> Tensor:
    """(B, C, h, w) independent normal values at the nodes of a B-spline over an image."""
    height, width = (_bspline.nodes(n, spacing) for n in size)
    return draws.normal((channels, height, width))


def smooth(draws: Draws, size: tuple[int, int], spacing: float) -> Tensor:
    """(B, 1, H, W) noise of mean 0 and deviation 1 whose blobs are about `spacing` wide."""
    return standard(_bspline.surface(lattice(draws, size, spacing), size, spacing))


def fractal(
    draws: Draws, size: tuple[int, int], finest: float = 3.0, rough: Tensor | float = 0.5
) -> Tensor:
    """(B, 1, H, W) noise of mean 0 and deviation 1 on all scales, as clouds and terrain have.

    Args:
        draws: one stream per image.
        size: rows and columns.
        finest: pixels; the coarsest scale is half the image.
        rough: amplitude of each scale relative to the next coarser one, (B,) or one for all.
    """
    spacing = max(finest, max(size) / 2.0)
    weight = torch.ones(len(draws), device=draws.device)
    total = torch.zeros((len(draws), 1, *size), device=draws.device)
    while spacing >= finest:
        layer = _bspline.surface(lattice(draws, size, spacing), size, spacing)
        total = total + layer * wide(weight)
        spacing, weight = spacing / 2, weight * rough
    return standard(total)


def white(draws: Draws, like: Tensor) -> Tensor:
    """Independent normal values in the shape of a batch of images."""
    return draws.normal(tuple(like.shape[1:]))
