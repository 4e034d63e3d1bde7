"""Peak memory of a large warp, how often it reads, and CRSs that a GeoTIFF can hardly hold."""

import os
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from pyproj import CRS

from georeg.grid import Grid
from georeg.raster import Raster
from georeg.warping import WarpOptions, gdal_env, readers_held
from georeg.writers.geotiff import WriteOptions, shift_only, write_warped
from warp_cases import AT, entries, save, shift, texture

# Memory


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_memory_stays_bounded(tmp_path):
    """12 000 x 12 000 pixels through warp and COG."""
    script = """
import sys, numpy as np, rasterio
from affine import Affine
from georeg.grid import Grid
from georeg.raster import Raster
from georeg.warping import gdal_env
from georeg.writers.geotiff import write_warped
folder = sys.argv[1]
rng = np.random.default_rng(0)
strip = rng.integers(1, 255, (500, 12000)).astype("uint8")
with rasterio.open(f"{folder}/in.tif", "w", driver="GTiff", width=12000, height=12000, count=1,
                   dtype="uint8", nodata=0, tiled=True, compress="lzw",
                   transform=Affine(1, 0, 0, 0, -1, 0), crs="EPSG:32633") as dataset:
    for y in range(0, 12000, 500):
        dataset.write(strip, 1, window=((y, y + 500), (0, 12000)))
def mapping(xy):
    x, y = xy.T
    return np.stack([x + 6 * np.sin(y / 900) - 20, y + 6 * np.cos(x / 800) + 15], axis=1)
with gdal_env(2), Raster(f"{folder}/in.tif") as raster:
    write_warped(raster, raster.header.grid, mapping, f"{folder}/out.tif")
# Not getrusage: its peak starts with that of the process that started this one.
print(next(int(line.split()[1]) for line in open("/proc/self/status") if "VmHWM" in line) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 700
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.shape == (12000, 12000)


def bytes_read():
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="needs /proc")
@pytest.mark.parametrize("how", ["warp", "copy"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_wide_strips_are_decoded_once(tmp_path, how, interleave):
    """Not once more for every block that they pass through, which GDAL's cache can't hold all."""
    pixels = np.random.default_rng(0).integers(1, 60_000, (2, 1200, 6000), "uint16")
    options = {"compress": "deflate", "interleave": interleave, "blockysize": 1}
    path = save(tmp_path / "in.tif", pixels, **options)
    output = str(tmp_path / "out.tif")
    with rasterio.Env(GDAL_CACHEMAX=20 * 2**20), gdal_env(2), Raster(path) as raster:
        before = bytes_read()
        if how == "copy":
            shift_only(raster, output, AT, WriteOptions("GTiff"))
        else:
            write_warped(
                raster, raster.header.grid, shift(0.0, 0.0), output, WarpOptions(threads=2),
                WriteOptions("GTiff"),
            )  # fmt: skip
        count = bytes_read() - before
    # The output is looked at, too.
    assert count < 1.5 * (os.path.getsize(path) + os.path.getsize(output))
    with rasterio.open(output) as dataset:
        assert (dataset.read() == pixels).all()


def test_strips_behind_a_virtual_raster_count(tmp_path):
    """Its own blocks, 128 px wide, say nothing of what is decoded; a missing source is no error."""
    path = save(tmp_path / "in.tif", np.zeros((1, 200, 20000), "uint8"), blockysize=4)
    source = str(tmp_path / "in.vrt")
    source_band = (
        '<SimpleSource><SourceFilename relativeToVRT="1">in.tif</SourceFilename></SimpleSource>'
    )
    (tmp_path / "in.vrt").write_text(
        '<VRTDataset rasterXSize="20000" rasterYSize="200"><VRTRasterBand dataType="Byte" band="1">'
        f"{source_band}</VRTRasterBand></VRTDataset>"
    )
    with rasterio.Env(GDAL_CACHEMAX=3 * 2**20), Raster(path) as plain, Raster(source) as virtual:
        assert virtual.dataset().block_shapes == [(128, 128)]
        assert plain.decoded_at_once() == virtual.decoded_at_once() == (4, 20000)
        # 68 rows of 20000 bytes fit twice into 3 MB, 204 don't fit once.
        for rows, held in ((64, 2), (200, 0)):
            assert readers_held(plain, 512, rows) == readers_held(virtual, 512, rows) == held
        os.remove(path)
        assert virtual.decoded_at_once() == (128, 128)


# CRS


def test_grid_without_crs(tmp_path):
    source = save(tmp_path / "in.tif", texture(60, 60).astype("uint8"), crs=None)
    with Raster(source) as raster:
        shift_only(raster, str(tmp_path / "a.tif"), AT)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.crs is None
        assert dataset.transform == AT


@pytest.mark.parametrize(
    ("crs", "sidecars"),
    [
        ("EPSG:4979", []),
        ("EPSG:27700+5701", []),
        ("+proj=sinu +R=6371007.181 +type=crs", []),
        # GeoTIFF has no words for a rotated pole: GDAL needs a sidecar for it.
        (
            "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +datum=WGS84 "
            "+type=crs",
            ["a.tif.aux.xml"],
        ),
    ],
)
@pytest.mark.parametrize("driver", ["COG", "GTiff"])
def test_crs_is_never_lost(tmp_path, crs, sidecars, driver):
    source = save(tmp_path / "in.tif", texture(60, 60).astype("uint8"))
    (tmp_path / "out").mkdir()
    target = Grid((50, 50), AT, CRS.from_user_input(crs))
    with Raster(source) as raster:
        output = str(tmp_path / "out" / "a.tif")
        write_warped(raster, target, shift(1, 1), output, options=WriteOptions(driver))
    with Raster(output) as raster:
        assert raster.header.crs.equals(target.crs, ignore_axis_order=True)
        assert raster.header.grid.transform == AT
    assert entries(tmp_path / "out") == ["a.tif", *sidecars]
