"""ALIKED: key points and their descriptors.

Zhao et al., ALIKED: A Lighter Keypoint and Descriptor Extraction Network via Deformable
Transformation, IEEE Transactions on Instrumentation and Measurement 72, 2023. The network is
kornia's; reading its map of scores is done here, because masks have a say in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from kornia.feature import ALIKED
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
_LEAST = 0.2  # score of a key point; the official number


class Aliked(Detector):
    """The network of 16 sampling positions, aliked-n16 or aliked-n16rot."""

    spread: ClassVar[tuple[float, float]] = MEASURED

    def __init__(self, net: ALIKED) -> None:
        """Of a network that is filled already; see `from_state`."""
        super().__init__()
        self.net = net

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Aliked:
        """The network with these weights.

        Args:
            state: tensors by their official names; they stay as they are.

        Raises:
            InputError: these are no weights of ALIKED.
        """
        return cls(made(_hollow, state, "ALIKED")).eval()

    def detect(self, images: Tensor, masks: Tensor | None, count: int) -> list[Points | None]:
        """See `Detector`."""
        image, valid = framed(images, masks, _MULTIPLE)
        clear = clear_of(valid)
        # One by one: full-size maps of 128 channels are large.
        return [self._one(image[i], clear[i], count) for i in range(len(images))]

    def _one(self, image: Tensor, clear: Tensor, count: int) -> Points | None:
        features, scores = self.net.extract_dense_map(image[None].expand(-1, 3, -1, -1))
        if not all_finite(features, scores)[0]:
            return None
        score = scores[0, 0]
        pixels, strength = peaks(score, clear, _LEAST)
        chosen = best(strength, count)
        xy = between(score, pixels[chosen])
        height, width = score.shape
        places = xy / torch.tensor([width - 1, height - 1]).to(xy) * 2 - 1
        ((descriptors,), _) = self.net.desc_head(features, [places])
        return xy, strength[chosen], descriptors


def _hollow() -> ALIKED:
    net = ALIKED("aliked-n16")
    # It has a constant that isn't in the official files.
    net.dkd = nn.Identity()  # type: ignore[assignment]
    return net
