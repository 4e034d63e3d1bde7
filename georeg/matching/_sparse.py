"""What the matchers of key points by LightGlue share."""

from __future__ import annotations

from typing import ClassVar

import torch
from kornia.feature import LightGlue

from georeg.matching import _network
from georeg.matching.networks.keypoints import Detector
from georeg.matching.networks.lightglue import LightglueNet
from georeg.matching.protocol import Device, TileBatch, TilePoints, Weights


class SparseMatcher:
    """Key points of a detector, matched by LightGlue; a subclass says which.

    Attributes:
        count: key points of a tile at most.
    """

    name: ClassVar[str]
    layouts: ClassVar[tuple[str, ...]]
    tile: ClassVar[int] = 640
    reach: ClassVar[int] = 32
    limit: ClassVar[int] = 1024
    scene: ClassVar[int] = 1024
    side_by_side: ClassVar[bool] = False
    count: ClassVar[int] = 2048

    def __init__(self, device: Device, weights: Weights) -> None:
        """Build the networks.

        Args:
            device: where and how to compute.
            weights: with a state for each of `layouts`.

        Raises:
            InputError: these aren't such weights.
        """
        self.device = torch.device(device.name)
        self._net = LightglueNet(*self.networks(weights), device, self.count)

    @classmethod
    def networks(cls, weights: Weights) -> tuple[Detector, LightGlue]:
        """The detector and LightGlue with these weights."""
        raise NotImplementedError

    def match(self, batch: TileBatch) -> TilePoints:
        """Matches of valid places within the radius."""
        return _network.points(batch, self._net.match, self.device)
