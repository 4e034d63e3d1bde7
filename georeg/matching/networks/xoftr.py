"""XoFTR: Tuzcuoglu et al., "XoFTR: Cross-modal feature matching transformer", CVPR Workshops 2024.

Our own writing after the paper. The weights' names, the numbers and the order of operations are
those of the official code (github.com/OnderT/XoFTR, Apache-2.0), whose recorded results tests
compare with.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from georeg.matching.networks.found import Found
from georeg.matching.networks.lean import lean, widened
from georeg.matching.networks.loftr_blocks import Transformer, with_positions
from georeg.matching.networks.precision import CPU, Precision, all_finite, exact
from georeg.matching.networks.states import made
from georeg.matching.networks.windows import (
    CELL,
    TEMPERATURE,
    Matched,
    Side,
    first_pixels,
    groups,
    moments,
    sides,
    similarity,
    window,
)
from georeg.matching.networks.xoftr_blocks import Backbone, FineProcess
from georeg.matching.protocol import Device

MULTIPLE = CELL  # of pixels, that sides must be

_THRESHOLD = 0.3  # probability that a match of cells needs, in either direction
_FINE_THRESHOLD = 0.1  # confidence that it needs after refinement
_FINE, _MEDIUM = 5, 3  # sides of windows at 1/2 and at 1/4
_PITCH = 2  # pixels between elements of fine windows
_WINDOWS = ((_FINE, 4), (_MEDIUM, 2), (1, 1))  # side and stride at 1/2, 1/4 and 1/8


class XoftrNet(nn.Module):
    """The whole network, for inference."""

    def __init__(self) -> None:
        """Random weights."""
        super().__init__()
        self.backbone = Backbone()
        self.loftr_coarse = Transformer()
        self.coarse_matching = nn.ModuleDict({"final_proj": nn.Linear(256, 256)})
        self.fine_process = FineProcess()
        self.fine_matching = FineMatching()
        self.precision = Precision(CPU)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], how: Device = CPU) -> XoftrNet:
        """The network with these weights.

        Args:
            state: tensors by their official names, without a prefix; they stay as they are.
            how: to compute. Only float32 was compared with the official code.

        Raises:
            InputError: a tensor is missing, is left over or has the wrong shape.
        """
        net = made(cls, state, "XoFTR")
        net.precision = Precision(how)
        if net.precision.tensor_cores:
            net.lean()
        return net.precision.place(net, (net.backbone, net.loftr_coarse), (net.backbone,))

    def lean(self) -> None:
        """Make convolutions what GPUs like; only for inference."""
        lean(self.backbone)
        # It takes what the backbone hands out; its own go to attention with heads of 28 channels.
        self.fine_process.out_conv_m = widened(self.fine_process.out_conv_m, outputs=False)

    def match(
        self,
        images0: Tensor,
        masks0: Tensor | None,
        images1: Tensor,
        masks1: Tensor | None,
    ) -> list[Found]:
        """Match pairs of images.

        Coordinates are the official code's: x, y in pixels, centres of pixels at integers, to a
        fraction of a pixel in both images. One place may have several matches, as its cell may be
        the best of many cells of the other image.

        The official code knows no masks but padding; here pixels without data count neither for
        an image's mean nor for its contrast, and cells without data are not attended to and not
        matched. Where nothing is confident enough, the official code invents a match in the
        corner of the first window; here there is none.

        Args:
            images0: (B, H, W), sides multiples of 8 pixels; scale and offset don't matter.
            masks0: (B, H, W) bool, True where valid; None: everywhere.
            images1: (B, H', W'), the others of the pairs.
            masks1: (B, H', W') bool or None.

        Returns:
            For every pair its matches, of confidences in (0.1, 1]; the spread is that of the
            best feature's similarity to the window of the other image.

        Raises:
            ValueError: sides that aren't multiples of 8 pixels, or don't fit each other.
        """
        return self.precision.matched(self._match, images0, masks0, images1, masks1)

    def _match(
        self, images0: Tensor, masks0: Tensor | None, images1: Tensor, masks1: Tensor | None
    ) -> list[Found | None]:
        pair = sides(images0, masks0, images1, masks1, self.precision.device, MULTIPLE)
        maps = [self.backbone(_normalised(s.images[:, 0], s.valid)[:, None]) for s in pair]
        # Single precision for what the layers add to, whatever they compute in.
        tokens = [with_positions(coarse.float()).flatten(2).mT for _, _, coarse in maps]
        full = [s.full.flatten(1) for s in pair]
        tokens = list(self.loftr_coarse(tokens[0], tokens[1], *full))
        places = [self.coarse_matching["final_proj"](x) for x in tokens]
        sound = all_finite(*places)
        levels: list[tuple[Tensor, ...]] = []
        for (half, quarter, coarse), x in zip(maps, tokens, strict=True):
            after = x.mT.reshape(coarse.shape)
            levels.append(self.fine_process.maps(half, quarter, coarse, after))
        matched = _either_best((places[0], places[1]), pair)
        found = self._refined(levels, matched)
        return [x if ok and x.finite() else None for ok, x in zip(sound, found, strict=True)]

    def _refined(self, levels: list[tuple[Tensor, ...]], matched: Matched) -> list[Found]:
        """Matches of cells -> matches, from the feature maps of both images of all pairs."""
        parts = []
        for part in matched.parts():
            pairs = list(zip(levels, (part.cells0, part.cells1), strict=True))
            fine, medium, coarse = (
                [window(maps[k], part.which, c, size, stride, size // 2) for maps, c in pairs]
                for k, (size, stride) in enumerate(_WINDOWS)
            )
            windows = self.fine_process(fine, medium, coarse)
            *offsets, confidence, spread = self.fine_matching(*windows)
            # What isn't finite goes on, so that its pair is known to have overflowed.
            ok = (confidence > _FINE_THRESHOLD) | ~confidence.isfinite()
            xy0, xy1 = (
                first_pixels(c, maps[2].shape[3])[ok] + moved[ok]
                for (maps, c), moved in zip(pairs, offsets, strict=True)
            )
            parts.append((part.which[ok], xy0, xy1, confidence[ok], spread[ok]))
        count = len(levels[0][0])
        if not parts:
            return [Found.none() for _ in range(count)]
        which, *found = (torch.cat(part) for part in zip(*parts, strict=True))
        return Found.split(which, count, *found)


class FineMatching(nn.Module):
    """The best pair of features in two windows, and fractions of a pixel in both."""

    def __init__(self) -> None:
        """Random weights."""
        super().__init__()
        self.fine_proj = nn.Linear(128, 128, bias=False)
        self.subpixel_mlp = nn.Sequential(
            nn.Linear(256, 256, bias=False), nn.ReLU(), nn.Linear(256, 4, bias=False)
        )

    def forward(self, window0: Tensor, window1: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The best match of two windows, in single precision.

        Args:
            window0: (M, 25, 128), at half the resolution.
            window1: (M, 25, 128).

        Returns:
            (M, 2) x, y in pixels from the cells' first, for both; (M,) confidence, the product of
            the softmaxes in both directions; (M,) spread of the best feature's row of it in
            pixels.
        """
        with exact(window0):
            window0, window1 = window0.float(), window1.float()
            projected = [self.fine_proj(x) / x.shape[2] ** 0.5 for x in (window0, window1)]
            similar = projected[0] @ projected[1].mT / TEMPERATURE
            sure = similar.softmax(1) * similar.softmax(2)
            confidence, best = sure.flatten(1).max(1)
            count = window1.shape[1]
            places = (best.div(count, rounding_mode="floor"), best % count)
            every = torch.arange(len(best), device=best.device)
            features = torch.cat([window0[every, places[0]], window1[every, places[1]]], 1)
            fractions = (self.subpixel_mlp(features).tanh() * 0.5).chunk(2, 1)
            _, spread = moments(sure[every, places[0]], _FINE)
        xy0, xy1 = (
            _PITCH * (_inside(place) + fraction)
            for place, fraction in zip(places, fractions, strict=True)
        )
        return xy0, xy1, confidence, _PITCH * spread


def _normalised(images: Tensor, valid: Tensor) -> Tensor:
    """(B, H, W) images with mean 0 and standard deviation 1 of their (B, H, W) valid pixels."""
    count = valid.flatten(1).sum(1)[:, None, None]
    data = images.where(valid, 0)
    mean = data.sum((1, 2), keepdim=True) / count.clamp(min=1)
    centred = (data - mean) * valid
    deviation = (centred.square().sum((1, 2), keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    return centred / (deviation + 1e-6)


def _either_best(features: tuple[Tensor, Tensor], pair: tuple[Side, Side]) -> Matched:
    """Cells of which one is the other's best by probability, ordered by the first image's."""
    parts = []
    for some in groups(*features):
        full0, full1, free0, free1 = (
            x[some].flatten(1) for x in (pair[0].full, pair[1].full, pair[0].free, pair[1].free)
        )
        similar = similarity(features[0][some], features[1][some], full0, full1)
        chosen = torch.zeros_like(similar, dtype=torch.bool)
        for side in (1, 2):
            probability, best = similar.softmax(side).max(side, keepdim=True)
            one_way = torch.zeros_like(chosen).scatter_(side, best, probability > _THRESHOLD)
            chosen |= one_way
        chosen &= free0[:, :, None] & free1[:, None]
        which, cells0, cells1 = chosen.nonzero().T
        parts.append((which + some.start, cells0, cells1))
    return Matched(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _inside(place: Tensor) -> Tensor:
    """(M,) places in a window -> (M, 2) x, y from its centre."""
    xy = torch.stack([place % _FINE, place.div(_FINE, rounding_mode="floor")], 1)
    return xy - _FINE // 2
