"""LoFTR, and MINIMA's weights for it: dense matching without key points.

Sun et al., LoFTR: Detector-Free Local Feature Matching with Transformers, CVPR 2021; Ren et al.,
MINIMA: Modality Invariant Image Matching, CVPR 2025. The backbone is kornia's; the rest is our own
writing, and gives what the official code gives.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from kornia.feature.loftr.backbone import build_backbone
from kornia.feature.loftr.loftr import default_cfg
from torch import Tensor, nn

from georeg.matching.networks.found import Found
from georeg.matching.networks.lean import lean
from georeg.matching.networks.loftr_blocks import Transformer, with_positions
from georeg.matching.networks.precision import CPU, Precision, all_finite, exact
from georeg.matching.networks.states import made
from georeg.matching.networks.windows import (
    CELL,
    Side,
    first_pixels,
    moments,
    mutual,
    sides,
    window,
)
from georeg.matching.protocol import Device

MULTIPLE = CELL  # of pixels, that sides must be

_COARSE, _FINE = 256, 128  # channels
_WINDOW = 5  # side, at half the resolution
_PITCH = 2  # pixels between elements of windows


class LoftrNet(nn.Module):
    """The whole network, for inference."""

    def __init__(self) -> None:
        """Random weights."""
        super().__init__()
        self.backbone: nn.Module = build_backbone(default_cfg)
        self.loftr_coarse = Transformer(_COARSE, 4)
        self.fine_preprocess = nn.ModuleDict(
            {
                "down_proj": nn.Linear(_COARSE, _FINE),
                "merge_feat": nn.Linear(2 * _FINE, _FINE),
            }
        )
        self.loftr_fine = Transformer(_FINE, 1)
        self.precision = Precision(CPU)
        self.threshold = 0.2
        self.old = False

    @classmethod
    def from_state(
        cls,
        state: Mapping[str, Tensor],
        how: Device = CPU,
        threshold: float = 0.2,
        old: bool = False,
    ) -> LoftrNet:
        """The network with these weights.

        Args:
            state: tensors by their official names, without a prefix; they stay as they are.
            how: to compute. Only float32 was compared with the official code.
            threshold: least confidence of a match; the official one is 0.2.
            old: the weights were trained with the broken position encoding, as the first outdoor
                ones of LoFTR were; MINIMA's were not. The encoding isn't among the weights, so
                that the wrong one loads without a word.

        Raises:
            InputError: a tensor is missing, is left over or has the wrong shape.
        """
        net = made(cls, state, "LoFTR")
        net.precision, net.threshold, net.old = Precision(how), threshold, old
        if net.precision.tensor_cores:
            lean(net.backbone)
        return net.precision.place(net, (net.backbone, net.loftr_coarse), (net.backbone,))

    def match(
        self,
        images0: Tensor,
        masks0: Tensor | None,
        images1: Tensor,
        masks1: Tensor | None,
    ) -> list[Found]:
        """Match image pairs of one size per side.

        A coarse cell is as valid as the pixel at its upper left corner (8 x column, 8 x row), as
        in the official code. Cells less than two from an invalid one, or from the image's edge,
        get no match: with padding at the bottom or right, the official rule.

        Coordinates are the official code's: xy in image 0 is 8 x (column, row) of the coarse cell,
        xy in image 1 that of its partner plus an offset of at most 4. In both images the same
        thing is 0, so pairs of one pixel size don't depend on what it is. It is the centre of the
        upper left pixel by the network's geometry, which is followed here, but the pixel's outer
        corner by the ground truth of training, as kornia's documentation has it.

        Args:
            images0: (B, H0, W0) in [0, 1], sides multiples of 8.
            masks0: (B, H0, W0) bool, True where valid; None if all is.
            images1: (B, H1, W1), maybe of another size.
            masks1: (B, H1, W1).

        Returns:
            For every pair its matches by cell of image 0, of confidences in [0, 1]; the spread is
            that of the fine heat map.

        Raises:
            ValueError: the shapes don't fit.
        """
        return self.precision.matched(self._match, images0, masks0, images1, masks1)

    def _match(
        self, images0: Tensor, masks0: Tensor | None, images1: Tensor, masks1: Tensor | None
    ) -> list[Found | None]:
        device = self.precision.device
        pair = sides(images0, masks0, images1, masks1, device, MULTIPLE, corner=True)
        maps = [self.backbone(side.images) for side in pair]
        # Single precision for what the layers add to, whatever they compute in.
        tokens = [with_positions(coarse.float(), self.old).flatten(2).mT for coarse, _ in maps]
        full = [side.full.flatten(1) for side in pair]
        coarse0, coarse1 = self.loftr_coarse(tokens[0], tokens[1], *full)
        sound = all_finite(coarse0, coarse1)
        found = self._refined((coarse0, coarse1), pair, [features for _, features in maps])
        return [x if ok and x.finite() else None for ok, x in zip(sound, found, strict=True)]

    def _refined(
        self, cells: tuple[Tensor, Tensor], pair: tuple[Side, Side], fine: list[Tensor]
    ) -> list[Found]:
        """Matches of all pairs, by the features of cells and those of half the resolution."""
        matched, confidence = mutual(cells, pair, self.threshold)
        parts = []
        for part in matched.parts():
            ids = part.cells0, part.cells1
            windows = [
                window(features, part.which, c, _WINDOW, CELL // _PITCH, _WINDOW // 2)
                for features, c in zip(fine, ids, strict=True)
            ]
            context = [x[part.which, c] for x, c in zip(cells, ids, strict=True)]
            moved, spread = self._offsets(torch.cat(windows), torch.cat(context))
            first0, first1 = (
                first_pixels(c, side.full.shape[2]) for c, side in zip(ids, pair, strict=True)
            )
            parts.append((first0, first1 + moved, spread))
        if not parts:
            return [Found.none() for _ in cells[0]]
        xy0, xy1, spreads = (torch.cat(part) for part in zip(*parts, strict=True))
        return Found.split(matched.which, len(cells[0]), xy0, xy1, confidence, spreads)

    def _offsets(self, windows: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Where in the second image's windows the middles of the first's lie.

        Args:
            windows: (2 M, 25, 128), those of the first image before those of the second.
            context: (2 M, 256) features of the cells.

        Returns:
            (M, 2) x, y in pixels from the windows' middles, and their (M,) spread.
        """
        context = self.fine_preprocess["down_proj"](context)[:, None].expand(-1, _WINDOW**2, -1)
        merged = self.fine_preprocess["merge_feat"](torch.cat([windows, context], 2)).float()
        x0, x1 = self.loftr_fine(*merged.chunk(2))
        with exact(x0):
            similar = torch.einsum("mc,mrc->mr", x0[:, _WINDOW**2 // 2].float(), x1.float())
            mean, spread = moments((similar / _FINE**0.5).softmax(1), _WINDOW)
        return _PITCH * mean, _PITCH * spread
