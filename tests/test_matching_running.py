"""What all matchers share: registry, device, batches that shrink where memory runs out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from georeg import matching
from georeg.errors import OutOfDeviceMemoryError, SettingsError
from georeg.matching import running
from georeg.matching.pixels import from_centres, to_centres, valid_at
from georeg.matching.protocol import Device, Surfaces, TileBatch, TilePoints
from georeg.matching.running import join, one_thread_each, pick_devices, run
from georeg.settings import processors
from matcher_cases import Hungry, batch_of, shifted

FOREIGN = """
import numpy as np
from georeg.matching.protocol import TilePoints


class Matcher:
    name, layouts = "foreign", ()
    tile, small, reach, limit, scene, side_by_side = 64, 64, 8, 128, 512, True

    def __init__(self, device):
        self.device = device

    def match(self, batch):
        xy = np.full((len(batch), 2), 5.0)
        n = np.arange(len(batch))
        return TilePoints(n, xy, xy + 1, np.ones(len(batch)), np.ones(len(batch)))
"""


def install(folder: Path, code: str, names: str = "foreign") -> None:
    """What pip leaves behind of a package with a matcher."""
    (folder / "foreign_matcher.py").write_text(code)
    info = folder / "foreign_matcher-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-matcher\nVersion: 1.0\n")
    lines = "".join(f"{n} = foreign_matcher:Matcher\n" for n in names.split())
    (info / "entry_points.txt").write_text(f"[georeg.matchers]\n{lines}")


def test_names_are_files_and_nothing_else() -> None:
    assert {"structural", "phase", "sift"} <= set(matching.available())
    assert "protocol" not in matching.available()
    assert "pixels" not in matching.available()


@pytest.mark.parametrize("name", matching.available())
def test_every_name_is_a_matcher_of_that_name(name: str) -> None:
    kind = matching.kind(name)
    assert kind.name == name
    assert kind.small <= kind.tile <= kind.limit
    if not kind.layouts:
        assert matching.load(name, Device()).name == name
        return
    with pytest.raises(SettingsError, match=f"'{name}' needs weights of layout"):
        matching.load(name, Device())


def test_another_packages_matcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, FOREIGN)
    assert "foreign" not in matching.available()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "foreign_matcher", raising=False)
    assert "foreign" in matching.available()
    device = Device("cpu", seed=7)
    matcher: Any = matching.load("foreign", device)
    assert matcher.device is device
    found = run(matcher, batch_of([shifted(shape=(64, 64))] * 3))
    assert isinstance(found, TilePoints)
    assert found.tile.tolist() == [0, 1, 2]


def test_another_package_takes_no_name_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, FOREIGN, "structural")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert type(matching.load("structural", Device())).__module__ == "georeg.matching.structural"


def test_another_packages_broken_matcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "import no_such_package_at_all\n", "broken")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "foreign_matcher", raising=False)
    with pytest.raises(SettingsError, match=r"broken.*foreign_matcher.*no_such_package"):
        matching.load("broken", Device())


@pytest.mark.parametrize("name", ["structual", "", "protocol", "../x", "georeg"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(SettingsError, match=r"no matcher '.*structural") as caught:
        matching.load(name, Device())
    assert ("did you mean structural?" in str(caught.value)) == (name == "structual")


def test_devices() -> None:
    assert pick_devices("cpu", seed=3) == (Device("cpu", "float32", 3),)
    assert pick_devices("cpu", precision="bfloat16")[0].dtype == "bfloat16"
    assert pick_devices("cpu,cpu", compiled=True) == (Device("cpu", compiled=True),)
    assert pick_devices("auto")[0].name.split(":")[0] in ("cpu", "cuda")
    for name in ("quantum", "cpu:x", "cuda:-2", "", "meta", "cpu,", ","):
        with pytest.raises(SettingsError, match="device"):
            pick_devices(name)
    with pytest.raises(SettingsError, match=r"offers \d+ CUDA device"):
        pick_devices("cuda:99")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_slow_types_are_said(
    dtype: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert running._has_instructions(dtype) in (True, False)  # torch can be asked
    for fast, count in ((True, 0), (False, 1)):
        monkeypatch.setattr(running, "_has_instructions", lambda _, fast=fast: fast)
        pick_devices("cpu", precision=dtype)
        pick_devices("cpu")
        assert len(caplog.records) == count
    assert f"no instructions for {dtype}" in caplog.text


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_no_gpu() -> None:
    with pytest.raises(SettingsError, match="offers 0 CUDA device"):
        pick_devices("cuda")
    assert pick_devices("auto") == (Device("cpu"),)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", ["structural", "phase"])
def test_gpu_agrees_with_the_cpu(name: str) -> None:
    from matcher_cases import points_of

    batch = batch_of([shifted()])
    cpu = points_of(matching.load(name, Device("cpu")), batch)
    gpu = points_of(matching.load(name, pick_devices("cuda")[0]), batch)
    assert len(gpu) == len(cpu)
    assert gpu.reference_xy == pytest.approx(cpu.reference_xy, abs=0.01)


def test_threads() -> None:
    before = torch.get_num_threads()
    with one_thread_each(Device("cpu")):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    assert processors(3) == 3
    assert processors(None) >= 1


def seven() -> TileBatch:
    return batch_of([(np.full((8, 8), i / 10, np.float32),) * 2 for i in range(7)])


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 12345 bytes"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize("surfaces", [False, True])
def test_smaller_batches_where_memory_runs_out(error: BaseException, surfaces: bool) -> None:
    matcher = Hungry(2, error, surfaces)
    found = run(matcher, seven())
    assert matcher.sizes[0] == 7
    assert found.tile.tolist() == list(range(7))
    xy = found.center if isinstance(found, Surfaces) else found.moving_xy
    assert xy[:, 0] == pytest.approx(np.arange(7) / 10)
    if isinstance(found, Surfaces):
        assert found.back is not None  # the way back isn't lost with the batch
        assert found.back[:, 0, 0] == pytest.approx(1 + np.arange(7) / 10)
        assert found.back_step == 2.0


def test_not_even_one_tile_fits() -> None:
    matcher = Hungry(0, torch.OutOfMemoryError("out of memory"))
    with pytest.raises(OutOfDeviceMemoryError, match="one tile pair of 8 px"):
        run(matcher, seven())


def test_other_errors_pass() -> None:
    matcher = Hungry(0, RuntimeError("expected scalar type Half"))
    with pytest.raises(RuntimeError, match="Half"):
        run(matcher, seven())
    assert matcher.sizes == [7]


def test_join_of_nothing_found() -> None:
    found = join([TilePoints.none(), TilePoints.none()], [0, 3])
    assert isinstance(found, TilePoints)
    assert len(found) == 0


def test_pixel_centres_and_edges() -> None:
    """The first pixel's centre is (0, 0) for networks, (0.5, 0.5) for georeg."""
    assert from_centres([[0.0, 0.0], [9.0, 2.0]]).tolist() == [[0.5, 0.5], [9.5, 2.5]]
    # Of an image resized to half, the first pixel's centre is the corner between four pixels.
    assert from_centres([[0.0, 0.0], [4.0, 1.0]], 0.5).tolist() == [[1.0, 1.0], [9.0, 3.0]]
    xy = np.random.default_rng(0).uniform(-3, 500, (20, 2))
    for scale in (0.3, 1.0, 2.5):
        assert from_centres(to_centres(xy, scale), scale) == pytest.approx(xy)


def test_valid_at_looks_under_positions() -> None:
    mask = np.zeros((3, 4), bool)
    mask[1, 2] = True
    xy = [[2.0, 1.0], [2.99, 1.99], [3.0, 1.0], [1.99, 1.5], [-0.1, 1], [4.0, 1], [np.nan, 1]]
    assert valid_at(mask, np.array(xy)).tolist() == [True, True, False, False, False, False, False]
