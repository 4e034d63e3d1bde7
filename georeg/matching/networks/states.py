"""Weights put into networks: all of them, and nothing else.

Files are read elsewhere (georeg/models), which also frees their names from prefixes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from georeg.errors import InputError

Net = TypeVar("Net", bound=nn.Module)

_MAY_LACK = ("num_batches_tracked", "confidence_thresholds")  # never learned
_NAMED = 3  # keys that a message names


def made(kind: Callable[[], Net], state: Mapping[str, Tensor], what: str) -> Net:
    """A network out of nothing but its weights, which aren't copied; no random number is drawn.

    Args:
        kind: makes it. All that it computes beforehand must be among the weights.
        state: tensors by official names, without a prefix; stays as it is.
        what: the network's name, for messages.

    Raises:
        InputError: as `fill`.
    """
    with torch.device("meta"):
        net = kind()
    fill(net, state, what)
    return net


def fill(net: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Put weights into a network, all of them and nothing else.

    Only counters and constants that training doesn't change may be absent; the network's own
    remain then.

    Args:
        net: changed in place. If it has no storage yet, it takes the tensors themselves.
        state: tensors by the network's names.
        what: the network's name, for messages.

    Raises:
        InputError: a tensor is missing, has another shape or type, or doesn't belong there.
    """
    own = net.state_dict()
    missing = [k for k in own if k not in state and not k.endswith(_MAY_LACK)]
    alien = [k for k in state if k not in own]
    if missing or alien:
        says = [f"{len(missing)} tensors missing ({_some(missing)})"] if missing else []
        says += [f"{len(alien)} unknown ({_some(alien)})"] if alien else []
        raise InputError(f"these are no weights of {what}: {', '.join(says)}")
    for name, value in state.items():
        if value.shape != own[name].shape:
            shapes = f"{list(value.shape)}, not {list(own[name].shape)}"
            raise InputError(f"these are no weights of {what}: '{name}' is {shapes}")
        if value.is_floating_point() != own[name].is_floating_point():
            raise InputError(f"these are no weights of {what}: '{name}' is {value.dtype}")
    hollow = any(value.is_meta for value in own.values())
    rest = {k: torch.zeros_like(v, device="cpu") if hollow else v for k, v in own.items()
            if k not in state}  # fmt: skip
    net.load_state_dict({**rest, **state}, strict=True, assign=hollow)


def _some(names: list[str]) -> str:
    more = ", ..." if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
