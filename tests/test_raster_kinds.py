"""Every kind of raster that GDAL reads, with known pixels."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.drivers import raster_driver_extensions
from rasterio.enums import ColorInterp, MaskFlags
from scipy.io import netcdf_file

import rasters
from georeg.errors import InputError
from georeg.grid import Window
from georeg.inputs.georef import AffineGeoref, GcpGeoref
from georeg.pairing.scene import open_scene
from georeg.raster import Raster
from georeg.settings import Settings

FORMATS = [
    ("COG", "tif", {}),
    ("JP2OpenJPEG", "jp2", {"QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO"}),
    ("ENVI", "img", {}),
    ("VRT", "vrt", {}),
    ("NITF", "ntf", {"ICORDS": "N"}),
    ("HFA", "img", {}),
    ("netCDF", "nc", {}),
    ("PNG", "png", {"WORLDFILE": "YES"}),
]


def whole(raster: Raster) -> Window:
    return Window(0, 0, raster.header.shape[1], raster.header.shape[0])


@pytest.mark.parametrize(("driver", "suffix", "options"), FORMATS)
def test_format(tmp_path: Path, driver: str, suffix: str, options: dict[str, str]) -> None:
    with rasterio.Env() as env:
        if driver not in env.drivers():
            pytest.skip(f"this GDAL has no {driver} driver")
    pixels = rasters.ramp()
    source = rasters.write(tmp_path / "source.tif", pixels)
    name = str(tmp_path / f"copy.{suffix}")
    rasterio.shutil.copy(source, name, driver=driver, **options)
    with Raster(name) as raster:
        read = raster.read(whole(raster))
        np.testing.assert_array_equal(read.data[0], pixels[0])
        assert read.mask.all()
        assert isinstance(raster.header.georef, AffineGeoref)
        corner = raster.header.georef.to_map(np.array([[0.0, 0.0], [60.0, 40.0]]))
        # NITF and world files hold decimal numbers.
        np.testing.assert_allclose(corner, [[350000, 5250000], [350600, 5249600]], atol=1e-2)


def test_formats_are_known_to_this_gdal() -> None:
    assert {"tif", "jp2", "vrt"} <= set(raster_driver_extensions())


def test_subdataset(tmp_path: Path) -> None:
    pixels = rasters.ramp(bands=2, dtype="int16")
    source = rasters.write(tmp_path / "source.tif", pixels)
    name = str(tmp_path / "two.nc")
    rasterio.shutil.copy(source, name, driver="netCDF")
    with Raster(f"NETCDF:{name}:Band2") as raster:
        np.testing.assert_array_equal(raster.read(whole(raster)).data[0], pixels[1])
        assert raster.header.crs is not None
    with pytest.raises(InputError, match=r"(?i)name one of its subdatasets, e\.g\. netcdf"):
        Raster(name)


def swath(path: Path) -> str:
    """A netCDF file with two pictures, and the longitude and latitude of each of their pixels."""
    with netcdf_file(path, "w") as file:
        file.Conventions = "CF-1.6"
        file.createDimension("y", 30)
        file.createDimension("x", 40)
        y, x = np.mgrid[:30, :40]
        for name, unit, values in (
            ("lat", "degrees_north", 47 - 0.001 * y),
            ("lon", "degrees_east", 13 + 0.001 * x),
            ("radiance", "1", x + 3.0 * y),
            ("quality", "1", x % 2.0 + y),
        ):
            variable = file.createVariable(name, "d", ("y", "x"))
            variable[:] = values
            variable.units = unit
            if unit == "1":
                variable.coordinates = "lon lat"
    return str(path)


def test_a_picture_among_coordinates_is_named(tmp_path: Path) -> None:
    """The first one was named, and mostly that is a latitude."""
    with pytest.raises(InputError, match=r"e\.g\. netcdf:.*:radiance$"):
        Raster(swath(tmp_path / "swath.nc"))


@pytest.mark.parametrize("quote", ["", '"'])
def test_no_such_subdataset(tmp_path: Path, quote: str) -> None:
    """It was "no such file", though the file is there."""
    name = swath(tmp_path / "swath.nc")
    with pytest.raises(InputError, match=r"swath\.nc has no such subdataset$"):
        Raster(f"NETCDF:{quote}{name}{quote}:nosuch")
    with pytest.raises(InputError, match=r"no such file$"):
        Raster(f"NETCDF:{quote}{name}x{quote}:radiance")


def test_geolocation_arrays_are_named(tmp_path: Path) -> None:
    """They are a georeference that isn't followed; it was said that there is none."""
    name = f"NETCDF:{swath(tmp_path / 'swath.nc')}:radiance"
    with Raster(name) as raster:
        assert raster.header.located_by_arrays
        assert raster.header.georef is None
    reference = rasters.write(tmp_path / "reference.tif", rasters.ramp())
    for pair in ((name, reference), (reference, name)):
        with pytest.raises(InputError, match="gdalwarp -geoloc"), open_scene(*pair, Settings()):
            pass


def test_zip(tmp_path: Path) -> None:
    pixels = rasters.ramp()
    name = rasters.write(tmp_path / "a.tif", pixels)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(name, "inner/a.tif")
    with Raster(f"/vsizip/{tmp_path}/a.zip/inner/a.tif") as raster:
        np.testing.assert_array_equal(raster.read(whole(raster)).data, pixels)


@pytest.mark.parametrize("prefix", ["/vsicurl/", ""])
def test_http(tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "GDAL_HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    pixels = rasters.ramp((300, 300), "uint16")
    source = rasters.write(tmp_path / "source.tif", pixels)
    rasterio.shutil.copy(source, str(tmp_path / "cog.tif"), driver="COG")
    with (
        rasters.served(tmp_path) as address,
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
        Raster(f"{prefix}{address}/cog.tif") as raster,
    ):
        window = Window(100, 50, 20, 30)
        read = raster.read(window)
        np.testing.assert_array_equal(read.data[0], pixels[0, 50:80, 100:120])


def test_missing_on_the_server(tmp_path: Path) -> None:
    with rasters.served(tmp_path) as address, pytest.raises(InputError, match=r"nothing\.tif"):
        Raster(f"/vsicurl/{address}/nothing.tif")


@pytest.mark.parametrize("suffix", ["jp2", "txt", "jpeg", "xyz"])
def test_wrong_extension(tmp_path: Path, suffix: str) -> None:
    pixels = rasters.ramp()
    rasters.write(tmp_path / "a.tif", pixels)
    (tmp_path / "a.tif").rename(tmp_path / f"a.{suffix}")
    with Raster(str(tmp_path / f"a.{suffix}")) as raster:
        np.testing.assert_array_equal(raster.read(whole(raster)).data, pixels)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
def test_types(tmp_path: Path, dtype: str) -> None:
    low = -3 if np.dtype(dtype).kind != "u" else 3
    top = 1e20 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)
    pixels = np.array([[[low, 0, 1, top]]]).astype(dtype)
    name = rasters.write(tmp_path / "a.tif", pixels)
    with Raster(name) as raster:
        read = raster.read(whole(raster))
        assert read.data.dtype == np.float32
        np.testing.assert_array_equal(read.data, pixels.astype(np.float32))
        assert read.mask.all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -3.4028235e38, 1e38])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_measurement(tmp_path: Path, bad: float, dtype: str) -> None:
    pixels = rasters.ramp(dtype=dtype)
    pixels[0, 3:7, 5:9] = bad
    name = rasters.write(tmp_path / "a.tif", pixels)
    with Raster(name) as raster:
        read = raster.read(whole(raster))
        assert not read.mask[3:7, 5:9].any()
        assert read.mask.sum() == read.mask.size - 16
        assert (read.data[:, ~read.mask] == 0).all()
        small = raster.read(whole(raster), (10, 15))
        # Blocks of 4 x 4: each holds valid pixels but never the bad value's average.
        expected = _block_means(pixels[0].astype(np.float64), ~read.mask)
        np.testing.assert_allclose(small.data[0], expected, rtol=1e-5)


def _block_means(values: Any, bad: Any, side: int = 4) -> Any:
    rows, columns = values.shape[0] // side, values.shape[1] // side
    good = np.where(bad, 0, values).reshape(rows, side, columns, side).sum(axis=(1, 3))
    count = (~bad).reshape(rows, side, columns, side).sum(axis=(1, 3))
    return good / np.maximum(count, 1)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "complex_int16"])
def test_complex(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(0)
    magnitude = rng.integers(50, 100, (1, 40, 60))
    phase = rng.uniform(-np.pi, np.pi, magnitude.shape)
    pixels = (magnitude * np.exp(1j * phase)).astype(np.complex64)
    if dtype == "complex_int16":
        pixels = np.round(pixels.real) + 1j * np.round(pixels.imag)
        pixels = pixels.astype(np.complex64)
    name = rasters.write(tmp_path / "a.tif", pixels, dtype=dtype)
    with Raster(name) as raster:
        assert raster.header.is_complex
        read = raster.read(whole(raster))
        np.testing.assert_allclose(read.data, np.abs(pixels), rtol=1e-6)
        # The mean of magnitudes, not the magnitude of the mean: phases cancel out.
        small = raster.read(whole(raster), (4, 6))
        assert small.data.min() > 60


def test_alpha(tmp_path: Path) -> None:
    pixels = np.concatenate([rasters.ramp(bands=3), np.full((1, 40, 60), 255, np.uint8)])
    pixels[3, :10] = 0
    name = rasters.write(tmp_path / "a.tif", pixels, photometric="rgb", alpha="yes")
    with Raster(name) as raster:
        assert raster.header.alpha == 4
        for bands in ((1, 2, 3), (2,)):
            read = raster.read(whole(raster), None, bands)
            assert not read.mask[:10].any()
            assert read.mask[10:].all()
        # A block that is only half transparent holds the mean of what is visible.
        small = raster.read(Window(0, 8, 60, 4), (1, 15), (1,))
        visible = pixels[0, 10:12].astype(float).reshape(2, 15, 4).mean(axis=(0, 2))
        np.testing.assert_allclose(small.data[0, 0], visible, atol=0.6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_band_that_is_only_called_alpha(tmp_path: Path, dtype: type) -> None:
    """GDAL declares a fourth band as alpha unless it is told otherwise: near infrared, mostly."""
    full = np.iinfo(dtype).max
    rng = np.random.default_rng(0)
    infrared = (rng.uniform(0.1, 0.6, (40, 60)) * full).astype(dtype)
    infrared[:, :5] = 0
    pixels = np.concatenate([rasters.ramp(bands=3).astype(dtype), infrared[None]])
    name = rasters.write(tmp_path / "a.tif", pixels, photometric="rgb", alpha="yes")
    with Raster(name) as raster:
        assert raster.header.alpha is None
        assert raster.header.mistaken_alpha == 4
        assert raster.header.colorinterp[3] == "undefined"
        assert raster.read(whole(raster), None, (1, 2, 3)).mask.all()
        assert raster.read(whole(raster), (20, 30), (1, 2, 3)).mask.all()
    # Soft edges and what lossy compression leaves are an opacity's.
    soft = np.full((40, 60), full, dtype)
    soft[:, :20] = 0.04 * full
    soft[:, 20:24] = np.array([0.1, 0.3, 0.7, 0.9]) * full
    soft[:, 24:] -= full // 25
    # And so is a layer that was made transparent as a whole.
    faint = np.where(soft > full // 2, 0.3 * full, 0).astype(dtype)
    for name, opacity in (("b.tif", soft), ("c.tif", faint)):
        pixels[3] = opacity
        written = rasters.write(tmp_path / name, pixels, photometric="rgb", alpha="yes")
        with Raster(written) as raster:
            assert raster.header.alpha == 4
            assert raster.header.mistaken_alpha is None
            np.testing.assert_array_equal(raster.read(whole(raster)).mask, soft > full // 2)


@pytest.mark.parametrize("internal", [True, False])
def test_mask_band(tmp_path: Path, internal: bool) -> None:
    pixels = rasters.ramp(bands=3)
    name = str(tmp_path / "a.tif")
    mask = np.full((40, 60), 255, np.uint8)
    mask[20:, 30:] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal):
        rasters.write(name, pixels)
        with rasterio.open(name, "r+") as file:
            file.write_mask(mask)
    assert (tmp_path / "a.tif.msk").exists() != internal
    with Raster(name) as raster:
        assert raster.header.masked
        np.testing.assert_array_equal(raster.read(whole(raster)).mask, mask > 0)
        small = raster.read(whole(raster), (20, 30)).mask
        np.testing.assert_array_equal(small, mask[::2, ::2] > 0)


def test_nodata_per_band(tmp_path: Path) -> None:
    one = rasters.ramp(dtype="int16")
    two = rasters.ramp(dtype="int16")
    one[0, :, :5] = -9999
    two[0, :, 55:] = -1
    files = [
        rasters.write(tmp_path / "1.tif", one, nodata=-9999),
        rasters.write(tmp_path / "2.tif", two, nodata=-1),
    ]
    vrt = tmp_path / "both.vrt"
    bands = "".join(
        f'<VRTRasterBand dataType="Int16" band="{k}"><NoDataValue>{nodata}</NoDataValue>'
        f"<SimpleSource><SourceFilename>{file}</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand>"
        for k, (file, nodata) in enumerate(zip(files, (-9999, -1), strict=True), start=1)
    )
    vrt.write_text(f'<VRTDataset rasterXSize="60" rasterYSize="40">{bands}</VRTDataset>')
    with Raster(str(vrt)) as raster:
        assert raster.header.nodata == (-9999, -1)
        both = raster.read(whole(raster), None, (1, 2)).mask
        assert not both[:, :5].any()
        assert not both[:, 55:].any()
        assert both[:, 5:55].all()
        assert raster.read(whole(raster), None, (1,)).mask[:, 5:].all()
        # A reduced block never averages a nodata value.
        small = raster.read(whole(raster), (10, 15), (1, 2))
        assert small.data.min() >= 0


def test_black_is_a_colour_too(tmp_path: Path) -> None:
    pixels = rasters.ramp(bands=3)
    pixels[:, :5] = 0
    pixels[0, 20] = 0  # only red is 0 there
    name = rasters.write(tmp_path / "a.tif", pixels, nodata=0)
    with Raster(name) as raster:
        mask = raster.read(whole(raster), None, (1, 2, 3)).mask
        assert not mask[:5].any()
        assert mask[5:].all()


def test_nodata_given_by_the_user(tmp_path: Path) -> None:
    pixels = rasters.ramp(dtype="uint16")
    pixels[0, :, :6] = 7
    name = rasters.write(tmp_path / "a.tif", pixels)
    with Raster(name, nodata=7) as raster:
        read = raster.read(whole(raster))
        np.testing.assert_array_equal(read.mask, pixels[0] != 7)
        small = raster.read(whole(raster), (10, 15))
        assert not small.mask[:, 0].any()
        expected = _block_means(pixels[0].astype(float), pixels[0] == 7)
        np.testing.assert_allclose(small.data[0], np.where(small.mask, expected, 0), rtol=1e-5)


def test_float_nodata_that_float32_cannot_hold(tmp_path: Path) -> None:
    pixels = rasters.ramp(dtype="float32")
    pixels[0, :3] = np.float32(-9999.9)
    name = rasters.write(tmp_path / "a.tif", pixels, nodata=-9999.9)
    with Raster(name) as raster:
        assert not raster.read(whole(raster)).mask[:3].any()


def test_mixed_types(tmp_path: Path) -> None:
    one, two = rasters.ramp(), rasters.ramp(dtype="float32") * 0.5
    files = [rasters.write(tmp_path / "1.tif", one), rasters.write(tmp_path / "2.tif", two)]
    vrt = tmp_path / "both.vrt"
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{k}"><SimpleSource><SourceFilename>{file}'
        "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        for k, (file, kind) in enumerate(zip(files, ("Byte", "Float32"), strict=True), start=1)
    )
    vrt.write_text(f'<VRTDataset rasterXSize="60" rasterYSize="40">{bands}</VRTDataset>')
    with Raster(str(vrt)) as raster:
        read = raster.read(whole(raster), None, (1, 2))
        np.testing.assert_array_equal(read.data[1], two[0])


def test_gcps_only(tmp_path: Path) -> None:
    turned = rasters.TRANSFORM @ Affine.rotation(20)
    gcps = [
        GroundControlPoint(row=y, col=x, x=(turned @ (x, y))[0], y=(turned @ (x, y))[1])
        for x in (0, 30, 60)
        for y in (0, 20, 40)
    ]
    pixels = rasters.ramp()
    name = str(tmp_path / "a.tif")
    with rasterio.open(
        name, "w", driver="GTiff", height=40, width=60, count=1, dtype="uint8",
        gcps=gcps, crs="EPSG:32633",
    ) as file:  # fmt: skip
        file.write(pixels)
    with Raster(name) as raster:
        georef = raster.header.georef
        assert isinstance(georef, GcpGeoref)
        assert raster.header.crs is not None
        assert raster.header.crs.to_epsg() == 32633
        at = georef.to_map(np.array([[12.5, 33.25]]))
        np.testing.assert_allclose(at, [turned @ (12.5, 33.25)], atol=1e-3)


def test_mask_flags_of_this_gdal(tmp_path: Path) -> None:
    """What `masked` relies on: alpha and mask bands are neither all_valid nor nodata."""
    name = rasters.write(tmp_path / "a.tif", rasters.ramp(), nodata=0)
    with rasterio.open(name) as file:
        assert file.mask_flag_enums == ([MaskFlags.nodata],)
        assert file.colorinterp == (ColorInterp.gray,)


@pytest.mark.parametrize("dtype", ["uint8", "complex64"])
@pytest.mark.parametrize("offset", [0, 100])
def test_raw_pixels_that_are_not_all_there(tmp_path: Path, dtype: str, offset: int) -> None:
    """A copy that broke off: in ENVI's format GDAL makes zeros of the rest, without an error."""
    path = tmp_path / "a.img"
    rasters.write(path, rasters.ramp(dtype=dtype, bands=2), driver="ENVI")
    header = path.with_suffix(".hdr")
    header.write_text(header.read_text().replace("header offset = 0", f"header offset = {offset}"))
    whole = bytes(offset) + path.read_bytes()
    path.write_bytes(whole)
    with Raster(str(path)) as raster:
        assert raster.read(Window(0, 0, 60, 40)).mask.all()
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match=rf"a\.img is truncated: {len(whole) - 1} bytes"):
        Raster(str(path))
