"""RPCs corrected by a reference or by GCPs, and all that is written then."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint

from cli_cases import Outcome, run
from georeg.align import align
from georeg.errors import SettingsError
from georeg.ortho.bias import absorb
from georeg.ortho.rpc import Rpc
from georeg.ortho.rpcfiles import need_rpc
from georeg.ortho.sensor import Sensor
from georeg.raster import Raster
from georeg.settings import OrthoSettings, OutputSettings, Settings
from ortho_cases import (
    DRIFT,
    EAST,
    NORTH,
    SIDE,
    UTM,
    Scene,
    difference,
    hills,
    look_through,
    make_scene,
    ortho,
    report_of,
    rpc_of,
    save,
)

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """RPCs that are off by (12, -9) pixels and drift."""
    return make_scene(tmp_path_factory.mktemp("scene"), absorb(rpc_of(), DRIFT)[0])


@pytest.fixture(scope="module")
def refined(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("refined") / "out.tif"
    done = ortho(
        scene, out, "--image-output", out.parent / "copy.tif", "--points", out.parent / "p.csv",
        "--points", out.parent / "p.geojson", "--points", out.parent / "p.gpkg",
        "--points", out.parent / "p.tif", "--grid", "reference", reference=True,
    )  # fmt: skip
    return out, done


def test_a_drifting_bias_is_recovered(scene: Scene, refined: tuple[Path, Outcome]) -> None:
    out, done = refined
    assert done.code == 0, done.err
    assert "aligned: moved by" in done.err
    with Raster(scene.image) as raster:
        assert difference(need_rpc(raster).rpc, scene.rpc) > 14
        found = need_rpc(raster, str(out.parent / "out.refined_RPC.TXT")).rpc
    assert difference(found, scene.rpc) < 0.2
    report = report_of(out)
    assert (report["format"], report["version"]) == ("georeg-ortho-report", 1)
    formats = (Path(__file__).parents[1] / "docs" / "formats.md").read_text(encoding="utf-8")
    assert set(report) <= set(re.findall(r"`(\w+)`", formats))
    assert report["bias"]["model"] == "drift"
    errors = report["accuracy"]["tie_points"]
    assert errors["before"]["rmse_px"] > 14
    assert errors["left_out"]["rmse_px"] < 0.2
    assert errors["left_out"]["rmse_m"] < 0.2
    assert len(report["bias"]["rounds_moved_px"]) <= 3
    assert report["verdict"]["status"] == "aligned"
    assert report["by_height"]["slope"]["clear"] is False
    assert len(report["by_height"]["bins"]) > 3
    assert report["rpc"]["refined"]["refit_error_px"] < 1e-3


def test_files_of_a_refinement(scene: Scene, refined: tuple[Path, Outcome]) -> None:
    out, _ = refined
    assert sorted(p.name for p in out.parent.iterdir()) == [
        "copy.tif", "out.refined_RPC.TXT", "out.report.json", "out.tif", "p.csv", "p.geojson",
        "p.gpkg", "p.tif",
    ]  # fmt: skip
    with rasterio.open(out) as file, rasterio.open(scene.reference) as reference:
        assert (file.transform, file.shape) == (reference.transform, reference.shape)
        assert file.rpcs is None
        assert file.tags(ns="GEOREG")["TRANSFORM"] == "rpc + drift"
    with rasterio.open(scene.image) as image, rasterio.open(out.parent / "copy.tif") as copy:
        assert np.array_equal(image.read(), copy.read())
        assert image.rpcs.line_off != copy.rpcs.line_off
    with Raster(scene.image) as raster, Raster(str(out.parent / "copy.tif")) as copied:
        sidecar = need_rpc(raster, str(out.parent / "out.refined_RPC.TXT")).rpc
        assert difference(need_rpc(copied).rpc, sidecar) < 1e-6


def test_tie_points_in_image_and_ground_space(scene: Scene, refined: tuple[Path, Outcome]) -> None:
    from georeg.writers.points import read_points

    out, _ = refined
    assert read_points(str(out.parent / "p.tif")).apart > 0
    for name in ("p.csv", "p.geojson", "p.gpkg"):
        table = read_points(str(out.parent / name))
        # Neighbouring templates overlap.
        assert 10 < table.apart < 200
        assert table.height is not None
        assert table.crs == "EPSG:32633"
        x, y = (table.map_xy - [EAST, NORTH]).T
        assert np.abs(table.height - hills(x, y)).max() < 1.5
        lonlat = Sensor(scene.rpc, None, UTM).lonlat(table.map_xy)  # type: ignore[arg-type]
        error = scene.rpc.project(lonlat, table.height) - table.moving_xy
        assert np.median(np.hypot(*error.T)) < 0.2


def test_the_refined_rpcs_serve_gdal(scene: Scene, refined: tuple[Path, Outcome]) -> None:
    """GDAL's transformer with our sidecar finds what the right RPCs show."""
    out, _ = refined
    with Raster(scene.image) as raster:
        found = need_rpc(raster, str(out.parent / "out.refined_RPC.TXT")).rpc
    ours = look_through(found, scene.dem)[::60, ::60]
    truth = look_through(scene.rpc, scene.dem)[::60, ::60]
    assert np.hypot(*(ours - truth).reshape(-1, 2).T).max() < 0.3


def test_align_with_a_dem(scene: Scene, tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    result = align(
        scene.image, scene.reference, str(out), Settings(threads=1), OutputSettings(driver="GTiff"),
        ortho=OrthoSettings(dem=scene.dem, bias="shift"), rpc_path=str(tmp_path / "r.RPB"),
    )  # fmt: skip
    assert result.verdict.ok
    assert result.fit is None
    assert result.report["bias"]["model"] == "shift"  # as asked, though it drifts
    assert len(result.matches) == len(result.inlier) == len(result.residuals) > 20
    assert (tmp_path / "r.RPB").exists()
    assert out.exists()
    with pytest.raises(SettingsError, match="fit"):
        align(
            scene.image, scene.reference, None, fit_path=str(tmp_path / "fit.json"),
            ortho=OrthoSettings(dem=scene.dem),
        )  # fmt: skip


def test_a_flipped_image_is_refused_and_said(tmp_path: Path) -> None:
    scene = make_scene(tmp_path / "in", flip=0)
    out = tmp_path / "out" / "out.tif"
    out.parent.mkdir()
    done = ortho(scene, out, reference=True)
    assert done.code == 3
    assert "upside down" in done.err
    assert sorted(p.name for p in out.parent.iterdir()) == ["out.report.json"]
    assert report_of(out)["output"] is None


def test_dry_run_matches_nothing(scene: Scene, tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    for command in ("ortho", "align"):
        done = run(command, scene.image, "--dem", scene.dem, "--reference", scene.reference, "-o",
                   out, "--dry-run")  # fmt: skip
        assert done.code == 0, done.err
        plan = json.loads(done.out)
        assert plan["rpc"]["from"] == "GDAL"
        assert plan["covered"] == 1
        assert plan["tiles"] >= 1
    assert list(tmp_path.iterdir()) == []


# GCPs


def control(rpc: Rpc, count: int = 12, wrong: int = 0) -> list[GroundControlPoint]:
    """Where the right RPCs see places on the hills."""
    rng = np.random.default_rng(4)
    x, y = rng.uniform(-150, 150, (2, count))
    z = hills(x, y)
    lonlat = Sensor(rpc, None, UTM).lonlat(np.stack([x + EAST, y + NORTH], 1))  # type: ignore[arg-type]
    column, row = rpc.project(lonlat, z).T
    column[:wrong] += 35
    return [
        GroundControlPoint(row[i], column[i], x[i] + EAST, y[i] + NORTH, z[i], id=f"G{i}")
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    given = rpc_of().moved(7.0, -4.0)
    return make_scene(tmp_path_factory.mktemp("gcps"), given, gcps=control(rpc_of(), wrong=1))


def test_gcps_check_by_default(controlled: Scene, tmp_path: Path) -> None:
    assert ortho(controlled, tmp_path / "a.tif").code == 0
    report = report_of(tmp_path / "a.tif")
    assert report["verdict"] is None
    found = report["accuracy"]["gcps"]
    assert found["role"] == "check"
    assert found["before"]["median_px"] == pytest.approx(np.hypot(7, 4), abs=0.05)
    assert found["before"]["rmse_m"] == pytest.approx(found["before"]["rmse_px"], rel=0.02)
    assert found["after"] == found["before"]
    assert ortho(controlled, tmp_path / "b.tif", "--gcps", "ignore").code == 0
    assert "gcps" not in report_of(tmp_path / "b.tif")["accuracy"]


def test_gcps_as_control(controlled: Scene, tmp_path: Path) -> None:
    out = tmp_path / "a.tif"
    done = ortho(controlled, out, "--gcps", "use")
    assert done.code == 0, done.err
    report = report_of(out)
    assert report["bias"]["model"] == "shift"
    assert (report["bias"]["samp_px"], report["bias"]["line_px"]) == pytest.approx(
        (-7, 4), abs=0.05
    )
    assert report["accuracy"]["gcps"]["after"]["median_px"] < 0.1
    assert report["accuracy"]["gcps"]["left_out"]["median_px"] < 0.1
    with Raster(controlled.image) as raster:
        found = need_rpc(raster, str(tmp_path / "a.refined_RPC.TXT")).rpc
    assert difference(found, controlled.rpc) < 0.1


def test_too_few_gcps(tmp_path: Path, scene: Scene) -> None:
    image = save(tmp_path / "image.tif", np.ones((SIDE, SIDE), np.uint8), scene.rpc,
                 gcps=control(scene.rpc, 2), crs=UTM.to_wkt())  # fmt: skip
    done = ortho(replace(scene, image=image), tmp_path / "a.tif", "--gcps", "use")
    assert done.code == 3
    assert "2 GCPs are too few" in done.err


@pytest.mark.parametrize("role", ["use", "check"])
def test_gcps_and_reference_together(controlled: Scene, tmp_path: Path, role: str) -> None:
    """As control, or held out: an independent check."""
    out = tmp_path / "a.tif"
    assert ortho(controlled, out, "--gcps", role, reference=True).code == 0
    report = report_of(out)
    found = report["accuracy"]["gcps"]
    assert found["role"] == role
    assert found["before"]["median_px"] == pytest.approx(np.hypot(7, 4), abs=0.05)
    assert found["after"]["median_px"] < 0.2
    assert ("left_out" in found) == (role == "use")
    assert report["accuracy"]["tie_points"]["left_out"]["rmse_px"] < 0.3
