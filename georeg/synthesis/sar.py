"""Radar: backscatter by land cover and slope, foreshortening, shadow, scatterers, speckle."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.synthesis import _bspline, _cues, _height
from georeg.synthesis._ops import (
    blur,
    directed,
    gradient,
    grey,
    moved,
    quantiles,
    ranks,
    stretch,
    tone,
    wide,
)
from georeg.synthesis._segments import Segments, segment
from georeg.synthesis._speckle import speckled
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Synthetic
from georeg.synthesis.warps import Bend, Warp, pixel_centres, unfolded

SCALES = ("amplitude", "log", "intensity", "ratio")

_SPACING = 20.0  # pixels between the nodes of relief displacement
_SLOPE = 0.5  # steepest displacement: slopes become up to twice as bright
_RAY = (1.0, 2.0, 3.0, 4.5, 6.5, 9.0, 12.0)  # pixels at which something may be in the way


def synthesise(
    images: Tensor,
    draws: Draws,
    looks: float | None = None,
    scale: str | None = None,
    displaced: bool = True,
    streaks: bool = True,
) -> Synthetic:
    """A detected radar image.

    Args:
        images: (B, C, H, W).
        draws: one stream per image.
        looks: equivalent number of looks, from 0.5 on; random from 1 to 16 if None.
        scale: one of `SCALES` for all; random if None. 'ratio' is of two polarisations, in dB.
            'intensity' is scaled only, so that speckle keeps its statistics.
        displaced: whether relief moves what is high towards the sensor.
        streaks: whether antenna pattern and scalloping may show.

    Returns:
        (B, 1, H, W). The mask is False in radar shadow; `warp` is the displacement by relief.
    """
    count = len(draws)
    angle = draws.uniform(0, 2 * torch.pi)  # of propagation, from x to y
    segments = segment(images, draws, 8, draws.uniform(0.5, 1.4))
    heights = _height.objects(images, draws, segments, draws.uniform(0.6, 1.2))
    decibels = _backscatter(images, draws, segments, heights, angle)
    shadow = _shadow(heights * wide(draws.uniform(1, 7)), draws, angle)
    power = 10 ** (decibels / 10) * (1 - 0.97 * shadow) + _scatterers(images, draws)
    relief = _height.terrain(images, draws, 4.0)
    away = draws.uniform(0.3, 4) * draws.chance(0.7) * float(displaced)
    warp = _relief(relief, away, angle)
    power, hidden = _foreshortened(power, shadow, warp)
    if streaks:
        power = power * _streaks(images, draws, angle)
    floor = 10 ** (draws.uniform(-27, -21) / 10)
    power = power + wide(floor)
    wanted = torch.exp2(4 * draws.uniform() ** 1.2)
    wanted = wanted if looks is None else torch.full_like(wanted, looks)
    grain = draws.uniform(0, 0.2) * draws.chance(0.7)
    kind = draws.choice([0.4, 0.45, 0.08, 0.07])
    if scale is not None:
        kind = torch.full((count,), SCALES.index(scale), device=images.device)
    if looks is None:  # ratios of fewer show nothing
        wanted = torch.where(kind == SCALES.index("ratio"), wanted.clamp(min=6), wanted)
    first = speckled(power, wanted, grain, draws)
    # The other polarisation: what is rough sends back more of it.
    own = draws.uniform(-8, 2, (segments.means.shape[1], 1))
    other = power * 10 ** (segments.softened(0.7).filled(own) / 10)
    second = speckled(other, wanted, grain, draws)
    return Synthetic(_shown(first, second, kind, draws), (hidden < 0.5)[:, 0], warp)


def _backscatter(
    images: Tensor, draws: Draws, segments: Segments, heights: Tensor, angle: Tensor
) -> Tensor:
    """(B, 1, H, W) decibels: by land cover, by brightness within it, by roughness, by slope."""
    means = segments.means
    level = draws.uniform(-16, -5, (means.shape[1],)) - 9 * means[..., 2] + 4 * means[..., 3]
    cover = segments.softened(0.5).filled(level[..., None])
    curve = tone(ranks(blur(grey(images), 0.6)), draws.uniform(-0.5, 0.5, (4,)) + 0.5) - 0.5
    rough = _cues.texture(images, 1.2) - 0.5
    slope = directed(heights, angle)
    steep = slope / slope.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=0.01)
    facing, averted = steep.clamp(0, 4), (-steep).clamp(0, 4)
    return (
        cover
        + curve * wide(draws.uniform(2, 9))
        + rough * wide(draws.uniform(1, 8))
        + facing * wide(draws.uniform(0.2, 2.4))
        - averted * wide(draws.uniform(0.2, 1.4))
    )


def _shadow(heights: Tensor, draws: Draws, angle: Tensor) -> Tensor:
    """(B, 1, H, W) in [0, 1]: 1 where something towards the sensor, in pixels high, hides it."""
    descent = 1 / torch.tan(torch.deg2rad(draws.uniform(22, 52)))
    highest = torch.full_like(heights, -1.0)
    for away in _RAY:
        there = moved(heights, -away * torch.cos(angle), -away * torch.sin(angle))
        highest = torch.maximum(highest, there - heights - wide(away * descent))
    return (highest * 3 + 0.5).clamp(0, 1)


def _scatterers(images: Tensor, draws: Draws) -> Tensor:
    """(B, 1, H, W) power of walls and wires that shine, with the side lobes of a point."""
    size = (1, images.shape[-2], images.shape[-1])
    built = _cues.texture(images, 2.0) ** 4 * stretch(grey(images))
    rate = wide(10 ** draws.uniform(-3.2, -1.4))
    here = draws.uniform(shape=size) < rate * built
    strength = 10 ** draws.uniform(-0.6, 1.2, size)
    return _pointed(here.float() * strength)


def _pointed(power: Tensor) -> Tensor:
    """Spread as a point is: a weighted sinc, squared, along both axes."""
    place = torch.arange(-8, 9, device=power.device, dtype=power.dtype)
    response = torch.sinc(place / 1.3).square() * (0.54 + 0.46 * torch.cos(torch.pi * place / 9))
    line = (response / response.max())[None, None]
    spread = F.conv2d(power, line[:, :, None], padding=(0, 8))
    return F.conv2d(spread, line[..., None], padding=(8, 0))


def _relief(heights: Tensor, away: Tensor, angle: Tensor) -> Warp:
    """What is high moves towards the sensor, by up to `away` pixels."""
    level = _bspline.gathered(heights, _SPACING)
    towards = -torch.stack([torch.cos(angle), torch.sin(angle)], 1)[:, :, None, None]
    lattice = unfolded(level * towards * wide(away), _SPACING, _SLOPE)
    return Warp((Bend(lattice, _SPACING),))


def _foreshortened(power: Tensor, shadow: Tensor, warp: Warp) -> tuple[Tensor, Tensor]:
    """Both as displaced; where ground is squeezed, its power adds up."""
    count, _, height, width = power.shape
    origin = warp.inverse(pixel_centres((height, width), count, power)).view(-1, height, width, 2)
    east, south = (gradient(origin[..., i][:, None]) for i in (0, 1))
    area = (east[0] * south[1] - east[1] * south[0]).clamp(min=0)
    grid = 2 * origin / power.new_tensor([width, height]) - 1
    both = F.grid_sample(
        torch.cat([power, shadow], 1), grid, padding_mode="border", align_corners=False
    )
    return both[:, :1] * area, both[:, 1:]


def _streaks(images: Tensor, draws: Draws, angle: Tensor) -> Tensor:
    """(B, 1, H, W) gain that changes along or across the track only."""
    height, width = images.shape[-2:]
    across = torch.where(draws.chance(0.5), angle, angle + torch.pi / 2)
    places = pixel_centres((height, width), len(draws), images).view(-1, height, width, 2)
    along = places[..., 0] * torch.cos(across)[:, None, None]
    along = along + places[..., 1] * torch.sin(across)[:, None, None]
    place = (along / (2 * (height + width)) + 0.5)[:, None]
    fine, broad = draws.normal((384,)), draws.normal((24,))
    decibels = tone(place, fine) * wide(draws.uniform(0, 0.5)) + tone(place, broad)
    return 10 ** (decibels * wide(draws.uniform(0, 1) * draws.chance(0.4)) / 10)


def _shown(first: Tensor, second: Tensor, kind: Tensor, draws: Draws) -> Tensor:
    """Intensities on a scale that a screen shows."""
    low, high = 0.005, 0.99 + 0.0085 * draws.uniform()
    least = 1e-4
    ratio = 10 * torch.log10(second.clamp(min=least) / first.clamp(min=least))
    scales = (first.sqrt(), torch.log10(first.clamp(min=least)), first, blur(ratio, 1.2))
    chosen = torch.stack(scales, 1)[torch.arange(len(kind), device=kind.device), kind]
    tops = quantiles(chosen, [i / 1000 for i in range(990, 1000)])
    top = tops.gather(1, ((high - 0.99) * 1000).round().long()[:, None])[:, 0]
    bottom = quantiles(chosen, [low])[:, 0]
    bottom = torch.where(kind == SCALES.index("intensity"), 0.0, bottom)
    return ((chosen - wide(bottom)) / wide((top - bottom).clamp(min=1e-4))).clamp(0, 1)
