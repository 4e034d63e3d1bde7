"""The network of georeg's own matcher: which of the structural channels to trust, place by place.

It changes nothing of where structure lies. The channels of the `structural` matcher are weighted
by gates that a small U-Net (Ronneberger et al., MICCAI 2015) draws from their surroundings;
speckle, lettering, crowns of trees and leaning roofs get little weight, kerbs and shores much.
Networks that add channels of their own find more places to 3 px, and fewer to 1.5 px
(docs/embedded.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from georeg.matching import mind, orientation
from georeg.matching.cells import STRIDE, prepare
from georeg.matching.networks.states import made

CHANNELS = mind.CHANNELS + orientation.CHANNELS
UNTRAINED = (-0.17, 1.44, 0.0, 0.0)
"""Log odds of tie points, as georeg/search/peaks.py has them for the structural matcher."""

_LIGHT = 2  # channels: brightness against the surroundings, and local contrast
_AROUND = 8  # pixels of the grid on which the surroundings are averaged
_PLACES = [(y, x) for y in range(STRIDE) for x in range(STRIDE)]

Features = tuple[Tensor, Tensor]


class Stem(NamedTuple):
    """What the network sees of images.

    Attributes:
        structure: (B, 10, h, w) structural channels by cell.
        light: (B, 2, h, w).
        mask: (B, h, w) valid cells.
    """

    structure: Tensor
    light: Tensor
    mask: Tensor


class Convolution(nn.Sequential):
    """3 x 3, normalised, and cut off below 0."""

    def __init__(self, inputs: int, outputs: int, spread: int = 1) -> None:
        """Random weights.

        Args:
            inputs: channels.
            outputs: channels.
            spread: pixels between the kernel's elements.
        """
        super().__init__(
            nn.Conv2d(
                inputs, outputs, 3, padding=spread, dilation=spread, padding_mode="replicate",
                bias=False,
            ),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )  # fmt: skip

    def fused(self) -> None:
        """Take the normalisation into the convolution; for inference only."""
        convolution, norm = self[0], self[1]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            self[0], self[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()


class Residual(nn.Module):
    """Adds what a convolution makes."""

    def __init__(self, channels: int, spread: int = 1) -> None:
        """Random weights."""
        super().__init__()
        self.more = Convolution(channels, channels, spread)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same."""
        more: Tensor = self.more(x)
        return x + more if torch.is_grad_enabled() else more.add_(x)


class EmbeddedNet(nn.Module):
    """Gated structural features.

    Attributes:
        sharpness: (3,) of the likelihoods of templates of three sizes, for training.
        reliability: (4,) what makes a tie point likely right; see `Surfaces` in protocol.py.
    """

    reliability: Tensor

    def __init__(self, width: int = 8, deep: int = 16, deepest: int = 24) -> None:
        """Gates all of 1: untrained, it is the structural matcher.

        Args:
            width: channels at the resolution of cells.
            deep: channels at half of that.
            deepest: channels at a quarter.
        """
        super().__init__()
        self.enter = Convolution(CHANNELS + _LIGHT, width)
        self.down = nn.Sequential(Convolution(width, deep), Residual(deep), Residual(deep, 2))
        self.deepest = nn.Sequential(
            Convolution(deep, deepest), Residual(deepest), Residual(deepest, 2)
        )
        self.up = nn.Conv2d(deepest, deep, 1)
        self.merge = Residual(deep)
        self.context = nn.Conv2d(deep, width, 1)
        self.fine = Residual(width)
        self.gates = nn.Conv2d(width, CHANNELS + 1, 1)
        self.sharpness = nn.Parameter(torch.full((3,), 3.0))
        self.register_buffer("reliability", torch.tensor(UNTRAINED))
        for parameter in self.gates.parameters():
            nn.init.zeros_(parameter)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> EmbeddedNet:
        """The network with these weights, for inference.

        Args:
            state: tensors by name; they stay as they are. Their shapes tell the widths.

        Raises:
            InputError: these are no weights of it.
        """
        widths = [
            int(state[name].shape[0]) if name in state else default
            for name, default in (
                ("enter.0.weight", 8), ("down.0.0.weight", 16), ("deepest.0.0.weight", 24)
            )
        ]  # fmt: skip
        net = made(lambda: cls(*widths), state, "georeg's embedded matcher")
        net = net.eval().requires_grad_(False)
        for part in net.modules():
            if isinstance(part, Convolution):
                part.fused()
        return net

    def forward(self, images: Tensor, masks: Tensor) -> Features:
        """Features of cells that touch each other.

        Args:
            images: (B, H, W) in [0, 1].
            masks: (B, H, W) bool, True where valid.
        """
        with torch.no_grad():
            seen = stem(images, masks, STRIDE)
        gates = self._gates(seen.structure, seen.light)
        return _weighted(seen.structure, gates, seen.mask), seen.mask

    def phases(self, images: Tensor, masks: Tensor) -> list[Features]:
        """Of the cells from each pixel of the first one on; see matching/_dense.py.

        Gates are drawn once, for the first of them, and lie between those of its cells for the
        others: drawn for each, they cost four times as much and are no better.
        """
        dense = stem(images, masks, 1)
        structure, light = (t[..., ::STRIDE, ::STRIDE] for t in (dense.structure, dense.light))
        gates = self._gates(structure, light)
        out = []
        for y, x in _PLACES:
            structure, mask = (t[..., y::STRIDE, x::STRIDE] for t in (dense.structure, dense.mask))
            out.append((_weighted(structure, _between(gates, y, x, mask.shape[-2:]), mask), mask))
        return out

    def _gates(self, structure: Tensor, light: Tensor) -> Tensor:
        """(B, 11, h, w) weight of each channel, and that of the cell, in [0, 1]."""
        entered: Tensor = self.enter(torch.cat([structure, light], 1))
        around = _enlarged(self._context(entered), STRIDE, entered.shape[-2:])
        return torch.sigmoid(self.gates(self.fine(F.relu(entered + around))))

    def _context(self, entered: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h / 2, w / 2): what lies around."""
        middle = self.down(F.avg_pool2d(entered, 2, ceil_mode=True))
        low = self.up(self.deepest(F.avg_pool2d(middle, 2, ceil_mode=True)))
        merged = F.relu(middle + _enlarged(low, 2, middle.shape[-2:]))
        context: Tensor = self.context(self.merge(merged))
        return context


def stem(images: Tensor, masks: Tensor, step: int) -> Stem:
    """What the network sees.

    Args:
        images: (B, H, W) in [0, 1].
        masks: (B, H, W) bool.
        step: pixels from cell to cell, 1 or 2.
    """
    canvas = prepare(images, masks, step)
    structure = torch.cat([mind.describe(canvas), orientation.describe(canvas)], 1).mul_(0.5**0.5)
    light = _light(canvas.images, step, structure.shape[-2:])
    return Stem(structure, light, canvas.mask())


def _light(images: Tensor, step: int, size: torch.Size) -> Tensor:
    """(B, 2, h, w) brightness against the surroundings in their deviations, and those."""
    image = images[:, None]
    mean, square = (_surroundings(i) for i in (image, image.square()))
    deviation = (square - mean.square()).clamp(min=0).sqrt() + 0.02
    whole = image.shape[-2:]
    spread = _enlarged(deviation, _AROUND, whole)
    bright = ((image - _enlarged(mean, _AROUND, whole)) / spread).clamp(-3, 3) * 0.5
    contrast = (torch.log(spread) + 2.5) * 0.5
    both = torch.cat([bright, contrast], 1)
    if step == STRIDE:
        return F.avg_pool2d(both, STRIDE)
    edge = F.pad(both, (0, 1, 0, 1), mode="replicate")
    return F.avg_pool2d(edge, STRIDE, 1)[..., : size[0], : size[1]]


def _surroundings(image: Tensor) -> Tensor:
    coarse = F.avg_pool2d(image, _AROUND, ceil_mode=True, count_include_pad=False)
    return F.avg_pool2d(F.pad(coarse, (1, 1, 1, 1), mode="replicate"), 3, 1)


def _enlarged(x: Tensor, factor: int, size: torch.Size) -> Tensor:
    """Between the cells linearly, cut to (rows, columns)."""
    out = F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
    return out[..., : size[0], : size[1]]


def _weighted(structure: Tensor, gates: Tensor, mask: Tensor) -> Tensor:
    """(B, 10, h, w) channels, weighted; 0 where invalid."""
    weight = 4 * gates[:, -1:] * mask[:, None]
    return torch.mul(structure * gates[:, :-1], weight)


def _between(gates: Tensor, y: int, x: int, size: torch.Size) -> Tensor:
    """Those of cells that lie half a cell further down (y) or to the right (x)."""
    for dim, half in ((-2, y), (-1, x)):
        if half:
            last = gates.narrow(dim, gates.shape[dim] - 1, 1)
            gates = 0.5 * (
                gates + torch.cat([gates.narrow(dim, 1, gates.shape[dim] - 1), last], dim)
            )
    return gates[..., : size[0], : size[1]]
