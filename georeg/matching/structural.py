"""The built-in cross-modal matcher: dense structural features, correlated densely. No weights.

Methods and their sources: MIND/SSC self-similarity (see mind.py) and the structure tensor's
orientation modulo pi (see orientation.py), side by side as one vector of channels; see _dense.py
for how they are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from georeg.matching import mind, orientation
from georeg.matching._dense import DenseMatcher, Features, split_phases
from georeg.matching.cells import Canvas, prepare
from georeg.matching.protocol import Device

Describe = Callable[[Canvas], Tensor]

# Any of them alone or together: `StructuralMatcher(features=...)`.
FEATURES: dict[str, tuple[Describe, ...]] = {
    "both": (mind.describe, orientation.describe),
    "mind": (mind.describe,),
    "orientation": (orientation.describe,),
}


class StructuralMatcher(DenseMatcher):
    """Dense structural correlation in torch, on CPU or GPU."""

    name: ClassVar[str] = "structural"

    def __init__(
        self, device: Device | None = None, *, features: str = "both", check: bool = True
    ) -> None:
        """Set where and how to compute.

        Args:
            device: the CPU if None.
            features: a key of `FEATURES`.
            check: also look from the reference back into the moving tile (not for 'locate').
        """
        super().__init__(device, check)
        self.describe = FEATURES[features]

    def features(self, images: Tensor, masks: Tensor) -> Features:
        """Of cells that touch each other; see the base."""
        return describe(prepare(images, masks), self.describe)

    def phases(self, images: Tensor, masks: Tensor) -> list[Features]:
        """Of cells from every pixel on; see the base."""
        return split_phases(*describe(prepare(images, masks, 1), self.describe))


def describe(canvas: Canvas, kinds: tuple[Describe, ...] = FEATURES["both"]) -> Features:
    """(B, C, h, w) features of all kinds, of length about 1 together, and their mask."""
    parts = [kind(canvas) for kind in kinds]
    if len(parts) == 1:
        return parts[0], canvas.mask()
    return torch.cat(parts, 1).mul_(1 / math.sqrt(len(parts))), canvas.mask()


MATCHER = StructuralMatcher
