"""What networks find in a pair of images, whichever network it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from georeg.matching.protocol import Array


class Found(NamedTuple):
    """Matches of one pair, float64.

    Attributes:
        xy0: (N, 2) in image 0, pixels, 0 at the centre of the first one.
        xy1: (N, 2) in image 1, the same.
        score: (N,) in [0, 1], the network's own confidence.
        spread: (N,) pixels along one axis: standard deviation of where the network's fine stage
            thinks that the match is; what comes closest to it where there is no such stage.
    """

    xy0: Array
    xy1: Array
    score: Array
    spread: Array

    @classmethod
    def of(cls, xy0: Tensor, xy1: Tensor, score: Tensor, spread: Tensor) -> Found:
        """Out of tensors."""
        values = (x.detach().double().cpu().numpy() for x in (xy0, xy1, score, spread))
        return cls(*values)

    @classmethod
    def split(
        cls, which: Tensor, count: int, xy0: Tensor, xy1: Tensor, score: Tensor, spread: Tensor
    ) -> list[Found]:
        """Out of tensors of all pairs of a batch.

        Args:
            which: (N,) pair of each match, in order.
            count: of pairs.
            xy0: (N, 2) and so on, as above.
            xy1: (N, 2).
            score: (N,).
            spread: (N,).
        """
        ends = np.cumsum(torch.bincount(which, minlength=count).cpu().numpy())[:-1]
        whole = cls.of(xy0, xy1, score, spread)
        parts = zip(*(np.split(values, ends) for values in whole), strict=True)
        return [cls(*part) for part in parts]

    @classmethod
    def none(cls) -> Found:
        """No matches."""
        return cls(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros(0))

    def finite(self) -> bool:
        """Whether all numbers are."""
        return all(bool(np.isfinite(values).all()) for values in self)
