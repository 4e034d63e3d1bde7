"""Orthoimages: against gdalwarp, refined by a reference or GCPs, and everything that goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

from cli_cases import Outcome, run, snapshot
from geoid_cases import make_geoid
from georeg import transforms
from georeg.align import align
from georeg.errors import InputError, SettingsError
from georeg.grid import Grid
from georeg.nodes import surface_nodes
from georeg.ortho.bias import absorb
from georeg.ortho.ground import Terrain
from georeg.ortho.mapping import OrthoMapping
from georeg.ortho.orthorectify import orthorectify
from georeg.ortho.outputs import detail, open_ground
from georeg.ortho.rpc import Rpc
from georeg.ortho.rpcfiles import need_rpc
from georeg.ortho.sensor import Sensor
from georeg.ortho.stretch import stretch
from georeg.raster import Raster
from georeg.settings import OrthoSettings, OutputSettings, Settings
from ortho_cases import (
    EAST,
    MEAN,
    NORTH,
    SIDE,
    UTM,
    Scene,
    difference,
    gdal_rpc,
    hills,
    look_through,
    make_dem,
    make_scene,
    rpc_of,
    save,
)

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
FAST = ("--threads", "1")
DRIFT = transforms.from_dict(
    {"name": "affine", "matrix": [[1, 0.004, 12], [0, 1.003, -9], [0, 0, 1]]}
)


def biased(rpc: Rpc) -> Rpc:
    return absorb(rpc, DRIFT)[0]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """RPCs that are off by (12, -9) pixels and drift."""
    return make_scene(tmp_path_factory.mktemp("scene"), biased(rpc_of()))


@pytest.fixture(scope="module")
def right(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The same pixels with the right RPCs."""
    path = tmp_path_factory.mktemp("right") / "image.tif"
    with rasterio.open(scene.image) as file:
        return replace(scene, image=save(path, file.read(), scene.rpc))


def ortho(scene: Scene, out: Path, *args: Any, reference: bool = False) -> Outcome:
    more = ("--reference", scene.reference) if reference else ()
    return run("ortho", scene.image, "--dem", scene.dem, "-o", out, *more, *FAST, *args)


def report_of(out: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(out.with_suffix("").with_suffix(".report.json").read_text())
    return data


def pixels(path: Path | str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], Affine]:
    with rasterio.open(path) as file:
        return file.read(1).astype(float), file.dataset_mask() > 0, file.transform


# Without refinement


@pytest.mark.parametrize("kernel", ["bilinear", "cubic"])
def test_equals_gdalwarp(right: Scene, tmp_path: Path, kernel: str) -> None:
    if shutil.which("gdalwarp") is None:
        pytest.skip("gdalwarp is not on PATH")
    out, other = tmp_path / "ours.tif", tmp_path / "gdal.tif"
    assert ortho(right, out, "-r", kernel, "--res", "0.9").code == 0
    ours, mask, transform = pixels(out)
    with rasterio.open(out) as file:
        bounds = list(map(str, file.bounds))
    subprocess.run(
        ["gdalwarp", "-q", "-rpc", "-to", f"RPC_DEM={right.dem}", "-et", "0", "-r", kernel, "-te",
         *bounds, "-tr", "0.9", "0.9", "-t_srs", "EPSG:32633", "-dstnodata", "0", right.image,
         str(other)],
        check=True, capture_output=True,
    )  # fmt: skip
    theirs, _, same = pixels(other)
    assert transform == same
    assert (mask == (theirs > 0)).mean() > 0.999
    both = mask & (theirs > 0)
    inner = both[2:-2, 2:-2]
    slope = np.hypot(*np.gradient(theirs))[2:-2, 2:-2][inner]
    apart = np.abs(ours - theirs)[2:-2, 2:-2][inner]
    assert np.sqrt((apart**2).mean()) < 0.02 * np.sqrt((slope**2).mean())  # of a pixel
    assert np.percentile(apart, 99.9) < 0.1 * np.sqrt((slope**2).mean())


def test_the_output_says_what_it_is(right: Scene, tmp_path: Path) -> None:
    before = snapshot(Path(right.image).parent)
    out = tmp_path / "out.tif"
    done = ortho(right, out)
    assert done.code == 0
    assert "orthorectified by its RPCs as they are" in done.err
    assert "doesn't say what its heights are counted from" in done.err
    with rasterio.open(out) as file:
        assert file.crs == rasterio.crs.CRS.from_epsg(32633)
        assert file.res == (1.0, 1.0)
        assert file.rpcs is None
        assert file.tags(ns="GEOREG")["TRANSFORM"] == "rpc"
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.dtypes == ("uint16",)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.report.json", "out.tif"]
    assert snapshot(Path(right.image).parent) == before
    report = report_of(out)
    assert report["verdict"] is None
    assert report["relief"]["ground"] > 0.99
    assert report["ground"]["datum"] == "ellipsoid"


def test_it_lies_over_the_reference(right: Scene, tmp_path: Path) -> None:
    """By the synthetic world's own truth, not by matching."""
    out = tmp_path / "out.tif"
    with rasterio.open(right.reference) as file:
        bounds = tuple(file.bounds)
    assert ortho(right, out, "--bounds", *bounds, "--res", "1", "-r", "bilinear").code == 0
    ours, mask, transform = pixels(out)
    part, _, place = pixels(right.reference)
    assert transform == place
    inner = mask & (part > 0)
    found = []
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            moved = np.roll(part, (dy, dx), (0, 1))
            found.append((np.corrcoef(ours[inner], moved[inner])[0, 1], dy, dx))
    value, dy, dx = min(found)  # the sensor shows it inverted
    assert (dy, dx) == (0, 0)
    assert value < -0.9


@pytest.mark.parametrize("size", [0.11, 0.5, 1.5])
def test_the_mapping_is_within_its_tolerance_of_the_truth(tmp_path: Path, size: float) -> None:
    """A surface model with walls: every pixel counts."""
    n = 300
    rng = np.random.default_rng(0)
    height = np.full((n, n), MEAN, np.float32)
    for _ in range(60):
        y, x = rng.integers(0, n - 20, 2)
        height[y : y + rng.integers(1, 20), x : x + rng.integers(1, 20)] += rng.uniform(0.5, 30)
    dem = save(tmp_path / "dsm.tif", height, crs=UTM.to_wkt(),
               transform=Affine(1, 0, EAST - 150, 0, -1, NORTH + 150))  # fmt: skip
    side = min(520, int(270 / size))
    grid = Grid((side - 20, side), Affine(size, 0, EAST - 130, 0, -size, NORTH + 125), UTM)
    with open_ground(OrthoSettings(dem=dem)) as ground:
        sensor = Sensor(rpc_of(gsd=size), ground, UTM)
        mapping = OrthoMapping(sensor, grid)
        fine = detail(ground, grid)
        assert fine == pytest.approx(1 / size, rel=1e-3)
        nodes = surface_nodes(mapping, grid.window, 0.05, fine)
        assert nodes is not None
        assert nodes.centred
        x, y = np.meshgrid(np.arange(side) + 0.5, np.arange(side - 20) + 0.5)
        centres = np.stack([x.ravel(), y.ravel()], axis=1)
        truth = sensor.to_pixel(grid.to_map(centres))
        error = np.hypot(*(nodes.centres(grid.window).reshape(-1, 2) - truth).T)
        assert error.max() <= 0.05
        # One window or many: the same pixels.
        part = grid.window.__class__(130, 70, 40, 60)
        other = surface_nodes(mapping, part, 0.05, fine)
        assert other is not None
        assert np.abs(other.centres(part) - nodes.crop(part).centres(part)).max() < 1e-9


@pytest.mark.parametrize("code", [32633, 4326, 3857])
def test_patches_of_the_mapping_are_exact(tmp_path: Path, code: int) -> None:
    """In the DEM's CRS and in others."""
    from pyproj import CRS, Transformer

    crs = CRS.from_epsg(code)
    dem = make_dem(tmp_path / "dem.tif")
    x, y = Transformer.from_crs(UTM, crs, always_xy=True).transform(EAST, NORTH)
    size = 1.0 if code != 4326 else 1e-5
    grid = Grid((400, 400), Affine(size, 0, x - 200 * size, 0, -size, y + 200 * size), crs)
    with open_ground(OrthoSettings(dem=dem)) as ground:
        sensor = Sensor(rpc_of(), ground, crs, DRIFT)
        xy = np.random.default_rng(0).uniform(-50, 450, (5000, 2))
        found, truth = OrthoMapping(sensor, grid)(xy), sensor.to_pixel(grid.to_map(xy))
        assert np.array_equal(np.isnan(found), np.isnan(truth))
        assert np.nanmax(np.hypot(*(found - truth).T)) < 2e-3


def test_one_height_for_all(right: Scene, tmp_path: Path) -> None:
    out = tmp_path / "flat.tif"
    done = run("ortho", right.image, "--height", str(MEAN), "-o", out, *FAST)
    assert done.code == 0
    assert "relief stays in the orthoimage" in done.err
    flat, _, _ = pixels(out)
    assert ortho(right, tmp_path / "hilly.tif").code == 0
    hilly, _, _ = pixels(tmp_path / "hilly.tif")
    assert flat.shape != hilly.shape or not np.array_equal(flat, hilly)


def test_the_geoid_matters(right: Scene, tmp_path: Path) -> None:
    """Heights above a geoid, 45 m up: taken right they change nothing, ignored they show."""
    geoid = make_geoid(tmp_path / "geoid.gtx")
    above = make_dem(tmp_path / "above.tif", above=45.0)
    grid = ("--bounds", EAST - 150, NORTH - 150, EAST + 150, NORTH + 150, "-r", "bilinear")
    names = {"truth": (right.dem, ()), "geoid": (above, ("--geoid", geoid)), "ignored": (above, ())}
    seen = {}
    for name, (dem, more) in names.items():
        out = tmp_path / f"{name}.tif"
        done = run("ortho", right.image, "--dem", dem, *more, "-o", out, *grid, *FAST)
        assert done.code == 0, done.err
        seen[name] = pixels(out)[0]
    spread = seen["truth"].std()
    assert np.abs(seen["geoid"] - seen["truth"]).mean() < 0.02 * spread
    assert np.abs(seen["ignored"] - seen["truth"]).mean() > 0.3 * spread
    # 45 m by the look of (0.35, -0.15) pixels per metre.
    with (
        open_ground(OrthoSettings(dem=above)) as low,
        open_ground(OrthoSettings(dem=above, geoid=geoid)) as high,
    ):
        at = np.array([[EAST, NORTH]])
        moved = [Sensor(right.rpc, ground, UTM).to_pixel(at)[0] for ground in (low, high)]
    assert moved[1] - moved[0] == pytest.approx([45 * 0.35, -45 * 0.15], abs=0.3)


def test_steep_relief_is_reported_and_masked(tmp_path: Path) -> None:
    """A cliff that faces away from the sensor."""
    n = 120
    height = np.full((n, n), MEAN, np.float32)
    height[:, :60] += np.linspace(0, 120, 60, dtype=np.float32)
    height[:, 60:70] += np.linspace(120, 0, 10, dtype=np.float32)
    dem = save(tmp_path / "dem.tif", height, crs=UTM.to_wkt(),
               transform=Affine(2, 0, EAST - 120, 0, -2, NORTH + 120))  # fmt: skip
    rng = np.random.default_rng(0)
    image = save(tmp_path / "image.tif", rng.integers(1, 4000, (SIDE, SIDE)).astype(np.uint16),
                 rpc_of(look=(0.3, 0.0)))  # fmt: skip
    grid = Grid((240, 240), Affine(1, 0, EAST - 120, 0, -1, NORTH + 120), UTM)
    with open_ground(OrthoSettings(dem=dem)) as ground:
        sensor = Sensor(rpc_of(look=(0.3, 0.0)), ground, UTM)
        at = np.array([[60.0, 100.0], [130.0, 100.0], [200.0, 100.0]])
        uphill, cliff, level = stretch(sensor, grid, at)
    assert level == pytest.approx(1.0, abs=1e-3)
    assert uphill < 1.5
    assert cliff > 3  # falls by 6 m per metre: 1 - 6 * 0.3 < 0 turns over
    free, cut = tmp_path / "free.tif", tmp_path / "cut.tif"
    args = ("ortho", image, "--dem", dem, "--grid", tmp_path / "free.tif", *FAST)
    first = run("ortho", image, "--dem", dem, "-o", free, *FAST)
    assert first.code == 0
    assert "relief stretches" in first.err
    assert "not masked without --max-stretch" in first.err
    assert run(*args, "-o", cut, "--max-stretch", "3").code == 0
    before, after = pixels(free)[1], pixels(cut)[1]
    lost = (before & ~after).mean(axis=0)
    columns = np.flatnonzero(lost > 0.5)
    assert 12 <= len(columns) <= 30
    assert not (after & ~before).any()


def test_voids(right: Scene, tmp_path: Path) -> None:
    holes = np.zeros((240, 240), np.bool_)
    holes[110:130, 100:125] = True
    dem = make_dem(tmp_path / "dem.tif", holes=holes)
    scene = replace(right, dem=dem)
    filled, masked = tmp_path / "f.tif", tmp_path / "m.tif"
    done = ortho(scene, filled)
    assert "are voids of the DEM, filled" in done.err
    assert "lie over voids of the DEM: masked" in ortho(scene, masked, "--dem-voids", "mask").err
    lost = pixels(filled)[1] & ~pixels(masked)[1]
    assert 0.8 * 12_500 < lost.sum() < 1.1 * 12_500
    assert report_of(filled)["relief"]["filled"] == pytest.approx(lost.mean(), abs=0.02)


def test_a_dem_that_covers_a_part(right: Scene, tmp_path: Path) -> None:
    dem = save(
        tmp_path / "small.tif",
        hills(*np.meshgrid(np.arange(-100, 0) + 0.5, -np.arange(-50, 50) + 0.5)).astype(np.float32),
        crs=UTM.to_wkt(),
        transform=Affine(1, 0, EAST - 100, 0, -1, NORTH + 50),
    )
    out = tmp_path / "out.tif"
    done = ortho(replace(right, dem=dem), out)
    assert done.code == 0
    assert "covers about" in done.err
    data, mask, _ = pixels(out)
    assert data.shape == (101, 100)  # of whole metres
    assert mask.mean() > 0.95


def test_several_images_share_the_dem(
    right: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    original = Terrain.__init__

    def counted(self: Terrain, dem: Any) -> None:
        opened.append(dem)
        original(self, dem)

    monkeypatch.setattr(Terrain, "__init__", counted)
    second = tmp_path / "second.tif"
    shutil.copy(right.image, second)
    bad = save(tmp_path / "bad.tif", np.zeros((30, 30), np.uint8))
    out = tmp_path / "out"
    out.mkdir()
    done = run("ortho", right.image, bad, second, "--dem", right.dem, "-o", out, *FAST)
    assert done.code == 5
    assert "1 of 3 images failed" in done.err
    assert f"{bad} has no RPCs" in done.err
    assert sorted(p.name for p in out.iterdir()) == [
        "image_ortho.report.json", "image_ortho.tif", "second_ortho.report.json",
        "second_ortho.tif",
    ]  # fmt: skip
    assert (out / "image_ortho.tif").read_bytes()[-5000:] == (
        out / "second_ortho.tif"
    ).read_bytes()[-5000:]
    assert len(opened) == 1
    assert opened[0].reads == 1  # a DEM of one block, for both images
    clash = run("ortho", right.image, right.image, "--dem", right.dem, "-o", out, *FAST)
    assert clash.code == 2
    assert "run them one by one" in clash.err


# Refined


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
    for name in ("p.csv", "p.geojson", "p.gpkg"):
        table = read_points(str(out.parent / name))
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


def test_too_few_gcps(tmp_path: Path, right: Scene) -> None:
    image = save(tmp_path / "image.tif", np.ones((SIDE, SIDE), np.uint8), right.rpc,
                 gcps=control(right.rpc, 2), crs=UTM.to_wkt())  # fmt: skip
    done = ortho(replace(right, image=image), tmp_path / "a.tif", "--gcps", "use")
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


# What goes wrong


def bad_rpc(folder: Path) -> str:
    path = save(folder / "bad.tif", np.ones((50, 50), np.uint8), rpc_of(50))
    with rasterio.open(path, "r+") as file:
        file.update_tags(ns="RPC", LINE_NUM_COEFF=" ".join(["nan"] * 20))
    return path


def far_dem(folder: Path) -> str:
    return make_dem(folder / "dem.tif", transform=Affine(5, 0, EAST + 40_000, 0, -5, NORTH))


def far_reference(folder: Path) -> str:
    place = Affine(1, 0, EAST + 5_000, 0, -1, NORTH)
    return save(folder / "far.tif", np.eye(300, dtype=np.uint8), crs=UTM.to_wkt(), transform=place)


def no_rpcs(folder: Path) -> str:
    return save(folder / "a.tif", np.ones((50, 50), np.uint8))


def left_over(folder: Path) -> str:
    (folder / "a_RPC.TXT").write_text("")
    return str(folder / "a.tif")


# What is wrong: the exit code, what is said, and the arguments; IN, DEM, REF and OUT stand for
# good files, functions make bad ones.
BAD: dict[str, tuple[int, str, list[Any]]] = {
    "no ground": (2, "give a --dem, or a constant --height", ["IN", "-o", "OUT"]),
    "both grounds": (2, "not both", ["IN", "--dem", "DEM", "--height", "3", "-o", "OUT"]),
    "missing dem": (4, "no such file", ["IN", "--dem", "/nowhere.tif", "-o", "OUT"]),
    "dem elsewhere": (4, "doesn't cover", ["IN", "--dem", far_dem, "-o", "OUT"]),
    "no rpcs": (4, "has no RPCs", [no_rpcs, "--dem", "DEM", "-o", "OUT"]),
    "nan": (4, "LINE_NUM_COEFF is not a finite", [bad_rpc, "--dem", "DEM", "-o", "OUT"]),
    "datum without grid": (
        4, "us_nga_egm08_25.tif", ["IN", "--dem", "DEM", "--dem-datum", "egm2008", "-o", "OUT"]
    ),
    "grid moving": (
        2, "no pixel grid of its own", ["IN", "--dem", "DEM", "--grid", "moving", "-o", "OUT"]
    ),
    "shift-only": (2, "no such option", ["IN", "--dem", "DEM", "--shift-only", "-o", "OUT"]),
    "nothing to refine by": (
        2, "--reference, or --gcps use",
        ["IN", "--dem", "DEM", "-o", "OUT", "--rpc-output", "r.RPB"],
    ),
    "no tie points": (
        2, "with a --reference only",
        ["IN", "--dem", "DEM", "-o", "OUT", "--gcps", "use", "--points", "OUT.csv"],
    ),
    "rpcs of no format": (
        2, "are written as .RPB",
        ["IN", "--dem", "DEM", "-o", "OUT", "--reference", "REF", "--rpc-output", "OUT.rpc"],
    ),
    "stretch": (
        2, "--max-stretch must be above 1",
        ["IN", "--dem", "DEM", "-o", "OUT", "--max-stretch", "1"],
    ),
    "height": (2, "nowhere on Earth", ["IN", "--height", "384400000", "-o", "OUT"]),
    "beside rpcs": (
        2, "GDAL would take it for RPCs of the orthoimage", ["IN", "--dem", "DEM", "-o", left_over]
    ),
    "over the input": (2, "is the input", ["IN", "--dem", "DEM", "-o", "IN", "--overwrite"]),
    "far reference": (
        4, "overlap", ["IN", "--dem", "DEM", "-o", "OUT", "--reference", far_reference]
    ),
    "several into one": (
        2, "must be a folder that exists", ["IN", "IN", "--dem", "DEM", "-o", "OUT"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_inputs(
    right: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    from georeg.ortho import vertical

    monkeypatch.setattr(vertical, "_searched", lambda: ["/nowhere"])
    code, said, args = BAD[case]
    files = {"IN": right.image, "DEM": right.dem, "REF": right.reference,
             "OUT": str(tmp_path / "out.tif"), "OUT.rpc": str(tmp_path / "out.rpc"),
             "OUT.csv": str(tmp_path / "out.csv")}  # fmt: skip
    given = [arg(tmp_path) if callable(arg) else files.get(arg, arg) for arg in args]
    before = snapshot(tmp_path)
    done = run("ortho", *given, *FAST)
    assert done.code == code, done.err
    assert said.lower() in done.err.lower()
    assert snapshot(tmp_path) == before


def test_align_with_a_dem_but_without_rpcs(scene: Scene, tmp_path: Path) -> None:
    """The reference against itself: the DEM isn't needed, and that is said."""
    out = tmp_path / "a.tif"
    done = run("align", scene.reference, "--reference", scene.reference, "--dem", scene.dem, "-o",
               out, *FAST)  # fmt: skip
    assert done.code == 0, done.err
    assert "has no RPCs: the ground isn't needed" in done.err
    alone = run("align", scene.reference, "--reference", scene.reference, "--rpc", "x", "-o",
                tmp_path / "b.tif")  # fmt: skip
    assert alone.code == 2
    assert "--rpc goes with --dem" in alone.err


def test_align_without_a_dem_says_what_rpcs_need(scene: Scene, tmp_path: Path) -> None:
    done = run("align", scene.image, "--reference", scene.reference, "-o", tmp_path / "a.tif")
    assert done.code == 4
    assert "RPCs, which need the ground: give --dem" in done.err


def test_settings_are_checked_in_python_too() -> None:
    with pytest.raises(SettingsError, match="give the ground"):
        OrthoSettings()
    with pytest.raises(SettingsError, match="none of"):
        OrthoSettings(dem="x", dem_datum="sea")
    with pytest.raises(SettingsError, match="need a --dem"):
        OrthoSettings(height=3, geoid="x")
    with pytest.raises(SettingsError, match="by --bias"):
        orthorectify("x", None, OrthoSettings(dem="x"), settings=Settings(transform="affine"))
    with pytest.raises(InputError, match="no such file"):
        orthorectify("/nowhere.tif", None, OrthoSettings(height=3))


# Real images

REAL = Path(os.environ.get("GEOREG_SHARED", "/nowhere")) / "data" / "pairs"


@pytest.mark.skipif(
    not (REAL / "pleiades_reunion").exists(), reason="GEOREG_SHARED has no pleiades_reunion"
)
@pytest.mark.slow
def test_pleiades_reunion(tmp_path: Path) -> None:
    """(12, -9) pixels and a drift of 3 and 4 per thousand lines, put into the second image."""
    folder = REAL / "pleiades_reunion"
    wanted = OrthoSettings(dem=str(folder / "dsm.tif"))
    reference = str(tmp_path / "reference.tif")
    orthorectify(str(folder / "img_01.tif"), reference, wanted)
    with Raster(str(folder / "img_02.tif")) as raster:
        own = need_rpc(raster).rpc
    bias = transforms.from_dict(
        {"name": "affine", "matrix": [[1, 0.003, 12], [0, 1.004, -9], [0, 0, 1]]}
    )
    image = str(tmp_path / "image.tif")
    with rasterio.open(folder / "img_02.tif") as file:
        save(Path(image), file.read(), absorb(own, bias)[0])
    found = orthorectify(image, None, wanted, reference=reference)
    assert found.verdict is not None
    assert found.verdict.ok
    # The two images' own RPCs differ by (-0.7, -0.1) pixels.
    lonlat = own.locate(np.array([[100.0, 100.0], [900.0, 1000.0]]), np.full(2, 2300.0))
    rest = found.rpc.project(lonlat, np.full(2, 2300.0)) - own.project(lonlat, np.full(2, 2300.0))
    assert np.abs(rest - [-0.72, -0.14]).max() < 0.1
    assert gdal_rpc(found.rpc).line_off != own.line_off


@pytest.mark.skipif(
    not (REAL / "pleiades_ventoux").exists(), reason="GEOREG_SHARED has no pleiades_ventoux"
)
@pytest.mark.slow
def test_pleiades_ventoux(tmp_path: Path) -> None:
    """60 lines in the RPCs of one view, found by the orthoimage of the other, over SRTM."""
    folder = REAL / "pleiades_ventoux"
    settings = OrthoSettings(dem=str(folder / "srtm_utm31.tif"), dem_datum="ellipsoid")
    geoid = Path("/usr/share/proj/egm96_15.gtx")
    if geoid.exists():
        settings = replace(settings, dem_datum="egm96")
    reference = str(tmp_path / "reference.tif")
    left = replace(settings, rpc=str(folder / "rpc" / "left_image.geom"))
    orthorectify(str(folder / "left_image.tif"), reference, left)
    found = {}
    for name in ("right_image", "right_image_bias"):
        right = replace(settings, rpc=str(folder / "rpc" / f"{name}.geom"))
        result = orthorectify(str(folder / "right_image.tif"), None, right, reference=reference)
        assert result.verdict is not None
        assert result.verdict.ok, result.verdict.sentence()
        found[name] = result.rpc
    one, other = found.values()
    assert np.hypot(one.line_off - other.line_off, one.samp_off - other.samp_off) < 0.5
