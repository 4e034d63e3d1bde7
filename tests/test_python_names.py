"""Names as Python has them: strings or path objects; anything else is said in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import georeg
import scenes
from georeg.errors import SettingsError

QUICK = georeg.Settings(transform="shift", max_shift=20, threads=1, device="cpu")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> scenes.Pair:
    return scenes.make_pair(tmp_path_factory.mktemp("pair"), scenes.shift(3.3, -2.1), (160, 160))


def test_path_objects(pair: scenes.Pair, tmp_path: Path) -> None:
    moving, reference = Path(pair.moving), Path(pair.reference)
    found = georeg.align(
        moving, reference, tmp_path / "a.tif", QUICK,
        fit_path=tmp_path / "fit.json", report_path=tmp_path / "report.json",
    )  # fmt: skip
    assert found.verdict.ok
    fit = georeg.load_fit(tmp_path / "fit.json")
    georeg.apply_fit(fit, moving, tmp_path / "b.tif")
    assert {p.name for p in tmp_path.iterdir()} == {"a.tif", "b.tif", "fit.json", "report.json"}
    many = georeg.align_many([moving], tmp_path / "many", reference, QUICK)
    assert many.exit_code == 0, [record.message for record in many.records]
    assert repr(many) == f"<BatchResult: {many.sentence()}; exit code 0>"
    assert many.records[0].output == str(tmp_path / "many" / "moving.tif")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m, r: georeg.align(None, r, "o.tif"), "a NoneType is no raster"),
        (lambda m, r: georeg.align(m, r.encode(), "o.tif"), "a bytes is no raster"),
        (lambda m, r: georeg.align(m, r, 5), "an int is no output"),
        (lambda m, r: georeg.align(m, r, "o.tif", report_path=[3]), "an int is no report"),
        (lambda m, r: georeg.align(m, r, "o.tif", {"seed": 1}), "a dict isn't Settings"),
        (lambda m, r: georeg.align(m, r, "o.tif", None, QUICK), "a Settings isn't OutputSettings"),
        (lambda m, r: georeg.apply_fit("fit.json", m, "o.tif"), "read its file with load_fit"),
        (lambda m, r: georeg.load_fit(None), "a NoneType is no fit file"),
        (lambda m, r: georeg.align_many(None, "out"), "a NoneType holds no jobs"),
        (lambda m, r: georeg.align_many([1], "out", r), "job 1 is an int: give names or mappings"),
    ],
)
def test_what_names_nothing(
    pair: scenes.Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Any, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=said):
        call(pair.moving, pair.reference)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (georeg.Settings, {"max_shift": "800m"}, "--max-shift must be a number, not '800m'"),
        (georeg.Settings, {"area": (1, 2)}, "--area must be four numbers"),
        (georeg.OutputSettings, {"bounds": (1, 2, 3)}, "--bounds must be four numbers"),
        (georeg.OutputSettings, {"resolution": 5}, "--resolution must be one or two numbers"),
        (georeg.OutputSettings, {"resolution": ("2",)}, "--resolution must be one or two numbers"),
        (georeg.OutputSettings, {"bounds": "1 2 3 4"}, "--bounds must be four numbers"),
        (
            georeg.OutputSettings,
            {"grid": None},
            "--grid must be auto, reference, moving or the name of a raster, or a Grid, not None",
        ),
        (georeg.OutputSettings, {"overwrite": "no"}, "--overwrite must be True or False, not 'no'"),
        (georeg.OutputSettings, {"creation": {"LEVEL": None}}, "option 'LEVEL' can't be None"),
        (georeg.Settings, {"moving_bands": 3}, r"--moving-bands must be numbers of bands, from 1"),
        (georeg.Settings, {"moving_bands": ("red",)}, r"such as \(3, 2, 1\), not \('red',\)"),
        (georeg.Settings, {"georef": "no"}, "--georef must be True or False, not 'no'"),
        (georeg.Settings, {"matcher": None}, "--matcher must be text, not NoneType"),
        (georeg.Settings, {"device": 0}, "--device must be text, not int"),
    ],
)
def test_settings_of_the_wrong_kind(kind: Any, values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        kind(**values)


def test_numbers_of_numpy(pair: scenes.Pair, tmp_path: Path) -> None:
    """As they come out of tables and bounds; a page ended in a ValueError after the work."""
    with rasterio.open(pair.reference) as reference:
        left, bottom, right, top = reference.bounds
    settings = georeg.Settings(
        transform="shift", max_shift=np.float32(20), threads=np.int64(1), seed=np.int64(3),
        area=np.array([left, bottom, right, top]), moving_bands=np.array([1]),
        reference_bands=[np.int16(1)], georef=np.True_, device="cpu",
    )  # fmt: skip
    assert settings == georeg.Settings(
        transform="shift", max_shift=20.0, threads=1, seed=3, area=(left, bottom, right, top),
        moving_bands=(1,), reference_bands=(1,), device="cpu",
    )  # fmt: skip
    size = (right - left) / 50
    wanted = georeg.OutputSettings(
        bounds=np.array([left, bottom, right, top]), resolution=[np.float32(size)],
        grid=Path("auto"), driver="GTiff", overwrite=np.False_,
        creation={"TILED": True, "BLOCKXSIZE": 128, "BLOCKYSIZE": np.int64(128), "ZLEVEL": 9},
    )  # fmt: skip
    found = georeg.align(
        Path(pair.moving), Path(pair.reference), tmp_path / "a.tif", settings, wanted,
        report_path=[tmp_path / "a.json", tmp_path / "a.html"],
    )  # fmt: skip
    assert found.verdict.ok
    assert json.loads((tmp_path / "a.json").read_text())["settings"]["max_shift"] == 20
    assert "np." not in found.report["command"]
    with rasterio.open(tmp_path / "a.tif") as made:
        assert made.width == 50
        assert made.block_shapes == [(128, 128)]


def test_paths_all_along(pair: scenes.Pair, tmp_path: Path) -> None:
    """A report ended in "PosixPath is not JSON serializable" or an AttributeError."""
    moving, reference = Path(pair.moving), Path(pair.reference)
    found = georeg.measure(moving, reference, QUICK)
    side = georeg.open_side(reference)
    table = georeg.PointTable.of(
        found.matches, found.inlier, found.residuals, side.georef, side.crs
    )
    georeg.write_points(tmp_path / "points.csv", table)
    again = georeg.read_points(tmp_path / "points.csv")
    fitted = georeg.fit_matches(moving, reference, again.matches(side.georef, side.crs), QUICK)
    for name in ("a.json", "a.html"):
        georeg.write_report(tmp_path / name, fitted)
    assert json.loads((tmp_path / "a.json").read_text())["moving"] == pair.moving
    with pytest.raises(georeg.SettingsError, match="an int is no report"):
        georeg.write_report(3, fitted)


def test_results_show_themselves_in_a_line(pair: scenes.Pair) -> None:
    """Notebooks and failing tests printed thousands of coefficients and the whole report."""
    found = georeg.measure(pair.moving, pair.reference, QUICK)
    side = georeg.open_side(pair.reference)
    table = georeg.PointTable.of(
        found.matches, found.inlier, found.residuals, side.georef, side.crs
    )
    assert repr(found).startswith("<Alignment: aligned: moved by 3.9 px, error ")
    assert repr(found).endswith(f"; {len(found.matches)} tie points>")
    assert repr(found.fit).startswith("<FitFile: shift, in a frame of ")
    assert repr(table) == f"<PointTable: {len(table)} tie points, {int(table.usable.sum())} usable>"
