"""Orthoimages by RPCs as they are: against gdalwarp, relief, voids, several images."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS, Transformer

from cli_cases import run, snapshot
from geoid_cases import make_geoid
from georeg.grid import Grid
from georeg.ortho.ground import Terrain
from georeg.ortho.mapping import OrthoMapping
from georeg.ortho.outputs import detail, open_ground
from georeg.ortho.sensor import Sensor
from georeg.ortho.stretch import stretch
from georeg.resampling.nodes import surface_nodes
from georeg.settings import OrthoSettings
from ortho_cases import (
    DRIFT,
    EAST,
    FAST,
    MEAN,
    NORTH,
    SIDE,
    UTM,
    Scene,
    hills,
    make_dem,
    make_scene,
    ortho,
    pixels,
    report_of,
    rpc_of,
    save,
)

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """An image with the right RPCs."""
    return make_scene(tmp_path_factory.mktemp("right"))


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


@pytest.mark.parametrize(
    ("lon", "lat", "code"),
    [(190.0, -20.0, 32702), (-180.0, 10.0, 32601), (30.0, 85.0, 5041), (170.0, -85.0, 5042)],
)
def test_a_crs_that_nobody_named(tmp_path: Path, lon: float, lat: float, code: int) -> None:
    """Metres everywhere: degrees near the poles are long and thin, and lost every second line."""
    rpc = rpc_of(120, long_off=lon, lat_off=lat)
    x = rpc.long_scale * np.cos(np.radians(48)) / np.cos(np.radians(lat))
    rpc = replace(rpc, long_scale=float(x))
    place = np.stack(np.meshgrid(np.arange(120) + 0.5, np.arange(120) + 0.5)).astype(np.float32)
    image = save(tmp_path / "image.tif", place, rpc)
    out = tmp_path / "out.tif"
    done = run("ortho", image, "--height", 600, "-o", out, "-r", "bilinear", *FAST)
    assert done.code == 0, done.err
    with rasterio.open(out) as file:
        seen, mask, crs = file.read(), file.dataset_mask() > 0, CRS.from_wkt(file.crs.to_wkt())
        y, x = np.nonzero(mask)
        at = file.transform @ (x + 0.5, y + 0.5)
    assert crs == CRS.from_epsg(code)
    lonlat = np.stack(Transformer.from_crs(crs, 4326, always_xy=True).transform(*at), axis=1)
    truth = rpc.project(lonlat, np.full(len(lonlat), 600.0))
    inside = ((truth > 1) & (truth < 119)).all(axis=1)
    assert inside.sum() > 10_000
    assert np.abs(seen[:, y, x].T - truth)[inside].max() < 0.01


@pytest.mark.parametrize(
    ("lon", "lat", "crs", "dem"),
    [
        # The edge of a DEM with a pole in it is far from the pole.
        (30.0, -85.0, 4326, (3031, 2e4, 0.0, 0.0)),
        # In Mercator, and in degrees with a datum shift, the antimeridian is torn.
        (180.0, -20.0, 3857, (4326, 1e-4, 180.0, -20.0)),
        (180.0, -20.0, 3857, (4326, 1e-4, -180.0, -20.0)),
        (180.0, -40.0, 4272, (4326, 1e-4, 180.0, -40.0)),
        (-180.0, -40.0, 4272, None),
    ],
)
def test_maps_with_poles_and_edges(
    tmp_path: Path, lon: float, lat: float, crs: int, dem: tuple[int, float, float, float] | None
) -> None:
    """No bounds of the output followed, or they were around the Earth, or beside the image."""
    rpc = rpc_of(120, long_off=lon, lat_off=lat)
    x = rpc.long_scale * np.cos(np.radians(48)) / np.cos(np.radians(lat))
    rpc = replace(rpc, long_scale=float(x))
    place = np.stack(np.meshgrid(np.arange(120) + 0.5, np.arange(120) + 0.5)).astype(np.float32)
    image, out = save(tmp_path / "image.tif", place, rpc), tmp_path / "out.tif"
    ground: tuple[object, ...] = ("--height", 600)
    if dem is not None:
        code, size, x0, y0 = dem
        at = Affine(size, 0, x0 - 50 * size, 0, -size, y0 + 50 * size)
        level = np.full((100, 100), 600, np.float32)
        name = save(tmp_path / "dem.tif", level, crs=f"EPSG:{code}", transform=at)
        ground = ("--dem", name, "--dem-datum", "ellipsoid")
    done = run("ortho", image, *ground, "-o", out, "-r", "nearest", "--dst-crs", f"EPSG:{crs}",
               *FAST)  # fmt: skip
    assert done.code == 0, done.err
    with rasterio.open(out) as file:
        seen, mask = file.read(), file.dataset_mask() > 0
        rows, columns = np.nonzero(mask)
        xy = file.transform @ (columns + 0.5, rows + 0.5)
        assert max(file.shape) < 1000
    lonlat = np.stack(Transformer.from_crs(crs, 4326, always_xy=True).transform(*xy), axis=1)
    truth = rpc.project(lonlat, np.full(len(lonlat), 600.0))
    inside = ((truth > 1) & (truth < 119)).all(axis=1)
    assert inside.sum() > 10_000
    assert np.abs(seen[:, rows, columns].T - truth)[inside].max() < 2
    covered = np.histogram2d(*truth[inside].T, bins=4, range=[[0, 120], [0, 120]])[0]
    assert covered.min() > 0.8 * covered.mean()  # all of the image is there


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
    out = tmp_path / "new" / "out"
    done = run("ortho", right.image, bad, second, "--dem", right.dem, "-o", f"{out}/", *FAST)
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
    one = run("ortho", right.image, second, "--dem", right.dem, "-o", out, "--rpc", "a.RPB", *FAST)
    assert one.code == 2
    assert "--rpc names one file, but there are 2 images" in one.err
    clash = run("ortho", right.image, right.image, "--dem", right.dem, "-o", out, *FAST)
    assert clash.code == 2
    assert "run them one by one" in clash.err
