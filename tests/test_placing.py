"""Where two rasters claim to lie, and clear words where they don't say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

import rasters
from georeg.crs import CrsPath, parse_crs
from georeg.errors import InputError, SettingsError
from georeg.inputs.georef import AffineGeoref
from georeg.pairing.footprint import footprint
from georeg.pairing.placing import Places, place
from georeg.pairing.scene import open_scene, reference_georef
from georeg.raster import Raster
from georeg.search.searching import level
from georeg.settings import Settings


def placed(moving: str, reference: str, settings: Settings | None = None) -> Places:
    with Raster(moving) as one, Raster(reference) as two:
        return place(one, two, settings or Settings())


@pytest.fixture
def reference(tmp_path: Path) -> str:
    return rasters.write(tmp_path / "reference.tif", rasters.ramp())


def test_by_their_headers(tmp_path: Path, reference: str) -> None:
    moving = rasters.write(tmp_path / "m.tif", rasters.ramp(), crs="EPSG:32634")
    places = placed(moving, reference)
    assert places.path.source == CRS(32634)
    assert places.path.target == CRS(32633)


def test_no_crs(tmp_path: Path, reference: str) -> None:
    bare = rasters.write(tmp_path / "bare.tif", rasters.ramp(), crs=None)
    with pytest.raises(InputError, match=r"bare\.tif has no CRS: name it with --moving-crs"):
        placed(bare, reference)
    with pytest.raises(InputError, match=r"bare\.tif has no CRS: name it with --reference-crs"):
        placed(reference, bare)
    with Raster(bare, crs=parse_crs("EPSG:32633")) as raster:
        assert raster.header.crs == CRS(32633)


@pytest.mark.parametrize("suffix", [".prj", ".PRJ"])
def test_no_crs_that_gdal_looks_at(tmp_path: Path, reference: str, suffix: str) -> None:
    """Beside images with a world file GDAL leaves it alone; what is in it may be given."""
    bare = rasters.write(tmp_path / "a b.tif", rasters.ramp(), crs=None)
    prj = tmp_path / f"a b{suffix}"
    prj.write_text(CRS(32634).to_wkt("WKT1_ESRI"))
    said = rf'--moving-crs "\$\(cat {re.escape(shlex.quote(str(prj)))}\)"$'
    with pytest.raises(InputError, match=said):
        placed(bare, reference)
    with pytest.raises(InputError, match=said.replace("moving", "reference")):
        placed(reference, bare)
    with Raster(bare, crs=parse_crs(prj.read_text())) as raster:
        assert raster.header.crs is not None


def test_no_georeference(tmp_path: Path, reference: str) -> None:
    scan = rasters.write(
        tmp_path / "scan.png", rasters.ramp(), crs=None, transform=None, driver="PNG"
    )
    with pytest.raises(InputError, match="no georeference: use --no-georef"):
        placed(scan, reference)
    with pytest.raises(InputError, match="no georeference: choose another reference"):
        placed(reference, scan)


def test_a_scan_fills_the_reference(tmp_path: Path, reference: str) -> None:
    """Without a georeference, about the middle, whole, and not distorted."""
    scan = rasters.write(
        tmp_path / "scan.png", rasters.ramp((80, 200)), crs=None, transform=None, driver="PNG"
    )
    places = placed(scan, reference, Settings(georef=False))
    ground = places.moving.to_map(np.array([[100.0, 40.0], [0.0, 40.0], [100.0, 0.0]]))
    pixel = (~rasters.TRANSFORM) @ Affine.identity()
    at = np.array([pixel @ tuple(p) for p in ground])
    np.testing.assert_allclose(at, [[30, 20], [0, 20], [30, 8]], atol=1e-6)
    assert places.path.source == places.path.target


def test_both_are_scans(tmp_path: Path) -> None:
    names = [
        rasters.write(tmp_path / n, rasters.ramp(), crs=None, transform=None, driver="PNG")
        for n in ("a.png", "b.png")
    ]
    places = placed(names[0], names[1], Settings(georef=False))
    corner = places.reference.to_map(np.array([[0.0, 0.0], [60.0, 40.0]]))
    np.testing.assert_allclose(corner, [[0, 0], [60, -40]])
    georef, crs = reference_georef(names[1], Settings(georef=False))
    assert crs is None
    np.testing.assert_allclose(georef.to_map(np.array([[60.0, 40.0]])), [[60, -40]])


def test_metres_that_say_they_are_degrees(tmp_path: Path, reference: str) -> None:
    wrong = rasters.write(tmp_path / "wrong.tif", rasters.ramp(), crs="EPSG:4326")
    with pytest.raises(InputError, match="which is nowhere: its CRS can't be EPSG:4326"):
        placed(wrong, reference)


@pytest.mark.parametrize(("mine", "other"), [(179.9, -180.1), (-180.1, 179.9), (179.9, 179.9)])
def test_longitudes_meet_across_the_antimeridian(tmp_path: Path, mine: float, other: float) -> None:
    names = [
        rasters.write(
            tmp_path / f"{k}.tif", rasters.ramp(), crs="EPSG:4326",
            transform=Affine(0.005, 0, x, 0, -0.005, 10),
        )
        for k, x in enumerate((mine, other))
    ]  # fmt: skip
    places = placed(*names)
    xy = np.array([[10.0, 10.0]])
    there = places.reference.to_pixel(places.path.forward(places.moving.to_map(xy)))
    np.testing.assert_allclose(there, xy, atol=1e-6)


@pytest.mark.parametrize("world_moves", [True, False])
def test_a_world_from_0_to_360(tmp_path: Path, world_moves: bool) -> None:
    """A global raster with longitudes up to 360 and a small one at 20 degrees west."""
    world = rasters.write(
        tmp_path / "w.tif", rasters.ramp((180, 360), "int16"), crs="EPSG:4326",
        transform=Affine(1, 0, 0, 0, -1, 90),
    )  # fmt: skip
    small = rasters.write(
        tmp_path / "s.tif", rasters.ramp(), crs="EPSG:4326",
        transform=Affine(0.1, 0, -20, 0, -0.1, 40),
    )  # fmt: skip
    if world_moves:
        places = placed(world, small)
        ground = places.path.forward(places.moving.to_map(np.array([[340.5, 51.5]])))
        np.testing.assert_allclose(places.reference.to_pixel(ground), [[5, 15]], atol=1e-6)
    else:
        places = placed(small, world)
        ground = places.path.forward(places.moving.to_map(np.array([[5.0, 15.0]])))
        np.testing.assert_allclose(places.reference.to_pixel(ground), [[340.5, 51.5]], atol=1e-6)


def test_footprint_of_a_rotated_raster() -> None:
    turned = AffineGeoref(rasters.TRANSFORM @ Affine.rotation(30))
    utm = CRS(32633)
    shape = footprint(turned, (40, 60), CrsPath(utm, utm))
    assert shape.area == pytest.approx(400 * 600, rel=1e-6)


def test_footprint_of_the_world_in_utm() -> None:
    """Only what lies under the other raster can be outlined there."""
    world = AffineGeoref(Affine(1, 0, -180, 0, -1, 90))
    path = CrsPath(CRS(4326), CRS(32633), 15.0)
    ground = np.array([[450000.0, 5200000.0], [550000.0, 5200000.0], [550000.0, 5300000.0]])
    shape = footprint(world, (180, 360), path, ground)
    left, bottom, right, top = shape.bounds
    assert left < 450000 < 550000 < right
    assert bottom < 5200000 < 5300000 < top
    assert right - left < 2_000_000


def test_ballpark_is_a_warning_of_the_scene(tmp_path: Path) -> None:
    """NAD27 feet against WGS 84: the missing grid is named, the work goes on."""
    pixels = rasters.ramp()
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 255, (1, 64, 64)).astype(np.uint8)
    reference = rasters.write(
        tmp_path / "r.tif", pixels, crs="EPSG:32616", transform=Affine(1, 0, 448000, 0, -1, 4620000)
    )
    path = CrsPath(CRS(32616), CRS(26771))
    corner = path.forward(np.array([[448000.0, 4620000.0]]))[0]
    moving = rasters.write(
        tmp_path / "m.tif", pixels, crs="EPSG:26771",
        transform=Affine(3.28, 0, corner[0], 0, -3.28, corner[1]),
    )  # fmt: skip
    with open_scene(moving, reference, Settings()) as scene:
        if not scene.warnings:
            pytest.skip("this machine has PROJ's grids for NAD27")
        assert "missing grid" in scene.warnings[0]
        assert "us_noaa_conus.tif" in scene.warnings[0]
        assert scene.frame.metres == pytest.approx(1.0, rel=1e-2)


@pytest.mark.parametrize("side", ["moving", "reference"])
def test_a_band_that_is_not_there(tmp_path: Path, side: str) -> None:
    """Also where the frame reaches beyond the pole, so that no overview is read."""
    pixels = rasters.ramp((400, 400), dtype="float32")
    polar = Affine(5000, 0, -1e6, 0, -5000, 1e6)
    moving = rasters.write(tmp_path / "m.tif", pixels, transform=polar, crs="EPSG:3413")
    world = rasters.ramp((200, 7200), dtype="float32")
    north = Affine(0.05, 0, -180, 0, -0.05, 90)
    reference = rasters.write(tmp_path / "r.tif", world, transform=north, crs="EPSG:4326")
    settings = Settings(**{f"{side}_bands": (1, 9)})
    with (
        pytest.raises(SettingsError, match="there is no band 9"),
        open_scene(moving, reference, settings),
    ):
        pass


@pytest.mark.parametrize("shape", [(3000, 3000), (9000, 300)])
def test_level_0_is_read_once(
    tmp_path: Path, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files without overviews are decoded for every look at it otherwise; of strips, too."""
    names = [rasters.write(tmp_path / f"{k}.tif", rasters.ramp(shape, "uint16")) for k in "mr"]
    with open_scene(names[0], names[1], Settings()) as scene:
        window, factor, _ = level(scene)
        assert factor == pytest.approx(3000 / 1024)

        def decode(*_: object) -> None:
            raise AssertionError("read again")

        monkeypatch.setattr(Raster, "_gather", decode)
        for view in (scene.moving_view(), scene.reference_view()):
            assert view.look(window, factor)[1].any()


def test_too_small(tmp_path: Path, reference: str) -> None:
    dot = rasters.write(tmp_path / "dot.tif", rasters.ramp((1, 1)))
    with (
        pytest.raises(InputError, match="only 1 x 1 pixels"),
        open_scene(dot, reference, Settings()),
    ):
        pass
