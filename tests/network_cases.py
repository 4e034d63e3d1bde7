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
from torch import Tensor, nn

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


def plausible(net: nn.Module) -> dict[str, Tensor]:
    """Random weights of useful sizes, without which even equal images have no matches.

    As for the recorded results: the weights of a row sum to 0, or one feature swamps all others.
    """
    rng = torch.Generator().manual_seed(1)
    state = {}
    for key, value in net.state_dict().items():
        noise = torch.randn(value.shape, generator=rng)
        if key.endswith("num_batches_tracked"):
            state[key] = value
        elif key.endswith("running_mean"):
            state[key] = 0.1 * noise
        elif value.ndim == 1 and key.endswith(("weight", "running_var")):
            state[key] = 0.5 + torch.rand(value.shape, generator=rng)
        elif value.ndim == 1:
            state[key] = 0.05 * noise
        else:
            rows = noise.flatten(1)
            rows = rows - rows.mean(1, keepdim=True) if rows.shape[1] > 1 else rows
            state[key] = (rows * (2 / rows.shape[1]) ** 0.5).reshape(value.shape)
    return state


def moved_pair(size: int, x: int, y: int) -> tuple[Tensor, Tensor]:
    """Two (1, size, size) views of a texture; what is at (x, y) of the first is at (0, 0)."""
    rng = torch.Generator().manual_seed(2)
    whole = torch.zeros(1, 1, 2 * size, 2 * size)
    for cell in (4, 8, 16, 32):
        noise = torch.rand(1, 1, 2 * size // cell, 2 * size // cell, generator=rng)
        whole += nn.functional.interpolate(noise, scale_factor=float(cell), mode="bilinear") / 4
    return whole[0, :, :size, :size], whole[0, :, y : y + size, x : x + size]
