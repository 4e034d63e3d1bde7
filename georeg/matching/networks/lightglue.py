"""LightGlue on the key points of a detector: sparse matching.

Lindenberger, Sarlin and Pollefeys, LightGlue: Local Feature Matching at Light Speed, ICCV 2023;
with weights for SuperPoint also Ren et al., MINIMA: Modality Invariant Image Matching, CVPR 2025.
The network is kornia's; here it is set up as the official code sets it up, and gives what that
gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf

import torch
from kornia.feature import LightGlue
from kornia.geometry.transform import resize as resized
from torch import Tensor

from georeg.matching.networks.found import Found
from georeg.matching.networks.keypoints import Detector
from georeg.matching.networks.precision import CPU, Precision
from georeg.matching.networks.states import fill
from georeg.matching.networks.superpoint import CELL, SuperPoint
from georeg.matching.protocol import Device


class LightglueNet:
    """A detector and LightGlue with given weights, ready to match."""

    def __init__(
        self,
        points: Detector,
        glue: LightGlue,
        how: Device,
        count: int,
        side: int | None = None,
        zoom: float = inf,
    ) -> None:
        """Networks that are filled already.

        Args:
            points: finds and describes key points.
            glue: see `glue_from_state`.
            how: as for `from_states`, and so on.
            count: the same.
            side: the same.
            zoom: the same.
        """
        # In half precision other key points match: fits of DISK and XFeat were up to 0.06 and 0.1
        # px off. These networks are small beside those without key points.
        self.precision = Precision(replace(how, dtype="float32"))
        self._points = self.precision.place(points, (points,))
        self._glue = self.precision.place(glue)
        self._count = count
        self._side = side
        self._zoom = zoom

    @classmethod
    def from_states(
        cls,
        superpoint_state: Mapping[str, Tensor],
        lightglue_state: Mapping[str, Tensor],
        how: Device = CPU,
        count: int = 2048,
        side: int | None = 1024,
        zoom: float = inf,
        adaptive: bool = True,
    ) -> LightglueNet:
        """The networks with these weights.

        Args:
            superpoint_state: tensors by their official names; they stay as they are.
            lightglue_state: the same of LightGlue for SuperPoint, with the new names of layers.
            how: to compute; in float32 whatever the type.
            count: key points per image at most; the official number is 2048.
            side: pixels that the longer side of images is brought to first, up or down; the
                official number is 1024. None leaves images as they are.
            zoom: but not by more than that factor.
            adaptive: stop at the layer, and leave out points, where it makes no difference any
                more, as the official code does.

        Raises:
            InputError: these are no such weights.
        """
        points = SuperPoint.from_state(superpoint_state)
        glue = glue_from_state(lightglue_state, 0.99 if adaptive else -1, 0.95 if adaptive else -1)
        return cls(points, glue, how, count, side, zoom)

    def match(
        self,
        images0: Tensor,
        masks0: Tensor | None,
        images1: Tensor,
        masks1: Tensor | None,
    ) -> list[Found]:
        """Match image pairs of one size per side.

        Args:
            images0: (B, H0, W0) in [0, 1], 0 where invalid.
            masks0: (B, H0, W0), True where valid; None if all is. There are no key points within
                4 pixels (after resizing) of an invalid one, as there are none that close to the
                image's edge. The official code has no masks.
            images1: (B, H1, W1), maybe of another size.
            masks1: (B, H1, W1).

        Returns:
            For every pair its matches. The coordinates are the official code's: pixels of these
            images, before they were resized, 0 at the centre of the upper left one. The spread is
            the detector's, as there is no fine stage.

        Raises:
            ValueError: the shapes don't fit.
        """
        if len(images0) != len(images1):
            raise ValueError(f"{len(images0)} images 0, but {len(images1)} images 1")
        return self.precision.matched(self._match, images0, masks0, images1, masks1)

    def _match(
        self, images0: Tensor, masks0: Tensor | None, images1: Tensor, masks1: Tensor | None
    ) -> list[Found | None]:
        both = [self._detect(images0, masks0), self._detect(images1, masks1)]
        # One by one, as officially: in a batch, all would wait for the one that needs most
        # layers, and images with fewer key points would have to be filled up.
        return [
            None if a is None or b is None else self._glued(a, b)
            for a, b in zip(*both, strict=True)
        ]

    def _detect(self, images: Tensor, masks: Tensor | None) -> list[dict[str, Tensor] | None]:
        """Key points as LightGlue wants them, in pixels before resizing; None if not finite."""
        if images.ndim != 3 or (masks is not None and masks.shape != images.shape):
            shape = None if masks is None else masks.shape
            raise ValueError(f"images are {images.shape}, masks {shape}: not (B, H, W) both")
        if not len(images):
            return []
        device = self.precision.device
        height, width = images.shape[1:]
        image = torch.as_tensor(images, device=device)[:, None].float()
        mask = None if masks is None else torch.as_tensor(masks, device=device)[:, None]
        if self._side is not None:
            longer = int(min(self._side, self._zoom * max(height, width)))
            image = resized(image, longer, side="long", antialias=True)
            if mask is not None:
                # A pixel that an invalid one had a part in is invalid.
                new = (image.shape[-2], image.shape[-1])
                mask = resized(mask.float(), new, antialias=True) > 0.999
        if min(image.shape[-2:]) < CELL:
            raise ValueError(f"images are {images.shape}: sides are shorter than {CELL} pixels")
        scale = torch.tensor([image.shape[-1] / width, image.shape[-2] / height]).to(device)
        size = torch.tensor([[width, height]], dtype=torch.float32, device=device)
        valid = None if mask is None else mask[:, 0]
        return [
            None
            if found is None
            else {
                "keypoints": ((found[0] + 0.5) / scale - 0.5)[None],
                "descriptors": found[2][None],
                "image_size": size,
                "pixel": 1 / scale.mean(),
            }
            for found in self._points.detect(image[:, 0], valid, self._count)
        ]

    def _glued(self, side0: dict[str, Tensor], side1: dict[str, Tensor]) -> Found:
        """Matches of one pair."""
        found = self._glue({"image0": side0, "image1": side1})
        index0, index1 = found["matches"][0].unbind(1)
        score = found["scores"][0]
        pixel = torch.maximum(side0["pixel"], side1["pixel"])
        xy0, xy1 = side0["keypoints"][0, index0], side1["keypoints"][0, index1]
        sure, unsure = self._points.spread
        return Found.of(xy0, xy1, score, (unsure + (sure - unsure) * score) * pixel)


def glue_from_state(
    state: Mapping[str, Tensor], width: float = 0.99, depth: float = 0.95, **sizes: int
) -> LightGlue:
    """LightGlue with these weights.

    Args:
        state: tensors by their official names, with the new names of layers; they stay as they are.
        width: sureness with which points are left out that make no difference any more; -1 never.
        depth: sureness with which later layers are left out; -1 never.
        sizes: of the network, where they aren't those for SuperPoint: `input_dim` of descriptors,
            `descriptor_dim` of what it makes of them, `n_layers`, `num_heads`.

    Raises:
        InputError: these are no such weights.
    """
    flash = torch.backends.cuda.flash_sdp_enabled()  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=[]):  # random first weights shan't shift others' seeds
        glue = LightGlue(
            features=None,  # type: ignore[arg-type]  # None: it downloads nothing
            depth_confidence=depth,
            width_confidence=width,
            filter_threshold=0.1,
            flash=False,  # it computes in float16 whatever the type
            **sizes,
        )
    torch.backends.cuda.enable_flash_sdp(flash)  # kornia switches it off for all of torch
    fill(glue, state, "LightGlue")
    return glue
