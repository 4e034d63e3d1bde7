"""SuperPoint and LightGlue with MINIMA's weights, or others: sparse matching by key points.

Sources: DeTone et al., SuperPoint, CVPR Workshops 2018; Lindenberger et al., LightGlue, ICCV 2023;
Ren et al., MINIMA, CVPR 2025. SuperPoint's weights are for non-commercial use.
"""

from __future__ import annotations

from typing import ClassVar

from georeg.matching._network import NetworkMatcher, tensors
from georeg.matching.networks.lightglue import LightglueNet
from georeg.matching.protocol import Device, Weights

_SIDE = 1024  # pixels: a whole tile's side when key points are found, as in training


class LightglueMatcher(NetworkMatcher):
    """Key points of both tiles, matched by a transformer; exact to a pixel or so."""

    name: ClassVar[str] = "minima_lightglue"
    layouts: ClassVar[tuple[str, ...]] = ("lightglue", "superpoint")

    def __init__(self, device: Device, weights: Weights) -> None:
        """With the weights of two files.

        Raises:
            InputError: they are of something else.
        """
        points, glue = tensors(weights, "superpoint"), tensors(weights, "lightglue")
        # Smaller tiles are enlarged as much as whole ones, so that all look the same.
        zoom = _SIDE / self.tile
        net = LightglueNet.from_states(points, glue, device, side=_SIDE, zoom=zoom)
        super().__init__(net)


MATCHER = LightglueMatcher
