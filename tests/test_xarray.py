"""DataArrays in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

import scenes

xr = pytest.importorskip("xarray", reason="xarray isn't installed")
rioxarray = pytest.importorskip("rioxarray", reason="rioxarray isn't installed")
pytest.importorskip("dask", reason="Dask isn't installed")

import georeg.xarray  # noqa: E402 - registers the accessor
from georeg import OutputSettings, Settings, align  # noqa: E402
from georeg.errors import RefusedError, SettingsError  # noqa: E402

QUICK = Settings(transform="shift", threads=1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> scenes.Pair:
    return scenes.make_pair(
        tmp_path_factory.mktemp("pair"), scenes.shift(3.3, -2.1), (160, 160), seed=5
    )


@pytest.fixture(scope="module")
def expected(pair: scenes.Pair, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    out = str(tmp_path_factory.mktemp("out") / "a.tif")
    align(pair.moving, pair.reference, out, QUICK, OutputSettings(grid="reference"))
    with rioxarray.open_rasterio(out) as array:
        return np.asarray(array.values)


def test_numpy_in_numpy_out(pair: scenes.Pair, expected: np.ndarray) -> None:
    moving = rioxarray.open_rasterio(pair.moving).load()
    reference = rioxarray.open_rasterio(pair.reference).load()
    found = moving.georeg.align_to(reference, QUICK)
    np.testing.assert_array_equal(found.values, expected)
    assert found.rio.transform() == reference.rio.transform()
    assert found.rio.crs == reference.rio.crs
    assert found.rio.nodata == 0
    np.testing.assert_array_equal(found.x, reference.x)
    np.testing.assert_array_equal(found.y, reference.y)
    assert found.attrs["georeg_rmse_px"] < 0.3
    flat = moving.isel(band=0, drop=True).georeg.align_to(pair.reference, QUICK)
    assert flat.dims == ("y", "x")
    np.testing.assert_array_equal(flat.values, expected[0])


def test_dask_is_lazy(pair: scenes.Pair, expected: np.ndarray) -> None:
    moving = rioxarray.open_rasterio(pair.moving, chunks=64)
    reference = rioxarray.open_rasterio(pair.reference, chunks=64)
    found = moving.georeg.align_to(reference, QUICK)
    assert found.chunks is not None
    assert found.shape == expected.shape
    assert found.name is None  # as the array itself; it was "from-value-" and 32 digits
    assert moving.rename("red").georeg.align_to(reference, QUICK).name == "red"
    np.testing.assert_array_equal(found.compute(scheduler="synchronous").values, expected)
    nowhere = moving.georeg.align_to(
        reference.copy(data=scenes.texture((160, 160), 77)[None] * 200), QUICK
    )  # nothing is looked at yet
    with pytest.raises(RefusedError, match="no trustworthy alignment"):
        nowhere.compute(scheduler="synchronous")


def test_parts_of_arrays(pair: scenes.Pair, expected: np.ndarray) -> None:
    """Their coordinates tell where they are; what they were cut from had another transform."""
    moving = rioxarray.open_rasterio(pair.moving).load()
    reference = rioxarray.open_rasterio(pair.reference).load()
    for part in (
        reference.isel(y=slice(20, 150), x=slice(10, None)),
        reference.isel(y=slice(None, None, -1)),
    ):
        found = moving.georeg.align_to(part, QUICK)
        np.testing.assert_array_equal(found.x, part.x)
        np.testing.assert_array_equal(found.y, part.y)
        assert found.rio.transform() == part.rio.transform(recalc=True)
        whole = reference.copy(data=expected).sel(x=part.x, y=part.y)
        alike = np.abs(found.values.astype(int) - whole.values) <= 2
        assert alike.mean() > 0.99


@pytest.mark.parametrize("chunks", [None, 64])
def test_masked_arrays(
    pair: scenes.Pair, tmp_path: Path, chunks: int | None, expected: np.ndarray
) -> None:
    """What rioxarray has as NaN comes out as NaN, and not as the file's nodata value."""
    hole = (slice(60, 90), slice(70, 100))
    with rasterio.open(pair.moving) as file:
        data, place = file.read(1).astype(np.int16), {"transform": file.transform, "crs": file.crs}
    data[hole] = -999
    scenes.write(tmp_path / "a.tif", data, **place, dtype="int16", nodata=-999)
    moving = rioxarray.open_rasterio(tmp_path / "a.tif", masked=True, chunks=chunks)
    found = moving.georeg.align_to(pair.reference, QUICK)
    values = found.compute(scheduler="synchronous").values
    assert np.isnan(values).sum() >= 900
    assert np.nanmin(values) > -20  # cubic kernels overshoot
    assert np.isnan(found.rio.nodata)
    assert found.rio.encoded_nodata == -999
    given = moving.georeg.align_to(pair.reference, QUICK, nodata=-7).compute()
    assert given.rio.nodata == -7
    np.testing.assert_array_equal(given.values == -7, np.isnan(values))


def test_arrays_without_a_place() -> None:
    image = xr.DataArray(np.zeros((4, 4)), dims=("y", "x"))
    with pytest.raises(SettingsError, match="no CRS"):
        image.georeg.align_to(image)
    with pytest.raises(SettingsError, match="no spatial dimensions"):
        xr.DataArray(np.zeros((4, 4)), dims=("a", "b")).georeg.align_to(image)
    cube = xr.DataArray(np.zeros((2, 3, 4, 4)), dims=("time", "band", "y", "x"))
    with pytest.raises(SettingsError, match="one time at a time"):
        cube.rio.write_crs("EPSG:32633").georeg.align_to(image)


@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_no_raster_is_said_in_one_line(pair: scenes.Pair, lazy: bool) -> None:
    good = rioxarray.open_rasterio(pair.moving, chunks=64 if lazy else None)
    uneven = good.isel(x=np.sort(np.random.default_rng(0).permutation(160)[:100]))
    for moving, reference, said in (
        (good > 9, good, "an array of bool is no image: convert it with array.astype.'uint8'"),
        (good, good.astype("float16"), "float16 is no image: .* array.astype.'float32'"),
        (good.astype("datetime64[ns]"), good, "an array of datetime64.ns. is no image$"),
        (good.to_dataset(name="red"), good, r"this is a Dataset: .* dataset\['NAME'\]: red"),
        (good, good.to_dataset(name="red"), "the reference is a Dataset: .*: red"),
        (good, good.values, "a ndarray is no reference"),
        (good.isel(band=0, x=0), good, "no spatial dimensions"),
        (good.isel(x=slice(0)), good, "it has no pixels"),
        (uneven, good, "coordinates x aren't evenly spaced"),
    ):
        with pytest.raises(SettingsError, match=said):
            moving.georeg.align_to(reference, QUICK)
    with pytest.raises(SettingsError, match="nodata -1 doesn't fit into arrays of uint"):
        good.georeg.align_to(good, QUICK, nodata=-1)


def test_a_path_is_a_name(pair: scenes.Pair, expected: np.ndarray) -> None:
    moving = rioxarray.open_rasterio(pair.moving)
    found = moving.georeg.align_to(Path(pair.reference), QUICK)
    np.testing.assert_array_equal(found.values, expected)


def test_it_says_where_it_is() -> None:
    assert georeg.xarray.GeoregAccessor.__doc__
