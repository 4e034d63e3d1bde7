"""LightGlue fine-tuned on key points of a frozen detector.

Loss: Lindenberger, Sarlin and Pollefeys, LightGlue, ICCV 2023, section 3.3: the negative log
likelihood of true matches and of key points without any, after every layer. True matches come
from labels: key points of both images that are each other's nearest and within 3 pixels
(5 pixels and more make none), as in glue-factory's recipe for homographies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from kornia.feature import LightGlue
from kornia.feature.lightglue import normalize_keypoints
from torch import Tensor

from georeg.errors import SettingsError
from georeg.matching.networks.keypoints import Detector
from georeg.matching.networks.lightglue import glue_from_state
from georeg.training.samples import Samples
from georeg.training.trainees.protocol import Loss, State

_COUNT = 512  # key points per image: training images are small
_NEAR, _FAR = 3.0, 5.0  # pixels
_LEAST = 16  # key points without which there is nothing to learn


class Glue:
    """A detector that stays as it is, and LightGlue that learns."""

    def __init__(self, layout: str, points: Detector, net: LightGlue, device: torch.device) -> None:
        """Take them.

        Args:
            layout: of LightGlue's weights.
            points: finds and describes key points.
            net: filled already.
            device: where to compute.
        """
        self.layout = layout
        self.points = points.eval().requires_grad_(False).to(device)
        self.net = net.to(device)

    def finish(self, samples: Iterable[Samples]) -> Mapping[str, float]:
        """Nothing."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """Under the official names."""
        return dict(self.net.state_dict())

    def loss(self, samples: Samples) -> Loss:
        """Mean over the pairs that have key points, with precision and recall of matches."""
        with torch.no_grad():
            sides = [
                self.points.detect(images.float(), masks, _COUNT)
                for images, masks in (
                    (samples.moving, samples.moving_mask),
                    (samples.reference, samples.reference_mask),
                )
            ]
        losses, figures = [], []
        for number, (one, two) in enumerate(zip(*sides, strict=True)):
            if one is None or two is None or min(len(one[0]), len(two[0])) < _LEAST:
                continue
            true = _true_matches(one[0], two[0], samples, number)
            loss, figure = self._pair(
                one[0], one[2], two[0], two[2], true, samples.moving.shape[-1]
            )
            losses.append(loss)
            figures.append(figure)
        if not losses:
            zero = torch.stack([p.sum() for p in self.net.parameters()]).sum() * 0
            return Loss(zero, {"precision": 0.0, "recall": 0.0})
        precision, recall = torch.tensor(figures).mean(0).tolist()
        return Loss(torch.stack(losses).mean(), {"precision": precision, "recall": recall})

    def _pair(
        self, xy0: Tensor, d0: Tensor, xy1: Tensor, d1: Tensor, true: Tensor, side: int
    ) -> tuple[Tensor, tuple[float, float]]:
        """The mean over layers of the loss of a pair; precision and recall of the last layer."""
        net = self.net
        size = torch.tensor([[side, side]], dtype=torch.float32, device=xy0.device)
        places = [normalize_keypoints(xy[None], size) for xy in (xy0, xy1)]
        encodings = [net.posenc(place) for place in places]
        x, y = (net.input_proj(d[None]) for d in (d0, d1))
        losses = []
        scores = xy0.new_zeros(())
        for layer, assign in zip(net.transformers, net.log_assignment, strict=True):
            x, y = layer(x, y, *encodings)
            scores, _ = assign(x, y)
            losses.append(_likelihood(scores[0], true))
        matched = scores[0, :-1, :-1].detach()
        best0, best1 = matched.argmax(1), matched.argmax(0)
        here = torch.arange(len(best0), device=best0.device)
        mutual = (best1[best0] == here) & (matched.exp().amax(1) > net.conf.filter_threshold)
        right = true[:-1, :-1].bool()[here, best0] & mutual
        precision = float(right.sum() / mutual.sum().clamp(min=1))
        recall = float(right.sum() / true[:-1, :-1].sum().clamp(min=1))
        return torch.stack(losses).mean(), (precision, recall)


def _true_matches(xy0: Tensor, xy1: Tensor, samples: Samples, number: int) -> Tensor:
    """(M + 1, N + 1) of 0 and 1: what matches what; the last row and column are for nothing.

    Key points count from the centre of the first pixel. Those whose ground the label can't tell,
    or that are neither near nor far from another one, are 0 everywhere.
    """
    way = samples.one(number).at(xy0[None] + 0.5)[0]
    distance = torch.cdist(xy0 + way, xy1)
    nearest0, nearest1 = distance.argmin(1), distance.argmin(0)
    here = torch.arange(len(xy0), device=xy0.device)
    known0 = _seen(samples.moving_seen[number], xy0)
    known1 = _seen(samples.reference_seen[number], xy1)
    out = distance.new_zeros((len(xy0) + 1, len(xy1) + 1))
    mutual = (nearest1[nearest0] == here) & (distance.amin(1) < _NEAR)
    mutual &= known0 & known1[nearest0]
    out[here[mutual], nearest0[mutual]] = 1
    out[:-1, -1] = ((distance.amin(1) > _FAR) & known0).to(out.dtype)
    out[-1, :-1] = ((distance.amin(0) > _FAR) & known1).to(out.dtype)
    return out


def _seen(mask: Tensor, xy: Tensor) -> Tensor:
    x, y = xy.round().long().unbind(1)
    return mask[y.clamp(0, mask.shape[0] - 1), x.clamp(0, mask.shape[1] - 1)]


def _likelihood(scores: Tensor, true: Tensor) -> Tensor:
    """Half for the matches, a quarter each for the key points of either side without one."""
    cost = -scores * true
    match = cost[:-1, :-1].sum() / true[:-1, :-1].sum().clamp(min=1)
    alone0 = cost[:-1, -1].sum() / true[:-1, -1].sum().clamp(min=1)
    alone1 = cost[-1, :-1].sum() / true[-1, :-1].sum().clamp(min=1)
    return 0.5 * match + 0.25 * (alone0 + alone1)


def fine_tuned(
    name: str,
    layouts: tuple[str, str],
    detector: Callable[[State], Detector],
    states: Mapping[str, State],
    options: Mapping[str, Any],
    device: torch.device,
) -> Glue:
    """LightGlue with a detector, from weights.

    Args:
        name: of the trainee.
        layouts: of LightGlue's weights, and of the detector's.
        detector: makes the detector of its weights.
        states: weights to start from, by layout.
        options: of the network; there are none.
        device: where to compute.

    Raises:
        SettingsError: weights are missing, or there are options.
    """
    if not states.keys() >= set(layouts):
        raise SettingsError(f"{name} is only fine-tuned: name the --weights to start from")
    if options:
        raise SettingsError(f"{name} has no option '{next(iter(options))}'")
    glue, points = layouts
    return Glue(
        glue, detector(states[points]), glue_from_state(states[glue], -1, -1, input_dim=128), device
    )
