"""What every trainable matcher offers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from georeg.training.samples import Samples

State = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Loss:
    """A batch's.

    Attributes:
        total: to be lowered.
        figures: for logs, in [0, 1] mostly.
    """

    total: Tensor
    figures: Mapping[str, float]


class Trainee(Protocol):
    """A network on its way.

    Attributes:
        layout: of its weights (georeg/models/layouts).
        net: all that is trained, and what its running statistics live in.
    """

    layout: str
    net: nn.Module

    def loss(self, samples: Samples) -> Loss:
        """Of a batch, all of it on the network's device."""
        ...

    def finish(self, samples: Iterable[Samples]) -> Mapping[str, float]:
        """What is fitted after the training, on pairs that were not trained on.

        Returns:
            Figures for the log.
        """
        ...

    def state(self) -> dict[str, Tensor]:
        """Tensors under the names of the layout, as they would be in an official checkpoint."""
        ...


class Kind(Protocol):
    """Makes a trainee."""

    def __call__(
        self, states: Mapping[str, State], options: Mapping[str, Any], device: torch.device
    ) -> Trainee:
        """A trainee.

        Args:
            states: tensors to start from, by layout; empty to start from nothing.
            options: of the network.
            device: where it computes.

        Raises:
            SettingsError: it can't start from nothing, or an option is unknown.
            InputError: these aren't its weights.
        """
        ...
