"""The official code's outputs in ../shared/minima, and the random weights they were made with.

On the processors tried here the sets of matches are the same; on others one match in 200 may
differ by rounding. The recipe of the weights (numpy's frozen RandomState, by key) is gen.py next
to them.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

SHARED = Path(os.environ.get("GEOREG_SHARED", Path(__file__).parents[2] / "shared"))
FOLDER = SHARED / "minima"

State = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Golden:
    """Known outputs by name, and what makes the weights anew."""

    arrays: dict[str, np.ndarray]
    state: Callable[[], State]


def recipe() -> ModuleType:
    """gen.py of that folder.

    The test is skipped where there is no such folder.
    """
    path = FOLDER / "gen.py"
    if not path.exists():
        pytest.skip(f"no outputs of the official code in {FOLDER}: set GEOREG_SHARED")
    spec = importlib.util.spec_from_file_location("minima_gen", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def manifest(name: str) -> dict[str, list[object]]:
    found: dict[str, list[object]] = json.loads((FOLDER / f"manifest_{name}.json").read_text())
    return found


def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{name}.npz") as file:
        return dict(file)


def golden(name: str) -> Golden:
    """For networks whose weights need nothing but a seed."""
    gen = recipe()
    known = arrays(name)
    state = gen.gen_state(manifest(name), int(known["seed"]))
    assert gen.sha_state(state) == str(known["state_sha256"])
    return Golden(known, lambda: dict(state))
