"""EfficientLoFTR with MINIMA's weights, or others: the fastest of the dense ones.

Sources: Wang et al., Efficient LoFTR, CVPR 2024; Ren et al., MINIMA, CVPR 2025.
"""

from __future__ import annotations

from typing import ClassVar

from georeg.matching._network import NetworkMatcher, tensors
from georeg.matching.networks.eloftr import MULTIPLE, EloftrNet
from georeg.matching.protocol import Device, Weights


class EloftrMatcher(NetworkMatcher):
    """A point for a cell of 8 pixels at most, refined in two steps."""

    name: ClassVar[str] = "minima_eloftr"
    layouts: ClassVar[tuple[str, ...]] = ("eloftr",)
    multiple: ClassVar[int] = MULTIPLE

    def __init__(self, device: Device, weights: Weights) -> None:
        """With the weights of one file.

        Raises:
            InputError: they are of something else.
        """
        net = EloftrNet.from_state(tensors(weights, "eloftr"), device)
        super().__init__(net)


MATCHER = EloftrMatcher
