"""A map: flat areas with general outlines, roads, contours, names; on a screen or scanned."""

from __future__ import annotations

import torch
from torch import Tensor

from georeg.synthesis import _height, _noise
from georeg.synthesis import _palettes as pal
from georeg.synthesis._lettering import words
from georeg.synthesis._lines import contours, roads, thick
from georeg.synthesis._ops import blur, mixed, wide
from georeg.synthesis._segments import Segments, borders, segment
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic


def synthesise(
    images: Tensor, draws: Draws, style: int | None = None, scanned: bool | None = None
) -> Synthetic:
    """A map of what an image shows. Names and grids hide ground without being masked.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.
        style: number of a style in `_palettes.STYLES` for all; random if None.
        scanned: whether from paper; four in ten if None.

    Returns:
        (B, 3, H, W).
    """
    chosen = draws.integers(0, len(pal.STYLES))
    chosen = chosen if style is None else torch.full_like(chosen, style)
    colours = images.new_tensor(pal.colours())[chosen]
    paper = draws.chance(0.4)
    paper = paper if scanned is None else torch.full_like(paper, scanned)
    segments = segment(images, draws, 8, draws.uniform(1.0, 2.5), evenings=(7, 5, 5))
    areas, kinds = _areas(segments, colours, draws)
    out = areas + _patterns(kinds, draws) * wide(draws.uniform(0, 0.12) * draws.chance(0.4))
    outline = borders(segments, 0.5) * wide(draws.uniform(0, 0.7) * draws.chance(0.5))
    out = _inked(out, outline, areas * 0.55)
    heights = _height.terrain(images, draws, 3.0)
    lines = contours(heights, draws.uniform(6, 24), 0.45) * (1 - kinds[:, pal.WATER, None])
    lines = lines * wide(draws.uniform(0.3, 0.9) * draws.chance(0.4))
    out = _inked(out, lines, _colour(colours, pal.CONTOUR))
    out = _with_roads(out, images, segments, colours, draws)
    letters, halo = words(images, draws, lying=0.3 * draws.normal() * draws.chance(0.2))
    out = _inked(out, halo * wide(draws.uniform(0, 1)), _colour(colours, pal.HALO))
    out = _inked(out, letters * wide(draws.uniform(0.6, 1)), _colour(colours, pal.TEXT))
    out = _inked(out, _grid(images, draws), _colour(colours, pal.TEXT))
    return Synthetic.of(torch.where(wide(paper), _scanned(out, draws), out))


def _areas(segments: Segments, colours: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """(B, 3, H, W) flat colours and (B, 8, H, W) shares of the kinds of ground.

    What looks green or wet is shown so in most maps; which of the other colours means what is by
    chance, and in some maps everything is.
    """
    means, classes = segments.means, segments.means.shape[1]
    green, wet, busy = means[..., 1], means[..., 2], means[..., 3]
    kind = pal.OPEN + draws.integers(0, pal.GROUNDS - pal.OPEN, (classes,))
    leafy = torch.where(busy > 0.5, pal.WOOD, pal.GRASS)
    jitter = 0.1 * draws.normal((classes,))
    kind = torch.where((busy > 0.72) & (green < 0.5), pal.BUILT, kind)
    kind = torch.where(green + jitter > 0.55, leafy, kind)
    kind = torch.where(wet + jitter > 0.4, pal.WATER, kind)
    random = draws.integers(0, pal.GROUNDS, (classes,))
    kind = torch.where(draws.chance(0.25)[:, None], random, kind)
    own = colours.gather(1, kind[..., None].expand(-1, -1, 3))
    # Slightly other shades, so that neighbours of one kind may differ, or not.
    shades = 0.05 * draws.normal((classes, 1)) * draws.chance(0.6)[:, None, None]
    soft = segments.softened(0.45)
    member = torch.nn.functional.one_hot(kind, pal.GROUNDS).to(own.dtype)
    return soft.filled((own * (1 + shades)).clamp(0, 1)), soft.filled(member)


def _patterns(kinds: Tensor, draws: Draws) -> Tensor:
    """(B, 1, H, W) in -1, 0: hatching or dots on two kinds of ground."""
    height, width = kinds.shape[-2:]
    y = torch.arange(height, device=kinds.device, dtype=kinds.dtype)[:, None]
    x = torch.arange(width, device=kinds.device, dtype=kinds.dtype)[None]
    angle, period = draws.uniform(0, torch.pi), draws.uniform(4, 9)
    u = (x * torch.cos(angle)[:, None, None] + y * torch.sin(angle)[:, None, None])[:, None]
    v = (y * torch.cos(angle)[:, None, None] - x * torch.sin(angle)[:, None, None])[:, None]
    first, second = (torch.cos(2 * torch.pi * part / wide(period)) for part in (u, v))
    hatched = (first * 4 - 2.4).clamp(0, 1)
    dotted = ((first + second) * 4 - 5).clamp(0, 1)
    which = draws.integers(0, pal.GROUNDS, (2,))
    parts = torch.arange(len(kinds), device=kinds.device)
    return -(hatched * kinds[parts, which[:, 0], None] + dotted * kinds[parts, which[:, 1], None])


def _with_roads(
    out: Tensor, images: Tensor, segments: Segments, colours: Tensor, draws: Draws
) -> Tensor:
    """Roads where the image has lines: minor ones, and the strongest as main ones."""
    sigma = draws.uniform(0.6, 1.5)
    shown = draws.chance(0.9).float()
    width = draws.uniform(0.4, 1.6)
    minor, main = roads(images, sigma, draws.uniform(0.02, 0.07), draws.uniform(0.003, 0.012))
    # Ways along borders of fields and woods.
    kinds = draws.chance(0.25, (segments.means.shape[1], 1)) & draws.chance(0.4)[:, None, None]
    ways = borders(segments, 0.3) * (segments.softened(1.0).filled(kinds.float()) > 0.2)
    minor = torch.maximum(minor, ways)
    cased = draws.chance(0.7).float() * shown
    casing = torch.maximum(thick(minor, width + 1.2), thick(main, width + 1.8))
    out = _inked(out, casing * wide(cased), _colour(colours, pal.CASING))
    out = _inked(out, thick(minor, width) * wide(shown), _colour(colours, pal.MINOR))
    return _inked(out, thick(main, width + 0.6) * wide(shown), _colour(colours, pal.MAIN))


def _grid(images: Tensor, draws: Draws) -> Tensor:
    """(B, 1, H, W) thin lines of a coordinate grid, in a few maps."""
    lines = images.new_zeros((len(images), 1, *images.shape[-2:]))
    for dim, size in ((2, images.shape[-2]), (3, images.shape[-1])):
        place = torch.arange(size, device=images.device, dtype=images.dtype)
        period, start = draws.uniform(40, 160)[:, None], draws.uniform(0, 160)[:, None]
        here = (((place - start) % period) < 1).to(images.dtype)
        lines = torch.maximum(lines, here[:, None, :, None] if dim == 2 else here[:, None, None])
    return lines * wide(draws.uniform(0.2, 0.7) * draws.chance(0.15))


def _scanned(images: Tensor, draws: Draws) -> Tensor:
    """Ink that spread, colours that don't quite meet their tone, screens, paper, a scanner."""
    size = (images.shape[-2], images.shape[-1])
    out = blur(images, draws.uniform(0.4, 0.9))
    # A halftone screen: fine dots, larger where it is darker.
    y = torch.arange(size[0], device=images.device, dtype=images.dtype)[:, None]
    x = torch.arange(size[1], device=images.device, dtype=images.dtype)[None]
    pitch = wide(draws.uniform(2.6, 4.0))
    screen = torch.cos(2 * torch.pi * (x + y) / pitch) * torch.cos(2 * torch.pi * (x - y) / pitch)
    out = out + screen * (1 - out) * wide(draws.uniform(0, 0.25) * draws.chance(0.5))
    aged = images.new_tensor([0.97, 0.93, 0.82])[None, :, None, None]
    out = out * mixed(draws.uniform(0, 1), aged.expand_as(out[:, :, :1, :1]), 1.0 + 0 * aged)
    stains = 1 + _noise.fractal(draws, size, 16.0) * wide(draws.uniform(0, 0.04))
    fibres = _noise.white(draws, out[:, :1]) * wide(draws.uniform(0.005, 0.03))
    contrast = wide(draws.uniform(0.75, 1))
    return (out * stains + fibres) * contrast + wide(draws.uniform(0, 0.1))


def _inked(under: Tensor, amount: Tensor, colour: Tensor) -> Tensor:
    return under + (colour - under) * amount.clamp(0, 1)


def _colour(colours: Tensor, number: int) -> Tensor:
    return colours[:, number, :, None, None]
