"""Random pairs of modalities with exact labels: what a training loop asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.errors import SettingsError
from georeg.synthesis import _height
from georeg.synthesis._ops import rgb
from georeg.synthesis.compose import carried, compose
from georeg.synthesis.draws import Draws
from georeg.synthesis.protocol import Modality
from georeg.synthesis.warps import KINDS, Limits, Warp, pixel_centres, random_warp, resample

Chain = Sequence[str | Modality]

CHAINS: Mapping[str, Chain] = {
    "optical": (),
    "degraded": ("sensor",),
    "season": ("season", "sensor"),
    "sar": ("sar",),
    "sar-worse": ("sar", "sensor"),
    "sar-season": ("season", "sar"),
    "infrared": ("infrared",),
    "infrared-worse": ("season", "infrared", "sensor"),
    "map": ("map",),
    "map-season": ("season", "map"),
    "depth": ("depth",),
    "dem": ("dem",),
    "normal": ("normal",),
    "sketch": ("sketch",),
    "event": ("event",),
    "paint": ("paint",),
    "recolour": ("recolour",),
    "recolour-worse": ("recolour", "sensor"),
    "night": ("night",),
    "night-season": ("season", "night"),
}
"""What one side of a pair may be, by a name for logs and tables."""

WEIGHTS: Mapping[str, float] = {
    "optical": 5, "degraded": 4, "season": 4, "sar": 4, "sar-worse": 1, "sar-season": 1,
    "infrared": 3, "infrared-worse": 1, "map": 3, "map-season": 1, "depth": 1, "dem": 2,
    "normal": 0.5, "sketch": 0.5, "event": 0.5, "paint": 1,
    "recolour": 2, "recolour-worse": 2, "night": 1, "night-season": 0.5,
}  # fmt: skip
"""How often each is one side of a pair."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A batch for training.

    Attributes:
        moving: (B, C, H, W) in [0, 1].
        reference: (B, C, H, W).
        moving_mask: (B, H, W), True where the moving image shows ground of the source.
        reference_mask: (B, H, W).
        label: (B, 2, H, W): at each reference pixel, how many pixels (x, y) further on the moving
            image shows the same ground. Exact, and finite everywhere.
        valid: (B, H, W), True where the label's both ends are in images and unmasked.
        names: of the moving and of the reference side of each pair.
    """

    moving: Tensor
    reference: Tensor
    moving_mask: Tensor
    reference_mask: Tensor
    label: Tensor
    valid: Tensor
    names: tuple[tuple[str, str], ...]


def random_pair(
    images: Tensor,
    generator: torch.Generator,
    size: tuple[int, int] | None = None,
    chains: Mapping[str, Chain] = CHAINS,
    weights: Mapping[str, float] | None = None,
    warps: Sequence[str] = KINDS,
    limits: Limits | None = None,
    channels: int = 1,
    masks: Tensor | None = None,
) -> Pair:
    """Pairs of random modalities of the same ground, the moving side warped.

    The reference shows the source's middle as it is; the moving image is resampled once and
    synthesised after that, so that noise belongs to its own pixels. Pair i depends on image i and
    on the i-th stream of the generator's seed only.

    Args:
        images: (B, 1 or 3, H, W) in [0, 1]; larger than `size` by twice the warps' reach, or
            borders are masked.
        generator: the seed; one on the CPU gives the same pairs on every device.
        size: rows and columns of both sides; those of the source if None.
        chains: what a side may be: names -> modalities one after another.
        weights: how often, by those names; `WEIGHTS`, and 1 for names that it lacks, if None.
        warps: kinds of warps to choose from.
        limits: how far warps go.
        channels: 1 (mixed of three with random weights, as other radiometry would) or 3.
        masks: (B, H, W), True where the source is valid; None if everywhere.

    Raises:
        SettingsError: a size beyond the source's, an unknown modality or kind of warp, no chains.
    """
    source = (images.shape[-2], images.shape[-1])
    shown = size or source
    if shown[0] > source[0] or shown[1] > source[1]:
        raise SettingsError(f"pairs of {shown} pixels don't fit into images of {source}")
    odds = [(weights if weights is not None else WEIGHTS).get(name, 1.0) for name in chains]
    if not odds or min(odds) < 0 or max(odds) == 0:
        raise SettingsError("there must be modalities to choose from, and no negative weights")
    draws = Draws.start(generator, len(images), images.device)
    sides = [draws.choice(odds).tolist() for _ in range(2)]
    heights = _height.terrain(images, draws.fork(), 4.0)
    warp, scale = random_warp(draws.fork(), source, shown, warps, limits, heights)
    top, left = (source[0] - shown[0]) // 2, (source[1] - shown[1]) // 2
    window = (slice(top, top + shown[0]), slice(left, left + shown[1]))
    taken, inside = resample(images, warp, shown, masks, scale)
    whole = torch.ones_like(inside) if masks is None else masks[:, window[0], window[1]]
    names = list(chains)
    xy = pixel_centres(shown, len(images), images)
    reference, seen, ground = _side(
        images[..., window[0], window[1]], whole, sides[1], chains, draws.fork(), xy, back=True
    )
    place = warp.forward(ground + images.new_tensor([left, top]))
    moving, moving_seen, place = _side(
        taken, inside, sides[0], chains, draws.fork(), place, back=False
    )
    label = (place - xy).mT.reshape(len(images), 2, *shown)
    return Pair(
        channelled(moving, channels, draws.fork()),
        channelled(reference, channels, draws.fork()),
        moving_seen,
        seen,
        label,
        seen & visible(moving_seen, label),
        tuple((names[m], names[r]) for m, r in zip(*sides, strict=True)),
    )


def visible(masks: Tensor, label: Tensor) -> Tensor:
    """(B, H, W): whether a label's other end is in the image, and surely unmasked there.

    Args:
        masks: (B, H, W) of the moving image.
        label: (B, 2, H, W) displacements at the reference's pixels.
    """
    count, height, width = masks.shape
    place = pixel_centres((height, width), count, label).view(count, height, width, 2)
    place = place + label.permute(0, 2, 3, 1)
    grid = 2 * place / label.new_tensor([width, height]) - 1
    seen = F.grid_sample(masks[:, None].to(label.dtype), grid, align_corners=False)
    inside = ((place >= 0.5) & (place <= label.new_tensor([width, height]) - 0.5)).all(-1)
    return inside & (seen[:, 0] > 0.999)


def _side(
    images: Tensor,
    masks: Tensor,
    numbers: list[int],
    chains: Mapping[str, Chain],
    draws: Draws,
    xy: Tensor,
    back: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Each image through its chain: (B, 3, H, W), masks, and positions where modalities put them.

    Args:
        images: (B, C, H, W).
        masks: (B, H, W) of the images.
        numbers: of each image's chain.
        chains: all of them.
        draws: one stream per image.
        xy: (B, N, 2) positions.
        back: whether these are in the synthesised image and wanted in `images`, or the reverse.
    """
    out, seen, moved = synthesised(images, masks, numbers, chains, draws)
    place = xy.clone()
    for index, warp in moved:
        place[index] = (warp.inverse if back else warp.forward)(xy[index])
    return out, seen, place


def synthesised(
    images: Tensor,
    masks: Tensor,
    numbers: Sequence[int],
    chains: Mapping[str, Chain],
    draws: Draws,
) -> tuple[Tensor, Tensor, list[tuple[Tensor, Warp]]]:
    """Images as the sensors of their chains show them.

    Args:
        images: (B, C, H, W).
        masks: (B, H, W) of the images.
        numbers: of each image's chain.
        chains: all of them.
        draws: one stream per image.

    Returns:
        (B, 3, H, W) images, (B, H, W) masks, and the warps of those whose places moved, with the
        numbers of their images.
    """
    out, seen = rgb(images).clone(), masks.clone()
    moved = []
    for number, chain in enumerate(chains.values()):
        mine = [i for i, chosen in enumerate(numbers) if chosen == number]
        if not mine or not chain:
            continue
        index = torch.tensor(mine, device=images.device)
        made = compose(images[index], chain, draws.of(index))
        seen[index] = made.mask & carried(masks[index], made.warp)
        out[index] = rgb(made.image)
        if made.warp is not None:
            moved.append((index, made.warp))
    return out, seen, moved


def channelled(images: Tensor, channels: int, draws: Draws) -> Tensor:
    """(B, 3, H, W) -> (B, channels, H, W): as they are, or mixed with random weights."""
    if channels == 3:
        return images
    share = draws.uniform(0.1, 1, (3,))
    share = share / share.sum(1, keepdim=True)
    return (images * share[:, :, None, None]).sum(1, keepdim=True)
