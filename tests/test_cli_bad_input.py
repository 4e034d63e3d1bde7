"""Each bad input: the right exit code, one line that names the file, no trace left behind."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from cli_cases import GEO, pair, run, save, snapshot
from georeg import transforms
from georeg.fitfile import FitFile
from georeg.raster import Raster

DATA = np.random.default_rng(1).integers(1, 60_000, (300, 300)).astype(np.uint16)
NAN, INF = float("nan"), float("inf")
Maker = Callable[[Path], Any]


def no_file(path: Path) -> None:
    pass


def text(path: Path) -> None:
    path.write_text("hello")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def head_only(path: Path) -> None:
    save(path, DATA)
    path.write_bytes(path.read_bytes()[:6])


def truncated(path: Path) -> None:
    save(path, DATA)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def corrupt(path: Path) -> None:
    save(path, DATA, compress="deflate", tiled=True)
    whole = bytearray(path.read_bytes())
    for i in range(2000, len(whole) - 200, 97):
        whole[i] ^= 0xFF
    path.write_bytes(whole)


def at(transform: Affine, crs: Any = "EPSG:32633") -> Maker:
    return lambda path: save(path, DATA, transform, crs)


def filled(value: float, **k: Any) -> Maker:
    return lambda path: save(path, np.full(DATA.shape, value, np.float32), **k)


BAD: dict[str, tuple[Maker, str]] = {
    "missing file": (no_file, "no such file"),
    "not a raster": (text, "not a raster"),
    "empty file": (empty, "not a raster"),
    "a folder": (Path.mkdir, "it is a folder"),
    "only a head": (head_only, "can't be opened"),
    "truncated": (truncated, "truncated or corrupt"),
    "corrupt": (corrupt, "truncated or corrupt"),
    "no overlap": (at(Affine(10, 0, 9e5, 0, -10, 2e6)), "overlap"),
    "another zone": (at(GEO, "EPSG:32733"), "overlap"),
    "no CRS": (at(GEO, None), "-crs"),
    "no georeference": (lambda path: save(path, DATA, None), "--no-georef"),
    "metres as degrees": (at(GEO, "EPSG:4326"), "which is nowhere"),
    "huge pixels": (at(Affine(1e30, 0, 5e5, 0, -10, 5e6)), "absurd geotransform"),
    "NaN in the geotransform": (at(Affine(NAN, 0, 5e5, 0, -10, 5e6)), "absurd geotransform"),
    "singular geotransform": (at(Affine(10, 10, 5e5, 10, 10, 5e6)), "absurd geotransform"),
    "all nodata": (filled(-9999, nodata=-9999), "no valid pixel"),
    "NaN everywhere": (filled(NAN), "no valid pixel"),
    "infinity everywhere": (filled(-INF), "no valid pixel"),
    "constant": (filled(7), "constant"),
    "one pixel": (lambda path: save(path, DATA[:1, :1]), "1 x 1 pixels"),
    "one row": (lambda path: save(path, DATA[:1]), "300 x 1 pixels"),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return pair(tmp_path_factory.mktemp("scene") / "in")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("side", ["moving", "reference"])
@pytest.mark.parametrize("kind", BAD)
def test_bad_raster(scene: tuple[str, str], tmp_path: Path, kind: str, side: str) -> None:
    make, said = BAD[kind]
    bad = tmp_path / "in" / "bad.tif"
    bad.parent.mkdir()
    make(bad)
    out = tmp_path / "out"
    out.mkdir()
    before = snapshot(tmp_path), snapshot(Path(scene[0]).parent)
    moving, reference = (bad, scene[1]) if side == "moving" else (scene[0], bad)
    result = run(
        "align", moving, "--reference", reference, "-o", out / "a.tif", "--fit", out / "f.json",
        "--points", out / "p.csv",
    )  # fmt: skip
    assert result.code == 4, result.err
    assert result.out == ""
    assert result.line.startswith("georeg: error: ")
    assert said in result.line
    assert str(bad) in result.line
    assert (snapshot(tmp_path), snapshot(Path(scene[0]).parent)) == before


@pytest.mark.parametrize("kind", ["missing file", "not a raster", "truncated", "a folder"])
@pytest.mark.parametrize("command", ["info", "warp", "check", "match"])
def test_other_commands(
    scene: tuple[str, str], fit: str, tmp_path: Path, command: str, kind: str
) -> None:
    bad = tmp_path / "bad.tif"
    BAD[kind][0](bad)
    before = snapshot(tmp_path)
    more = {
        "info": (),
        "warp": ("--fit", fit, "-o", tmp_path / "w.tif"),
        "check": ("--reference", scene[1]),
        "match": ("--reference", scene[1], "-o", tmp_path / "p.csv"),
    }[command]
    result = run(command, bad, *more)
    if command == "info" and kind == "truncated":
        assert result.code == 0  # what can be seen is shown, and what is wrong with it
        assert "300 x 300" in result.out
    else:
        assert result.code == 4
        assert result.out == ""
    assert str(bad) in result.line
    assert BAD[kind][1] in result.line
    assert snapshot(tmp_path) == before


@pytest.fixture(scope="module")
def fit(scene: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A fit file made by hand: a shift."""
    shift = transforms.from_dict(
        {"name": "shift", "matrix": [[1.0, 0.0, 3.0], [0.0, 1.0, -2.0], [0.0, 0.0, 1.0]]}
    )
    path = str(tmp_path_factory.mktemp("fit") / "fit.json")
    with Raster(scene[1]) as raster:
        grid = raster.header.grid
        assert grid is not None
        FitFile(shift, grid, grid, None, grid.shape).save(path)
    return path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        ("{", "not a fit file"),
        ("[1]", "not a fit file"),
        ('{"format": "other"}', "not a fit file of georeg"),
        ('{"format": "georeg-fit", "version": 99}', "newer georeg"),
        ('{"format": "georeg-fit", "version": 1}', "damaged"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_bad_fit_file(
    scene: tuple[str, str], tmp_path: Path, content: str | bytes | None, said: str
) -> None:
    bad = tmp_path / "fit.json"
    if content is not None:
        bad.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = snapshot(tmp_path)
    result = run("warp", scene[0], "--fit", bad, "-o", tmp_path / "w.tif")
    assert result.code == 4
    assert str(bad) in result.line
    assert said in result.line
    assert snapshot(tmp_path) == before


def test_output_is_an_input(scene: tuple[str, str], fit: str, tmp_path: Path) -> None:
    link = tmp_path / "link.tif"
    link.symlink_to(scene[1])
    before = snapshot(Path(scene[0]).parent)
    for args in (
        ("align", scene[0], "--reference", scene[1], "-o", scene[0]),
        ("align", scene[0], "--reference", scene[1], "-o", scene[1]),
        ("align", scene[0], "--reference", scene[1], "-o", link),
        ("align", scene[0], "--reference", scene[1], "-o", tmp_path / "a.tif", "--fit", scene[0]),
        ("warp", scene[0], "--fit", fit, "-o", scene[0]),
        ("warp", scene[0], "--fit", fit, "-o", fit),
        ("match", scene[0], "--reference", scene[1], "-o", scene[0] + ".csv"),
    ):
        if args[0] == "match":
            os.link(scene[0], scene[0] + ".csv")  # the same file under another name
        result = run(*args, "--overwrite")
        if args[0] == "match":
            os.unlink(scene[0] + ".csv")
        assert result.code == 2
        assert "is the input" in result.line
    assert snapshot(Path(scene[0]).parent) == before
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("nowhere/a.tif", "there is no folder"),
        ("file/a.tif", "there is no folder"),
        ("folder", "it is a folder"),
        ("/dev/null", "not a regular file"),
    ],
)
def test_unwritable_output(
    scene: tuple[str, str], fit: str, tmp_path: Path, output: str, said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    before = snapshot(tmp_path)
    for args in (("align", scene[0], "--reference", scene[1]), ("warp", scene[0], "--fit", fit)):
        result = run(*args, "-o", output, "--overwrite")
        assert result.code == 1
        assert output in result.line
        assert said in result.line
    assert snapshot(tmp_path) == before
    assert not os.path.isfile("/dev/null")


def test_output_in_the_memory_of_the_process(scene: tuple[str, str], fit: str) -> None:
    """It was "written", and gone when the process ended."""
    for args in (
        ("align", scene[0], "--reference", scene[1], "--report", os.devnull),
        ("warp", scene[0], "--fit", fit),
    ):
        result = run(*args, "-o", "/vsimem/a.tif")
        assert result.code == 2
        assert "/vsimem/a.tif would be gone with this process" in result.line


@pytest.mark.parametrize("name", ["a.png", "a.JP2", "a.vrt", "a.img"])
def test_output_named_as_another_format(
    scene: tuple[str, str], fit: str, tmp_path: Path, name: str
) -> None:
    """It would be a GeoTIFF by any name."""
    for args in (("align", scene[0], "--reference", scene[1]), ("warp", scene[0], "--fit", fit)):
        result = run(*args, "-o", tmp_path / name)
        assert result.code == 2
        assert f"{name} would be a GeoTIFF" in result.line
        assert "gdal_translate" in result.line
    assert snapshot(tmp_path) == {}


def test_names_that_gdal_cannot_be_told(
    scene: tuple[str, str], fit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Latin-1 names, as old archives hold them: GDAL takes UTF-8 only."""
    latin = os.fsdecode(b"caf\xe9")
    shutil.copy(scene[0], tmp_path / f"{latin}.tif")
    (tmp_path / latin).mkdir()
    monkeypatch.chdir(tmp_path / latin)
    before = snapshot(tmp_path)
    for code, args in (
        (4, ("align", f"../{latin}.tif", "--reference", scene[1], "-o", tmp_path / "a.tif")),
        (4, ("info", f"../{latin}.tif")),
        (1, ("warp", scene[0], "--fit", fit, "-o", tmp_path / f"{latin}_a.tif")),
        (1, ("align", scene[0], "--reference", scene[1], "-o", "in_here.tif")),
    ):
        result = run(*args)
        assert result.code == code, result.err
        assert "is not valid UTF-8" in result.line
        assert "bug" not in result.line
    assert snapshot(tmp_path) == before


def test_names_in_a_locale_without_utf8(scene: tuple[str, str], fit: str, tmp_path: Path) -> None:
    """They were called invalid, and are not."""
    shutil.copy(scene[0], tmp_path / "\u00e9.tif")
    before = snapshot(tmp_path)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for code, args in (
        (4, ("info", "\u00e9.tif")),
        (1, ("warp", scene[0], "--fit", fit, "-o", "\u00e9_a.tif")),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "georeg", *args],
            capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, **plain},
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert "the locale has file names in ascii: set PYTHONUTF8=1" in done.stderr
        assert done.stderr.count("\n") == 1
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(scene: tuple[str, str], fit: str, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    result = run("warp", scene[0], "--fit", fit, "-o", folder / "w.tif")
    assert result.code == 1
    assert "no permission" in result.line


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 256 kB, where this user may mount one; else a limit on file sizes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "georeg-test", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode == 0:
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
        return
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a part of it would do harm
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
    yield folder
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("driver", ["COG", "GTiff"])
def test_disk_full(scene: tuple[str, str], fit: str, small_disk: Path, driver: str) -> None:
    out = small_disk / "w.tif"
    result = run("warp", scene[0], "--fit", fit, "-o", out, "--driver", driver,
                 "--resolution", "4", "--co", "COMPRESS=NONE")  # fmt: skip
    assert result.code == 1
    assert result.line.startswith(f"georeg: error: {out} can't be written: ")
    assert snapshot(small_disk) == {}


@pytest.mark.parametrize("left", [4, 110])
def test_disk_full_for_a_geopackage(
    scene: tuple[str, str], tmp_path: Path, small_disk: Path, left: int
) -> None:
    """Its reason is said, not the SQL that failed, and what was written before."""
    if not os.path.ismount(small_disk):
        pytest.skip("the aligned raster is too large for a limit on file sizes")
    (small_disk / "ballast").write_bytes(bytes((256 - left) * 1024))
    out, points = tmp_path / "a.tif", small_disk / "p.gpkg"
    result = run("align", scene[0], "--reference", scene[1], "-o", out, "--transform", "shift",
                 "--points", points)  # fmt: skip
    assert result.code == 1
    line = result.err.splitlines()[-1]
    assert "INSERT" not in line
    said, _, stays = line.partition("; already written, and whole: ")
    assert said.startswith(f"georeg: error: {points} can't be written: ")
    assert stays == f"{out}, {tmp_path / 'a.report.json'}"
    assert set(snapshot(small_disk)) == {"ballast"}


def test_unexpected_error(
    scene: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def boom(*_: Any) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("georeg.pairing.scene._place", boom)
    args = ("check", scene[0], "--reference", scene[1])
    result = run(*args)
    assert result.code == 1
    assert "RuntimeError: first line second line" in result.line
    loud = run(*args, "-v")
    assert loud.code == 1
    assert "in boom" in loud.err
    assert loud.err.splitlines()[-1] == result.line


@pytest.mark.parametrize(
    "option", ["--output", "--fit", "--report", "--points", "--log-file", "--reference"]
)
def test_names_that_are_empty(scene: tuple[str, str], tmp_path: Path, option: str) -> None:
    """A script's variable that isn't set: the work was done, and then there was no place for it."""
    given = {
        "--reference": scene[1],
        "--output": tmp_path / "a.tif",
        "--transform": "shift",
        option: "",
    }
    result = run("align", scene[0], *(word for pair in given.items() for word in pair))
    assert result.code == 2
    assert result.line == f"georeg: error: {option} is empty: give a value, or leave it out"
    assert snapshot(tmp_path) == {}


def test_a_batch_without_a_folder(
    scene: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-o "$OUT"` without that variable: outputs, records and summary went to where one stood."""
    monkeypatch.chdir(tmp_path)
    result = run("batch", scene[0], "--reference", scene[1], "--output-dir", "", "--dry-run")
    assert result.code == 2
    assert "--output-dir is empty" in result.line
    # Its default is empty, too.
    config = tmp_path / "job.toml"
    config.write_text('weights = ""\n')
    again = ("--reference", scene[1], "-o", tmp_path / "out", "--dry-run", "--config", config)
    assert run("batch", scene[0], *again).code == 0
