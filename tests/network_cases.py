"""Recorded results of the official codes in ../shared/minima, the random weights they were made
with, and what the tests of networks share.

On the processors tried here the sets of matches are the same; on others one match in 200 may
differ by rounding. The recipe of the weights (numpy's frozen RandomState, by key) is gen.py in that
folder.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from georeg.matching.networks.found import Found

SHARED = Path(os.environ.get("GEOREG_SHARED", Path(__file__).parents[2] / "shared"))
FOLDER = SHARED / "minima"
DETECTOR_FREE = ("loftr", "xoftr", "eloftr")

State = dict[str, Tensor]
Recorded = dict[str, np.ndarray]


def recorded(name: str) -> Recorded:
    """Inputs and outputs; the test is skipped where there are none."""
    with np.load(_path(f"{name}.npz")) as data:
        return dict(data)


def manifest(name: str) -> dict[str, Any]:
    """Shape and type of each tensor, by its official name; or the test is skipped."""
    found: dict[str, Any] = json.loads(_path(f"manifest_{name}.json").read_text())
    return found


def _path(name: str) -> Path:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"there is no {path}: set GEOREG_SHARED")
    return path


@cache
def _recipe() -> Any:
    spec = importlib.util.spec_from_file_location("minima_gen", _path("gen.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def golden_states(layout: str) -> dict[str, State]:
    """The weights that results were recorded with, by layout; a matcher's own one first.

    Changes to the dictionaries are the caller's, those to tensors aren't.
    """
    if layout == "roma":
        return _roma()  # too large to be kept
    states = _lightglue() if layout == "lightglue" else {layout: _detector_free(layout)}
    return {name: dict(state) for name, state in states.items()}


@cache
def _detector_free(layout: str) -> State:
    known = recorded(layout)
    gains = json.loads(str(known.get("gains", "[]")))
    state: State = _recipe().gen_state(manifest(layout), int(known["seed"]), gains)
    state = tamed(state) if layout == "eloftr" else state
    assert _recipe().sha_state(state) == str(known["state_sha256"])
    return state


def tamed(state: State) -> State:
    """ELoFTR's random weights as they were recorded with: else its deep features explode."""
    ends = ("bn.weight", "bn.bias", "rbr_identity.weight", "rbr_identity.bias")
    for key in state:
        if key.startswith("backbone.layer3.13.") and key.endswith(ends):
            state[key] = state[key] * 1.5e-4
        if key == "fine_preprocess.layer1_outconv2.3.weight":
            state[key] = state[key] * 0.05
    return state


@cache
def _lightglue() -> dict[str, State]:
    """As recipe_lightglue.json tells."""
    known, gen = recorded("lightglue_superpoint"), _recipe()
    how = json.loads(_path("recipe_lightglue.json").read_text())
    points = gen.gen_state(manifest("superpoint"), how["seed_sp"], how["gains_sp"])
    glue = gen.gen_state(manifest("lightglue"), how["seed_lg"], how["gains_lg"])
    for name in glue:
        if name.endswith("ffn.3.bias"):
            glue[name] = glue[name] * 0.05
    for i in range(9):
        glue[f"log_assignment.{i}.matchability.bias"] = torch.tensor([1.5])
    for i in range(8):
        glue[f"token_confidence.{i}.token.0.bias"] = torch.tensor([0.6 * i])
    glue["confidence_thresholds"] = torch.tensor(
        [0.8 + 0.1 * math.exp(-4.0 * i / 9) for i in range(9)]
    )
    assert gen.sha_state(glue) == str(known["lg_sha"])
    assert gen.sha_state(points) == str(known["sp_sha"])
    return {"lightglue": glue, "superpoint": points}


def _roma() -> dict[str, State]:
    """1.7 GB."""
    known, gen = recorded("roma"), _recipe()
    ours: State = gen.gen_state(manifest("roma"), int(known["seed_roma"]))
    dino: State = gen.gen_state(manifest("dinov2_vitl14"), int(known["seed_dinov2"]))
    for key in dino:
        if key.endswith(".gamma"):
            dino[key].fill_(0.1)
    for key in ours:
        if "conv_refiner" in key and key.endswith("out_conv.weight"):
            ours[key] *= 0.02
        if key.endswith("embedding_decoder.to_out.weight"):
            ours[key] *= 4
    assert gen.sha_state(ours) == str(known["roma_sha"])
    assert gen.sha_state(dino) == str(known["dino_sha"])
    return {"roma": ours, "dinov2_vitl14": dino}


# Results were recorded on a CPU with AVX-512; oneDNN sums in another order on others.
_LIKE_RECORDED = torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def plain_sums() -> AbstractContextManager[object]:
    """Torch's own convolutions on other CPUs: there they round less than oneDNN's."""
    return nullcontext() if _LIKE_RECORDED else torch.backends.mkldnn.flags(enabled=False)


def assert_same_features(found: np.ndarray, expected: np.ndarray) -> None:
    """To 1e-4: all of them on a CPU like the recording one, else 99.5 % (shared/minima/README.md).

    In float64 they are up to 1.05e-4 from what was recorded: that much is the recording's rounding.
    """
    assert found.shape == expected.shape
    near = (np.abs(found - expected) <= 1e-4).mean()
    assert near >= (1.0 if _LIKE_RECORDED else 0.995)


def pair(known: Recorded, case: str) -> list[Tensor | None]:
    """Images and masks of a case in the order of `match`, (1, h, w) each, or None."""
    out: list[Tensor | None] = []
    for side in "01":
        out.append(torch.from_numpy(known[f"{case}/img{side}"])[None].float() / 255)
        mask = known.get(f"{case}/mask{side}")
        out.append(None if mask is None else torch.from_numpy(mask > 0)[None])
    return out


def shapes(state: State) -> dict[str, list[int]]:
    return {key: list(value.shape) for key, value in state.items()}


def agrees(
    found: Found,
    known: Recorded,
    case: str,
    first: float = 0.0,
    second: float = 1e-3,
    sure: float = 1e-4,
    score: str = "mconf",
) -> None:
    """The official matches in the official order, by tolerances in pixels and of the score."""
    assert {values.dtype for values in found} == {np.dtype(np.float64)}
    assert_same_matches(found.xy0, known[f"{case}/mkpts0_f"], first)
    assert_same_matches(found.xy1, known[f"{case}/mkpts1_f"], second)
    np.testing.assert_allclose(found.score, known[f"{case}/{score}"], rtol=0, atol=sure)
    assert (found.spread >= 0).all()


def assert_same_matches(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """The same number in the same order, each to a tolerance in pixels."""
    assert found.shape == expected.shape
    assert len(found)
    assert np.abs(found - expected).max() <= tolerance


def plausible(net: nn.Module) -> State:
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


def one_by_one(net: Any, pairs: list[tuple[Tensor, ...]], near: float, sure: float) -> None:
    """Pairs of a batch don't know of each other: all together give what each gives alone."""
    both = net.match(*(torch.cat(parts) for parts in zip(*pairs, strict=True)))
    for found, alone in zip(both, pairs, strict=True):
        (single,) = net.match(*alone)
        assert_same_matches(found.xy0, single.xy0, near)
        assert_same_matches(found.xy1, single.xy1, 1e-3)
        np.testing.assert_allclose(found.score, single.score, rtol=0, atol=sure)


class QuickHalves(TorchDispatchMode):
    """Convolutions and products of float16 and bfloat16 as hardware made for them computes them:
    operands and results are such numbers, sums are float32.

    A CPU without such instructions takes minutes otherwise, number by number. What is computed in
    which type stays torch's and the networks' choice.
    """  # fmt: skip

    KINDS = frozenset(
        {"conv2d", "convolution", "linear", "matmul", "mm", "addmm", "bmm"}
        | {"scaled_dot_product_attention"}
    )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        halves = {x.dtype for x in args if isinstance(x, Tensor)} & {torch.float16, torch.bfloat16}
        if func._overloadpacket.__name__ not in self.KINDS or not halves:
            return func(*args, **kwargs)
        (half,) = halves
        wide = [x.float() if isinstance(x, Tensor) else x for x in args]
        return func(*wide, **kwargs).to(half)
