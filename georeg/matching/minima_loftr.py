"""LoFTR with MINIMA's weights, or others: dense matching without key points.

Sources: Sun et al., LoFTR, CVPR 2021; Ren et al., MINIMA, CVPR 2025. Where the network counts
from is disputed (see its `match`), but the same on both sides, so it doesn't matter here.
"""

from __future__ import annotations

from typing import ClassVar

from georeg.matching._network import NetworkMatcher, tensors
from georeg.matching.networks.loftr import MULTIPLE, LoftrNet
from georeg.matching.protocol import Device, Weights


class LoftrMatcher(NetworkMatcher):
    """Points on a grid of 8 pixels in the moving tile, refined in the reference."""

    name: ClassVar[str] = "minima_loftr"
    layouts: ClassVar[tuple[str, ...]] = ("loftr",)
    multiple: ClassVar[int] = MULTIPLE

    def __init__(self, device: Device, weights: Weights) -> None:
        """With the weights of one file.

        Raises:
            InputError: they are of something else.
        """
        old = "old-encoding" in weights.options
        net = LoftrNet.from_state(tensors(weights, "loftr"), device, old=old)
        super().__init__(net)


MATCHER = LoftrMatcher
