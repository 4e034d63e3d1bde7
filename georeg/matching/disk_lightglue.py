"""DISK key points matched by LightGlue: sparse, for images of like sensors.

Methods and their sources: see networks/disk.py and networks/lightglue.py.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from georeg.matching._sparse import SparseMatcher
from georeg.matching.networks.disk import Disk
from georeg.matching.networks.lightglue import LightglueNet, glue_from_state
from georeg.matching.protocol import Weights


class DiskLightglueMatcher(SparseMatcher):
    """With the official weights, trained on photographs."""

    name: ClassVar[str] = "disk_lightglue"
    layouts: ClassVar[tuple[str, ...]] = ("lightglue_128", "disk")
    sigma: ClassVar[tuple[float, float]] = (0.3, 1.5)

    def _build(self, weights: Weights) -> LightglueNet:
        points = Disk.from_state(weights.states["disk"])
        glue = glue_from_state(weights.states["lightglue_128"], input_dim=128)
        return LightglueNet(points, glue, self.device, torch.float32, 2048, None)


MATCHER = DiskLightglueMatcher
