"""LoFTR, trained from scratch or fine-tuned.

Losses: Sun et al., LoFTR, CVPR 2021, section 3.6: focal likelihood of the true cells under the
dual softmax, and the squared offset in windows of the fine map, weighted by how sure it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from georeg.errors import SettingsError
from georeg.matching.networks.loftr import LoftrNet
from georeg.matching.networks.loftr_blocks import with_positions
from georeg.matching.networks.states import made
from georeg.matching.networks.windows import CELL, Side, sides, similarity, window
from georeg.training.samples import Samples
from georeg.training.trainees.protocol import Loss, State

_FOCAL = (0.25, 2.0)  # weight and exponent
_WINDOW, _PITCH = 5, 2  # of the fine map, as in the network
_MOST = 256  # true cells of a pair that are refined
_RIGHT = 1.5  # pixels within which a refined match is right


class _Loftr:
    layout = "loftr"

    def __init__(self, net: LoftrNet, device: torch.device) -> None:
        self.net = net.to(device).requires_grad_(True)
        self.device = device

    def finish(self, samples: Iterable[Samples]) -> Mapping[str, float]:
        """Nothing."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """Under the official names."""
        return dict(self.net.state_dict())

    def loss(self, samples: Samples) -> Loss:
        """Of both stages, with the share of true cells found, and of those placed well."""
        net = self.net
        pair = sides(
            samples.moving, samples.moving_mask, samples.reference, samples.reference_mask,
            self.device, CELL, corner=True,
        )  # fmt: skip
        both = net.backbone(torch.cat([side.images for side in pair]))
        coarse, fine = (features.chunk(2) for features in both)
        tokens = [with_positions(c.float(), net.old).flatten(2).mT for c in coarse]
        full = [side.full.flatten(1) for side in pair]
        cells = net.loftr_coarse(tokens[0], tokens[1], *full)
        losses, found, placed = [], [], []
        for number in range(len(samples)):
            here, there, away = _true_cells(samples, pair, number)
            if not len(here):
                continue
            similar = similarity(
                cells[0][number], cells[1][number], full[0][number], full[1][number]
            )
            share = (similar.log_softmax(0) + similar.log_softmax(1))[here, there].clamp(min=-14)
            likely = share.exp()
            losses.append(-(_FOCAL[0] * (1 - likely) ** _FOCAL[1] * share).mean())
            best = (similar.softmax(0) * similar.softmax(1)).argmax(1)[here]
            found.append((best == there).float().mean())
            chosen = torch.randperm(len(here))[:_MOST].to(here.device)
            offset, spread = self._offsets(cells, fine, here[chosen], there[chosen], number)
            wrong = (offset - away[chosen]).square().sum(1)
            sure = 1 / spread.detach().clamp(min=0.1)
            losses.append((wrong * sure / sure.mean()).mean() / (2 * _PITCH) ** 2)
            placed.append((wrong.detach().sqrt() < _RIGHT).float().mean())
        if not losses:
            return Loss(cells[0].sum() * 0, {"cells found": 0.0, "well placed": 0.0})
        figures = {
            "cells found": float(torch.stack(found).mean()),
            "well placed": float(torch.stack(placed).mean()),
        }
        return Loss(torch.stack(losses).sum() / len(found), figures)

    def _offsets(
        self, cells: tuple[Tensor, Tensor], fine: Any, here: Tensor, there: Tensor, number: int
    ) -> tuple[Tensor, Tensor]:
        """(M, 2) pixels from the second cells' first pixels, and their (M,) spread."""
        place = (_WINDOW, CELL // _PITCH, _WINDOW // 2)
        windows = [
            window(fine[side][number][None], torch.zeros_like(chosen), chosen, *place)
            for side, chosen in ((0, here), (1, there))
        ]
        context = [cells[side][number][chosen] for side, chosen in ((0, here), (1, there))]
        return self.net._offsets(torch.cat(windows), torch.cat(context))


def _true_cells(
    samples: Samples, pair: tuple[Side, Side], number: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(M,) cells of the moving image, (M,) their partners, (M, 2) what remains in pixels.

    A cell stands for the centre of its first pixel, as in the official training.
    """
    rows, columns = pair[0].full.shape[1:]
    like = samples.way
    y, x = torch.meshgrid(
        torch.arange(rows, device=like.device), torch.arange(columns, device=like.device),
        indexing="ij",
    )  # fmt: skip
    place = torch.stack([x, y], -1).reshape(-1, 2).to(like.dtype) * CELL
    target = place + samples.one(number).at(place[None] + 0.5)[0]
    partner = (target / CELL).round().long()
    inside = (partner >= 0).all(1) & (partner[:, 0] < columns) & (partner[:, 1] < rows)
    there = partner[:, 1].clamp(0, rows - 1) * columns + partner[:, 0].clamp(0, columns - 1)
    seen0 = samples.moving_seen[number, ::CELL, ::CELL].flatten()
    seen1 = samples.reference_seen[number, ::CELL, ::CELL].flatten()[there]
    free = pair[0].free[number].flatten() & pair[1].free[number].flatten()[there]
    ok = inside & seen0 & seen1 & free
    away = target - partner * CELL
    # Of cells with one partner the nearest has it.
    order = torch.argsort(away.square().sum(1), stable=True)
    order = order[ok[order]]
    taken = torch.full((rows * columns,), -1, device=like.device)
    taken[there[order].flip(0)] = order.flip(0)  # the last one written is the nearest
    here = taken[taken >= 0].sort().values
    return here, there[here], away[here]


def trainee(
    states: Mapping[str, State], options: Mapping[str, Any], device: torch.device
) -> _Loftr:
    """See `protocol.Kind`."""
    if options:
        raise SettingsError(f"minima_loftr has no option '{next(iter(options))}'")
    state = states.get("loftr")
    net = LoftrNet() if state is None else made(LoftrNet, dict(state), "LoFTR")
    return _Loftr(net, device)


TRAINEE = trainee
