"""Land cover, or what passes for it: clusters of colour and texture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.synthesis import _cues
from georeg.synthesis._flat import kuwahara
from georeg.synthesis._ops import blur, blur_along, grey, rgb, standard
from georeg.synthesis.draws import Draws

_FITTED = 1024  # pixels that clusters are fitted to
_ROUNDS = 5


@dataclass(frozen=True, eq=False)
class Segments:
    """Which cluster each pixel belongs to.

    Attributes:
        share: (B, K, H, W) of 0 and 1, or softer at borders; sums to 1.
        means: (B, K, 5) of each cluster: brightness, vegetation, water, texture in [0, 1], and its
            share of the image.
    """

    share: Tensor
    means: Tensor

    @property
    def label(self) -> Tensor:
        """(B, H, W) number of the cluster."""
        return self.share.argmax(1)

    def filled(self, values: Tensor) -> Tensor:
        """(B, K, C) values of clusters -> (B, C, H, W)."""
        return torch.einsum("bkhw,bkc->bchw", self.share, values)

    def softened(self, sigma: Tensor | float) -> Segments:
        """With borders blurred."""
        return Segments(blur(self.share, sigma), self.means)


def segment(
    images: Tensor,
    draws: Draws,
    classes: int = 7,
    sigma: Tensor | float = 1.0,
    evenings: tuple[int, ...] = (3,),
) -> Segments:
    """Clusters by k-means (Lloyd 1957) in colour, evened out within edges, and texture.

    Args:
        images: (B, C, H, W).
        draws: one stream per image; the start is random, and so is what counts how much.
        classes: K.
        sigma: of the smoothing of class shares: how general borders are.
        evenings: widths of the filters that take out texture before, one after another.
    """
    even = rgb(images)
    for width in evenings:
        even = kuwahara(even, width)
    features = torch.cat([standard(even), standard(_cues.texture(images))], 1)
    weight = draws.uniform(0.5, 1.5, (4,))
    features = features * (weight * weight.new_tensor([1, 1, 1, 0.7]))[:, :, None, None]
    flat = features.flatten(2).mT
    # The same number of pixels whatever the image's size.
    chosen = draws.integers(0, flat.shape[1], (_FITTED,))
    points = flat.gather(1, chosen[..., None].expand(-1, -1, flat.shape[2]))
    middle = points[:, :classes]
    for _ in range(_ROUNDS):
        member = F.one_hot(_nearest(points, middle), classes).to(flat.dtype)
        count = member.sum(1)[..., None]
        middle = torch.where(count > 0, member.mT @ points / count.clamp(min=1), middle)
    share = F.one_hot(_nearest(flat, middle), classes).mT.to(images.dtype)
    share = share.reshape(len(images), classes, *images.shape[-2:])
    votes = blur(share, sigma)
    share = F.one_hot(votes.argmax(1), classes).permute(0, 3, 1, 2).to(images.dtype)
    return Segments(share, _means(images, share))


def _nearest(points: Tensor, middle: Tensor) -> Tensor:
    """(B, N, F) points, (B, K, F) -> (B, N) number of the nearest."""
    return (middle.square().sum(2)[:, None] - 2 * points @ middle.mT).argmin(2)


def _means(images: Tensor, share: Tensor) -> Tensor:
    cues = torch.cat(
        [
            grey(images),
            _cues.vegetation(images),
            _cues.water(images),
            _cues.texture(images),
        ],
        1,
    )
    area = share.sum((2, 3))[..., None]
    sums = torch.einsum("bkhw,bchw->bkc", share, cues)
    total = share.shape[2] * share.shape[3]
    return torch.cat([sums / area.clamp(min=1), area / total], 2)


def borders(segments: Segments, width: Tensor | float = 0.7) -> Tensor:
    """(B, 1, H, W) in [0, 1]: lines of about that half-width where two clusters meet."""
    label = segments.label[:, None]
    edge = torch.zeros_like(segments.share[:, :1])
    edge[..., :, 1:] += (label[..., :, 1:] != label[..., :, :-1]).to(edge.dtype)
    edge[..., 1:, :] += (label[..., 1:, :] != label[..., :-1, :]).to(edge.dtype)
    lines = blur_along(blur_along(edge.clamp(max=1), width, -1), width, -2)
    return (lines * 2.5).clamp(0, 1)
