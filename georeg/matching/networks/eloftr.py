"""EfficientLoFTR: Wang et al., "Efficient LoFTR: Semi-dense local feature matching with
sparse-like speed", CVPR 2024.

Our own writing after the paper. The weights' names, the numbers and the order of operations are
those of the official code (full model; github.com/zju3dv/EfficientLoFTR, Apache-2.0), whose
recorded results tests compare with.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from georeg.matching.networks.eloftr_blocks import Backbone, FinePreprocess, Transformer
from georeg.matching.networks.found import Found
from georeg.matching.networks.precision import CPU, Precision, all_finite, exact
from georeg.matching.networks.states import made
from georeg.matching.networks.windows import (
    CELL,
    Matched,
    first_pixels,
    moments,
    mutual,
    sides,
    window,
)
from georeg.matching.protocol import Device

MULTIPLE = 32  # of pixels, that sides must be

_THRESHOLD = 0.2  # confidence that a match of cells needs
_SUBPIXEL = 8  # channels of the fine features that are kept for the second refinement
_HEAT = 10.0  # temperature of the second refinement


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
        self.precision = Precision(CPU)

    @classmethod
    def from_state(
        cls, state: Mapping[str, Tensor], how: Device = CPU, fuse: bool = True
    ) -> EloftrNet:
        """The network with these weights.

        Args:
            state: tensors by their official names, without a prefix; as trained or fused. They
                stay as they are.
            how: to compute. Only float32 was compared with the official code.
            fuse: make one convolution of the branches of every block of the backbone, as the
                official code does before it is used. It is faster; confidences change by 1e-4.

        Raises:
            InputError: a tensor is missing, is left over or has the wrong shape.
        """
        fused = any("rbr_reparam" in name for name in state)
        net = made(lambda: cls(fused), state, "EfficientLoFTR")
        if fuse:
            net.backbone.fuse()
        net.precision = Precision(how)
        heavy = (net.backbone, net.loftr_coarse, net.fine_preprocess)
        return net.precision.place(net, heavy, (net.backbone, net.fine_preprocess))

    def match(
        self,
        images0: Tensor,
        masks0: Tensor | None,
        images1: Tensor,
        masks1: Tensor | None,
    ) -> list[Found]:
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
            For every pair its matches, of confidences in (0.2, 1]; the spread is that of the
            best pixel's similarity to the 8 x 8 of the other cell.

        Raises:
            ValueError: sides that aren't multiples of 32 pixels, or don't fit each other.
        """
        return self.precision.matched(self._match, images0, masks0, images1, masks1)

    def _match(
        self, images0: Tensor, masks0: Tensor | None, images1: Tensor, masks1: Tensor | None
    ) -> list[Found | None]:
        pair = sides(images0, masks0, images1, masks1, self.precision.device, MULTIPLE)
        maps = [self.backbone(side.images) for side in pair]
        # Single precision for what the layers add to, whatever they compute in.
        coarse = self.loftr_coarse(maps[0][2].float(), maps[1][2].float(), *(s.full for s in pair))
        cells = coarse[0].flatten(2).mT, coarse[1].flatten(2).mT
        sound = all_finite(*coarse)
        matched, confidence = mutual(cells, pair, _THRESHOLD)
        if not len(matched.which):
            return [Found.none() if ok else None for ok in sound]
        # Divided so in training, against overflow; the fine features' weights rely on it.
        scale = coarse[0].shape[1] ** 0.5
        fine = [
            self.fine_preprocess(half, quarter, features / scale)
            for (half, quarter, _), features in zip(maps, coarse, strict=True)
        ]
        found = _refined(fine[0], fine[1], matched, confidence)
        return [x if ok and x.finite() else None for ok, x in zip(sound, found, strict=True)]


def _refined(fine0: Tensor, fine1: Tensor, matched: Matched, confidence: Tensor) -> list[Found]:
    """(B, C, H, W) features of full resolution of all pairs, and their (M,) matches of cells."""
    parts = []
    for which, one, other in matched.parts():
        moved0, moved1, spread = _offsets(
            window(fine0, which, one, CELL, CELL, 0),
            window(fine1, which, other, CELL + 2, CELL, 1),
        )
        xy0 = first_pixels(one, fine0.shape[3] // CELL) + moved0
        xy1 = first_pixels(other, fine1.shape[3] // CELL) + moved1
        parts.append((xy0, xy1, spread))
    xy0, xy1, spread = (torch.cat(part) for part in zip(*parts, strict=True))
    return Found.split(matched.which, len(fine0), xy0, xy1, confidence, spread)


def _offsets(window0: Tensor, window1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where in their cells the matches are: the best pair of pixels, then the mean of 3 x 3.

    Args:
        window0: (M, 64, C), the cells' pixels.
        window1: (M, 100, C), those of the others and one pixel around.

    Returns:
        (M, 2) x, y relative to the cells' official positions, for both images, and the (M,)
        spread of the best pair's row of similarities.
    """
    count, _, channels = window0.shape
    wide = CELL + 2
    window0, window1 = window0.float(), window1.float()
    root = channels**0.5
    with exact(window0):
        first = (window0[..., :-_SUBPIXEL] / root) @ (window1[..., :-_SUBPIXEL] / root).mT
        second = window0[..., -_SUBPIXEL:] @ (window1[..., -_SUBPIXEL:] / _SUBPIXEL**0.5).mT
    sure = first.softmax(1) * first.softmax(2)
    inner = sure.unflatten(2, (wide, wide))[..., 1:-1, 1:-1].flatten(2)
    best = inner.flatten(1).argmax(1)
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
    _, spread = moments(inner[every, pixel0], CELL)
    return _inside(pixel0), _inside(pixel1) + mean, spread


def _inside(pixel: Tensor) -> Tensor:
    """(M,) numbers of pixels in a cell -> (M, 2) x, y from -3.5 to 3.5."""
    xy = torch.stack([pixel % CELL, pixel.div(CELL, rounding_mode="floor")], 1)
    return xy - (CELL // 2 - 0.5)
