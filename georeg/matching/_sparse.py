"""What matchers of sparse key points by LightGlue share."""

from __future__ import annotations

from contextlib import nullcontext
from typing import ClassVar

import numpy as np
import torch

from georeg.matching.networks.lightglue import LightglueNet
from georeg.matching.pixels import from_centres, valid_at
from georeg.matching.protocol import Array, Device, TileBatch, TilePoints, Weights

_MOST, _MOST_LOCATE = 2048, 4096  # key points a tile
_LEAST = 32  # pixels of a side of what the networks can see anything in


class SparseMatcher:
    """Key points of a detector, matched by LightGlue; a subclass says which."""

    tile: ClassVar[int] = 640
    reach: ClassVar[int] = 32
    limit: ClassVar[int] = 1024
    scene: ClassVar[int] = 1024
    side_by_side: ClassVar[bool] = False
    sigma: ClassVar[tuple[float, float]]  # pixels; of a match that is sure, and of one that isn't

    def __init__(self, device: Device, weights: Weights) -> None:
        """Build the networks.

        Args:
            device: where and how to compute.
            weights: with a state for each of `layouts`.

        Raises:
            InputError: these aren't such weights.
        """
        self.device = torch.device(device.name)
        self._half = None if device.dtype == "float32" else getattr(torch, device.dtype)
        self._net = self._build(weights)

    def _build(self, weights: Weights) -> LightglueNet:
        raise NotImplementedError

    def match(self, batch: TileBatch) -> TilePoints:
        """Matches whose places lie within the radius."""
        if min(batch.moving.shape[1:]) < _LEAST:
            return TilePoints.none()
        count = _MOST_LOCATE if batch.goal == "locate" else _MOST
        faster = nullcontext() if self._half is None else torch.autocast(self.device.type, self._half)
        with faster:
            found = self._net.match(
                batch.moving, batch.moving_mask, batch.reference, batch.reference_mask, count
            )
        parts = []
        for number, (moving, reference, score) in enumerate(found):
            parts.append(
                self._points(batch, number, from_centres(moving), from_centres(reference), score)
            )
        return TilePoints.concat(parts)

    def _points(
        self, batch: TileBatch, number: int, moving: Array, reference: Array, score: Array
    ) -> TilePoints:
        keep = np.abs(reference - moving).max(axis=1, initial=0) <= batch.radius
        keep &= valid_at(batch.moving_mask[number], moving)
        keep &= valid_at(batch.reference_mask[number], reference)
        moving, reference, score = moving[keep], reference[keep], score[keep].clip(0, 1)
        sure, unsure = self.sigma
        return TilePoints(
            np.full(len(score), number, np.int64),
            moving,
            reference,
            score,
            sure + (unsure - sure) * (1 - score),
        )
