"""XFeat: key points and their descriptors, cheaply.

Potje et al., XFeat: Accelerated Features for Lightweight Image Matching, CVPR 2024. The network is
kornia's; reading its map of scores is done here, because masks have a say in it. Other than in the
official code, the grid of 8 x 8 cells in which key points are looked for is shifted over the image
and its answers are averaged: on real images shifted by fractions of a pixel, the median distance
of matches from the truth falls from 0.65 to 0.4 px, and there are 25 % more of them. On whole pairs
of different sensors it makes no difference (benchmarks/mmim.py: AUC 15/31/52 against 13/32/53).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from kornia.feature.xfeat import InterpolateSparse2d, XFeatModel
from torch import Tensor, nn

from georeg.matching.networks.keypoints import (
    MEASURED,
    Detector,
    Points,
    best,
    between,
    clear_of,
    framed,
    peaks,
)
from georeg.matching.networks.precision import all_finite
from georeg.matching.networks.states import made

_MULTIPLE = 32  # pixels
_CELL = 8  # pixels of a side of what the heads see as one place
_SHIFT = 2  # pixels by which the grid of cells is shifted; 8 is the official code
_LEAST = 0.05  # probability of a key point within its cell; the official number
_FLAT = 1e-5  # added to the variance, as in the official code


class Xfeat(Detector):
    """The network of the official weights."""

    spread: ClassVar[tuple[float, float]] = MEASURED

    def __init__(self, net: XFeatModel) -> None:
        """Of a network that is filled already; see `from_state`."""
        super().__init__()
        self.net = net
        # Its own would count invalid pixels, too.
        self.net.norm = nn.Identity()  # type: ignore[assignment]
        self._smooth = InterpolateSparse2d("bicubic")
        self._linear = InterpolateSparse2d("bilinear")

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Xfeat:
        """The network with these weights.

        Args:
            state: tensors by their official names; they stay as they are.

        Raises:
            InputError: these are no weights of XFeat.
        """
        return cls(made(XFeatModel, state, "XFeat")).eval()

    def detect(self, images: Tensor, masks: Tensor | None, count: int) -> list[Points | None]:
        """See `Detector`."""
        image, valid = framed(images, masks, _MULTIPLE)
        clear = clear_of(valid)
        image = _normalised(image, valid[:, None])
        features, _, reliability = self.net(image)
        heat = self._heat(image)
        fine = all_finite(features, reliability, heat)
        features = F.normalize(features, dim=1)
        return [
            self._one(heat[i, 0], features[i : i + 1], reliability[i : i + 1], clear[i], count)
            if fine[i]
            else None
            for i in range(len(images))
        ]

    def _heat(self, images: Tensor) -> Tensor:
        """(B, 1, H, W) probability of a key point, the mean over positions of the grid of cells.

        The head sees single cells, so that key points stick to places within them.
        """
        height, width = images.shape[2:]
        wide = F.pad(images, (_CELL,) * 4, mode="replicate")
        total = torch.zeros_like(images)
        places = range(0, _CELL, _SHIFT)
        for top, left in itertools.product(places, places):
            part = wide[..., top : top + height + _CELL, left : left + width + _CELL]
            logits = self.net.keypoint_head(F.pixel_unshuffle(part, _CELL))
            heat = F.pixel_shuffle(logits.softmax(1)[:, : _CELL**2], _CELL)
            total += heat[..., _CELL - top :, _CELL - left :][..., :height, :width]
        return total / len(places) ** 2

    def _one(
        self, heat: Tensor, features: Tensor, reliability: Tensor, clear: Tensor, count: int
    ) -> Points:
        height, width = heat.shape
        pixels, strength = peaks(heat, clear, _LEAST)
        at = pixels[None].to(heat)
        strength = strength * self._linear(reliability, at, height, width)[0, :, 0]
        chosen = best(strength, count)
        described = self._smooth(features, at[:, chosen], height, width)[0]
        return between(heat, pixels[chosen]), strength[chosen], F.normalize(described, dim=1)


def _normalised(images: Tensor, valid: Tensor) -> Tensor:
    """(B, 1, H, W) with mean 0 and standard deviation 1 where valid, and 0 elsewhere."""
    count = valid.sum((1, 2, 3), keepdim=True).clamp(min=1)
    data = images * valid
    centred = (data - data.sum((1, 2, 3), keepdim=True) / count) * valid
    variance = centred.square().sum((1, 2, 3), keepdim=True) / count
    return centred / (variance + _FLAT).sqrt()
