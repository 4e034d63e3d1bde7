"""What is in a checkpoint: kinds, nestings, prefixes, damage, and code that must not run."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kornia.feature as KF
import pytest
import torch

from georeg.errors import InputError
from georeg.matching.networks.superpoint import SuperPoint
from georeg.models import catalogue, layouts
from georeg.models.recognise import load, recognise
from model_cases import made

SHARED = Path(os.environ.get("GEOREG_SHARED", Path(__file__).resolve().parents[2] / "shared"))
State = dict[str, torch.Tensor]


def saved(folder: Path, data: Any, name: str = "weights.pth") -> Path:
    path = folder / name
    torch.save(data, path)
    return path


def prefixed(state: State, prefix: str) -> State:
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize(
    ("manifest", "layout"),
    [(n, n) for n in ("loftr", "xoftr", "eloftr", "lightglue", "roma", "dinov2_vitl14")]
    + [("superpoint", "superpoint")],
)
def test_layouts_are_those_of_the_official_code(manifest: str, layout: str) -> None:
    path = SHARED / "minima" / f"manifest_{manifest}.json"
    if not path.exists():
        pytest.skip("shared/minima, with the official code's key lists, is not here")
    official = {k: tuple(shape) for k, (shape, _) in json.loads(path.read_text()).items()}
    assert not layouts.compare(official, layout)
    best, share = layouts.nearest(official)
    assert best == layout
    assert share > 0.8


@pytest.mark.parametrize(
    ("layout", "network"),
    [
        ("loftr", lambda: KF.LoFTR(pretrained=None)),
        ("disk", lambda: KF.DISK()),
        ("aliked_n16", lambda: KF.ALIKED(model_name="aliked-n16")),
    ],
)
def test_layouts_are_those_of_kornia(layout: str, network: Callable[[], torch.nn.Module]) -> None:
    theirs = {k: tuple(v.shape) for k, v in network().state_dict().items()}
    theirs.pop("dkd.hw_grid", None)  # a constant that kornia keeps among the weights
    assert not layouts.compare(theirs, layout)


def test_lightglue_loads_strictly(tmp_path: Path) -> None:
    """The first release's names, as MINIMA has them, into kornia's network."""
    state = {
        key.replace(f"transformers.{i}.{kind}.", f"{kind}.{i}."): value
        for key, value in made("lightglue").items()
        for i in [int(key.split(".")[1]) if key.startswith("transformers.") else 0]
        for kind in ["self_attn" if "self_attn" in key else "cross_attn"]
    }
    assert "self_attn.8.Wqkv.weight" in state
    path = saved(tmp_path, state)
    assert recognise(path) == "lightglue"
    network = KF.LightGlue(features=None)
    result = network.load_state_dict(load(path, "lightglue"), strict=False)
    assert not result.unexpected_keys
    assert set(result.missing_keys) <= {"confidence_thresholds"}


def test_every_entry_has_a_layout_of_its_size() -> None:
    for entry in catalogue.ENTRIES:
        numbers = sum(torch.Size(s).numel() for s in layouts.shapes(entry.layout).values())
        assert (
            4 * numbers
            < entry.size
            < (4 * numbers + 200_000) * (2.5 if entry.layout == "lighterglue" else 1.005)
        ), entry.name


@pytest.mark.parametrize("layout", ["superpoint", "xfeat", "disk", "aliked_n16", "lighterglue"])
def test_bare(tmp_path: Path, layout: str) -> None:
    state = made(layout)
    path = saved(tmp_path, state)
    assert recognise(path) == layout
    found = load(path, layout)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[k], state[k]) for k in state)


NESTINGS: list[Callable[[State], Any]] = [
    lambda s: {"state_dict": s, "epoch": 3},
    lambda s: {"model": s},
    lambda s: {"epoch": 3, "model_state_dict": s, "optimizer_state_dict": {"state": {}}},
    lambda s: {"extractor": s},
    lambda s: {"state_dict": prefixed(s, "matcher.")},
    lambda s: prefixed(s, "module."),
    lambda s: {"model": prefixed(s, "module.matcher.")},
    lambda s: prefixed(s, "_orig_mod."),
    lambda s: {**prefixed(s, "matcher."), "extractor.net.weight": torch.zeros(3)},
    lambda s: {k: v.half() for k, v in s.items()},
    lambda s: {**s, "convPa.num_batches_tracked": torch.tensor(1)} and s,
]


@pytest.mark.parametrize("nest", NESTINGS)
def test_nestings_and_prefixes(tmp_path: Path, nest: Callable[[State], Any]) -> None:
    state = made("superpoint")
    path = saved(tmp_path, nest(state))
    assert recognise(path) == "superpoint"
    assert load(path, "superpoint").keys() == state.keys()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_whatever_type_weights_are_stored_in_networks_get_single_precision(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    state = {k: v.to(dtype) for k, v in made("superpoint").items()}
    found = load(saved(tmp_path, state), "superpoint")
    assert {v.dtype for v in found.values()} == {torch.float32}
    assert all(torch.equal(found[k], state[k].float()) for k in state)
    score, _ = SuperPoint.from_state(found)(torch.rand(1, 40, 48))
    assert score.shape == (1, 40, 48)


def test_old_format_of_torch(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save(made("superpoint"), path, _use_new_zipfile_serialization=False)
    assert recognise(path) == "superpoint"


def test_counters_may_be_missing(tmp_path: Path) -> None:
    """Old files have none; others may not have counters where no statistics are."""
    state = made("xfeat")
    counter = next(k for k in state if k.endswith("running_mean"))
    counter = counter.replace("running_mean", "num_batches_tracked")
    path = saved(tmp_path, {**state, counter: torch.tensor(7)})
    assert counter in load(path, "xfeat")
    with pytest.raises(InputError, match=r"unexpected keypoint\.num_batches_tracked"):
        load(saved(tmp_path, {**state, "keypoint.num_batches_tracked": torch.tensor(7)}), "xfeat")


def broken(change: Callable[[State], Any]) -> State:
    state = made("superpoint")
    change(state)
    return state


def poison(state: State) -> None:
    state["conv1a.weight"][0, 0, 0, 0] = torch.nan


def swell(state: State) -> None:
    state["conv1a.weight"] = state["conv1a.weight"].double() * 1e300


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("conv1a.bias"), "missing conv1a.bias$"),
        (lambda s: [s.pop(k) for k in list(s)[:5]], "missing .*, .*, .* and 2 more"),
        (lambda s: s.update(more=torch.zeros(1)), "unexpected more$"),
        (
            lambda s: s.update({"convDb.bias": torch.zeros(128)}),
            "convDb.bias is 128 rather than 256",
        ),
        (lambda s: s.update({"convDb.bias": torch.zeros(256, dtype=torch.int64)}), "no real"),
        (lambda s: s.update({"convDb.bias": torch.zeros(256).to_sparse()}), "no real"),
        (lambda s: s.update({"convDb.bias": torch.zeros(256, device="meta")}), "no real"),
        (poison, r"conv1a\.weight has numbers that are not finite"),
        (swell, r"conv1a\.weight has numbers that are not finite"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: Callable[[State], Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        recognise(saved(tmp_path, broken(change)))
    assert "\n" not in str(caught.value)


def test_of_another_kind(tmp_path: Path) -> None:
    path = saved(tmp_path, {"fc.weight": torch.zeros(3, 3), "fc.bias": torch.zeros(3)})
    with pytest.raises(InputError, match=r"no checkpoint that georeg knows .*fc\.weight, fc\.bias"):
        recognise(path)
    with pytest.raises(InputError, match="no complete loftr checkpoint: missing"):
        load(saved(tmp_path, made("superpoint")), "loftr")


class Evil:
    """Unpickling it would create a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


class Config:
    """Not evil, but a class of somebody's."""


@pytest.mark.parametrize("new", [True, False])
def test_code_is_refused(tmp_path: Path, new: bool) -> None:
    victim, path = tmp_path / "victim", tmp_path / "evil.pth"
    data = {"state_dict": made("superpoint"), "x": Evil(victim)}
    torch.save(data, path, _use_new_zipfile_serialization=new)
    with pytest.raises(InputError, match=r"more than tensors \(.*mkdir\).* refused") as caught:
        recognise(path)
    assert "\n" not in str(caught.value)
    assert not victim.exists()
    path.write_bytes(pickle.dumps(data))
    with pytest.raises(InputError, match=r"holds more than tensors|no checkpoint"):
        recognise(path)
    assert not victim.exists()


def test_foreign_classes_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, {"state_dict": made("superpoint"), "config": Config()})
    with pytest.raises(InputError, match=r"more than tensors \(.*Config\)"):
        recognise(path)


def test_no_checkpoint(tmp_path: Path) -> None:
    whole = saved(tmp_path, made("superpoint")).read_bytes()
    path = tmp_path / "file.pth"
    page = b"<!DOCTYPE html><html><body>Sign in</body></html>"
    for content in (
        b"",
        b"x",
        page,
        whole[:100_000],
        whole[: len(whole) // 2],
        b"\x80\x02.",
        b"{}",
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"is no checkpoint, or a damaged one"):
            recognise(path)
    with pytest.raises(InputError, match="no such file"):
        recognise(tmp_path / "nothing")
    with pytest.raises(InputError, match="no such file"):
        recognise(tmp_path)
    for data in ([1, 2], {"a": 1}, {}, torch.zeros(3)):
        with pytest.raises(InputError, match="no state dict"):
            recognise(saved(tmp_path, data))
    with pytest.raises(InputError, match="notes is no tensor"):
        recognise(saved(tmp_path, {**made("superpoint"), "notes": "x"}))


def test_scripts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
    with pytest.raises(InputError, match="no checkpoint"):
        recognise(path)


@pytest.mark.parametrize("new", [True, False])
def test_a_file_s_form_is_no_news(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, new: bool
) -> None:
    """Torch warns of it; what georeg can't read, it says itself."""
    path, script = tmp_path / "later.pth", tmp_path / "script.pt"
    torch.save(made("superpoint"), path, pickle_protocol=3, _use_new_zipfile_serialization=new)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(script))
    recwarn.clear()
    assert recognise(path) == "superpoint"
    with pytest.raises(InputError):
        recognise(script)
    assert [str(warning.message) for warning in recwarn] == []


def safetensors_of(state: State) -> bytes:
    """Written by hand: the length of a JSON header, the header, the numbers."""
    header, at, blobs = {}, 0, []
    for key, value in state.items():
        blob = value.numpy().tobytes()
        span = [at, at + len(blob)]
        header[key] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": span}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(blobs)


def test_safetensors(tmp_path: Path) -> None:
    path, state = tmp_path / "weights.anything", made("superpoint")
    path.write_bytes(safetensors_of(prefixed(state, "matcher.")))
    assert recognise(path) == "superpoint"
    assert torch.equal(load(path, "superpoint")["conv1a.bias"], state["conv1a.bias"])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="no checkpoint, or a damaged one"):
        recognise(path)
