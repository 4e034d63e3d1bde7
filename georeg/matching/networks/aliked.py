"""ALIKED: key points and their descriptors.

Zhao et al., ALIKED: A Lighter Keypoint and Descriptor Extraction Network via Deformable
Transformation, IEEE Transactions on Instrumentation and Measurement 72, 2023. The network is
kornia's; reading its map of scores is done here, because masks have a say in it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from kornia.feature import ALIKED
from torch import Tensor, nn

from georeg.matching.networks.keypoints import Points, best, between, clear_of, framed, peaks
from georeg.matching.networks.states import fill, strip

_MULTIPLE = 32  # pixels


class Aliked(nn.Module):
    """The network of 16 sampling positions, aliked-n16 or aliked-n16rot."""

    def __init__(self, least: float = 0.2) -> None:
        """With random weights; see `from_state`.

        Args:
            least: score of a key point; the official number is 0.2.
        """
        super().__init__()
        self.net = ALIKED("aliked-n16")
        self.net.dkd = nn.Identity()  # it has a constant that isn't in the official files
        self.least = least

    @classmethod
    def from_state(cls, state: Mapping[str, object], least: float = 0.2) -> Aliked:
        """The network of a checkpoint in its authors' layout; `state` stays as it is.

        Raises:
            InputError: these are no weights of ALIKED.
        """
        with torch.random.fork_rng(devices=[]):  # random first weights shan't shift others' seeds
            made = cls(least)
        fill(made.net, strip(state), "ALIKED")
        return made.eval()

    def detect(self, images: Tensor, masks: Tensor | None, count: int) -> list[Points]:
        """See `Detector`."""
        framed_images, valid = framed(images, masks, _MULTIPLE)
        clear = clear_of(valid)
        # One by one: full-size maps of 128 channels are large.
        return [self._one(framed_images[i], clear[i], count) for i in range(len(images))]

    def _one(self, image: Tensor, clear: Tensor, count: int) -> Points:
        features, scores = self.net.extract_dense_map(image[None].expand(-1, 3, -1, -1))
        score = scores[0, 0]
        pixels, strength = peaks(score, clear, self.least)
        chosen = best(strength, count)
        xy = between(score, pixels[chosen])
        height, width = score.shape
        grid = xy / torch.tensor([width - 1, height - 1]).to(xy) * 2 - 1
        ((descriptors,), _) = self.net.desc_head(features, [grid])
        return xy, strength[chosen], descriptors
