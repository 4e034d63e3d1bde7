"""DISK: key points and their descriptors.

Tyszkiewicz, Fua and Trulls, DISK: Learning Local Features with Policy Gradient, NeurIPS 2020. The
network is kornia's; reading its map of scores is done here, because masks have a say in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch.nn.functional as F
from kornia.feature import DISK
from torch import Tensor

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

_MULTIPLE = 16  # pixels
_LEAST = 0.0  # score of a key point; the official number


class Disk(Detector):
    """The U-Net of the official weights."""

    spread: ClassVar[tuple[float, float]] = MEASURED

    def __init__(self, net: DISK) -> None:
        """Of a network that is filled already; see `from_state`."""
        super().__init__()
        self.net = net

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Disk:
        """The network with these weights.

        Args:
            state: tensors by their official names; they stay as they are.

        Raises:
            InputError: these are no weights of DISK.
        """
        return cls(made(DISK, state, "DISK")).eval()

    def detect(self, images: Tensor, masks: Tensor | None, count: int) -> list[Points | None]:
        """See `Detector`."""
        image, valid = framed(images, masks, _MULTIPLE)
        clear = clear_of(valid)
        # One by one: full-size maps of 128 channels are large.
        return [self._one(image[i], clear[i], count) for i in range(len(images))]

    def _one(self, image: Tensor, clear: Tensor, count: int) -> Points | None:
        maps = self.net.heatmap_and_dense_descriptors(image[None].expand(-1, 3, -1, -1))
        if not all_finite(*maps)[0]:
            return None
        score, features = maps[0][0, 0], maps[1][0]
        pixels, strength = peaks(score, clear, _LEAST)
        chosen = best(strength, count)
        pixels = pixels[chosen]
        described = features[:, pixels[:, 1], pixels[:, 0]].T
        return between(score, pixels), strength[chosen], F.normalize(described, dim=1)
