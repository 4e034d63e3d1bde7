"""From the features of two images to a dense warp: the decoder of RoMa.

Source: Edstedt et al., "RoMa: robust dense feature matching", CVPR 2024. A Gaussian process
regresses embedded coordinates of the other image from coarse features, a transformer turns those
into probabilities of 64 x 64 anchors, and refiners go from stride 16 to 1. Conventions as in
roma_refiner.py.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from georeg.matching.networks.dinov2 import Block
from georeg.matching.networks.precision import exact
from georeg.matching.networks.roma_refiner import ConvRefiner, centres

Step = tuple[Tensor, Tensor]  # warp (B, 2, H, W) and logit of the certainty (B, 1, H, W)

COARSE, FINE = (16, 8, 4, 2, 1), (8, 4, 2, 1)  # strides of the two passes
_ANCHORS = 64  # a side
_WIDTH = 512  # of coarse features, and of embedded coordinates
# By stride: channels of the encoder, after projection, of the displacement; correlation's radius.
_SIZES = {
    16: (1024, 512, 128, 7),
    8: (512, 512, 64, 3),
    4: (256, 256, 32, 2),
    2: (128, 64, 16, 0),
    1: (64, 9, 6, 0),
}
_TEMPERATURE, _NOISE, _TINY = 0.2, 0.1, 1e-6  # of the kernel; variance; against division by 0
_QUARTERS = 4  # refiners speak in quarters of their stride


class GaussianProcess(nn.Module):
    """Posterior mean of embedded coordinates, features being what is known of a place."""

    def __init__(self) -> None:
        """Untrained."""
        super().__init__()
        self.pos_conv = nn.Conv2d(2, _WIDTH, 1)

    def forward(self, here: Tensor, there: Tensor) -> Tensor:
        """(B, C, H, W) and (B, C, h, w) features -> (B, 512, H, W), in float32."""
        with exact(here):
            height, width = there.shape[-2:]
            places = centres(height, width, there.device)
            known = torch.cos(8 * math.pi * self.pos_conv(places))
            known = known.flatten(2).transpose(1, 2)
            x = here.float().flatten(2).transpose(1, 2)
            y = there.float().flatten(2).transpose(1, 2)
            noise = _NOISE * torch.eye(y.shape[1], device=y.device)
            # Symmetric and positive, so no inverse is needed; MKL's batched one was seen to hang.
            root = torch.linalg.cholesky(_kernel(y, y) + noise)
            weights = torch.cholesky_solve(known.expand(len(y), -1, -1), root)
            mean = _kernel(x, y) @ weights
        return mean.transpose(1, 2).reshape(len(here), -1, *here.shape[-2:])


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """exp((cosine - 1) / T): (B, N, C), (B, M, C) -> (B, N, M)."""
    lengths = x.norm(dim=-1)[:, :, None] * y.norm(dim=-1)[:, None]
    cosine = x @ y.transpose(1, 2) / (lengths + _TINY)
    return torch.exp((cosine - 1) / _TEMPERATURE)


class AnchorDecoder(nn.Module):
    """Transformer without positions: which anchor of the other image each token lies at."""

    def __init__(self) -> None:
        """Untrained."""
        super().__init__()
        self.blocks = nn.Sequential(*[Block(2 * _WIDTH, 8) for _ in range(5)])
        self.to_out = nn.Linear(2 * _WIDTH, _ANCHORS**2 + 1)

    def forward(self, posterior: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Two (B, 512, H, W) -> logits (B, 4096, H, W) of anchors, (B, 1, H, W) of certainty."""
        tokens = torch.cat([posterior, features.float()], dim=1).flatten(2).transpose(1, 2)
        out: Tensor = self.to_out(self.blocks(tokens))
        out = out.float().transpose(1, 2).reshape(len(out), -1, *posterior.shape[-2:])
        return out[:, :-1], out[:, -1:]


def anchors_to_warp(logits: Tensor) -> Tensor:
    """Mean place of the likeliest anchor and its four neighbours.

    Args:
        logits: (B, 4096, H, W), anchors row by row.

    Returns:
        (B, 2, H, W) warp. Neighbours are those in the flat order, so that at the end of a row
        the next row's first anchor is one, as in the published code (the weights expect it).
    """
    likely = logits.softmax(dim=1)
    best = likely.argmax(dim=1)
    steps = torch.tensor([-1, 0, 1, -_ANCHORS, _ANCHORS], device=logits.device)
    index = (best[:, None] + steps[:, None, None]).clamp(0, _ANCHORS**2 - 1)
    weight = likely.gather(1, index)[:, :, None]
    places = centres(_ANCHORS, _ANCHORS, logits.device)[0].flatten(1).T  # (4096, 2)
    near = places[index].permute(0, 1, 4, 2, 3)  # (B, 5, 2, H, W)
    return (weight * near).sum(dim=1) / weight.sum(dim=1)


class Decoder(nn.Module):
    """All steps of a pass."""

    def __init__(self) -> None:
        """Untrained."""
        super().__init__()
        self.embedding_decoder = AnchorDecoder()
        self.gps = nn.ModuleDict({"16": GaussianProcess()})
        self.proj = nn.ModuleDict(
            {
                str(stride): nn.Sequential(nn.Conv2d(into, out, 1), nn.BatchNorm2d(out))
                for stride, (into, out, _, _) in _SIZES.items()
            }
        )
        self.conv_refiner = nn.ModuleDict(
            {
                str(stride): ConvRefiner(features, embedded, radius)
                for stride, (_, features, embedded, radius) in _SIZES.items()
            }
        )

    def forward(
        self, here: dict[int, Tensor], there: dict[int, Tensor], start: Step | None, scale: float
    ) -> dict[int, Step]:
        """Warp from one image to another.

        Args:
            here: features (B, C, H, W) by stride; stride 16 stands for DINOv2's 14.
            there: those of the other image, of the same shapes.
            start: what a coarser pass found, which then leaves out stride 16; None to begin.
            scale: side of the images over that of the coarse pass.

        Returns:
            Warp and certainty by stride.
        """
        height, width = here[1].shape[-2:]
        found: dict[int, Step] = {}
        for stride in FINE if start else COARSE:
            size = tuple(here[stride].shape[-2:])
            mine, other = (self.proj[str(stride)](f[stride]) for f in (here, there))
            if start is None:
                posterior = self.gps[str(stride)](mine, other)
                logits, certainty = self.embedding_decoder(posterior, mine)
                warp = anchors_to_warp(logits)
            else:
                warp, certainty = (_resized(part, size) for part in start)
            delta, more = self.conv_refiner[str(stride)](mine, other, warp, scale)
            pixels = torch.tensor([width, height], device=delta.device)[:, None, None]
            start = (warp + stride * delta / (_QUARTERS * pixels), certainty + more)
            found[stride] = start
        return found


def _resized(part: Tensor, size: tuple[int, ...]) -> Tensor:
    return F.interpolate(part, size=size, mode="bilinear", align_corners=False)
