"""DISK: key points and their descriptors.

Tyszkiewicz, Fua and Trulls, DISK: Learning Local Features with Policy Gradient, NeurIPS 2020. The
network is kornia's; reading its map of scores is done here, because masks have a say in it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from kornia.feature import DISK
from torch import Tensor, nn

from georeg.matching.networks.keypoints import Points, best, between, clear_of, framed, peaks
from georeg.matching.networks.states import fill, strip

_MULTIPLE = 16  # pixels
_LEAST = 0.0  # score of a key point


class Disk(nn.Module):
    """The U-Net of the official weights."""

    def __init__(self) -> None:
        """With random weights; see `from_state`."""
        super().__init__()
        self.net = DISK()

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Disk:
        """The network of a checkpoint in its authors' layout; `state` stays as it is.

        Raises:
            InputError: these are no weights of DISK.
        """
        with torch.random.fork_rng(devices=[]):  # random first weights shan't shift others' seeds
            made = cls()
        fill(made.net, strip(state), "DISK")
        return made.eval()

    def detect(self, images: Tensor, masks: Tensor | None, count: int) -> list[Points]:
        """See `Detector`."""
        framed_images, valid = framed(images, masks, _MULTIPLE)
        clear = clear_of(valid)
        # One by one: full-size maps of 128 channels are large.
        return [self._one(framed_images[i], clear[i], count) for i in range(len(images))]

    def _one(self, image: Tensor, clear: Tensor, count: int) -> Points:
        scores, features = self.net.heatmap_and_dense_descriptors(
            image[None].expand(-1, 3, -1, -1)
        )
        score = scores[0, 0].float()
        pixels, strength = peaks(score, clear, _LEAST)
        chosen = best(strength, count)
        pixels = pixels[chosen]
        descriptors = features[0][:, pixels[:, 1], pixels[:, 0]].T.float()
        return between(score, pixels), strength[chosen], F.normalize(descriptors, dim=1)
