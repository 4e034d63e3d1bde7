"""georeg's own matcher, from scratch (where it is the structural one) or from weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from georeg.errors import SettingsError
from georeg.matching.embedded import EmbeddedMatcher
from georeg.matching.networks.embedded import EmbeddedNet
from georeg.matching.networks.states import fill
from georeg.matching.protocol import Device, Weights
from georeg.training.reliability import evidence, logistic
from georeg.training.samples import Samples
from georeg.training.surface_loss import surface_loss
from georeg.training.trainees.protocol import Loss, State

_OPTIONS = ("width", "deep", "deepest")


class _Embedded:
    layout = "embedded"

    def __init__(self, net: EmbeddedNet, device: torch.device) -> None:
        self.net = net.to(device)

    def state(self) -> dict[str, Tensor]:
        """All of it."""
        state = self.net.state_dict()
        return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}

    def finish(self, samples: Iterable[Samples]) -> Mapping[str, float]:
        """How likely a template's best place is right, by logistic regression."""
        device = Device(str(next(self.net.parameters()).device))
        matcher = EmbeddedMatcher(device, Weights("trained", {"embedded": self.state()}))
        found = [evidence(matcher, batch) for batch in samples]
        known = np.concatenate([f[0] for f in found])
        right = np.concatenate([f[1] for f in found])
        fitted = logistic(known, right)
        self.net.reliability.copy_(torch.from_numpy(fitted))
        told = 1 / (1 + np.exp(-(fitted[0] + known @ fitted[1:])))
        return {"places": float(len(right)), "right": float(right.mean()),
                "brier": float(np.mean((told - right) ** 2))}  # fmt: skip

    def loss(self, samples: Samples) -> Loss:
        """Both sides in one batch, so that they share statistics."""
        count = len(samples)
        features, masks = self.net(
            torch.cat([samples.moving, samples.reference]),
            torch.cat([samples.moving_mask, samples.reference_mask]),
        )
        one, two = features.split(count), masks.split(count)
        return surface_loss((one[0], two[0]), (one[1], two[1]), self.net.sharpness, samples)


def trainee(
    states: Mapping[str, State], options: Mapping[str, Any], device: torch.device
) -> _Embedded:
    """See `protocol.Kind`; `options` are the widths of the network."""
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise SettingsError(f"embedded has no option '{unknown[0]}', only {', '.join(_OPTIONS)}")
    for name, value in options.items():
        if not isinstance(value, int) or value < 1:
            raise SettingsError(f"option {name} = {value!r}: a whole number above 0 is needed")
    net = EmbeddedNet(**options)
    if "embedded" in states:
        fill(net, states["embedded"], "georeg's embedded matcher")
    return _Embedded(net, device)


TRAINEE = trainee
