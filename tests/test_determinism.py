"""The same inputs and settings give the same bytes, with any number of threads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import scenes
from georeg.align import align
from georeg.applying import apply_fit
from georeg.fitfile import load_fit
from georeg.raster import Raster
from georeg.settings import OutputSettings, Settings
from georeg.writers.points import PointTable, write_points

SHAPE = (740, 420)  # more than one tile


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> scenes.Pair:
    folder = tmp_path_factory.mktemp("pair")
    return scenes.make_pair(folder, scenes.waves(2.0, 400, 6.0, 4.0), SHAPE)


def everything(pair: scenes.Pair, folder: Path, threads: int, **wanted: Any) -> dict[str, bytes]:
    """All that one run writes, by name."""
    folder.mkdir()
    out, fit, report = (str(folder / name) for name in ("out.tif", "fit.json", "report.json"))
    result = align(
        pair.moving, pair.reference, out, Settings(threads=threads), OutputSettings(**wanted),
        fit_path=fit, report_path=report,
    )  # fmt: skip
    assert result.verdict.ok, result.verdict.reasons
    with Raster(pair.reference) as reference:
        header = reference.header
        assert header.georef is not None
        points = PointTable.of(
            result.matches, result.inlier, result.residuals, header.georef, header.crs
        )
    for suffix in ("csv", "geojson"):
        write_points(str(folder / f"points.{suffix}"), points)
    files = {p.name: p.read_bytes() for p in sorted(folder.iterdir())}
    files["report.json"] = plain(files["report.json"])
    return files


def plain(report: bytes) -> bytes:
    """A report without what may differ: times, the output's name, the command, the threads."""
    data = json.loads(report)
    assert set(data.pop("seconds")) == {"measure", "write"}
    assert data.pop("output").endswith("out.tif")
    assert "out.tif" in data.pop("command")
    data["settings"].pop("threads")
    return json.dumps(data, sort_keys=True).encode()


@pytest.fixture(scope="module")
def first(pair: scenes.Pair, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return everything(pair, tmp_path_factory.mktemp("runs") / "first", 1)


def test_one_run_writes_what_was_asked_for_and_no_sidecar(first: dict[str, bytes]) -> None:
    assert set(first) == {"out.tif", "fit.json", "report.json", "points.csv", "points.geojson"}


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_bytes_again(
    pair: scenes.Pair, first: dict[str, bytes], tmp_path: Path, threads: int
) -> None:
    again = everything(pair, tmp_path / "again", threads)
    different = [name for name in first if again[name] != first[name]]
    assert different == []


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
def test_compressed_bytes_do_not_depend_on_threads(
    pair: scenes.Pair, first: dict[str, bytes], tmp_path: Path, driver: str
) -> None:
    fit = tmp_path / "fit.json"
    fit.write_bytes(first["fit.json"])
    outputs = []
    for threads in (1, 4):
        out = tmp_path / f"{threads}.tif"
        wanted = OutputSettings(driver=driver, creation={"COMPRESS": "DEFLATE"})
        apply_fit(
            load_fit(str(fit)), pair.moving, str(out), wanted, settings=Settings(threads=threads)
        )
        outputs.append(out.read_bytes())
    assert outputs[0] == outputs[1]
