"""`georeg data make`, `georeg train` and `georeg evaluate`, as people call them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from cli_cases import run
from georeg.errors import InputError
from georeg.training.evaluate import PairResult
from scenes import texture
from training_cases import photographs

RECIPE = """
[train]
matcher = "embedded"
steps = 2
batch = 2
crop = 96
warm_up = 1

[data]
count = 8
views = 2
size = 112
limits = {shift = 4.0, rotation = 1.0, scale = 0.01, local = 0.5}

[data.modalities]
sar = 0

[[data.sources]]
files = "city"

[[data.sources]]
files = 'photos/(?P<scene>\\d+)\\.png'
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    photographs(folder)
    (folder / "recipe.toml").write_text(RECIPE)
    got = run(
        "train", "--recipe", folder / "recipe.toml", "--root", folder, "--output", folder / "out",
        "--processes", "1", "--device", "cpu",
    )  # fmt: skip
    assert got.code == 0, got.err
    assert "embedded after 2 steps" in got.err
    return folder


def test_trains_from_a_recipe_to_weights_that_match(trained: Path, tmp_path: Path) -> None:
    weights = trained / "out" / "embedded.safetensors"
    assert weights.stat().st_size < 1e6
    assert (trained / "out" / "log.jsonl").exists()
    assert list((trained / "out").glob("events.out.tfevents.*"))
    image = (texture((200, 240), 2) * 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image[:180, :220])
    cv2.imwrite(str(tmp_path / "b.png"), image[7:187, 11:231])
    shift = [[1, 0, -11], [0, 1, -7], [0, 0, 1]]
    index = [{"moving": "a.png", "reference": "b.png", "moving_to_reference": shift}]
    (tmp_path / "index.json").write_text(json.dumps(index))
    got = run(
        "evaluate", tmp_path / "index.json", "--matcher", f"embedded={weights}",
        "--matcher", "structural", "--output", tmp_path / "found", "--no-whole",
    )  # fmt: skip
    assert got.code == 0, got.err
    assert f"| embedded={weights} minus structural | difference |" in got.out
    found = json.loads((tmp_path / "found" / "results.json").read_text())
    assert [row["matcher"] for row in found["pairs"]] == [f"embedded={weights}", "structural"]
    assert min(row["places"][2] for row in found["pairs"]) > 0.9


def test_datasets_are_made_and_evaluated(trained: Path) -> None:
    made = run(
        "data", "make", trained / "set", "--recipe", trained / "recipe.toml", "--root", trained,
        "--count", "8", "--processes", "1",
    )  # fmt: skip
    assert made.code == 0, made.err
    assert "8 records of 2 views" in made.err
    got = run("evaluate", trained / "set", "--most", "2", "--no-whole")
    assert got.code == 0, got.err
    assert "| structural | **all groups** | 2 |" in got.out


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("data", "make", "x", "--recipe", "none"), 2, "no recipe 'none'"),
        (("data", "make", "x"), 2, "no file below"),
        (("train", "--output", "x", "--matcher", "sift"), 2, "sift"),
        (("evaluate", "nothing.json"), 4, "no such file"),
        (("evaluate", "."), 4, "no such file"),
    ],
)
def test_wrong_input_gets_one_line(
    args: tuple[str, ...], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    got = run(*args)
    assert got.code == code, got.err
    assert len(got.err.strip().splitlines()) == 1
    assert words in got.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--matcher", "disk_lightglue"), "only fine-tuned"),
        (("--recipe", "small.toml"), "crops of 80 px: a multiple of 16 is needed, from 96 px"),
        (("--recipe", "large.toml"), "crops of 128 px: .* up to the 112 px of the views"),
        (("--recipe", "thin.toml"), "option width = 0"),
        (("--recipe", "unused.toml"), "none of the sources has a weight above 0"),
        (("--batch", "9"), "batches of 9 can't be shared equally: .* a multiple of 2$"),
        (("--recipe", "parts.toml"), "batches of 4 can't be shared equally: .* a multiple of 8$"),
    ],
)
def test_nothing_is_made_for_a_training_that_cant_be(
    args: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun says it
    city = RECIPE[: RECIPE.rindex("[[data.sources]]")]
    for name, old, new in (
        ("recipe", "", ""),
        ("small", "crop = 96", "crop = 80"),
        ("large", "crop = 96", "crop = 128"),
        ("thin", "crop = 96", "crop = 96\noptions = {width = 0}"),
        ("unused", '"city"', '"city"\nweight = 0.0'),
        ("parts", "batch = 2", "batch = 4\naccumulate = 4"),
    ):
        Path(f"{name}.toml").write_text(city.replace(old, new, 1))
    got = run("train", "--output", "out", "--recipe", "recipe.toml", "--device", "cpu", *args)
    assert got.code == 2, got.err
    assert re.search(words, got.err)
    assert not Path("out").exists()


def test_missing_images_are_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were found out when it was their turn, and all results were lost."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.png", (texture((180, 220), 2) * 255).astype(np.uint8))
    cv2.imwrite("c.png", np.zeros((180, 220), np.uint16))
    monkeypatch.setattr("georeg.training.evaluate.evaluate", None)  # fails where it is called
    for wrong in ("b.png", "c.png"):
        rows = [
            {"moving": "a.png", "reference": name, "moving_to_reference": np.eye(3).tolist()}
            for name in ("a.png", wrong)
        ]
        Path("index.json").write_text(json.dumps(rows))
        got = run("evaluate", "index.json")
        assert got.code == 4, got.err
        assert f"{wrong} is missing, or no image of 8 bits" in got.err
    Path("empty.json").write_text("[]")
    got = run("evaluate", "empty.json")
    assert got.code == 2
    assert "''" not in got.err


def test_what_was_measured_before_an_interruption_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.png", (texture((180, 220), 2) * 255).astype(np.uint8))
    row = {"moving": "a.png", "reference": "a.png", "moving_to_reference": np.eye(3).tolist()}
    Path("index.json").write_text(json.dumps([row]))

    def measure(name: str, *_: object, **__: object) -> list[PairResult]:
        if name == "sift":
            raise InputError("the power is gone")
        return [PairResult(name, "sar", "a", (0.5,) * 4, (0.5,) * 4, 9, 1.0, True)]

    monkeypatch.setattr("georeg.training.evaluate.evaluate", measure)
    got = run("evaluate", "index.json", "--matcher", "structural", "--matcher", "sift", "-o", "out")
    assert got.code == 4, got.err
    found = json.loads(Path("out", "results.json").read_text())
    assert [row["matcher"] for row in found["pairs"]] == ["structural"]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("--matcher", "minima_loftr", "--no-tiles"), 4, "weights minima_loftr are missing"),
        (("--matcher", "structural=some.ckpt"), 2, "some.ckpt: matcher 'structural' takes none"),
        (("--most", "-1"), 2, "-1"),
        (("--output", "index.json"), 1, "index.json can't be written"),
    ],
)
def test_what_cant_be_evaluated_is_no_result(
    args: tuple[str, ...], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GEOREG_MODEL_DIR", str(tmp_path / "models"))
    cv2.imwrite("a.png", (texture((180, 220), 2) * 255).astype(np.uint8))
    row = {"moving": "a.png", "reference": "a.png", "moving_to_reference": np.eye(3).tolist()}
    Path("index.json").write_text(json.dumps([row]))
    got = run("evaluate", "index.json", *args)
    assert (got.code, got.out) == (code, "")
    assert words in got.err
    assert "unexpected" not in got.err


def test_evaluate_looks_for_all_weights_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GEOREG_MODEL_DIR", str(tmp_path / "models"))
    # The pair's images are missing: whoever looks at them comes to another error.
    row = {"moving": "a.png", "reference": "b.png", "moving_to_reference": np.eye(3).tolist()}
    Path("index.json").write_text(json.dumps([row]))
    names = ("--matcher", "structural", "--matcher", "minima_loftr")
    got = run("evaluate", "index.json", *names, "-o", "results")
    assert (got.code, got.out) == (4, "")
    assert "weights minima_loftr are missing" in got.err
    assert not Path("results").exists()
