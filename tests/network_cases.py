"""Random weights and recorded results of the official codes, in shared/minima."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

SHARED = Path(os.environ.get("GEOREG_SHARED", Path(__file__).parents[2] / "shared"))
FOLDER = SHARED / "minima"


def golden(name: str) -> dict[str, np.ndarray]:
    """Recorded inputs and outputs, or the test is skipped."""
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"no recorded results in {path}: set GEOREG_SHARED")
    with np.load(path) as data:
        return dict(data)


def random_state(name: str, recorded: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """The weights that the results were recorded with; changes to them are the caller's."""
    gains = json.loads(str(recorded["gains"]))
    state: dict[str, Tensor] = generator().gen_state(manifest(name), int(recorded["seed"]), gains)
    return state


def assert_same_state(state: dict[str, Tensor], recorded: dict[str, np.ndarray]) -> None:
    assert generator().sha_state(state) == str(recorded["state_sha256"])


def manifest(name: str) -> dict[str, Any]:
    path = FOLDER / f"manifest_{name}.json"
    if not path.exists():
        pytest.skip(f"no list of the official weights in {path}: set GEOREG_SHARED")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("minima_gen", FOLDER / "gen.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def image(pixels: np.ndarray) -> Tensor:
    """(h, w) bytes -> (1, h, w) in [0, 1], as the networks take it."""
    return torch.from_numpy(pixels)[None].float() / 255


def shapes(state: dict[str, Tensor]) -> dict[str, list[int]]:
    return {key: list(value.shape) for key, value in state.items()}


def assert_same_matches(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """The same number in the same order, each to a tolerance in pixels."""
    assert found.shape == expected.shape
    assert len(found)
    assert np.abs(found - expected).max() <= tolerance
