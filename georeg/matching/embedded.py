"""georeg's own trained matcher: structural features, weighted by a small network.

The weights come with georeg; see networks/embedded.py for the network, _dense.py for how features
are compared, and docs/embedded.md for what it was trained on and how well it does.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from georeg.matching._dense import DenseMatcher, Features
from georeg.matching._network import tensors
from georeg.matching.cells import prepare
from georeg.matching.networks.embedded import EmbeddedNet
from georeg.matching.protocol import Device, Weights
from georeg.matching.structural import describe


class EmbeddedMatcher(DenseMatcher):
    """Dense correlation of gated structural features."""

    name: ClassVar[str] = "embedded"
    layouts: ClassVar[tuple[str, ...]] = ("embedded",)

    def __init__(self, device: Device, weights: Weights, *, check: bool = True) -> None:
        """With the weights of one file.

        Args:
            device: where to compute; always in float32.
            weights: of layout 'embedded'.
            check: also look from the reference back into the moving tile (not for 'locate').

        Raises:
            InputError: they are of something else.
        """
        super().__init__(device, check)
        state = dict(tensors(weights, "embedded"))
        self.reliability = tuple(state["reliability"].tolist())
        self.net = EmbeddedNet.from_state(state).to(self.device)

    def features(self, images: Tensor, masks: Tensor) -> Features:
        """Of cells that touch each other; see the base."""
        found: Features = self.net(images, masks)
        return found

    def scene_features(self, images: Tensor, masks: Tensor) -> Features:
        """Ungated: the network has seen tiles, nearly aligned, and not whole scenes from afar."""
        return describe(prepare(images, masks))

    def phases(self, images: Tensor, masks: Tensor) -> list[Features]:
        """Of cells from every pixel on; see the base."""
        return self.net.phases(images, masks)


MATCHER = EmbeddedMatcher
