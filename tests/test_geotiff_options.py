"""What creation options do to an output, and which are refused before the work."""

import re

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from georeg.errors import SettingsError
from georeg.raster import Raster
from georeg.writers.geotiff import WriteOptions, shift_only, write_warped
from warp_cases import AT, entries, grid, produce, save, texture, wavy


@pytest.mark.parametrize(
    ("driver", "creation", "expected"),
    [
        ("COG", {}, "DEFLATE"),
        ("COG", {"COMPRESS": "LZW", "BLOCKSIZE": "256"}, "LZW"),
        ("COG", {"COMPRESS": "JPEG", "QUALITY": "80"}, "JPEG"),
        ("COG", {"COMPRESS": "NONE"}, None),
        ("COG", {"COMPRESS": "LERC", "MAX_Z_ERROR": "0.1"}, "LERC"),
        ("COG", {"SPARSE_OK": "YES", "RESAMPLING": "NEAREST"}, "DEFLATE"),
        ("COG", {"OVERVIEWS": "NONE"}, "DEFLATE"),
        ("GTiff", {}, "DEFLATE"),
        ("GTiff", {"COMPRESS": "ZSTD", "ZSTD_LEVEL": "3", "INTERLEAVE": "BAND"}, "ZSTD"),
        ("GTiff", {"TILED": "NO"}, "DEFLATE"),
        ("GTiff", {"SPARSE_OK": "TRUE"}, "DEFLATE"),
    ],
)
def test_creation_options(tmp_path, driver, creation, expected):
    source = save(tmp_path / "in.tif", texture(700, 700).astype("uint8"), nodata=0)
    produce(source, tmp_path / "a.tif", driver=driver, creation=creation)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        found = dataset.compression
        assert (found.value if found else None) == expected
        assert (
            dataset.block_shapes[0][1] == int(creation.get("BLOCKSIZE", 512)) or "TILED" in creation
        )


@pytest.mark.parametrize(
    ("driver", "creation", "message"),
    [
        ("COG", {"COMPRES": "LZW"}, "no creation option COMPRES"),
        ("COG", {"COMPRESS": "RAR"}, "RAR"),
        ("COG", {"BLOCKSIZE": "wide"}, "a number"),
        ("COG", {"BLOCKSIZE": "500"}, "multiple of 16"),
        ("COG", {"BLOCKSIZE": "0"}, "multiple of 16"),
        ("GTiff", {"TILED": "YES", "BLOCKXSIZE": "-16"}, "multiple of 16"),
        ("COG", {"TILING_SCHEME": "GoogleMapsCompatible"}, "second time"),
        ("COG", {"TILED": "YES"}, "no creation option TILED"),
        ("GTiff", {"BLOCKSIZE": "256"}, "no creation option BLOCKSIZE"),
        ("GTiff", {"PREDICTOR": "4"}, "1 or 2 or 3"),
        ("PNG", {}, "none of COG, GTiff"),
    ],
)
def test_wrong_options_are_refused_at_once(driver, creation, message):
    with pytest.raises(SettingsError, match=message):
        WriteOptions(driver=driver, creation=creation)


@pytest.mark.parametrize(
    ("driver", "creation"),
    [
        ("COG", {"COMPRESS": "JPEG"}),
        ("GTiff", {"COMPRESS": "JPEG"}),
        ("GTiff", {"COMPRESS": "JPEG", "SPARSE_OK": "YES"}),
        ("GTiff", {"COMPRESS": "WEBP"}),
    ],
)
def test_options_that_do_not_suit_the_raster_are_refused_before_the_work(
    tmp_path, driver, creation
):
    source = save(tmp_path / "in.tif", texture(100, 100).astype("float32"))
    calls = []
    with Raster(source) as raster, pytest.raises(SettingsError, match="refuses"):
        write_warped(
            raster,
            grid(50, 50),
            wavy,
            str(tmp_path / "a.tif"),
            options=WriteOptions(driver, creation),
            progress=calls.append,
        )
    assert not calls
    assert entries(tmp_path) == ["in.tif"]


def test_fewer_bits(tmp_path):
    values = texture(100, 100, high=4000).astype("uint16")
    source = save(tmp_path / "in.tif", values, nbits=12)
    produce(source, tmp_path / "a.tif", driver="GTiff", creation={"NBITS": "12"})
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.tags(1, ns="IMAGE_STRUCTURE")["NBITS"] == "12"


@pytest.mark.parametrize(
    ("dtype", "high", "bits", "said"),
    [
        ("uint16", 4000, "8", "values up to 3[0-9]{3}.* NBITS=8 .* up to 255"),
        ("float32", 4e6, "16", "values up to .* NBITS=16 .* up to 65504"),
        ("uint16", 4000, "12", ""),
        ("float32", 4000, "16", ""),
    ],
)
def test_values_that_need_more_bits_are_said(tmp_path, caplog, dtype, high, bits, said):
    """GDAL cuts them off, which changes the picture."""
    source = save(tmp_path / "in.tif", texture(100, 100, high=high).astype(dtype))
    produce(source, tmp_path / "a.tif", driver="GTiff", creation={"NBITS": bits})
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("georeg")]
    if said:
        assert len(ours) == 1
        assert re.search(said, ours[0])
    else:
        assert not ours


@pytest.mark.parametrize("driver", ["COG", "GTiff"])
@pytest.mark.parametrize("nodata", [None, 0.0, -0.0])
def test_sparse_files_of_zeros_of_either_sign(tmp_path, driver, nodata):
    """GDAL leaves out blocks of -0.0, too, which come back as 0.0 or the nodata value."""
    values = np.full((600, 1100), -0.0, "float32")
    values[:100, :100] = texture(100, 100)
    source = save(tmp_path / "in.tif", values, nodata=nodata)
    with Raster(source) as raster:
        shift_only(raster, str(tmp_path / "a.tif"), AT, WriteOptions(driver, {"SPARSE_OK": "YES"}))
    with rasterio.open(tmp_path / "a.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), values)
        assert dataset.nodata == nodata


def test_alpha_that_jpeg_would_make_a_mask_is_refused_before_the_work(tmp_path):
    """GDAL's COG driver does that without a word; WebP and plain GeoTIFFs keep the band."""
    bands = np.repeat(texture(100, 100)[None], 4, axis=0).astype("uint8")
    bands[3] = 255
    source = save(tmp_path / "in.tif", bands, photometric="RGB", alpha="YES")
    calls = []
    jpeg = {"COMPRESS": "JPEG"}
    with Raster(source) as raster, pytest.raises(SettingsError, match=r"4 bands become 3.*WEBP"):
        write_warped(
            raster,
            grid(50, 50),
            wavy,
            str(tmp_path / "a.tif"),
            options=WriteOptions(creation=jpeg),
            progress=calls.append,
        )
    assert not calls
    assert entries(tmp_path) == ["in.tif"]
    produce(source, tmp_path / "webp.tif", creation={"COMPRESS": "WEBP"})
    produce(source, tmp_path / "plain.tif", driver="GTiff", creation=jpeg)
    for name in ("webp.tif", "plain.tif"):
        with rasterio.open(tmp_path / name) as written:
            assert written.colorinterp[3] == ColorInterp.alpha


# Progress and failure
