"""SuperPoint: key points and their descriptors.

DeTone, Malisiewicz and Rabinovich, SuperPoint: Self-Supervised Interest Point Detection and
Description, CVPR Workshops 2018, written from the paper; the layers are named as in the weights
that its authors gave out, and details that the paper leaves open follow LightGlue's use of them.
Those weights are for academic and non-commercial use: georeg has none, users bring their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from georeg.matching.networks.keypoints import Detector, Points
from georeg.matching.networks.precision import all_finite
from georeg.matching.networks.states import made

CELL = 8  # pixels of a side of what the heads see as one place

_APART = 4  # pixels: the best key point within that far suppresses the others
_BORDER = 4  # pixels next to the edge, or to something invalid, without key points
_LEAST = 0.0005  # score of a key point
_LAYERS = {
    "conv1a": (1, 64, 3),
    "conv1b": (64, 64, 3),
    "conv2a": (64, 64, 3),
    "conv2b": (64, 64, 3),
    "conv3a": (64, 128, 3),
    "conv3b": (128, 128, 3),
    "conv4a": (128, 128, 3),
    "conv4b": (128, 128, 3),
    "convPa": (128, 256, 3),
    "convPb": (256, CELL**2 + 1, 1),
    "convDa": (128, 256, 3),
    "convDb": (256, 256, 1),
}


class SuperPoint(Detector):
    """The network: one encoder, one head for points ("P") and one for descriptors ("D")."""

    # Whole pixels; the paper reports a mean localisation error of 1.2.
    spread: ClassVar[tuple[float, float]] = (1.0, 1.0)

    def __init__(self) -> None:
        """With random weights; see `from_state`."""
        super().__init__()
        for name, (into, out, side) in _LAYERS.items():
            self.add_module(name, nn.Conv2d(into, out, side, padding=side // 2))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> SuperPoint:
        """The network with these weights.

        Args:
            state: tensors by their authors' names; they stay as they are.

        Raises:
            InputError: these are no weights of SuperPoint.
        """
        return made(cls, state, "SuperPoint").eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of all pixels, and a coarse map of descriptors.

        Args:
            images: (B, H, W) in [0, 1]; what sticks out of whole cells of 8 pixels is ignored.

        Returns:
            (B, H // 8 * 8, W // 8 * 8) probability of being a key point, and
            (B, 256, H // 8, W // 8) descriptors of length 1; float32.
        """
        x = images[:, None]
        for block in "1234":
            x = F.max_pool2d(x, 2) if block != "1" else x
            x = self._relu(f"conv{block}a", x)
            x = self._relu(f"conv{block}b", x)
        places = self._layer("convPb", self._relu("convPa", x))
        # The last channel stands for "no key point in this cell", the others for its pixels.
        score = F.pixel_shuffle(places.softmax(1)[:, :-1], CELL)[:, 0]
        descriptors = self._layer("convDb", self._relu("convDa", x))
        return score, F.normalize(descriptors, dim=1)

    def detect(self, images: Tensor, masks: Tensor | None, count: int) -> list[Points | None]:
        """The best key points of each image.

        Args:
            images: (B, H, W) in [0, 1], sides of 8 and more.
            masks: (B, H, W), True where valid; None if all is.
            count: how many at most.

        Returns:
            As `choose`; None for images where not all numbers are finite.
        """
        score, coarse = self(images)
        found = self.choose(score, coarse, masks, count)
        fine = all_finite(score, coarse)
        return [points if ok else None for points, ok in zip(found, fine, strict=True)]

    @staticmethod
    def choose(score: Tensor, coarse: Tensor, masks: Tensor | None, count: int) -> list[Points]:
        """The best key points by what the network says of each image.

        Args:
            score: (B, H // 8 * 8, W // 8 * 8) of all pixels.
            coarse: (B, 256, H // 8, W // 8) descriptors.
            masks: (B, H, W), True where valid; None if all is.
            count: how many at most.

        Returns:
            Per image (N, 2) xy in pixels, 0 at the centre of the first, (N,) score and (N, 256)
            descriptors of length 1, best first; float32.
        """
        peak = _peaks(score) & (score > _LEAST)
        height, width = score.shape[1:]
        valid = torch.ones_like(score) if masks is None else masks[:, :height, :width].to(score)
        clear = F.max_pool2d(F.pad(1 - valid, (_BORDER,) * 4, value=1.0), 2 * _BORDER + 1, 1) == 0
        out = []
        for index, chosen in enumerate(peak & clear):
            yx = chosen.nonzero()
            best, order = score[index][chosen].sort(descending=True, stable=True)
            xy = yx[order[:count]].flip(1).to(score)
            out.append((xy, best[:count], _sample(coarse[index], xy)))
        return out

    def _layer(self, name: str, x: Tensor) -> Tensor:
        out: Tensor = self.get_submodule(name)(x)
        return out

    def _relu(self, name: str, x: Tensor) -> Tensor:
        return self._layer(name, x).relu_()


def _peaks(score: Tensor) -> Tensor:
    """(B, H, W) -> True where nothing better is near.

    What a better pixel suppressed stands again once that pixel is itself suppressed: so peaks are
    first those that lead their surroundings, then, twice, those that lead what is left.
    """
    side = 2 * _APART + 1

    def highest(x: Tensor) -> Tensor:
        return F.max_pool2d(x, side, 1, _APART)

    found = score == highest(score)
    for _ in range(2):
        near = highest(found.to(score.dtype)) > 0
        rest = score.masked_fill(near, 0)
        found = found | (~near & (rest == highest(rest)))
    return found


def _sample(coarse: Tensor, xy: Tensor) -> Tensor:
    """(256, h, w) descriptors of cells, (N, 2) pixels -> (N, 256) descriptors between them."""
    height, width = coarse.shape[1:]
    # The first cell's centre is at pixel 3.5, but the last one's is taken to be at 8 w - 1, not
    # 8 w - 4.5: an error of the first published code with which all matchers were trained since.
    last = torch.tensor([width, height], dtype=xy.dtype, device=xy.device) * CELL - CELL / 2 - 0.5
    grid = (xy - (CELL - 1) / 2) / last * 2 - 1
    found = F.grid_sample(
        coarse[None], grid[None, None], mode="bilinear", padding_mode="zeros", align_corners=True
    )
    return F.normalize(found[0, :, 0], dim=0).T
