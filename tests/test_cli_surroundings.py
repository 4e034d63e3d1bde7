"""What surrounds a run: standard streams that are closed or full, its folder, links, logs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio

from cli_cases import pair, run, snapshot
from georeg import transforms
from georeg.fitfile import FitFile
from georeg.raster import Raster

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pair(tmp_path_factory.mktemp("scene") / "in")[1]


@pytest.fixture(scope="module")
def fit(raster: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A fit file made by hand: a shift."""
    shift = transforms.from_dict(
        {"name": "shift", "matrix": [[1.0, 0.0, 3.0], [0.0, 1.0, -2.0], [0.0, 0.0, 1.0]]}
    )
    path = str(tmp_path_factory.mktemp("fit") / "fit.json")
    with Raster(raster) as opened:
        grid = opened.header.grid
        assert grid is not None
        FitFile(shift, grid, grid, None, grid.shape).save(path)
    return path


def in_shell(line: str, *args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A line of sh in which $G is `python -m georeg`, and $1... are `args`."""
    line = line.replace("$G", '"$0" -m georeg')
    command = ["sh", "-c", line, sys.executable, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd)


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-", "<&-"])
def test_closed_streams(raster: str, fit: str, tmp_path: Path, closed: str) -> None:
    """It ended with exit code 1, and without a word or an output."""
    output = tmp_path / "a.tif"
    done = in_shell(f'$G warp "$1" --fit "$2" -o "$3" {closed}', raster, fit, str(output))
    assert (done.returncode, done.stdout) == (0, "")
    with rasterio.open(output) as file:
        assert file.read(1).any()


@needs_full
def test_a_full_disk_of_messages_stops_nothing(raster: str, fit: str, tmp_path: Path) -> None:
    """The output was whole, and the exit code 1."""
    output = tmp_path / "a.tif"
    line = '$G warp "$1" --fit "$2" -o "$3" -v 2>/dev/full'
    assert in_shell(line, raster, fit, str(output)).returncode == 0
    assert output.is_file()


@needs_full
def test_a_full_disk_of_logs_is_said_once(raster: str, fit: str, tmp_path: Path) -> None:
    """It was an unexpected error, that asked to be reported."""
    output = tmp_path / "a.tif"
    done = in_shell(
        '$G warp "$1" --fit "$2" -o "$3" -v --log-file /dev/full', raster, fit, str(output)
    )
    assert done.returncode == 0
    said = [line for line in done.stderr.splitlines() if "/dev/full" in line]
    assert said == ["georeg: warning: /dev/full can't be written any more: No space left on device"]
    assert "written: " in done.stderr
    assert output.is_file()


@needs_full
@pytest.mark.parametrize("args", ["--version", 'info "$1"', 'info "$1" --json', "info --help"])
def test_standard_output_that_takes_nothing(raster: str, args: str) -> None:
    done = in_shell(f"$G {args} >/dev/full", raster)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == "georeg: error: standard output can't be written: No space left on device"


def test_the_working_folder_is_gone(raster: str, fit: str, tmp_path: Path) -> None:
    """Intel's library ended the process in its own words, with exit code 2."""
    gone = tmp_path / "gone"
    gone.mkdir()
    line = 'rmdir "$3" && $G align "$1" --reference "$1" -o "$2"'
    done = in_shell(line, raster, str(tmp_path / "a.tif"), str(gone), cwd=gone)
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said == "georeg: error: the working folder has been deleted: change to another one"
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("which", ["input", "fit", "output"])
def test_no_log_in_another_file(raster: str, fit: str, tmp_path: Path, which: str) -> None:
    """Lines were appended to the raster."""
    output = tmp_path / "a.tif"
    log = {
        "input": tmp_path / "link.tif",
        "fit": Path(fit),
        "output": tmp_path / "b" / ".." / "a.tif",
    }
    (tmp_path / "b").mkdir()
    (tmp_path / "link.tif").symlink_to(raster)
    before = snapshot(Path(raster).parent), snapshot(Path(fit).parent)
    result = run("warp", raster, "--fit", fit, "-o", output, "-v", "--log-file", log[which])
    assert result.code == 2
    assert "--log-file" in result.line
    assert "give it another name" in result.line
    assert (snapshot(Path(raster).parent), snapshot(Path(fit).parent)) == before
    assert not output.exists()


def test_log_and_output_of_a_device(raster: str, fit: str, tmp_path: Path) -> None:
    result = run("warp", raster, "--fit", fit, "-o", tmp_path / "a.tif", "--log-file", os.devnull)
    assert result.code == 0


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "cp1252"])
def test_lines_of_json_in_any_encoding(encoding: str) -> None:
    """What the encoding lacks was written as no JSON has it: \\xf6, \\U0001f30d."""
    name = "nö \N{EARTH GLOBE EUROPE-AFRICA} \\ x.tif"
    done = in_shell(
        f'PYTHONIOENCODING={encoding} $G info "$1" --log-format json 2>&1 | iconv -f {encoding}',
        name,
    )
    *_, said = map(json.loads, done.stdout.splitlines())
    assert said["message"].startswith(name)


def test_a_name_that_is_not_utf_8_on_standard_output(raster: str, tmp_path: Path) -> None:
    """It was an unexpected UnicodeEncodeError where the locale is one of UTF-8 by name."""
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(raster, os.fsencode(folder) + b"/b\xff.tif")
    done = in_shell(
        'PYTHONIOENCODING=utf-8:strict $G batch "$1" --reference "$2" -o "$3" --dry-run',
        str(folder), raster, str(tmp_path / "out"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["id"] == "b\udcff"
