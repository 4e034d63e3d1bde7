"""What one of many sensors would show of the same ground, and where each place is found in it.

A pair of such views is a training example, and so are the other pairs of a set of them: the label
of two views is the way from the one to the common source and on to the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from georeg.errors import SettingsError
from georeg.synthesis import _height
from georeg.synthesis._ops import rgb
from georeg.synthesis.draws import Draws
from georeg.synthesis.pairs import WEIGHTS, Chain, channelled, synthesised
from georeg.synthesis.warps import KINDS, Limits, random_warp, resample

STEP = 4  # pixels between the nodes of labels: displacements are far smoother than that


@dataclass(frozen=True, eq=False)
class Views:
    """One view per source.

    Attributes:
        image: (B, 1, H, W) in [0, 1].
        mask: (B, H, W), True where the image shows ground of the source that the label can tell.
        there: (B, 2, h, w) how many pixels (x, y) further on than in the source's middle part the
            view shows the ground of each node; see `node_places`.
        back: (B, 2, h, w) the same the other way round: from nodes of the view to the source.
        names: of the chain that made each view.
    """

    image: Tensor
    mask: Tensor
    there: Tensor
    back: Tensor
    names: tuple[str, ...]


def node_places(size: tuple[int, int], like: Tensor) -> Tensor:
    """(h * w, 2) positions (x, y) of a label's nodes, row by row; the first lies at (0, 0)."""
    y, x = (torch.arange(nodes(n), device=like.device, dtype=like.dtype) * STEP for n in size)
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns, rows], -1).reshape(-1, 2)


def nodes(size: int) -> int:
    """How many nodes cover `size` pixels, both ends included."""
    return -(-size // STEP) + 1


def random_view(
    images: Tensor,
    draws: Draws,
    size: tuple[int, int],
    chains: Mapping[str, Chain],
    weights: Mapping[str, float] | None = None,
    warps: Sequence[str] = KINDS,
    limits: Limits | None = None,
    masks: Tensor | None = None,
) -> Views:
    """Views of random modalities, each through a random warp of its own.

    The source is resampled once and synthesised after that, so that noise belongs to the view's
    own pixels. View i depends on image i and on its stream only.

    Args:
        images: (B, 1 or 3, H, W) in [0, 1]; larger than `size` by twice the warps' reach, or
            borders are masked.
        draws: one stream per image.
        size: rows and columns of the views; labels count from the source's middle part of that
            size.
        chains: what a view may be: names -> modalities one after another.
        weights: how often, by those names; `pairs.WEIGHTS`, and 1 for names that it lacks, if
            None.
        warps: kinds of warps to choose from.
        limits: how far they go.
        masks: (B, H, W), True where the source is valid; None if everywhere.

    Raises:
        SettingsError: a size beyond the source's, an unknown modality or kind of warp, no chains.
    """
    source = (images.shape[-2], images.shape[-1])
    if size[0] > source[0] or size[1] > source[1]:
        raise SettingsError(f"views of {size} pixels don't fit into images of {source}")
    odds = [(WEIGHTS if weights is None else weights).get(name, 1.0) for name in chains]
    if not odds or min(odds) < 0 or max(odds) == 0:
        raise SettingsError("there must be modalities to choose from, and no negative weights")
    numbers = draws.choice(odds).tolist()
    heights = _height.terrain(images, draws.fork(), 4.0)
    warp, scale = random_warp(draws.fork(), source, size, warps, limits, heights)
    taken, inside = resample(images, warp, size, masks, scale)
    corner = images.new_tensor([(source[1] - size[1]) // 2, (source[0] - size[0]) // 2])
    node = node_places(size, images).expand(len(images), -1, -1)
    there, back = warp.forward(node + corner), node.clone()
    out, seen, moved = synthesised(rgb(taken), inside, numbers, chains, draws.fork())
    for index, bent in moved:
        there[index] = bent.forward(there[index])
        back[index] = bent.inverse(back[index])
    back = warp.inverse(back) - corner
    shape = (len(images), nodes(size[0]), nodes(size[1]), 2)
    names = list(chains)
    return Views(
        channelled(out, 1, draws.fork()).clamp(0, 1),
        seen,
        (there - node).view(shape).permute(0, 3, 1, 2),
        (back - node).view(shape).permute(0, 3, 1, 2),
        tuple(names[number] for number in numbers),
    )
