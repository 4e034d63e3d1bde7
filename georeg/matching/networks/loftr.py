"""LoFTR, and MINIMA's weights for it: dense matching without key points.

Sun et al., LoFTR: Detector-Free Local Feature Matching with Transformers, CVPR 2021; Ren et al.,
MINIMA: Modality Invariant Image Matching, CVPR 2025. The network is kornia's; here it is set up
as the official code sets it up for MINIMA, and gives what that gives.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from kornia.feature import LoFTR
from kornia.feature.loftr.loftr import default_cfg
from kornia.feature.loftr.utils.coarse_matching import CoarseMatching
from torch import Tensor

from georeg.matching.networks.states import fill, strip
from georeg.matching.protocol import Array, Image, Mask

STRIDE = 8  # pixels of a coarse cell; sides of images are multiples of it

_BORDER = 2  # cells next to the edge of what is valid that get no match
# What kornia's coarse stage hands on per match.
_MATCHES = ("b_ids", "i_ids", "j_ids", "m_bids", "mkpts0_c", "mkpts1_c", "mconf", "gt_mask")


class LoftrNet:
    """LoFTR with given weights, ready to match.

    Attributes:
        device: where it computes.
        dtype: in what.
    """

    def __init__(self, net: LoFTR, device: torch.device, dtype: torch.dtype) -> None:
        """A network that is filled already; see `from_state`."""
        self.device = device
        self.dtype = dtype
        self._net = net.to(device, dtype).eval()

    @classmethod
    def from_state(
        cls,
        state: Mapping[str, object],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        threshold: float = 0.2,
    ) -> LoftrNet:
        """The network of a checkpoint in the official layout, `minima_loftr.ckpt` for one.

        Args:
            state: what `torch.load` returned; it stays as it is.
            device: where to compute.
            dtype: float32, or float16 or bfloat16 on a GPU.
            threshold: least confidence of a match; the official one is 0.2.

        Raises:
            InputError: these are no weights of LoFTR.
        """
        config: dict[str, Any] = copy.deepcopy(default_cfg)
        # MINIMA was trained with the mended position encoding; kornia's default is the broken
        # one. The encoding isn't among the weights, so the wrong one would load without a word.
        config["coarse"]["temp_bug_fix"] = True
        config["match_coarse"]["border_rm"] = _BORDER
        config["match_coarse"]["thr"] = threshold
        with torch.random.fork_rng(devices=[]):  # random first weights shan't shift others' seeds
            net = LoFTR(pretrained=None, config=config)
        net.coarse_matching = _CoarseMatching(config["match_coarse"])
        fill(net, strip(state), "LoFTR")
        return cls(net, torch.device(device), dtype)

    def match(
        self,
        images0: Image,
        masks0: Mask | None,
        images1: Image,
        masks1: Mask | None,
    ) -> list[tuple[Array, Array, Array]]:
        """Match image pairs of one size per side.

        A coarse cell is as valid as the pixel at its upper left corner (8 x column, 8 x row), as
        in the official code. Cells less than two from an invalid one, or from the image's edge,
        get no match: with padding at the bottom or right, the official rule.

        Args:
            images0: (B, H0, W0) in [0, 1], 0 where invalid, sides multiples of 8.
            masks0: (B, H0, W0), True where valid; None if all is.
            images1: (B, H1, W1), maybe of another size.
            masks1: (B, H1, W1).

        Returns:
            Per pair (N, 2) xy in image 0, (N, 2) xy in image 1 and (N,) confidence in [0, 1],
            float64, by cell of image 0. The coordinates are the official code's, in pixels of
            these images: xy in image 0 is 8 x (column, row) of the coarse cell, xy in image 1 that
            of its partner plus an offset of at most 4. In both images the same thing is 0, so
            pairs of one pixel size don't depend on what it is. It is the centre of the upper left
            pixel by the network's geometry (add 0.5 for edge convention), but the pixel's outer
            corner by the ground truth of training, as kornia's documentation has it.

        Raises:
            ValueError: the shapes don't fit.
        """
        count = _check(images0, masks0, images1, masks1)
        if not count:
            return []
        data = {"image0": self._tensor(images0)[:, None], "image1": self._tensor(images1)[:, None]}
        for side, masks in enumerate((masks0, masks1)):
            if masks is not None:
                data[f"mask{side}"] = self._tensor(masks)
        with torch.no_grad():
            found = self._net(data)
        tile = found["batch_indexes"].cpu().numpy()
        xy0, xy1, confidence = (
            found[key].double().cpu().numpy() for key in ("keypoints0", "keypoints1", "confidence")
        )
        return [(xy0[tile == k], xy1[tile == k], confidence[tile == k]) for k in range(count)]

    def _tensor(self, values: Image | Mask) -> Tensor:
        return torch.as_tensor(values, device=self.device).to(self.dtype)


class _CoarseMatching(CoarseMatching):
    """kornia's, which takes the border off the whole image, but not off what masks leave of it."""

    def forward(
        self,
        feat_c0: Tensor,
        feat_c1: Tensor,
        data: dict[str, Any],
        mask_c0: Tensor | None = None,
        mask_c1: Tensor | None = None,
    ) -> None:
        """As there; masks are (B, cells). Matches next to what is masked leave `data`."""
        super().forward(feat_c0, feat_c1, data, mask_c0=mask_c0, mask_c1=mask_c1)
        keep = torch.ones_like(data["b_ids"], dtype=torch.bool)
        for mask, shape, cells in (
            (mask_c0, data["hw0_c"], data["i_ids"]),
            (mask_c1, data["hw1_c"], data["j_ids"]),
        ):
            if mask is not None:
                keep &= _inner(mask.view(-1, *shape))[data["b_ids"], cells]
        for key in _MATCHES:
            data[key] = data[key][keep]


def _inner(mask: Tensor) -> Tensor:
    """(B, h, w) validity of cells -> (B, h * w), True two cells and more inside what is valid."""
    invalid = F.pad((mask == 0).float()[:, None], (_BORDER,) * 4, value=1.0)
    return F.max_pool2d(invalid, 2 * _BORDER + 1, 1).flatten(1) == 0


def _check(images0: Image, masks0: Mask | None, images1: Image, masks1: Mask | None) -> int:
    """The number of pairs."""
    if len(images0) != len(images1):
        raise ValueError(f"{len(images0)} images 0, but {len(images1)} images 1")
    for images, masks in ((images0, masks0), (images1, masks1)):
        if images.ndim != 3 or images.shape[1] % STRIDE or images.shape[2] % STRIDE:
            raise ValueError(f"images are {images.shape}, not (B, H, W) with multiples of {STRIDE}")
        if masks is not None and masks.shape != images.shape:
            raise ValueError(f"masks are {masks.shape}, images {images.shape}")
    return len(images0)
