"""ALIKED key points matched by LightGlue: sparse, for images of like sensors.

Methods and their sources: see networks/aliked.py and networks/lightglue.py.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from georeg.matching._sparse import SparseMatcher
from georeg.matching.networks.aliked import Aliked
from georeg.matching.networks.lightglue import LightglueNet, glue_from_state
from georeg.matching.protocol import Weights


class AlikedLightglueMatcher(SparseMatcher):
    """With the official weights, trained on photographs."""

    name: ClassVar[str] = "aliked_lightglue"
    layouts: ClassVar[tuple[str, ...]] = ("lightglue_128", "aliked_n16")
    sigma: ClassVar[tuple[float, float]] = (0.3, 1.5)

    def _build(self, weights: Weights) -> LightglueNet:
        points = Aliked.from_state(weights.states["aliked_n16"])
        glue = glue_from_state(weights.states["lightglue_128"], input_dim=128)
        return LightglueNet(points, glue, self.device, torch.float32, 2048, None)


MATCHER = AlikedLightglueMatcher
