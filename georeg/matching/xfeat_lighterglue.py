"""XFeat key points matched by LighterGlue, a small and fast LightGlue.

Methods and their sources: see networks/xfeat.py and networks/lightglue.py. Official weights were
trained on photographs.
"""

from __future__ import annotations

from typing import ClassVar

from georeg.matching._network import NetworkMatcher, tensors
from georeg.matching.networks.lightglue import LightglueNet, glue_from_state
from georeg.matching.networks.xfeat import Xfeat
from georeg.matching.protocol import Device, Weights

_COUNT = 4096  # key points of a tile at most; the official number
_SIZES = {"input_dim": 64, "descriptor_dim": 96, "n_layers": 6, "num_heads": 1}


class XfeatMatcher(NetworkMatcher):
    """Key points of both tiles, matched by a transformer."""

    name: ClassVar[str] = "xfeat_lighterglue"
    layouts: ClassVar[tuple[str, ...]] = ("lighterglue", "xfeat")
    limit: ClassVar[int] = 1024
    scene: ClassVar[int] = 1024

    def __init__(self, device: Device, weights: Weights) -> None:
        """With the weights of two files.

        Raises:
            InputError: they are of something else.
        """
        points = Xfeat.from_state(tensors(weights, "xfeat"))
        glue = glue_from_state(tensors(weights, "lighterglue"), width=0.95, depth=-1, **_SIZES)
        super().__init__(LightglueNet(points, glue, device, _COUNT))


MATCHER = XfeatMatcher
