"""ALIKED key points matched by LightGlue.

Methods and their sources: see networks/aliked.py and networks/lightglue.py. Official weights were
trained on photographs.
"""

from __future__ import annotations

from typing import ClassVar

from georeg.matching._network import NetworkMatcher, tensors
from georeg.matching.networks.aliked import Aliked
from georeg.matching.networks.lightglue import LightglueNet, glue_from_state
from georeg.matching.protocol import Device, Weights

_COUNT = 2048  # key points of a tile at most; the official number


class AlikedMatcher(NetworkMatcher):
    """Key points of both tiles, matched by a transformer."""

    name: ClassVar[str] = "aliked_lightglue"
    layouts: ClassVar[tuple[str, ...]] = ("lightglue_128", "aliked_n16")
    limit: ClassVar[int] = 1024
    scene: ClassVar[int] = 1024

    def __init__(self, device: Device, weights: Weights) -> None:
        """With the weights of two files.

        Raises:
            InputError: they are of something else.
        """
        points = Aliked.from_state(tensors(weights, "aliked_n16"))
        glue = glue_from_state(tensors(weights, "lightglue_128"), input_dim=128)
        super().__init__(LightglueNet(points, glue, device, _COUNT))


MATCHER = AlikedMatcher
