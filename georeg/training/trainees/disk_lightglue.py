"""LightGlue for Disk's key points; the detector stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from georeg.errors import SettingsError
from georeg.matching.networks.disk import Disk
from georeg.matching.networks.lightglue import glue_from_state
from georeg.training.trainees._glue import Glue
from georeg.training.trainees.protocol import State


def trainee(states: Mapping[str, State], options: Mapping[str, Any], device: torch.device) -> Glue:
    """See `protocol.Kind`."""
    if "lightglue_128" not in states or "disk" not in states:
        raise SettingsError("disk_lightglue is only fine-tuned: name the --weights to start from")
    if options:
        raise SettingsError(f"disk_lightglue has no option '{next(iter(options))}'")
    glue = glue_from_state(states["lightglue_128"], -1, -1, input_dim=128)
    return Glue("lightglue_128", Disk.from_state(states["disk"]), glue, device)


TRAINEE = trainee
