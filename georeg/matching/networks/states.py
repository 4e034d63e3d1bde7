"""Weights as they come in files: unwrapped, checked, and put into a network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from georeg.errors import InputError

_WRAPPERS = ("state_dict", "model")
_PREFIXES = ("module.", "matcher.")
_MAY_LACK = ("num_batches_tracked", "confidence_thresholds")  # never learned
_NAMED = 3  # keys that a message names


def strip(state: Mapping[str, object]) -> dict[str, Tensor]:
    """The learned tensors of a file, under the names that the network itself gives them.

    Entries `state_dict` and `model` are opened, the prefixes `module.` (of parallel training) and
    `matcher.` (of the MINIMA family) are taken off. `state` stays as it is.

    Args:
        state: what `torch.load` returned.

    Raises:
        InputError: something in it isn't a tensor, or two tensors get the same name.
    """
    inner: object = state
    while isinstance(inner, Mapping):
        wrapped = next((inner[w] for w in _WRAPPERS if isinstance(inner.get(w), Mapping)), None)
        if wrapped is None:
            break
        inner = wrapped
    if not isinstance(inner, Mapping) or not inner:
        raise InputError("the weights are no dictionary of tensors: is this a checkpoint?")
    out: dict[str, Tensor] = {}
    for full, value in inner.items():
        if not isinstance(full, str) or not isinstance(value, Tensor):
            raise InputError(
                f"the weights hold '{full}', which is no tensor: is this a checkpoint?"
            )
        name = _bare(full)
        if name in out:
            raise InputError(f"the weights hold '{name}' twice, once as '{full}'")
        out[name] = value
    return out


def fill(net: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Put weights into a network, all of them and nothing else.

    Only counters and constants that training doesn't change may be absent; the network's own
    remain then.

    Args:
        net: changed in place.
        state: as `strip` returns it.
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
    net.load_state_dict({**own, **state}, strict=True)


def _bare(name: str) -> str:
    """A key without the prefixes, in whatever order they come."""
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name


def _some(names: list[str]) -> str:
    more = ", ..." if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
