"""georeg align, from two files to all that it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from cli_cases import FAST, Outcome, pair, run, snapshot, truth
from georeg import load_fit
from georeg.raster import Raster
from georeg.writers.points import read_points


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return pair(tmp_path_factory.mktemp("scene") / "in")


@pytest.fixture(scope="module")
def aligned(
    scene: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Outcome]:
    folder = tmp_path_factory.mktemp("aligned")
    result = run(
        "align", scene[0], "--reference", scene[1], "--output", folder / "a.tif",
        "--fit", folder / "fit.json", "--points", folder / "p.csv",
        "--points", folder / "p.geojson", "--driver", "gtiff", "--co", "COMPRESS=LZW", *FAST,
    )  # fmt: skip
    assert result.code == 0, result.err
    return folder, result


def test_says_in_one_line_what_came_out(aligned: tuple[Path, Outcome]) -> None:
    folder, result = aligned
    assert result.out == ""
    assert result.line.startswith("georeg: aligned: moved by 9.")
    assert result.line.endswith(str(folder / "a.tif"))


def test_writes_what_was_asked_for_and_the_report(aligned: tuple[Path, Outcome]) -> None:
    folder, _ = aligned
    assert set(snapshot(folder)) == {"a.tif", "a.report.json", "fit.json", "p.csv", "p.geojson"}
    report = json.loads((folder / "a.report.json").read_text())
    assert report["verdict"]["ok"]
    assert report["output"] == str(folder / "a.tif")
    assert report["settings"]["transform"] == "similarity"
    with rasterio.open(folder / "a.tif") as file:
        assert file.dtypes == ("uint16",)
        assert file.profile["compress"] == "lzw"
        assert file.tags(ns="GEOREG")["REFERENCE"].endswith("reference.tif")


def test_fit_is_right(aligned: tuple[Path, Outcome], scene: tuple[str, str]) -> None:
    fit = load_fit(str(aligned[0] / "fit.json"))
    moving, reference = truth()
    assert fit.reference is not None
    with Raster(scene[0]) as raster:
        on_map = fit.corrected(raster.header, raster.name, moving, fit.reference.crs)
    error = np.hypot(*(fit.reference.to_pixel(on_map) - reference).T)
    assert error.max() < 0.1


def test_points_in_both_formats_are_the_same(aligned: tuple[Path, Outcome]) -> None:
    one, two = (read_points(str(aligned[0] / name)) for name in ("p.csv", "p.geojson"))
    np.testing.assert_array_equal(one.moving_xy, two.moving_xy)
    np.testing.assert_array_equal(one.map_xy, two.map_xy)
    assert one.crs == two.crs == "EPSG:32633"
    assert one.inlier.sum() > 20


def test_warp_gives_the_same_bytes(
    aligned: tuple[Path, Outcome], scene: tuple[str, str], tmp_path: Path
) -> None:
    folder, _ = aligned
    result = run(
        "warp", scene[0], "--fit", folder / "fit.json", "-o", tmp_path / "w.tif",
        "--of", "GTiff", "-co", "COMPRESS=LZW", "--threads", "1",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert (tmp_path / "w.tif").read_bytes() == (folder / "a.tif").read_bytes()
    assert set(snapshot(tmp_path)) == {"w.tif"}


def test_warp_of_a_band_without_a_crs(
    aligned: tuple[Path, Outcome], scene: tuple[str, str], tmp_path: Path
) -> None:
    """`align` can be told which it is; a fit of another band that has one is as good."""
    band = tmp_path / "band.tif"
    with rasterio.open(scene[0]) as file:
        crs, pixels = file.crs, file.read()
        profile = {**file.profile, "crs": None}
    with rasterio.open(band, "w", **profile) as file:
        file.write(pixels)
    call = ("warp", band, "--fit", aligned[0] / "fit.json", "--output", tmp_path / "b.tif")
    result = run(*call)
    assert result.code == 4
    assert "has no CRS: name it with --moving-crs" in result.line
    result = run(*call, "--moving-crs", crs.to_string())
    assert result.code == 0, result.err
    with rasterio.open(tmp_path / "b.tif") as made, rasterio.open(aligned[0] / "a.tif") as file:
        np.testing.assert_array_equal(made.read(), file.read())
        assert made.transform == file.transform


def test_existing_outputs_are_kept(
    aligned: tuple[Path, Outcome], scene: tuple[str, str], tmp_path: Path
) -> None:
    folder, _ = aligned
    before = snapshot(folder)
    for extra in (("a.tif",), ("new.tif", "--fit", folder / "fit.json"),
                  ("new.tif", "--points", folder / "p.csv")):  # fmt: skip
        result = run(
            "align", scene[0], "--reference", scene[1], "-o", folder / extra[0], *extra[1:]
        )
        assert result.code == 2
        assert "exists" in result.line
        assert "--overwrite" in result.line
    assert snapshot(folder) == before


def test_refusal_writes_the_report_and_nothing_else(scene: tuple[str, str], tmp_path: Path) -> None:
    result = run(
        "align", scene[0], "--reference", scene[1], "-o", tmp_path / "a.tif",
        "--fit", tmp_path / "fit.json", "--points", tmp_path / "p.csv", "--max-rmse", "1e-6", *FAST,
    )  # fmt: skip
    assert result.code == 3
    said = f"georeg: error: {scene[0]}: no trustworthy alignment: the error"
    assert result.line.startswith(said)
    assert result.line.endswith(f"nothing was written but the report {tmp_path / 'a.report.json'}")
    assert set(snapshot(tmp_path)) == {"a.report.json"}
    report = json.loads((tmp_path / "a.report.json").read_text())
    assert report["verdict"]["status"] == "refused"
    assert report["output"] is None


def test_max_shift_is_a_limit_of_what_is_delivered(scene: tuple[str, str], tmp_path: Path) -> None:
    """The search reaches further, and found the true shift of 9.4 px."""
    result = run(
        "align", scene[0], "--reference", scene[1], "-o", tmp_path / "a.tif", "--max-shift", "5",
        *FAST,
    )  # fmt: skip
    assert result.code == 3
    assert "more than --max-shift 5: allow more" in result.line
    assert set(snapshot(tmp_path)) == {"a.report.json"}


def test_force_writes_and_marks(scene: tuple[str, str], tmp_path: Path) -> None:
    result = run(
        "align", scene[0], "--reference", scene[1], "-o", tmp_path / "a.tif", "--force",
        "--report", tmp_path / "r.json", "--max-rmse", "1e-6", "--max-shift", "400m", *FAST,
    )  # fmt: skip
    assert result.code == 0
    assert "--force" in result.err
    assert set(snapshot(tmp_path)) == {"a.tif", "r.json"}
    with rasterio.open(tmp_path / "a.tif") as file:
        assert "max-rmse" in file.tags(ns="GEOREG")["NOT_TRUSTWORTHY"]
    assert json.loads((tmp_path / "r.json").read_text())["settings"]["max_shift_unit"] == "m"


def test_dry_run_prints_the_plan_and_writes_nothing(scene: tuple[str, str], tmp_path: Path) -> None:
    result = run("align", scene[0], "--reference", scene[1], "-o", tmp_path / "a.tif",
                 "--max-shift", "300m", "--dry-run", *FAST)  # fmt: skip
    assert result.code == 0
    assert result.err == ""
    plan = json.loads(result.out)
    assert plan["max_shift_m"] == pytest.approx(300)
    assert plan["tiles"] == sum(len(level["tiles"]) for level in plan["levels"]) > 0
    tile = plan["levels"][-1]["tiles"][0]
    assert tile["factor"] == 1.0
    assert len(tile["moving"]) == len(tile["reference"]) == 4
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (("--points", "p.shp"), ".csv, .geojson"),
        (("--fit", "same.json", "--report", "same.json"), "the same file"),
        (("--report", "{moving}"), "is the input"),
        (("--fit", "nowhere/fit.json"), "there is no folder nowhere"),
        (("--co", "COMPRES=LZW"), "no creation option"),
        (("--co", "COMPRESS"), "COMPRESS=ZSTD"),
        (("--moving-bands", "1,x"), "3,2,1"),
        (("--moving-bands", "2"), "there is no band 2"),
        (("--max-shift", "far"), "300m"),
        (("--max-shift", "-3"), "above 0"),
        (("--matcher", "structurall"), "did you mean structural?"),
        (("--transform", "affin"), "did you mean affine?"),
        (("--resolution", "0"), "above 0"),
        (("--bounds", "1", "2", "0", "4"), "LEFT < RIGHT"),
        (("--shift-only", "--transform", "affine"), "--transform shift"),
        (("--dst-nodata", "-1"), "doesn't fit"),
        (("--dst-crs", "EPSG:0"), "is not a CRS"),
        (("--shift-only", "--dst-crs", "EPSG:4326"), "--shift-only"),
        (("--threads", "many"), "ALL_CPUS"),
        (("--memory", "1"), "16 or more"),
        (("--moving-crs", "EPSG:0"), "is not a CRS"),
        (("--modality", "x-ray"), "x-ray"),
        (("--ref", "x.tif"), "did you mean --reference, --reference-bands"),
    ],
)
def test_wrong_usage(
    scene: tuple[str, str], tmp_path: Path, extra: tuple[str, ...], said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    before = snapshot(Path(scene[0]).parent)
    given = [word.format(moving=scene[0]) for word in extra]
    result = run("align", scene[0], "--reference", scene[1], "-o", "a.tif", *given)
    assert result.code == (1 if "folder" in said else 2)
    assert result.line.startswith("georeg: error: ")
    assert said in result.line
    assert snapshot(tmp_path) == {}
    assert snapshot(Path(scene[0]).parent) == before


def test_near_infrared_that_is_declared_as_alpha(scene: tuple[str, str], tmp_path: Path) -> None:
    """Most of it is below half of what a pixel holds; it is aligned as if it were undeclared."""
    with rasterio.open(scene[0]) as file:
        band, profile = file.read(1), file.profile
    infrared = np.random.default_rng(0).uniform(5e3, 3e4, band.shape).astype(band.dtype)
    infrared[40:60, 40:60] = 0
    found = []
    for alpha in ("yes", "no"):
        name, output = tmp_path / f"rgbn {alpha}.tif", tmp_path / f"{alpha}.tif"
        profile.update(count=4, photometric="rgb", alpha=alpha)
        with rasterio.open(name, "w", **profile) as file:
            file.write(np.stack([band, band, band, infrared]))
        fit = tmp_path / "fit.json"
        for command in (
            (
                "align",
                name,
                "--reference",
                scene[1],
                "-o",
                output,
                "--fit",
                fit,
                "--overwrite",
                *FAST,
            ),
            ("warp", name, "--fit", fit, "-o", tmp_path / "again.tif", "--overwrite"),
            ("info", name),
        ):
            result = run(*command)
            assert result.code == 0, result.err
            assert result.err.count("gdal_edit.py -colorinterp_4 undefined") == (alpha == "yes")
        with rasterio.open(output) as file:
            found.append((file.read(), file.dataset_mask(), file.colorinterp))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
