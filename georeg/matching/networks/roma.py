"""RoMa: a dense warp between two images, and how certain it is at each pixel.

Source: Edstedt et al., "RoMa: robust dense feature matching", CVPR 2024; the names of the weights
are those of its authors, so MINIMA's RoMa (Ren et al., CVPR 2025) loads, too. Weights of DINOv2
ViT-L/14 come from a file of their own.

Coordinates are normalised: each image spans [-1, 1] from edge to edge, x before y; `to_pixels`
makes pixels of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from georeg.matching.networks.dinov2 import PATCH, DinoV2
from georeg.matching.networks.found import Found
from georeg.matching.networks.precision import CPU, Precision, all_finite
from georeg.matching.networks.roma_decoder import Decoder, Step
from georeg.matching.networks.roma_refiner import centres
from georeg.matching.networks.states import made
from georeg.matching.networks.vgg import Vgg19
from georeg.matching.pixels import to_centres
from georeg.matching.protocol import Device

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB
_STRIDE = 8  # of the encoder's coarsest convolutions
_DOUBT = 0.5  # share of a negative coarse logit that is given back
_LEAST = 0.05  # certainty below which the published sampling takes no match
_RETURN = 3.0  # pixels from where it started, at which a match may end there and back again


class Encoder(nn.Module):
    """Holder of the convolutional features, for the sake of the weights' names."""

    def __init__(self) -> None:
        """Untrained."""
        super().__init__()
        self.cnn = Vgg19()


class RomaMatcher(nn.Module):
    """All of RoMa that its own weights file holds: everything but DINOv2."""

    def __init__(self) -> None:
        """Untrained."""
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()


class RomaNet:
    """RoMa with weights, matching both ways at once.

    Attributes:
        coarse: side in pixels at which images are matched first, a multiple of 56.
        fine: side at which the warp is refined and returned, a multiple of 8.
        step: pixels at that side between the matches that `match` gives.
        matcher: the network without DINOv2.
        dinov2: the frozen transformer.
    """

    def __init__(
        self,
        matcher: RomaMatcher,
        dinov2: DinoV2,
        how: Device = CPU,
        *,
        coarse: int = 560,
        fine: int = 864,
        step: int = 16,
    ) -> None:
        """Take the networks; `from_states` makes them.

        Raises:
            ValueError: a side doesn't suit the strides.
        """
        if coarse < 1 or fine < 1 or coarse % (PATCH * _STRIDE // 2) or fine % _STRIDE:
            raise ValueError(f"sides must be multiples of 56 and 8, not {coarse} and {fine}")
        self.coarse, self.fine, self.step = coarse, fine, step
        self.precision = Precision(how)
        encoder = matcher.encoder.cnn
        self.matcher = self.precision.place(matcher, (encoder,), (encoder,))
        self.dinov2 = self.precision.place(dinov2, (dinov2,))

    @classmethod
    def from_states(
        cls,
        roma_state: Mapping[str, Tensor],
        dinov2_state: Mapping[str, Tensor],
        how: Device = CPU,
        *,
        coarse: int = 560,
        fine: int = 864,
        step: int = 16,
    ) -> RomaNet:
        """With weights; the tensors given aren't copied where device and type allow.

        Args:
            roma_state: names as published, `encoder.cnn.*` and `decoder.*`.
            dinov2_state: names as published, those of the bare ViT-L/14.
            how: to compute; the Gaussian process, warps and certainties stay in float32.
            coarse: see the class.
            fine: see the class.
            step: see the class.

        Raises:
            InputError: a tensor is missing, is left over or has the wrong shape.
            ValueError: a side doesn't suit the strides.
        """
        matcher = made(RomaMatcher, roma_state, "RoMa")
        dinov2 = made(DinoV2, dinov2_state, "DINOv2")
        return cls(matcher, dinov2, how, coarse=coarse, fine=fine, step=step)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.precision.device

    def match(
        self, images0: Tensor, masks0: Tensor | None, images1: Tensor, masks1: Tensor | None
    ) -> list[Found]:
        """Match pairs of grey images, on a regular grid of the first.

        Args:
            images0: (B, H, W) in [0, 1].
            masks0: not used: the network knows no masks.
            images1: (B, h, w), the others of the pairs.
            masks1: not used.

        Returns:
            For every pair its matches of some certainty; the spread is how far one is from its
            start there and back again (matches that miss it by far are left out).
        """
        return self.precision.matched(self._match, images0, masks0, images1, masks1)

    def _match(
        self, images0: Tensor, masks0: Tensor | None, images1: Tensor, masks1: Tensor | None
    ) -> list[Found | None]:
        if len(images0) != len(images1):
            raise ValueError(f"{len(images0)} images 0, but {len(images1)} images 1")
        size0, size1 = ((x.shape[1], x.shape[2]) for x in (images0, images1))
        out: list[Found | None] = []
        for pair in zip(images0, images1, strict=True):
            # One by one: features of full resolution take gigabytes for each.
            warp, certainty = self._warp(*(x.expand(1, 3, -1, -1) for x in pair))
            found = matches(warp[0], certainty[0], self.step, size0, size1)
            out.append(found if all(all_finite(warp, certainty)) else None)
        return out

    def warp(self, images0: Tensor, images1: Tensor) -> tuple[Tensor, Tensor]:
        """Where each pixel of either image lies in the other.

        Images are resized, whatever their shape, to the square sides of this object by cubic
        convolution with a prefilter (as published, but without rounding to 8 bits).

        Args:
            images0: (B, 3, H, W) in [0, 1], RGB; repeat a single channel.
            images1: (B, 3, h, w), the same.

        Returns:
            Warp (B, S, 2 S, 4) in normalised coordinates x0, y0, x1, y1, S being the fine side:
            the left half has a regular grid in image 0, the right half one in image 1. Certainty
            (B, S, 2 S) in [0, 1], 0 where the place is outside of the other image. Float32.

        Raises:
            ValueError: the images are not a batch of as many with three channels each.
        """
        with torch.no_grad(), self.precision.half():
            return self._warp(images0, images1)

    def _warp(self, images0: Tensor, images1: Tensor) -> tuple[Tensor, Tensor]:
        for images in (images0, images1):
            if images.ndim != 4 or images.shape[1] != 3 or len(images) != len(images0):
                raise ValueError(f"expected two (B, 3, H, W), got {tuple(images.shape)}")
        both = [images.to(self.device) for images in (images0, images1)]
        coarse, fine = (
            torch.cat([prepared(images, side) for images in both])
            for side in (self.coarse, self.fine)
        )
        return self.warp_prepared(coarse, fine)

    def warp_prepared(self, coarse: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """As `warp`, of images already resized and normalised.

        Args:
            coarse: (2 B, 3, C, C), first images before second ones.
            fine: (2 B, 3, S, S).
        """
        coarse, fine = coarse.to(self.device).float(), fine.to(self.device).float()
        steps = self._pass(coarse, None, 1.0)
        doubt = F.interpolate(
            steps[16][1], size=fine.shape[-2:], mode="bilinear", align_corners=False
        )
        flow, logit = self._pass(fine, steps[1], fine.shape[-1] / coarse.shape[-1])[1]
        certainty = torch.sigmoid(logit - _DOUBT * doubt.clamp(max=0))[:, 0]
        certainty = certainty.masked_fill((flow.abs() > 1).any(dim=1), 0)
        there = flow.clamp(-1, 1).permute(0, 2, 3, 1)
        forward, backward = there.chunk(2)
        height, width = fine.shape[-2:]
        grid = centres(height, width, self.device).permute(0, 2, 3, 1).expand_as(forward)
        left, right = torch.cat([grid, forward], dim=-1), torch.cat([backward, grid], dim=-1)
        return torch.cat([left, right], dim=2), torch.cat(certainty.chunk(2), dim=2)

    def _pass(self, images: Tensor, start: Step | None, scale: float) -> dict[int, Step]:
        """One run of the decoder, both ways, each image's features computed once."""
        features = self.matcher.encoder.cnn(images)
        if start is None:
            features[16] = self.dinov2(images).float()
        other = {s: torch.cat([*reversed(f.chunk(2))]) for s, f in features.items()}
        found: dict[int, Step] = self.matcher.decoder(features, other, start, scale)
        return found


def prepared(images: Tensor, side: int) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> (B, 3, side, side) with ImageNet's mean and deviation removed."""
    size = (side, side)
    images = F.interpolate(
        images.float(), size=size, mode="bicubic", align_corners=False, antialias=True
    )
    mean, deviation = (
        torch.tensor(v, device=images.device)[:, None, None] for v in (_MEAN, _DEVIATION)
    )
    return (images.clamp(0, 1) - mean) / deviation


def sample_grid(warp: Tensor, certainty: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points on a regular grid of image 0; unlike the published sampling, nothing is random.

    Args:
        warp: (S, 2 S, 4) of one pair.
        certainty: (S, 2 S).
        step: between points, in pixels of the fine side; the first lies half a step inside.

    Returns:
        (N, 2) in image 0, (N, 2) in image 1, normalised, and their (N,) certainty; row by row,
        without those of certainty 0.

    Raises:
        ValueError: the step isn't positive, or the shapes are not those of one pair.
    """
    if step < 1:
        raise ValueError(f"the step must be positive, not {step}")
    if warp.ndim != 3 or warp.shape[-1] != 4 or warp.shape[:2] != certainty.shape:
        raise ValueError(f"not of one pair: {tuple(warp.shape)} and {tuple(certainty.shape)}")
    half = warp.shape[1] // 2
    rows, columns = slice(step // 2, None, step), slice(step // 2, half, step)
    points, score = warp[rows, columns].reshape(-1, 4), certainty[rows, columns].reshape(-1)
    keep = score > 0
    return points[keep, :2], points[keep, 2:], score[keep]


def matches(
    warp: Tensor, certainty: Tensor, step: int, size0: tuple[int, int], size1: tuple[int, int]
) -> Found:
    """Matches on a regular grid, of those that come back to near where they started.

    Args:
        warp: (S, 2 S, 4) of one pair.
        certainty: (S, 2 S).
        step: between points, in pixels of the fine side.
        size0: (height, width) of image 0.
        size1: of image 1.

    Returns:
        Pixels of the images; the spread is how far one ends from its start there and back.
    """
    first, second, score = sample_grid(warp, certainty, step)
    xy0, xy1 = to_pixels(first, *size0), to_pixels(second, *size1)
    off = (to_pixels(returned(warp, second), *size0) - xy0).norm(dim=1)
    keep = (score >= _LEAST) & (off <= _RETURN)
    found = Found.of(xy0[keep], xy1[keep], score[keep], off[keep])
    return found._replace(xy0=to_centres(found.xy0), xy1=to_centres(found.xy1))


def returned(warp: Tensor, points: Tensor) -> Tensor:
    """(N, 2) places in image 1 -> where one comes from there, by the (S, 2 S, 4) warp's half."""
    back = warp[:, warp.shape[1] // 2 :, :2].permute(2, 0, 1)[None]
    found = F.grid_sample(back, points[None, None], padding_mode="border", align_corners=False)
    return found[0, :, 0].T


def to_pixels(points: Tensor, height: int, width: int) -> Tensor:
    """Normalised (N, 2) -> pixels of an image of that size, (0, 0) being its outer corner."""
    size = torch.tensor([width, height], dtype=points.dtype, device=points.device)
    return (points + 1) * size / 2
