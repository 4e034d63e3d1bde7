"""Datasets: labels that hold, the same bytes again, and whatever may be wrong with them."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from georeg.errors import GeoregError, InputError, OutputError, SettingsError
from georeg.synthesis.pairs import CHAINS
from georeg.synthesis.views import STEP, node_places, random_view
from georeg.synthesis.warps import Limits
from georeg.training import making, sources
from georeg.training.dataset import Dataset
from georeg.training.folders import alone, take_room
from georeg.training.making import make_dataset, prepared
from georeg.training.samples import Sampler
from georeg.training.sources import CITY, Source
from synthesis_cases import draws, scenes
from training_cases import city, config, only, photographs


def seen_through(image: torch.Tensor, way: torch.Tensor) -> torch.Tensor:
    """(B, n, n) images looked at where a way between nodes leads."""
    n = image.shape[-1]
    y, x = torch.meshgrid(torch.arange(n) + 0.5, torch.arange(n) + 0.5, indexing="ij")
    place = torch.stack([x, y], -1)[None]
    last = float(way.shape[-1] - 1)
    grid = 2 * place / STEP / last - 1
    moved = F.grid_sample(way, grid.expand(len(way), -1, -1, -1), mode="bicubic",
                          padding_mode="border", align_corners=True)  # fmt: skip
    there = (place + moved.permute(0, 2, 3, 1)) * 2 / n - 1
    return F.grid_sample(image[:, None], there, align_corners=False)[:, 0]


def test_ways_lead_to_the_same_ground_and_back() -> None:
    """Also where radar moves things: positions there and back again."""
    size = (128, 128)
    chains = {"sar": CHAINS["sar"], "optical": ()}
    limits = Limits(6.0, 2.0, 0.02, 0.01, 0.01, 1.0)
    views = random_view(scenes(4, 180), draws(4), size, chains, {"sar": 2.0}, limits=limits)
    node = node_places(size, views.image).reshape(33, 33, 2).permute(2, 0, 1)
    there = node + views.there
    grid = 2 * there.permute(0, 2, 3, 1) / 128 - 1
    back = F.grid_sample(views.back, grid, mode="bicubic", align_corners=True)
    inside = (there > 4).all(1) & (there < 124).all(1)
    assert (views.there + back).permute(0, 2, 3, 1)[inside].abs().max() < 0.02


def test_views_show_the_source_where_their_way_says() -> None:
    size = (128, 128)
    source = scenes(3, 180)
    views = random_view(source, draws(3), size, {"optical": ()})
    grey = source[:, :, 26:154, 26:154]
    seen = seen_through(views.image[:, 0], views.there)
    inner = (slice(None), slice(24, -24), slice(24, -24))
    for k in range(3):  # channels are mixed with random weights
        one = torch.stack([c[24:-24, 24:-24].flatten() for c in grey[k]], 1)
        fit = one @ torch.linalg.lstsq(one, seen[inner][k].reshape(-1, 1)).solution
        assert (fit[:, 0] - seen[inner][k].flatten()).abs().mean() < 0.01


def test_samples_show_the_same_ground_where_their_way_says(tmp_path: Path) -> None:
    """Through crops, quarter turns and mirrors; exposures, signs and noise differ."""
    data = make_dataset(config(photographs(tmp_path)), str(tmp_path / "data"))
    samples = Sampler([data], 5, crop=96, shift=8.0).batch(12)
    inner = (slice(None), slice(16, -16), slice(16, -16))
    one = samples.moving[inner].flatten(1)
    one = one - one.mean(1, keepdim=True)
    alike = {}
    for x in (-2.0, 0.0, 2.0):
        for y in (-2.0, 0.0, 2.0):
            away = torch.tensor([x, y])[:, None, None]
            two = seen_through(samples.reference, samples.way + away)[inner].flatten(1)
            two = two - two.mean(1, keepdim=True)
            alike[x, y] = ((one * two).sum(1) / (one.norm(dim=1) * two.norm(dim=1))).abs()
    right = alike.pop((0.0, 0.0))
    assert (right > torch.stack(list(alike.values())).amax(0)).all()


def test_displacements_at_places_are_those_of_the_nodes(tmp_path: Path) -> None:
    samples = Sampler([city(tmp_path, count=4)], 1, crop=96).batch(3)
    node = node_places((96, 96), samples.way)[None].expand(3, -1, -1)
    assert samples.at(node) == pytest.approx(samples.way.flatten(2).mT, abs=1e-3)
    assert samples.one(1).at(node[:1])[0] == pytest.approx(samples.at(node)[1], abs=1e-6)


def test_equal_recipes_give_equal_bytes_whatever_the_processes(tmp_path: Path) -> None:
    mine = config(tmp_path, Source(CITY), count=12, size=96, modalities={})
    one = make_dataset(mine, str(tmp_path / "one"))
    two = make_dataset(mine, str(tmp_path / "two"), processes=2)
    for number in range(12):
        a, b = one[number], two[number]
        assert a.names == b.names
        assert (a.image == b.image).all()
        assert (a.there == b.there).all()
        assert (a.mask == b.mask).all()


def test_goes_on_where_it_was_left(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def stop(share: float) -> None:
        if share > 0.4:
            raise Enough

    mine = config(tmp_path, Source(CITY), count=16, size=96)  # two groups
    with pytest.raises(Enough):
        make_dataset(mine, str(tmp_path / "part"), progress=stop)
    begun = Dataset(str(tmp_path / "part"))
    assert 0 < len(begun.made()) < 16
    whole = make_dataset(mine, str(tmp_path / "part"))
    again = make_dataset(mine, str(tmp_path / "again"))
    assert len(whole.made()) == 16
    assert all((whole[k].image == again[k].image).all() for k in range(16))


def test_a_disk_that_is_too_small_is_said_before_anything_is_made(tmp_path: Path) -> None:
    """Writing to a mapped file on a full disk would end the process (SIGBUS)."""
    many = 2 * shutil.disk_usage(tmp_path).free // 96**2
    with pytest.raises(OutputError, match=r"the disk has \d+ MB left, \d+ MB are needed"):
        city(tmp_path, count=many, size=96)
    assert not (tmp_path / "city").exists()


def test_room_is_taken_before_records_are_made(tmp_path: Path) -> None:
    index = replace(city(tmp_path, count=8, size=96).index, count=300)
    Dataset.create(str(tmp_path / "begun"), index)
    path = tmp_path / "begun" / "image.npy"
    assert 512 * path.stat().st_blocks >= path.stat().st_size
    hole = tmp_path / "hole"
    hole.touch()
    os.truncate(hole, 2 * shutil.disk_usage(tmp_path).free)
    with pytest.raises(OutputError, match="MB are needed"):
        take_room(str(tmp_path), ["hole"])


def test_one_at_a_time_makes_a_dataset(tmp_path: Path) -> None:
    other = pytest.raises(OutputError, match="city is being worked on by another process")
    with alone(str(tmp_path / "city")), other:
        city(tmp_path, count=8, size=96)
    assert not (tmp_path / "city").exists()
    assert len(city(tmp_path, count=8, size=96).made()) == 8
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file can't be written"):
        make_dataset(config(tmp_path, Source(CITY)), str(tmp_path / "file"))
    mine = config(photographs(tmp_path), Source(r"photos/.*\.png", aligned="1"))
    with pytest.raises(OutputError, match="file can't be written"):
        prepared(mine, str(tmp_path / "file"))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
def test_workers_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves no processes that wait for ever for work, with their memory."""
    script = (
        "from pathlib import Path\n"
        "from training_cases import CITY, Source, config, make_dataset\n"
        "if __name__ == '__main__':\n"
        f"    folder = Path({str(tmp_path)!r})\n"
        "    made = config(folder, Source(CITY), count=400, size=96)\n"
        "    make_dataset(made, str(folder / 'city'), 2)\n"
    )
    (tmp_path / "make.py").write_text(script)
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    begun = subprocess.Popen(
        [sys.executable, str(tmp_path / "make.py")], env={**os.environ, "PYTHONPATH": paths}
    )
    try:
        made = tmp_path / "city"
        # At work: the first group of records is there.
        eventually(
            lambda: (made / "index.json").exists() and bool(np.load(made / "done.npy").any()),
            begun,
        )
        workers = [pid for pid, parent in running() if parent == begun.pid]
        assert len(workers) >= 2
    finally:
        begun.kill()
        begun.wait()
    eventually(lambda: {pid for pid, _ in running()}.isdisjoint(workers))


def running() -> list[tuple[int, int]]:
    """Processes and their parents, but for those that have ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found.append((int(entry.parent.name), int(parent)))
    return found


def eventually(true: Callable[[], bool], running: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until something is so; a limit only keeps a broken program from hanging the tests."""
    for _ in range(3000):
        if true():
            return
        assert running is None or running.poll() is None
        time.sleep(0.1)
    raise AssertionError("it never came true")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
def test_a_worker_that_is_killed_is_said(tmp_path: Path) -> None:
    """As the system does where memory runs out."""

    def kill(share: float) -> None:
        for pid, parent in running():
            with suppress(OSError):
                if (
                    parent == os.getpid()
                    and b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
                ):
                    os.kill(pid, signal.SIGKILL)

    made = config(tmp_path, Source(CITY), count=80, size=96)
    with pytest.raises(GeoregError, match="was killed, most likely for lack of memory"):
        make_dataset(made, str(tmp_path / "city"), 2, kill)
    assert Dataset(str(tmp_path / "city")).made().size >= 8


def test_another_recipe_doesnt_go_on_in_the_same_folder(tmp_path: Path) -> None:
    city(tmp_path, count=8, size=96)
    with pytest.raises(SettingsError, match="another dataset"):
        city(tmp_path, count=8, size=96, seed=4)


def test_modalities_can_be_left_out(tmp_path: Path) -> None:
    data = make_dataset(
        config(photographs(tmp_path), modalities=only("map", "sar"), count=8), str(tmp_path / "d")
    )
    names = {name for k in range(8) for name in data[k].names}
    assert names <= {"map", "sar"}
    with pytest.raises(InputError, match="hardly any"):
        Sampler([data], 0, crop=96, without=("map", "sar")).batch(1)
    with pytest.raises(SettingsError, match=r"no modality 'radar', only .*sar"):
        Sampler([data], 0, crop=96, without=("radar",))


def test_layers_of_one_place_are_aligned_first(tmp_path: Path) -> None:
    """One is displaced by (5, -3) px; as views of one record they must agree."""
    (image,) = scenes(1, 400)
    picture = (image.permute(1, 2, 0).numpy()[..., ::-1] * 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a_one.png"), picture[20:340, 20:340])
    cv2.imwrite(str(tmp_path / "a_two.png"), 255 - picture[23:343, 15:335])
    source = Source(r"(?P<scene>a)_(?P<layer>one|two)\.png", real="two", aligned="two")
    (scene,) = sources.scenes(str(tmp_path), [source])
    assert [layer.real for layer in scene.layers] == [False, True]
    (tmp_path / "aligned").mkdir()
    fixed = sources.with_aligned(scene, str(tmp_path / "aligned"))
    shown = sources.pictures(fixed)
    one, two = (layer[40:-40, 40:-40].astype(np.float64).mean(axis=2) for layer in shown.layers)
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] < -0.97
    assert shown.real == (None, "real-two")


def test_aligned_layers_are_no_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset below its images goes on with the scenes that it began with."""
    source = Source(r"(?P<scene>.*)/(?P<layer>[^/]*)\.png", aligned="1")
    mine = config(photographs(tmp_path), source)
    folder = tmp_path / "set" / "aligned"
    monkeypatch.setattr(making, "with_aligned", lambda scene, folder: scene)
    before = prepared(mine, str(folder))
    folder.mkdir(exist_ok=True)
    shutil.copy(tmp_path / "photos" / "1.png", folder / "1-0123abcd.png")
    assert prepared(mine, str(folder)) == before
    assert prepared(mine, os.path.relpath(folder)) == before


def test_scenes_in_memory_are_few_where_they_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """48 of any size were kept in each process: of satellite scenes that is all memory."""
    mine = config(photographs(tmp_path, 4), count=16)
    monkeypatch.setattr(making, "_kept", OrderedDict())
    whole = make_dataset(mine, str(tmp_path / "whole"))
    assert len(making._kept) == 4
    making._kept.clear()
    monkeypatch.setattr(making, "_KEPT", 300_000)  # one has 260 x 260 x (3 + 1) bytes
    few = make_dataset(mine, str(tmp_path / "few"))
    assert len(making._kept) == 1
    assert all((whole[k].image == few[k].image).all() for k in range(16))


def test_layers_called_alike_in_several_places_stay_apart(tmp_path: Path) -> None:
    """A folder per place, with files of the same names in each."""
    for place, image in zip("ab", scenes(2, 400), strict=True):
        picture = (image.permute(1, 2, 0).numpy()[..., ::-1] * 255).astype(np.uint8)
        (tmp_path / place).mkdir()
        cv2.imwrite(str(tmp_path / place / "one.png"), picture[20:340, 20:340])
        cv2.imwrite(str(tmp_path / place / "two.png"), 255 - picture[23:343, 15:335])
    source = Source(r"(?P<scene>[ab])/(?P<layer>one|two)\.png", real="two", aligned="two")
    for fixed in prepared(config(tmp_path, source), str(tmp_path / "aligned")):
        shown = sources.pictures(fixed)
        one, two = (layer[40:-40, 40:-40].astype(np.float64).mean(axis=2) for layer in shown.layers)
        assert np.corrcoef(one.ravel(), two.ravel())[0, 1] < -0.97


@pytest.mark.parametrize(
    ("files", "words"),
    [(r"photos/(\d+", "files = "), (r"nothing/.*\.png", "no file below")],
)
def test_patterns_that_find_nothing(tmp_path: Path, files: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        sources.scenes(str(photographs(tmp_path)), [Source(files)])


def test_damaged_datasets(tmp_path: Path) -> None:
    city(tmp_path, count=8, size=96)
    (tmp_path / "city" / "mask.npy").write_bytes(b"none")
    with pytest.raises(InputError, match=r"mask\.npy is missing or damaged"):
        Dataset(str(tmp_path / "city"))
    with pytest.raises(InputError, match="no such file"):
        Dataset(str(tmp_path / "nowhere"))


def test_a_share_is_one_of_what_is_there(tmp_path: Path) -> None:
    whole = city(tmp_path, count=8)
    index = replace(whole.index, count=10 * len(whole))
    begun = Dataset.create(str(tmp_path / "begun"), index)
    for number in whole.made():
        begun.put(int(number), whole[int(number)])
    half = Sampler([begun], 0, crop=96, share=0.5)
    assert len(half.places) == math.ceil(0.5 * len(whole))
