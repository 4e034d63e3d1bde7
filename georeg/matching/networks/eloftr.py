"""EfficientLoFTR: Wang et al., "Efficient LoFTR: Semi-dense local feature matching with
sparse-like speed", CVPR 2024.

Our own writing after the paper. The weights' names, the numbers and the order of operations are
those of the official code (full model; github.com/zju3dv/EfficientLoFTR, Apache-2.0), whose
recorded results tests compare with.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from georeg.matching.networks.eloftr_blocks import Backbone, FinePreprocess, Transformer
from georeg.matching.networks.windows import (
    CELL,
    cell_masks,
    check,
    first_pixels,
    similarity,
    window,
)

MULTIPLE = 32  # of pixels, that sides must be

_THRESHOLD = 0.2  # confidence that a match of cells needs
_SUBPIXEL = 8  # channels of the fine features that are kept for the second refinement
_HEAT = 10.0  # temperature of the second refinement
_CHUNK = 2048  # matches refined at once

Matches = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


class EloftrNet(nn.Module):
    """The full model, for inference."""

    def __init__(self, fused: bool = False) -> None:
        """Random weights.

        Args:
            fused: one convolution per block of the backbone, as the official `reparameter` leaves
                it, and not the branches that were trained.
        """
        super().__init__()
        self.backbone = Backbone(fused)
        self.loftr_coarse = Transformer()
        self.fine_preprocess = FinePreprocess()

    @classmethod
    def from_state(
        cls,
        state: Mapping[str, Tensor],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        fuse: bool = True,
    ) -> EloftrNet:
        """The network with these weights.

        Args:
            state: tensors by their official names, without a prefix; as trained or fused.
            device: where to compute.
            dtype: of the weights and of the features. Only float32 was compared with the official
                code; where float16 overflows, there are no matches.
            fuse: make one convolution of the branches of every block of the backbone, as the
                official code does before it is used. It is faster; confidences change by 1e-4.

        Raises:
            RuntimeError: a tensor is missing, is left over or has the wrong shape.
        """
        net = cls(any("rbr_reparam" in name for name in state))
        net.load_state_dict(dict(state), strict=True)
        net.eval().requires_grad_(False)
        if fuse:
            net.backbone.fuse()
        return net.to(device=device, dtype=dtype)

    @torch.inference_mode()
    def match(
        self,
        images0: Tensor,
        masks0: Tensor | None,
        images1: Tensor,
        masks1: Tensor | None,
    ) -> list[Matches]:
        """Match pairs of images.

        Coordinates are the official code's: x, y in pixels, centres of pixels at integers; a
        match sits at multiples of 1 pixel plus one half in the first image and anywhere in the
        second. The official code also says that a cell of 8 pixels extends from -3.5 to +3.5
        around its first one, which holds for the coarse features and is what training used.

        The official code knows no masks but padding, and crops that; here cells without data are
        not attended to and not matched.

        Args:
            images0: (B, H, W) in [0, 1], sides multiples of 32 pixels.
            masks0: (B, H, W) bool, True where valid; None: everywhere.
            images1: (B, H', W'), the others of the pairs.
            masks1: (B, H', W') bool or None.

        Returns:
            For every pair (N, 2) coordinates in the first image, (N, 2) in the second, and (N,)
            confidences in (0.2, 1].

        Raises:
            ValueError: sides that aren't multiples of 32 pixels.
        """
        images, full, free = [], [], []
        weight = self.fine_preprocess.layer3_outconv.weight
        for batch, masks in ((images0, masks0), (images1, masks1)):
            check(batch, MULTIPLE)
            valid = torch.ones_like(batch, dtype=torch.bool) if masks is None else masks.bool()
            images.append(batch.where(valid, 0)[:, None].to(weight))
            cells = cell_masks(valid.to(weight.device))
            full.append(cells[0])
            free.append(cells[1])
        maps = [self.backbone(batch) for batch in images]
        coarse = self.loftr_coarse(maps[0][2], maps[1][2], *full)
        # Divided so in training, against overflow; the fine features' weights rely on it.
        scale = coarse[0].shape[1] ** 0.5
        matched = []
        for number in range(len(images0)):
            pair = [x[number].flatten(1).T for x in coarse]
            masks_of_pair = [x[number].flatten() for x in (*full, *free)]
            matched.append(_mutual(pair[0], pair[1], *masks_of_pair))
        if not any(len(cells0) for cells0, _, _ in matched):
            return [_none() for _ in matched]
        fine = [
            self.fine_preprocess(half, quarter, features / scale)
            for (half, quarter, _), features in zip(maps, coarse, strict=True)
        ]
        return [
            _refined(fine[0][number], fine[1][number], *found) if len(found[0]) else _none()
            for number, found in enumerate(matched)
        ]


def _mutual(
    x0: Tensor, x1: Tensor, full0: Tensor, full1: Tensor, free0: Tensor, free1: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Cells that are each other's best, and how sure: dual softmax (Sun et al., CVPR 2021)."""
    similar = similarity(x0, x1, full0, full1)
    confidence = similar.softmax(0).mul_(similar.softmax(1))
    best, there = confidence.max(1)
    ok = (best > _THRESHOLD) & (best == confidence.amax(0)[there]) & free0 & free1[there]
    cells0 = ok.nonzero()[:, 0]
    return cells0, there[cells0], best[cells0]


def _refined(
    fine0: Tensor, fine1: Tensor, cells0: Tensor, cells1: Tensor, confidence: Tensor
) -> Matches:
    xy0, xy1 = [], []
    chunks = (torch.split(cells, _CHUNK) for cells in (cells0, cells1))
    for one, other in zip(*chunks, strict=True):
        moved0, moved1 = _offsets(
            window(fine0, one, CELL, CELL, 0), window(fine1, other, CELL + 2, CELL, 1)
        )
        xy0.append(first_pixels(one, fine0.shape[2] // CELL) + moved0)
        xy1.append(first_pixels(other, fine1.shape[2] // CELL) + moved1)
    points = [torch.cat(part).cpu().numpy().astype(np.float64) for part in (xy0, xy1)]
    return points[0], points[1], confidence.cpu().numpy().astype(np.float64)


def _offsets(window0: Tensor, window1: Tensor) -> tuple[Tensor, Tensor]:
    """Where in their cells the matches are: the best pair of pixels, then the mean of 3 x 3.

    Args:
        window0: (M, 64, C), the cells' pixels.
        window1: (M, 100, C), those of the others and one pixel around.

    Returns:
        (M, 2) x, y relative to the cells' official positions, for both images.
    """
    count, _, channels = window0.shape
    wide = CELL + 2
    window0, window1 = window0.float(), window1.float()
    root = channels**0.5
    first = (window0[..., :-_SUBPIXEL] / root) @ (window1[..., :-_SUBPIXEL] / root).mT
    second = window0[..., -_SUBPIXEL:] @ (window1[..., -_SUBPIXEL:] / _SUBPIXEL**0.5).mT
    sure = first.softmax(1) * first.softmax(2)
    inner = sure.unflatten(2, (wide, wide))[..., 1:-1, 1:-1].flatten(1)
    best = inner.argmax(1)
    pixel0 = best.div(CELL * CELL, rounding_mode="floor")
    pixel1 = best % (CELL * CELL)
    around = torch.tensor([-1, 0, 1], device=best.device)
    y, x = pixel1.div(CELL, rounding_mode="floor"), pixel1 % CELL
    # Without the margin's 1, so 3 x 3 lies one pixel up and left, and -1 is the far edge: a slip
    # of the official code, in training, too, so that the weights rely on it.
    rows, cols = (y[:, None] + around) % wide, (x[:, None] + around) % wide
    every = torch.arange(count, device=best.device)
    heat = second.unflatten(2, (wide, wide))[every, pixel0]
    heat = heat[every[:, None, None], rows[:, :, None], cols[:, None, :]]
    heat = (heat / _HEAT).flatten(1).softmax(1).unflatten(1, (3, 3))
    mean = torch.stack([(heat.sum(1) * around).sum(1), (heat.sum(2) * around).sum(1)], 1)
    return _inside(pixel0), _inside(pixel1) + mean


def _inside(pixel: Tensor) -> Tensor:
    """(M,) numbers of pixels in a cell -> (M, 2) x, y from -3.5 to 3.5."""
    xy = torch.stack([pixel % CELL, pixel.div(CELL, rounding_mode="floor")], 1)
    return xy - (CELL // 2 - 0.5)


def _none() -> Matches:
    return np.empty((0, 2)), np.empty((0, 2)), np.empty(0)
