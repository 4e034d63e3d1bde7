"""XFeat key points matched by LighterGlue, a smaller LightGlue: sparse and fast.

Methods and their sources: see networks/xfeat.py and networks/lightglue.py; the sizes of LighterGlue
are those of XFeat's official code.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from georeg.matching._sparse import SparseMatcher
from georeg.matching.networks.lightglue import LightglueNet, glue_from_state
from georeg.matching.networks.xfeat import Xfeat
from georeg.matching.protocol import Weights


class XfeatLighterglueMatcher(SparseMatcher):
    """With the official weights, trained on photographs."""

    name: ClassVar[str] = "xfeat_lighterglue"
    layouts: ClassVar[tuple[str, ...]] = ("lighterglue", "xfeat")
    sigma: ClassVar[tuple[float, float]] = (0.3, 1.5)

    def _build(self, weights: Weights) -> LightglueNet:
        points = Xfeat.from_state(weights.states["xfeat"])
        glue = glue_from_state(
            weights.states["lighterglue"],
            width=0.95,
            depth=-1,
            input_dim=64,
            descriptor_dim=96,
            n_layers=6,
            num_heads=1,
        )
        return LightglueNet(points, glue, self.device, torch.float32, 4096, None)


MATCHER = XfeatLighterglueMatcher
