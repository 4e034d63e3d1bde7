"""Tie points on the command line: fit from any format, convert, disable and fit again, export."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

from cli_cases import FAST, GEO, pair, run, snapshot, truth
from georeg import load_fit
from georeg.raster import Raster
from georeg.writers.points import PointTable, formats, read_points, write_points
from georeg.writers.sides import Sides, open_side

MOVING, REFERENCE = truth()
WRONG = 5  # of the points, by 40 pixels


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return pair(tmp_path_factory.mktemp("scene") / "in")


@pytest.fixture(scope="module")
def sides(scene: tuple[str, str]) -> Sides:
    return Sides(open_side(scene[0]), open_side(scene[1]))


def by_hand(enabled: bool) -> PointTable:
    """The truth, and five wrong points that are enabled or not."""
    n = len(MOVING)
    on_map = np.array([GEO @ tuple(p) for p in REFERENCE])
    on_map[:WRONG] += 400
    flags = (np.arange(n) >= WRONG) | enabled
    unknown = np.full((n, 2), np.nan)
    names = tuple(f"P{i}" for i in range(n))
    return PointTable(names, MOVING, unknown, on_map, np.ones(n), np.ones(n), unknown, flags,
                      flags, "EPSG:32633")  # fmt: skip


def error(fit: Path, moving: str) -> float:
    """Largest error of a fit at the true points, in reference pixels."""
    loaded = load_fit(str(fit))
    assert loaded.reference is not None
    with Raster(moving) as raster:
        on_map = loaded.corrected(raster.header, moving, MOVING, loaded.reference.crs)
    return float(np.hypot(*(loaded.reference.to_pixel(on_map) - REFERENCE).T).max())


@pytest.mark.parametrize("suffix", formats())
def test_fit_works_from_any_format(
    scene: tuple[str, str], sides: Sides, tmp_path: Path, suffix: str
) -> None:
    points, fit = tmp_path / f"p.{suffix}", tmp_path / "fit.json"
    write_points(str(points), by_hand(enabled=False), sides)
    result = run("fit", points, "--moving", scene[0], "--reference", scene[1], "-o", fit, *FAST)
    assert result.code == 0, result.err
    assert f"{len(MOVING) - WRONG} of {len(MOVING) - WRONG} tie points agree" in result.out
    assert error(fit, scene[0]) < 0.01


def test_points_are_disabled_and_the_fit_is_redone(scene: tuple[str, str], tmp_path: Path) -> None:
    """In QGIS' own column, without matching; the residuals of the new fit are stored."""
    sides = Sides(open_side(scene[0]), open_side(scene[1]))
    points, fit, again = tmp_path / "p.points", tmp_path / "fit.json", tmp_path / "again.gpkg"
    write_points(str(points), by_hand(enabled=True), sides)
    args = ("fit", points, "--moving", scene[0], "--reference", scene[1], "-o", fit, *FAST,
            "--points", again, "--overwrite")  # fmt: skip
    first = run(*args)
    assert first.code == 0, first.err
    assert f"{len(MOVING) - WRONG} of {len(MOVING)} tie points agree" in first.out
    stored = read_points(str(again), sides)
    assert stored.enabled.all()
    assert stored.inlier.tolist() == [i >= WRONG for i in range(len(MOVING))]
    assert np.hypot(*stored.residual_xy[:WRONG].T).min() > 30
    assert np.hypot(*stored.residual_xy[WRONG:].T).max() < 0.01
    text = points.read_text().splitlines()
    head = 2
    for i in range(WRONG):
        values = text[head + i].split(",")
        values[4] = "0"
        text[head + i] = ",".join(values)
    points.write_text("\n".join(text) + "\n")
    second = run(*args)
    assert second.code == 0, second.err
    assert f"{len(MOVING) - WRONG} of {len(MOVING) - WRONG} tie points agree" in second.out
    assert error(fit, scene[0]) < 0.01
    stored = read_points(str(again), sides)
    assert stored.enabled.tolist() == [i >= WRONG for i in range(len(MOVING))]
    assert np.isnan(stored.residual_xy[:WRONG]).all()


def test_convert_through_all_formats(scene: tuple[str, str], sides: Sides, tmp_path: Path) -> None:
    """A walk from format to format keeps every position, but for rounding in map coordinates."""
    here = tmp_path / "0.csv"
    write_points(str(here), by_hand(enabled=False), sides)
    usable = by_hand(enabled=False).select(by_hand(enabled=False).usable)
    before = snapshot(Path(scene[0]).parent)
    for step, suffix in enumerate((*formats(), "csv"), start=1):
        there = tmp_path / f"{step}.{suffix}"
        result = run("convert", here, there, "--moving", scene[0], "--reference", scene[1])
        assert result.code == 0, result.err
        assert result.out == ""
        assert result.line.endswith(f"enabled: {there}")
        here = there
    table = read_points(str(here))
    table = table.select(table.enabled)
    np.testing.assert_allclose(table.moving_xy, usable.moving_xy, rtol=0, atol=1e-8)
    np.testing.assert_array_equal(table.map_xy, usable.map_xy)
    assert snapshot(Path(scene[0]).parent) == before


def test_convert_counts_what_other_tools_get(
    scene: tuple[str, str], sides: Sides, tmp_path: Path
) -> None:
    """Rejected points don't go into link tables, whether they are enabled or not."""
    table = by_hand(enabled=True)
    inlier = np.arange(len(table)) > 1
    points, links = tmp_path / "p.csv", tmp_path / "links.txt"
    write_points(str(points), replace(table, inlier=inlier), sides)
    result = run("convert", points, links, "--moving", scene[0], "--reference", scene[1])
    count = len(links.read_text().splitlines())
    assert count == len(table) - 2
    assert result.line == f"georeg: {len(table)} tie points, {count} agree and are enabled: {links}"


def test_convert_says_what_it_lacks(scene: tuple[str, str], sides: Sides, tmp_path: Path) -> None:
    points = tmp_path / "p.csv"
    write_points(str(points), by_hand(enabled=False), sides)
    for args, said in (
        (("p.shp",), "the suffix picks the format"),
        (("q.points",), "--moving"),
        (("p.csv", "--overwrite"), "is the input"),
        (("nowhere/q.csv",), "there is no folder"),
        (("q.gpkg", "--moving", "nothing.tif"), "no such file"),
    ):
        before = snapshot(tmp_path)
        result = run("convert", points, tmp_path / args[0], *args[1:])
        assert result.code in (1, 2, 4)
        assert said in result.line
        assert snapshot(tmp_path) == before
    (tmp_path / "q.csv").write_text("mine")
    result = run("convert", points, tmp_path / "q.csv")
    assert result.code == 2
    assert "exists" in result.line


@pytest.fixture(scope="module")
def aligned(scene: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aligned")
    result = run(
        "align", scene[0], "--reference", scene[1], "-o", folder / "gcps.tif", "--embed-gcps",
        "--fit", folder / "fit.json", "--points", folder / "p.gpkg",
        "--points", folder / "p.points", *FAST,
    )  # fmt: skip
    assert result.code == 0, result.err
    return folder


@pytest.mark.parametrize("suffix", ["csv", "geojson", "gpkg"])
def test_the_same_points_have_the_same_error(
    aligned: Path, scene: tuple[str, str], tmp_path: Path, suffix: str
) -> None:
    """Templates overlap, so whole neighbourhoods are left out, whoever fits the points."""
    report = json.loads((aligned / "gcps.report.json").read_text())
    points = aligned / "p.gpkg"
    if suffix != "gpkg":
        points = tmp_path / f"p.{suffix}"
        assert run("convert", aligned / "p.gpkg", points).code == 0
    more = ("--moving", scene[0], "--reference", scene[1], "-o", tmp_path / "again.json", "--json")
    result = run("fit", points, *more, "--transform", report["settings"]["transform"])
    assert result.code == 0, result.err
    again = json.loads(result.out)["ladder"]
    assert [rung["transform"] for rung in again] == [r["transform"] for r in report["ladder"]]
    for one, other in zip(again, report["ladder"], strict=True):
        assert one["held_out_rmse_px"] == pytest.approx(other["held_out_rmse_px"], rel=1e-3)


def test_align_with_embedded_gcps(aligned: Path, scene: tuple[str, str]) -> None:
    with rasterio.open(aligned / "gcps.tif") as file, rasterio.open(scene[0]) as moving:
        np.testing.assert_array_equal(file.read(), moving.read())
        gcps, crs = file.gcps
        assert crs.to_epsg() == 32633
        assert file.tags(ns="GEOREG")["GCPS_FOR"] == "gdalwarp"
    fit = load_fit(str(aligned / "fit.json"))
    with Raster(scene[0]) as raster:
        for gcp in gcps:
            true = fit.corrected(
                raster.header, scene[0], np.array([[gcp.col, gcp.row]]), fit.frame.crs
            )
            assert (gcp.x, gcp.y) == pytest.approx(tuple(true[0]), abs=1e-6)


def test_geopackage_of_an_alignment(aligned: Path, sides: Sides) -> None:
    pyogrio = pytest.importorskip("pyogrio")
    layers = pyogrio.list_layers(aligned / "p.gpkg")[:, 0].tolist()
    assert layers == ["points", "displacements", "tiles", "footprints", "layer_styles"]
    one, two = (read_points(str(aligned / f"p.{s}"), sides) for s in ("gpkg", "points"))
    np.testing.assert_array_equal(one.map_xy, two.map_xy)
    np.testing.assert_array_equal(one.usable, two.enabled)


def test_gcps_and_another_grid_contradict(aligned: Path, scene: tuple[str, str]) -> None:
    args = ("warp", scene[0], "--fit", aligned / "fit.json", "-o", aligned / "no.tif")
    for more in (("--grid", "reference"), ("--res", "3"), ("--shift-only",)):
        result = run(*args, "--embed-gcps", *more)
        assert result.code == 2
        assert "--embed-gcps" in result.line
    assert not (aligned / "no.tif").exists()


def test_export(aligned: Path, scene: tuple[str, str], tmp_path: Path) -> None:
    """Text goes to stdout, files where they are wanted."""
    fit = aligned / "fit.json"
    result = run("export", fit, "--format", "proj")
    assert result.code == 0, result.err
    assert result.err == ""
    on_map = np.array([GEO @ tuple(p) for p in MOVING])
    x, y = Transformer.from_pipeline(result.out.strip()).transform(*on_map.T)
    true = np.array([GEO @ tuple(p) for p in REFERENCE])
    assert np.hypot(*(np.stack([x, y], axis=1) - true).T).max() < 0.1 * 10
    matrix = json.loads(run("export", fit, "--format", "matrix", "--moving", scene[0]).out)
    assert set(matrix) >= {"map", "pixel_to_map", "pixel_to_pixel", "geotransform", "pdal"}
    for form, name, beside in (
        ("grid", "g.tif", ()), ("geoloc", "g.vrt", ("g.xy.tif",)), ("gdalwarp", "g.sh", ()),
    ):  # fmt: skip
        folder = tmp_path / form
        folder.mkdir()
        result = run("export", fit, "--format", form, "-o", folder / name, "--moving", scene[0])
        assert result.code == 0, result.err
        assert result.line == f"georeg: written: {folder / name}"
        assert sorted(p.name for p in folder.iterdir()) == sorted((name, *beside))
        assert bool(result.out) == (form == "grid")
        again = run("export", fit, "--format", form, "-o", folder / name, "--moving", scene[0])
        assert again.code == 2
        assert "exists" in again.line


def test_export_says_what_it_lacks(aligned: Path, tmp_path: Path) -> None:
    fit = aligned / "fit.json"
    for args, code, said in (
        (("--format", "geoloc"), 2, "--output"),
        (("--format", "geoloc", "-o", tmp_path / "a.vrt"), 2, "--moving"),
        (("--format", "gird"), 2, "did you mean grid?"),
        ((), 2, "Missing option '--format'"),
        (("--format", "matrix", "-o", fit, "--overwrite"), 2, "is the input"),
        (("--format", "proj", "--moving", tmp_path / "none.tif"), 4, "no such file"),
    ):
        result = run("export", fit, *args)
        assert result.code == code
        assert said in result.line
    assert not list(tmp_path.iterdir())
