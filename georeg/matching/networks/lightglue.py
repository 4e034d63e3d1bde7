"""LightGlue on the key points of a detector: sparse matching.

Lindenberger, Sarlin and Pollefeys, LightGlue: Local Feature Matching at Light Speed, ICCV 2023;
with weights for SuperPoint also Ren et al., MINIMA: Modality Invariant Image Matching, CVPR 2025.
The network is kornia's; here it is set up as the official code sets it up, and gives what that
gives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from kornia.feature import LightGlue
from kornia.geometry.transform import resize as resized
from torch import Tensor

from georeg.matching.networks.keypoints import Detector
from georeg.matching.networks.states import fill, strip
from georeg.matching.networks.superpoint import CELL, SuperPoint
from georeg.matching.protocol import Array, Image, Mask

_OLD_NAME = re.compile(r"^(self_attn|cross_attn)\.(\d+)\.")


class LightglueNet:
    """A detector and LightGlue with given weights, ready to match.

    Attributes:
        device: where it computes.
        dtype: in what.
    """

    def __init__(
        self,
        points: Detector,
        glue: LightGlue,
        device: torch.device,
        dtype: torch.dtype,
        count: int,
        side: int | None,
    ) -> None:
        """Networks that are filled already; see `from_states` for SuperPoint, `glue_from_state`."""
        self.device = device
        self.dtype = dtype
        self._points = points.to(device, dtype).eval()
        self._glue = glue.to(device, dtype).eval()
        self._count = count
        self._side = side

    @classmethod
    def from_states(
        cls,
        superpoint_state: Mapping[str, object],
        lightglue_state: Mapping[str, object],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        count: int = 2048,
        side: int | None = 1024,
        adaptive: bool = True,
    ) -> LightglueNet:
        """The networks of checkpoints in the official layouts.

        Args:
            superpoint_state: what `torch.load` returned for `superpoint_v1.pth`; it stays as it is.
            lightglue_state: the same for `minima_lightglue.pth`, or other LightGlue weights for
                SuperPoint, with the old names of layers or the new ones.
            device: where to compute.
            dtype: float32, or float16 or bfloat16 on a GPU.
            count: key points per image at most; the official number is 2048.
            side: pixels that the longer side of images is brought to first, up or down; the
                official number is 1024. None leaves images as they are.
            adaptive: stop at the layer, and leave out points, where it makes no difference any
                more, as the official code does.

        Raises:
            InputError: these are no such weights.
        """
        points = SuperPoint.from_state(superpoint_state)
        glue = glue_from_state(
            lightglue_state, 0.99 if adaptive else -1, 0.95 if adaptive else -1
        )
        return cls(points, glue, torch.device(device), dtype, count, side)

    def match(
        self,
        images0: Image,
        masks0: Mask | None,
        images1: Image,
        masks1: Mask | None,
        count: int | None = None,
    ) -> list[tuple[Array, Array, Array]]:
        """Match image pairs of one size per side.

        Args:
            images0: (B, H0, W0) in [0, 1], 0 where invalid.
            masks0: (B, H0, W0), True where valid; None if all is. There are no key points within
                4 pixels (after resizing) of an invalid one, as there are none that close to the
                image's edge. The official code has no masks.
            images1: (B, H1, W1), maybe of another size.
            masks1: (B, H1, W1).
            count: key points per image at most; as when it was made if None.

        Returns:
            Per pair (N, 2) xy in image 0, (N, 2) xy in image 1 and (N,) confidence in [0, 1],
            float64. The coordinates are the official code's: pixels of these images, before they
            were resized, 0 at the centre of the upper left one; add 0.5 for edge convention.

        Raises:
            ValueError: the shapes don't fit.
        """
        if len(images0) != len(images1):
            raise ValueError(f"{len(images0)} images 0, but {len(images1)} images 1")
        with torch.no_grad():
            both = [
                self._detect(images, masks, count or self._count)
                for images, masks in ((images0, masks0), (images1, masks1))
            ]
            # One by one, as officially: in a batch, all would wait for the one that needs most
            # layers, and images with fewer key points would have to be filled up.
            return [self._glued(a, b) for a, b in zip(*both, strict=True)]

    def _detect(
        self, images: Image, masks: Mask | None, count: int
    ) -> list[dict[str, Tensor]]:
        """Key points as LightGlue wants them, in pixels before resizing."""
        if images.ndim != 3 or (masks is not None and masks.shape != images.shape):
            shape = None if masks is None else masks.shape
            raise ValueError(f"images are {images.shape}, masks {shape}: not (B, H, W) both")
        if not len(images):
            return []
        height, width = images.shape[1:]
        image = torch.as_tensor(images, device=self.device)[:, None]
        mask = None if masks is None else torch.as_tensor(masks, device=self.device)[:, None]
        if self._side is not None:
            image = resized(image, self._side, side="long", antialias=True)
            if mask is not None:
                # A pixel that an invalid one had a part in is invalid.
                new = (image.shape[-2], image.shape[-1])
                mask = resized(mask.float(), new, antialias=True) > 0.999
        if min(image.shape[-2:]) < CELL:
            raise ValueError(f"images are {images.shape}: sides are shorter than {CELL} pixels")
        scale = torch.tensor([image.shape[-1] / width, image.shape[-2] / height]).to(self.device)
        size = torch.tensor([[width, height]], dtype=torch.float32, device=self.device)
        valid = None if mask is None else mask[:, 0]
        return [
            {
                "keypoints": ((xy + 0.5) / scale - 0.5)[None],
                "descriptors": descriptors[None].to(self.dtype),
                "image_size": size,
            }
            for xy, _, descriptors in self._points.detect(
                image[:, 0].to(self.dtype), valid, count
            )
        ]

    def _glued(
        self, side0: dict[str, Tensor], side1: dict[str, Tensor]
    ) -> tuple[Array, Array, Array]:
        """Matches of one pair."""
        found = self._glue({"image0": side0, "image1": side1})
        index0, index1 = found["matches"][0].unbind(1)
        return (
            _array(side0["keypoints"][0, index0]),
            _array(side1["keypoints"][0, index1]),
            _array(found["scores"][0]),
        )


def glue_from_state(
    state: Mapping[str, object],
    width: float = 0.99,
    depth: float = 0.95,
    **sizes: int,
) -> LightGlue:
    """LightGlue of a checkpoint in the official layout, with old names of layers or new ones.

    Args:
        state: what `torch.load` returned; it stays as it is.
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
    fill(glue, _renamed(strip(state)), "LightGlue")
    return glue


def _array(values: Tensor) -> Array:
    out: Array = values.double().cpu().numpy()
    return out


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """LightGlue's layers under their new names, by which files rarely know them."""
    return {_OLD_NAME.sub(r"transformers.\2.\1.", name): value for name, value in state.items()}
