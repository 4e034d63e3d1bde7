"""RoMa with MINIMA's weights, or others: a dense warp, the slowest and most robust.

Sources: Edstedt et al., RoMa, CVPR 2024; Ren et al., MINIMA, CVPR 2025. It needs DINOv2's weights,
too, and a GPU in practice.
"""

from __future__ import annotations

from typing import ClassVar

from georeg.matching._network import NetworkMatcher, tensors
from georeg.matching.networks.roma import RomaNet
from georeg.matching.protocol import Device, Weights


class RomaMatcher(NetworkMatcher):
    """A warp of all pixels, read on a regular grid; its certainty is the score.

    Tiles are resized inside to sides that are the network's own, whatever their size.
    """

    name: ClassVar[str] = "minima_roma"
    layouts: ClassVar[tuple[str, ...]] = ("roma", "dinov2_vitl14")

    def __init__(
        self, device: Device, weights: Weights, *, coarse: int = 560, fine: int = 864
    ) -> None:
        """With the weights of two files.

        Args:
            device: where to compute.
            weights: RoMa's and DINOv2's.
            coarse: side in pixels to which tiles are brought first, a multiple of 56.
            fine: side at which the warp is refined, a multiple of 8.

        Raises:
            InputError: they are of something else.
            ValueError: sides that don't suit the network.
        """
        roma, dinov2 = tensors(weights, "roma"), tensors(weights, "dinov2_vitl14")
        super().__init__(RomaNet.from_states(roma, dinov2, device, coarse=coarse, fine=fine))


MATCHER = RomaMatcher
