"""Configuration files, logs, and the commands around align."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from affine import Affine
from click.testing import CliRunner

from cli_cases import FAST, pair, run, snapshot
from georeg_cli.main import cli
from rasters import ramp, write

TOML = """
reference = "{reference}"
output = "{folder}/a.tif"
max_shift = "300m"
transform = "similarity"
moving-bands = [1]
force = false
threads = 1
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return pair(tmp_path_factory.mktemp("scene") / "in")


def test_config_file_and_back(scene: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text(TOML.format(reference=scene[1], folder=tmp_path))
    printed = run("align", scene[0], "--config", path, "--max-rmse", "2", "--print-config")
    assert printed.code == 0, printed.err
    assert 'transform = "similarity"' in printed.out
    assert "max-rmse = 2.0" in printed.out  # the command line adds to the file
    again = tmp_path / "again.toml"
    again.write_text(printed.out)
    assert run("align", "--config", again, "--print-config").out == printed.out
    assert snapshot(tmp_path).keys() == {"job.toml", "again.toml"}
    result = run("align", "--config", again)
    assert result.code == 0, result.err
    report = json.loads((tmp_path / "a.report.json").read_text())
    assert report["settings"]["max_shift"] == 300
    assert report["settings"]["moving_bands"] == [1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("refrence = 'a.tif'", "did you mean reference?"),
        ("max-tiles = 'many'", "max-tiles"),
        ("force = 'yes'", "true or false"),
        ("[align]\nforce = true", "'align'"),
        ("max-tiles = ", "not valid TOML"),
        ("max-tiles = 5\nmax_tiles = 6", "twice"),
    ],
)
def test_wrong_config(scene: tuple[str, str], tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "job.toml"
    path.write_text(text)
    result = run(
        "align", scene[0], "--reference", scene[1], "-o", tmp_path / "a.tif", "--config", path
    )
    assert result.code == 2
    assert said in result.line
    assert snapshot(tmp_path).keys() == {"job.toml"}


def test_json_events(scene: tuple[str, str], tmp_path: Path) -> None:
    result = run(
        "align", scene[0], "--reference", scene[1], "-o", tmp_path / "a.tif",
        "--log-format", "json", "--log-file", tmp_path / "log.jsonl", *FAST,
    )  # fmt: skip
    assert result.code == 0
    events = [json.loads(line) for line in result.err.splitlines()]
    assert events[0]["event"] == "start"
    assert events[-1]["event"] == "result"
    assert events[-1]["verdict"]["ok"]
    steps = [(e["step"], e["share"]) for e in events if e["event"] == "progress"]
    assert list(dict.fromkeys(step for step, _ in steps)) == ["locate", "match", "check", "write"]
    for name in ("locate", "match", "write"):
        shares = [share for step, share in steps if step == name]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {e["event"] for e in logged} >= {"start", "log", "result"}


def test_json_error(tmp_path: Path) -> None:
    result = run("check", "a.tif", "--reference", "b.tif", "--log-format", "json")
    assert result.code == 4
    error = json.loads(result.err.splitlines()[-1])
    assert (error["event"], error["exit_code"], error["kind"]) == ("error", 4, "InputError")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["check", "--foo", "--log-format", "json"], "NoSuchOption"),
        (["check", "--log-format=json", "--foo"], "NoSuchOption"),
        (["foo", "--log-format", "json"], "UsageError"),
    ],
)
def test_json_of_a_command_line_that_cannot_be_read(words: list[str], kind: str) -> None:
    """It was text, and QGIS told of an engine that had crashed."""
    error = json.loads(run(*words).err)
    assert (error["event"], error["exit_code"], error["kind"]) == ("error", 2, kind)


def test_check_measures_and_holds_a_limit(scene: tuple[str, str]) -> None:
    result = run("check", scene[0], "--reference", scene[1], "--json", *FAST)
    assert result.code == 0, result.err
    numbers = json.loads(result.out)
    assert numbers["error"]["rmse_px"] == pytest.approx(9.7, abs=0.7)
    assert numbers["error"]["rmse_m"] == pytest.approx(10 * numbers["error"]["rmse_px"], rel=0.01)
    result = run("check", scene[0], "--reference", scene[1], "--max-error", "2", *FAST)
    assert result.code == 3
    assert "more than --max-error 2" in result.err
    assert run("check", scene[1], "--reference", scene[1], "--max-error", "0.2", *FAST).code == 0


def test_match_edit_fit_warp(scene: tuple[str, str], tmp_path: Path) -> None:
    points, fit, out = tmp_path / "p.csv", tmp_path / "f.json", tmp_path / "w.tif"
    assert run("match", scene[0], "--reference", scene[1], "-o", points, *FAST).code == 0
    with points.open(newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    for row in rows[::2]:
        row["enabled"] = "0"
    with points.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    result = run(
        "fit", points, "--moving", scene[0], "--reference", scene[1], "-o", fit, "--json",
        "--transform", "affine",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert json.loads(result.out)["tie_points"]["count"] == len(rows) - len(rows[::2])
    assert run("warp", scene[0], "--fit", fit, "-o", out).code == 0
    result = run("check", out, "--reference", scene[1], "--max-error", "0.5", *FAST)
    assert result.code == 0, result.err


def test_info(scene: tuple[str, str]) -> None:
    result = run("info", scene[0], "--json")
    assert result.code == 0
    assert "32633" in result.out
    seen = json.loads(result.out)
    assert seen["modality"] == "optical"
    assert seen["evidence"]
    said = run("info", scene[0]).out
    assert f"optical, by band 1 ({seen['evidence']})" in said
    assert "bounds        500000, 4997000, 503000, 5000000" in said


def test_info_of_a_raster_beyond_the_earth(tmp_path: Path) -> None:
    """Degrees that reach beyond the poles have no length on the ground."""
    placed = Affine(3000, 0, 0, 0, -3000, 3000)
    path = write(tmp_path / "a.tif", ramp(), transform=placed, crs="EPSG:4326")
    said = run("info", path)
    assert said.code == 0, said.err
    assert "pixel size    3000 x 3000 map units" in said.out
    assert json.loads(run("info", path, "--json").out)["gsd_m"] is None


def test_info_of_a_raster_without_a_crs(tmp_path: Path) -> None:
    placed = Affine(2.5, 0, 1000, 0, -5, 2000)
    path = write(tmp_path / "a.tif", ramp(), transform=placed, crs=None)
    assert "pixel size    2.5 x 5 map units" in run("info", path).out
    seen = json.loads(run("info", path, "--json").out)
    assert (seen["pixel_size"], seen["gsd_m"]) == ([2.5, 5.0], None)


def test_unknown_command_and_version() -> None:
    result = run("aling")
    assert result.code == 2
    assert "did you mean align?" in result.line
    assert json.loads(run("--version", "--json").out)["georeg"]


@pytest.mark.parametrize("group", [(), ("models",), ("data",)])
def test_lists_of_commands_say_whole_sentences(group: tuple[str, ...]) -> None:
    """In 80 columns: two of three ended in dots before they said what the command does."""
    shown = CliRunner().invoke(cli, [*group, "--help"], terminal_width=80).output
    told = shown.partition("Commands:")[2]
    assert told
    assert all(line.endswith(".") and "..." not in line for line in told.split("\n") if line)


def test_info_speaks_of_one_raster() -> None:
    """Its --modality was "what both rasters show"."""
    shown = run("info", "--help").out
    assert "What the raster shows." in shown
    assert "both" not in shown
