"""Reading checkpoints: only tensors, never code; in one form, whatever they were wrapped in."""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from georeg.errors import InputError
from georeg.models import layouts
from georeg.quietly import QUIETLY

State = dict[str, torch.Tensor]

_NESTS = ("state_dict", "model_state_dict", "model", "extractor")
_PREFIXES = ("module.", "_orig_mod.", "matcher.", "model.")
# LightGlue's first release named its layers the other way round.
_OLD_LIGHTGLUE = re.compile(r"(self_attn|cross_attn)\.(\d+)\.")
# torch's words for what its restricted unpickler doesn't do; anything else is damage.
_MORE = re.compile(r"(?:GLOBAL|function) ([\w.]+)|(Can only [\w ]+)")
_KNOWN = 0.5  # share of tensors from which a file is taken for a damaged checkpoint of a kind


def recognise(path: str | os.PathLike[str]) -> str:
    """The layout of a checkpoint, complete and with finite numbers.

    Raises:
        InputError: unreadable, more than tensors, of no known layout, incomplete or not finite.
    """
    state = read(path)
    layout, share = layouts.nearest(_shapes(state))
    if share < _KNOWN:
        first = ", ".join(list(state)[:3]) or "none"
        raise InputError(f"{path} is no checkpoint that georeg knows (its tensors: {first}, ...)")
    _check(state, layout, path)
    return layout


def load(path: str | os.PathLike[str], layout: str) -> State:
    """The tensors of a checkpoint on the CPU, under the names of its layout.

    What isn't learned (counters of batch normalisation, LightGlue's schedule) is there if it is
    in the file.

    Raises:
        InputError: unreadable, more than tensors, not of that layout, or not finite.
    """
    state = read(path)
    _check(state, layout, path)
    return {k: v for k, v in state.items() if not re.fullmatch(r"log_assignment\.\d+\.r", k)}


def read(path: str | os.PathLike[str]) -> State:
    """The tensors of any checkpoint, freed from nestings and prefixes; floats in float32.

    Raises:
        InputError: missing, unreadable, or it holds more than tensors and plain values.
    """
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file")
    data = _safetensors(path) if _is_safetensors(path) else _pickled(path)
    state = _renamed(_stripped(_flat(data, path)))
    # Networks compute in one type, and halves only where that is safe (networks/precision.py).
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


def _pickled(path: str | os.PathLike[str]) -> Any:
    # Mapped rather than read: the largest file has more than 1 GB.
    mapped = zipfile.is_zipfile(path)
    try:
        with QUIETLY:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        found = _MORE.search(str(error))
        if found is None:
            raise InputError(f"{path} is no checkpoint, or a damaged one") from None
        what = found[1] or found[2]
        raise InputError(
            f"{path} holds more than tensors ({what}), and loading it could run code: refused; "
            "ask its source for a plain state dict or safetensors"
        ) from None
    except MemoryError:
        raise
    except Exception:
        # On arbitrary bytes the unpickler fails in any way that code can fail.
        raise InputError(f"{path} is no checkpoint, or a damaged one") from None


def _is_safetensors(path: str | os.PathLike[str]) -> bool:
    """By content: 8 bytes of length, then a JSON object."""
    try:
        with open(path, "rb") as file:
            head = file.read(9)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from None
    length = int.from_bytes(head[:8], "little")
    return head[8:] == b"{" and length <= os.path.getsize(path)


def _safetensors(path: str | os.PathLike[str]) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError, json.JSONDecodeError):
        raise InputError(f"{path} is no checkpoint, or a damaged one") from None


def _flat(data: Any, path: str | os.PathLike[str]) -> State:
    """The dict of tensors inside; what training left beside it is of no interest."""
    for _ in range(3):
        inner = next((data[k] for k in _NESTS if k in data), None) if _is_dict(data) else None
        if not _is_dict(inner):
            break
        data = inner
    if not _is_dict(data) or not any(isinstance(v, torch.Tensor) for v in data.values()):
        raise InputError(f"{path} holds no state dict: there are no tensors by name in it")
    wrong = [str(k) for k, v in data.items() if not isinstance(v, torch.Tensor)]
    if wrong:
        raise InputError(f"{path}: {wrong[0]} is no tensor, so this is no state dict")
    return {str(k): v for k, v in data.items()}


def _is_dict(data: Any) -> bool:
    return isinstance(data, Mapping)


def _stripped(state: State) -> State:
    """Without prefixes that all names share; of an extractor and matcher in one, the matcher."""
    kinds = {name.partition(".")[0] for name in state}
    if kinds == {"extractor", "matcher"}:
        state = {k: v for k, v in state.items() if k.startswith("matcher.")}
    for _ in range(4):
        prefix = next((p for p in _PREFIXES if all(k.startswith(p) for k in state)), None)
        if prefix is None:
            break
        state = {k.removeprefix(prefix): v for k, v in state.items()}
    return state


def _renamed(state: State) -> State:
    if "posenc.Wr.weight" not in state:
        return state
    return {_OLD_LIGHTGLUE.sub(r"transformers.\2.\1.", k, count=1)
            if _OLD_LIGHTGLUE.match(k) else k: v for k, v in state.items()}  # fmt: skip


def _shapes(state: State) -> dict[str, layouts.Shape]:
    return {k: tuple(v.shape) for k, v in state.items()}


def _check(state: State, layout: str, path: str | os.PathLike[str]) -> None:
    difference = layouts.compare(_shapes(state), layout)
    if difference:
        name = Path(path).name
        raise InputError(f"{name} is no complete {layout} checkpoint: {difference.sentence()}")
    for key in layouts.shapes(layout):
        value = state[key]
        stored = value.layout is torch.strided and not value.is_meta
        if not (stored and value.is_floating_point()):
            raise InputError(f"{path}: {key} holds no real numbers")
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"{path}: {key} has numbers that are not finite")
