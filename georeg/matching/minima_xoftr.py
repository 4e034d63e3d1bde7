"""XoFTR with MINIMA's weights, or others: dense matching across modalities.

Sources: Tuzcuoglu et al., XoFTR, CVPR Workshops 2024; Ren et al., MINIMA, CVPR 2025.
"""

from __future__ import annotations

from typing import ClassVar

from georeg.matching._network import NetworkMatcher, tensors
from georeg.matching.networks.xoftr import MULTIPLE, XoftrNet
from georeg.matching.protocol import Device, Weights


class XoftrMatcher(NetworkMatcher):
    """Points of cells of 8 pixels, refined on both sides; a place may have several."""

    name: ClassVar[str] = "minima_xoftr"
    layouts: ClassVar[tuple[str, ...]] = ("xoftr",)
    multiple: ClassVar[int] = MULTIPLE

    def __init__(self, device: Device, weights: Weights) -> None:
        """With the weights of one file.

        Raises:
            InputError: they are of something else.
        """
        net = XoftrNet.from_state(tensors(weights, "xoftr"), device)
        super().__init__(net)


MATCHER = XoftrMatcher
