"""Heights from DEMs: as GDAL interpolates them, in blocks, with voids, for many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from rasterio.transform import RPCTransformer

from geoid_cases import make_geoid, undulation
from georeg.errors import InputError
from georeg.ortho import dem as module
from georeg.ortho.dem import open_dem
from georeg.ortho.ground import Terrain
from georeg.ortho.sensor import Sensor
from ortho_cases import EAST, LAT, LON, NORTH, UTM, Array, gdal_rpc, hills, make_dem, rpc_of, save


def places(count: int = 3000, reach: float = 550.0, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-reach, reach, (count, 2)) + [EAST, NORTH]


def heights(path: str, xy: Array, voids: str = "fill", **options: str) -> Array:
    with open_dem(path, options.get("datum", "auto"), options.get("geoid"), voids) as dem:
        return dem.heights(xy).height


@pytest.mark.parametrize("side", [512, 37])
def test_the_way_to_the_image_is_gdals(
    tmp_path: Path, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SIDE", side)
    path, rpc = make_dem(tmp_path / "dem.tif"), rpc_of()
    with open_dem(path, "auto", None, "mask") as dem:
        sensor = Sensor(rpc, Terrain(dem), UTM)
        xy = places()
        found, lonlat = sensor.to_pixel(xy), sensor.lonlat(xy)
    with RPCTransformer(gdal_rpc(rpc), RPC_DEM=path) as transformer:
        rows, columns = transformer.rowcol(*lonlat.T, op=float)
    assert np.abs(found - np.stack([columns, rows], axis=1)).max() < 1e-6


def test_back_to_the_ground(tmp_path: Path) -> None:
    path = make_dem(tmp_path / "dem.tif")
    with open_dem(path, "auto", None, "fill") as dem:
        sensor = Sensor(rpc_of(), Terrain(dem), UTM)
        xy = np.random.default_rng(1).uniform(5, 415, (300, 2))
        ground = sensor.to_map(xy)
        assert np.abs(sensor.to_pixel(ground) - xy).max() < 2e-3


def test_a_geoid_cut_like_the_dem(tmp_path: Path) -> None:
    """It was looked up to two kilometres beyond the DEM's last pixel, where the grid ends."""
    geoid = make_geoid(tmp_path / "geoid.gtx")  # a degree to all sides
    side, size = 1 / 3600, 700
    corner = Affine(side, 0, LON + 1 - side * size, 0, -side, LAT - 1 + side * size)
    flat = np.zeros((size, size), np.float32)
    dem = save(tmp_path / "dem.tif", flat, transform=corner, crs="EPSG:4326")
    xy = np.array([[LON + 1, LAT - 1], [LON + 0.95, LAT - 0.95]])
    xy += np.array([-0.5, 0.5]) * side
    assert heights(dem, xy, geoid=geoid) == pytest.approx(undulation(*xy.T), abs=1e-3)


def test_blocks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holes = np.zeros((240, 240), np.bool_)
    holes[100:110, 60:75] = True  # filled from its rims
    holes[150:230, 120:220] = True  # too large for that
    holes[7, 9] = True
    path = make_dem(tmp_path / "dem.tif", holes=holes)
    xy = places(6000, 595)
    whole = heights(path, xy)
    monkeypatch.setattr(module, "_SIDE", 41)
    assert np.isfinite(whole).all()
    assert np.abs(heights(path, xy) - whole).max() < 1e-3


def test_voids_are_filled_or_masked(tmp_path: Path) -> None:
    holes = np.zeros((240, 240), np.bool_)
    holes[100:104, 60:64] = True
    holes[150:230, 120:220] = True
    path = make_dem(tmp_path / "dem.tif", holes=holes)
    xy = places(6000, 590)
    with open_dem(path, "auto", None, "fill") as dem:
        filled = dem.heights(xy)
    with open_dem(path, "auto", None, "mask") as dem:
        masked = dem.heights(xy)
    truth = hills(xy[:, 0] - EAST, xy[:, 1] - NORTH)
    assert not masked.filled.any()
    void = np.isnan(masked.height)
    assert 0.12 < void.mean() < 0.18
    assert np.isfinite(filled.height).all()
    assert np.abs(filled.filled.astype(float) - void).mean() < 0.02
    both = ~filled.filled & ~void
    apart = np.abs(filled.height[both] - masked.height[both])
    assert (apart < 1e-3).mean() > 0.95  # the others lie within a pixel of a void
    assert apart.max() < 10
    # Not the truth, but no nonsense either: between the hills around.
    assert np.abs(filled.height[void] - truth[void]).max() < 150
    middle = np.array([[EAST + 62 * 5 - 600.0, NORTH + 600.0 - 102 * 5]])
    assert np.isnan(heights(path, middle, "mask")).all()
    small = hills(*(middle[0] - [EAST, NORTH]))
    assert heights(path, middle)[0] == pytest.approx(float(small), abs=6)


def test_a_dem_of_nothing_is_no_sea_level(tmp_path: Path) -> None:
    path = make_dem(tmp_path / "dem.tif", holes=np.ones((240, 240), np.bool_))
    with pytest.raises(InputError, match="no valid height"):
        heights(path, places(10))
    assert np.isnan(heights(path, places(10), "mask")).all()


def test_voids_without_heights_around_stay_voids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DEM of the whole Earth isn't read for an image at sea."""
    monkeypatch.setattr(module, "_SIDE", 8)
    monkeypatch.setattr(module, "_REACH", 2)
    holes = np.ones((240, 240), np.bool_)
    holes[:, :100] = False
    path = make_dem(tmp_path / "dem.tif", holes=holes)
    at = np.array([[EAST - 400, NORTH], [EAST - 600 + 105 * 5, NORTH], [EAST + 500, NORTH]])
    with open_dem(path, "auto", None, "fill") as dem:
        found = dem.heights(at)
    assert np.isfinite(found.height).tolist() == [True, True, False]
    assert found.filled.tolist() == [False, True, False]


def test_undeclared_nodata(tmp_path: Path) -> None:
    data = np.full((50, 50), 100.0, np.float32)
    data[20:25, 20:25] = -32768
    path = save(
        tmp_path / "a.tif", data, crs=UTM.to_wkt(), transform=Affine(10, 0, EAST, 0, -10, NORTH)
    )
    at = np.array([[EAST + 225, NORTH - 225], [EAST + 55, NORTH - 55]])
    assert np.isnan(heights(path, at, "mask")[0])
    assert heights(path, at) == pytest.approx([100, 100])


@pytest.mark.parametrize("nodata", [-9999, -32768, 1e20])
def test_large_voids_of_undeclared_nodata(tmp_path: Path, nodata: float) -> None:
    """What they are filled from is a coarse look, in which GDAL would average them with heights."""
    data = np.full((1200, 1200), 1000.0, np.float32)
    data[:, 600:] = 1400
    data[301:811, 303:805] = nodata
    path = save(
        tmp_path / "a.tif", data, crs=UTM.to_wkt(), transform=Affine(1, 0, EAST, 0, -1, NORTH)
    )
    x, y = (a.ravel() + 0.5 for a in np.meshgrid(np.arange(280, 830, 5), np.arange(280, 830, 5)))
    found = heights(path, np.stack([EAST + x, NORTH - y], axis=1))
    assert 999.9 < found.min() < found.max() < 1400.1
    assert found[(x < 303) & (y < 301)] == pytest.approx(1000)


def test_edges_and_beyond(tmp_path: Path) -> None:
    data = np.arange(12, dtype=np.float32).reshape(3, 4)
    path = save(
        tmp_path / "a.tif", data, crs=UTM.to_wkt(), transform=Affine(10, 0, EAST, 0, -10, NORTH)
    )
    xy = np.array([[0, 0], [5, -5], [10, -5], [40, -30], [40.1, -10], [-0.1, -10], [np.nan, 0]])
    found = heights(path, xy + [EAST, NORTH])
    assert found[:4] == pytest.approx([0, 0, 0.5, 11])
    assert np.isnan(found[4:]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)])
def test_tiny_dems(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = save(tmp_path / "a.tif", np.full(shape, 7, np.int16), crs=UTM.to_wkt(),
                transform=Affine(10, 0, EAST, 0, -10, NORTH))  # fmt: skip
    assert heights(path, np.array([[EAST + 1, NORTH - 1]])) == pytest.approx([7])


def test_units_scales_and_offsets(tmp_path: Path) -> None:
    path = Path(save(tmp_path / "a.tif", np.full((20, 20), 1000, np.int16), crs=UTM.to_wkt(),
                     transform=Affine(10, 0, EAST, 0, -10, NORTH)))  # fmt: skip
    import rasterio

    at = np.array([[EAST + 50, NORTH - 50]])
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.1,), (50.0,)
    assert heights(str(path), at) == pytest.approx([150])
    with rasterio.open(path, "r+") as file:
        file.units = ("ft",)
    assert heights(str(path), at) == pytest.approx([150 * 0.3048])


def test_the_geoid_goes_into_the_heights(tmp_path: Path) -> None:
    grid = make_geoid(tmp_path / "g.gtx")
    path = make_dem(tmp_path / "dem.tif")
    xy = places(500)
    raised = heights(path, xy, geoid=grid) - heights(path, xy)
    with open_dem(path, "auto", None, "fill") as dem:
        lon, lat = dem.vertical.path.forward(xy).T
    assert np.abs(raised - undulation(lon, lat)).max() < 2e-3


def test_degrees_and_the_antimeridian(tmp_path: Path) -> None:
    data = np.arange(360, dtype=np.float32)[None].repeat(180, axis=0)
    path = save(
        tmp_path / "world.tif", data, crs="EPSG:4326", transform=Affine(1, 0, -180, 0, -1, 90)
    )
    xy = np.array([[LON, LAT], [LON + 360, LAT], [-179.5, 0], [180.5, 0], [540.5, 0]])
    found = heights(path, xy)
    assert found == pytest.approx([194.5, 194.5, 0, 0, 0])


def test_blocks_are_read_once_by_many_threads(tmp_path: Path) -> None:
    path = make_dem(tmp_path / "dem.tif", step=1.0)
    xy = places(20_000, 590)
    with open_dem(path, "auto", None, "fill") as dem:
        with ThreadPoolExecutor(6) as pool:
            parts = list(pool.map(lambda part: dem.heights(part).height, np.array_split(xy, 40)))
        assert dem.reads == 9  # 1200 x 1200 pixels in blocks of 512
        again = dem.heights(xy).height
        assert dem.reads == 9
    assert np.array_equal(np.concatenate(parts), again)


def test_memory_is_bounded(tmp_path: Path) -> None:
    path = make_dem(tmp_path / "dem.tif", step=1.0)
    with open_dem(path, "auto", None, "fill", memory=1) as dem:
        dem.heights(places(5000, 590))
        assert len(dem._blocks) <= 4
        assert dem.reads == 9


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ({"crs": None}, "no CRS"),
        ({"transform": None}, "no geotransform"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_is_no_dem(tmp_path: Path, profile: dict[str, object], said: str) -> None:
    place = {"crs": UTM.to_wkt(), "transform": Affine(10, 0, EAST, 0, -10, NORTH), **profile}
    path = save(tmp_path / "a.tif", np.ones((9, 9), np.float32),
                **{k: v for k, v in place.items() if v is not None})  # fmt: skip
    with pytest.raises(InputError, match=f"a.tif can't serve as DEM.*{said}"):
        heights(path, places(3))


def test_crs_of_the_dem_is_flat(tmp_path: Path) -> None:
    path = make_dem(tmp_path / "dem.tif", crs=CRS("EPSG:32633+5773").to_wkt())
    with open_dem(path, "ellipsoid", None, "fill") as dem:
        assert dem.crs == UTM
