"""Every algorithm by qgis_process on real data, with the command line's own figures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import engines
import pytest

from conftest import PLUGINS, shared

FEW = "--max-tiles 6 --threads 2"
Process = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An empty profile with the plugin switched on."""
    folder = tmp_path_factory.mktemp("profile")
    runtime = folder / "xdg"
    runtime.mkdir(mode=0o700)
    values = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(runtime),
        "QGIS_CUSTOM_CONFIG_PATH": str(folder),
        "QGIS_PLUGINPATH": str(PLUGINS),
    }
    # Debian's wrapper qgis_process passes an option that it doesn't know itself.
    done = subprocess.run(
        ["qgis_process.bin", "plugins", "enable", "georeg_qgis"],
        env=values, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return values


def started(
    environment: dict[str, str],
    name: str,
    values: dict[str, Any],
    folder: Path | None = None,
    **more: str,
) -> subprocess.CompletedProcess[str]:
    command = ["qgis_process.bin", "--json", "run", f"georeg:{name}"]
    command += [f"--{key}={value}" for key, value in values.items()]
    return subprocess.run(
        command, env={**environment, **more}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, cwd=folder,
    )  # fmt: skip


@pytest.fixture(scope="module")
def process(environment: dict[str, str]) -> Process:
    def run(name: str, **values: Any) -> dict[str, Any]:
        done = started(environment, name, values)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        results: dict[str, Any] = json.loads(done.stdout)["results"]
        return results

    return run


def georeg(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [python, "-I", "-m", "georeg", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


def same_bytes(one: Any, other: Any) -> bool:
    return Path(one).read_bytes() == Path(other).read_bytes()


@pytest.fixture(scope="module")
def aligned(
    process: Process, naip: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("aligned")
    return process(
        "align", MOVING=naip[0], REFERENCE=naip[1], EXTRA=FEW, OUTPUT=out / "a.tif",
        POINTS=out / "a.gpkg", FIT=out / "a.fit.json", PAGE=out / "a.html",
    )  # fmt: skip


def test_align(aligned: dict[str, Any], python: str, naip: tuple[str, str], tmp_path: Path) -> None:
    out = str(tmp_path / "cli.tif")
    georeg(python, "align", naip[0], "--reference", naip[1], "--output", out, *FEW.split())
    assert same_bytes(aligned["OUTPUT"], out)
    verdict = json.loads((tmp_path / "cli.report.json").read_text())["verdict"]
    assert aligned["RMSE_PX"] == verdict["accuracy"]["rmse_px"]
    assert aligned["CE90_PX"] == verdict["accuracy"]["ce90_px"]
    assert aligned["TIE_POINTS"] == verdict["tie_points"]
    assert aligned["VERDICT"] == "aligned"
    assert aligned["DISPLACEMENT_PX"] == pytest.approx(12, abs=0.5)
    assert "<html" in Path(aligned["PAGE"]).read_text(encoding="utf-8")[:300]


def test_names_count_from_the_working_folder(
    environment: dict[str, str], sample: tuple[str, str], tmp_path: Path
) -> None:
    """As the guide has it."""
    for path in sample:
        shutil.copy(path, tmp_path)
    values = {"MOVING": "moving.tif", "REFERENCE": "reference.tif", "OUTPUT": "aligned.tif"}
    done = started(environment, "align", {**values, "EXTRA": FEW}, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["results"]["VERDICT"] == "aligned"
    assert (tmp_path / "aligned.tif").exists()
    assert (tmp_path / "aligned.report.json").exists()


def test_match(process: Process, python: str, naip: tuple[str, str], tmp_path: Path) -> None:
    from osgeo import gdal

    a, b, _c, d, _e, f = gdal.Open(naip[1]).GetGeoTransform()
    area = (a + 100 * b, d + 400 * f, a + 400 * b, d + 100 * f)
    left, bottom, right, top = area
    found = process(
        "match", MOVING=naip[0], REFERENCE=naip[1], POINTS=tmp_path / "a.csv", EXTRA=FEW,
        AREA=f"{left},{right},{bottom},{top} [EPSG:26914]",
    )  # fmt: skip
    out = str(tmp_path / "cli.csv")
    georeg(
        python, "match", naip[0], "--reference", naip[1], "--output", out, *FEW.split(),
        "--area", *map(str, area),
    )  # fmt: skip
    assert same_bytes(found["POINTS"], out)
    assert found["TIE_POINTS"] > 20
    rows = [line.split(",") for line in Path(out).read_text().splitlines() if line[:1] != "#"]
    x = [float(row[rows[0].index("map_x")]) for row in rows[1:]]
    assert left <= min(x) <= max(x) <= right


def test_warp_by_a_fit(
    process: Process, aligned: dict[str, Any], python: str, naip: tuple[str, str], tmp_path: Path
) -> None:
    process("warp", INPUT=naip[0], FIT=aligned["FIT"], OUTPUT=tmp_path / "w.tif")
    assert same_bytes(tmp_path / "w.tif", aligned["OUTPUT"])


def test_warp_by_tie_points(
    process: Process, aligned: dict[str, Any], python: str, naip: tuple[str, str], tmp_path: Path
) -> None:
    found = process(
        "warp", INPUT=naip[0], POINTS=aligned["POINTS"], REFERENCE=naip[1], TRANSFORM="affine",
        OUTPUT=tmp_path / "w.tif", POINTS_OUTPUT=tmp_path / "w.csv", FIT_OUTPUT=tmp_path / "w.json",
        PAGE=tmp_path / "w.html",
    )  # fmt: skip
    fit = str(tmp_path / "cli.json")
    georeg(
        python, "fit", aligned["POINTS"], "--moving", naip[0], "--reference", naip[1], "-o", fit,
        "--transform", "affine", "--points", str(tmp_path / "cli.csv"),
    )  # fmt: skip
    georeg(python, "warp", naip[0], "--fit", fit, "--output", str(tmp_path / "cli.tif"))
    assert same_bytes(found["OUTPUT"], tmp_path / "cli.tif")
    assert same_bytes(found["POINTS_OUTPUT"], tmp_path / "cli.csv")
    assert json.loads(Path(found["REPORT"]).read_text())["transform"] == "affine"
    assert os.path.getsize(found["PAGE"]) > 1000


def test_check(process: Process, python: str, naip: tuple[str, str]) -> None:
    found = process("check", MOVING=naip[0], REFERENCE=naip[1], EXTRA=FEW)
    done = georeg(
        python, "check", naip[0], "--reference", naip[1], *FEW.split(), "--json"
    )  # fmt: skip
    error = json.loads(done.stdout)["error"]
    names = ("rmse_px", "ce90_px", "rmse_m", "mean_x_px", "mean_y_px", "median_px")
    assert {n: found[n.upper()] for n in names} == {n: error[n] for n in names}
    assert found["MEAN_X_PX"] == pytest.approx(-12, abs=0.5)


def test_ortho(process: Process, python: str, tmp_path: Path) -> None:
    root = shared()
    if root is None:
        pytest.skip("GEOREG_SHARED names no folder of real rasters")
    image, dem = (
        shutil.copy(root / "data" / "pairs" / "pleiades_reunion" / name, tmp_path)
        for name in ("img_01.tif", "dsm.tif")
    )
    extra = "--resolution 5"
    found = process("ortho", MOVING=image, DEM=dem, OUTPUT=tmp_path / "o.tif", EXTRA=extra)
    out = str(tmp_path / "cli.tif")
    georeg(
        python, "ortho", str(image), "--dem", str(dem), "--output", out, *extra.split()
    )  # fmt: skip
    assert same_bytes(found["OUTPUT"], out)
    assert "RPCs" in found["VERDICT"]


def test_batch(process: Process, python: str, naip: tuple[str, str], tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(f'moving,reference\n"{naip[0]}",{naip[1]}\n')
    found = process("batch", JOBS=jobs, OUTPUT=tmp_path / "out", EXTRA=FEW)
    georeg(python, "batch", str(jobs), "-o", str(tmp_path / "cli"), *FEW.split())
    ours = sorted(p.name for p in Path(found["OUTPUT"]).rglob("*.tif"))
    theirs = sorted(p.name for p in (tmp_path / "cli").rglob("*.tif"))
    assert ours == theirs
    assert len(ours) == 1
    (one,), (other,) = Path(found["OUTPUT"]).rglob("*.tif"), (tmp_path / "cli").rglob("*.tif")
    assert same_bytes(one, other)


def test_no_engine(environment: dict[str, str], naip: tuple[str, str], tmp_path: Path) -> None:
    values = {"MOVING": naip[0], "REFERENCE": naip[1], "OUTPUT": tmp_path / "a.tif"}
    done = started(environment, "align", values, GEOREG_PYTHON="/nowhere/python")
    assert done.returncode == 1
    assert "/nowhere/python: no such file" in done.stdout + done.stderr


def test_crashing_engine(
    environment: dict[str, str], naip: tuple[str, str], tmp_path: Path
) -> None:
    values = {"MOVING": naip[0], "REFERENCE": naip[1], "OUTPUT": tmp_path / "a.tif"}
    stand_in = engines.engine(tmp_path, engines.CRASH)
    done = started(environment, "align", values, GEOREG_PYTHON=stand_in)
    assert done.returncode == 1
    assert "crashed (SIGSEGV)" in done.stdout + done.stderr


def test_refused(
    environment: dict[str, str], sample: tuple[str, str], naip: tuple[str, str], tmp_path: Path
) -> None:
    """Two places that have nothing in common."""
    values = {"MOVING": naip[0], "REFERENCE": sample[1], "OUTPUT": tmp_path / "a.tif"}
    done = started(environment, "align", values)
    assert done.returncode == 1
    assert "overlap" in done.stdout + done.stderr
    assert not (tmp_path / "a.tif").exists()
