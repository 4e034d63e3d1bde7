"""How well dense features tell where templates lie: what training lowers.

The likelihood of each template's true place among all within reach, as the engine pools it (see
georeg/search/voting.py): a template may be plainly wrong, and then counts for no more than that. A
cross-entropy against a bump at the true place was tried, too: it asks of hopeless templates what
they can't know, and so of all of them to be vague (benchmarks/results/embedded.md).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from georeg.matching._dense import Features
from georeg.matching.cells import STRIDE
from georeg.matching.correlation import correlate_blocks
from georeg.training.samples import Samples
from georeg.training.trainees.protocol import Loss

SIZES = (1, 2, 3)
"""Blocks along the side of a template: 32, 64 and 96 px."""

_BLOCK = 16  # cells along the side of a block
_RADIUS = 10  # cells searched around the same place
_WEIGHTS = (0.5, 1.0, 1.0)  # of the sizes
_MIN_SHARE = 0.35  # as in matching
_SEEN = 0.6  # share of a template that must show ground of the label
_NEAR = 0.7  # cells: deviation of what counts as the true place
_OUTLIERS = 0.1  # prior share of templates that are plainly wrong
_CHANCE = 0.02  # their likelihood


def surface_loss(
    moving: Features, reference: Features, sharpness: Tensor, samples: Samples
) -> Loss:
    """Of dense features of both sides.

    Args:
        moving: features and mask by cell.
        reference: the same.
        sharpness: (sizes,) logarithm of what similarities are multiplied with.
        samples: the pairs.

    Returns:
        With the share of templates, by size, whose best place is within 1.5 and 3 px of the truth.
    """
    (sums,) = correlate_blocks(*moving, [reference], _BLOCK, _RADIUS)
    seen = F.avg_pool2d(samples.moving_seen[:, None].to(moving[0].dtype), STRIDE * _BLOCK)
    total, weights = moving[0].new_zeros(()), 0.0
    figures: dict[str, float] = {}
    for number, size in enumerate(SIZES):
        score, valid = sums.pooled(size).correlation(size, _MIN_SHARE)
        rows, columns = score.shape[1:3]
        away = _displacements(samples, rows, columns, size)
        logit = (score * sharpness[number].exp()).masked_fill(~valid, -1e4).flatten(3)
        bump = _bump(away) * valid
        shown = F.avg_pool2d(seen, size, 1)[:, 0] > _SEEN
        known = (away.abs().amax(-1) < _RADIUS - 1) & shown & (bump.sum((3, 4)) > 1)
        near = (logit.softmax(3) * bump.flatten(3)).sum(3)
        cost = -torch.log(_OUTLIERS * _CHANCE + (1 - _OUTLIERS) * near)
        count = known.sum().clamp(min=1)
        total = total + _WEIGHTS[number] * (cost * known).sum() / count
        weights += _WEIGHTS[number]
        best = logit.detach().argmax(3)
        width = 2 * _RADIUS + 1
        place = torch.stack([best % width, best // width], -1) - _RADIUS
        off = STRIDE * (place - away).norm(dim=-1)
        for limit in (1.5, 3.0):
            hits = ((off < limit) & known).sum() / count
            figures[f"{size * _BLOCK * STRIDE} px within {limit:g}"] = float(hits)
    return Loss(total / weights, figures)


def _displacements(samples: Samples, rows: int, columns: int, size: int) -> Tensor:
    """(B, rows, columns, 2) true displacements of templates' middles in cells."""
    side = _BLOCK * STRIDE
    like = samples.way
    y, x = ((torch.arange(n, device=like.device, dtype=like.dtype) + size / 2) * side
            for n in (rows, columns))  # fmt: skip
    middle = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).reshape(1, -1, 2)
    found = samples.at(middle.expand(len(samples), -1, -1))
    return found.view(len(samples), rows, columns, 2) / STRIDE


def _bump(away: Tensor) -> Tensor:
    """(B, rows, columns, 2) -> (B, rows, columns, W, W): 1 at the true place, 0 far from it."""
    place = torch.arange(-_RADIUS, _RADIUS + 1, device=away.device, dtype=away.dtype)
    x, y = (torch.exp(-((place - away[..., k : k + 1]) ** 2) / (2 * _NEAR**2)) for k in (0, 1))
    return y[..., :, None] * x[..., None, :]
