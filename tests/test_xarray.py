"""DataArrays in and out."""

from __future__ import annotations

import numpy as np
import pytest

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
    np.testing.assert_array_equal(found.compute(scheduler="synchronous").values, expected)
    nowhere = moving.georeg.align_to(
        reference.copy(data=scenes.texture((160, 160), 77)[None] * 200), QUICK
    )  # nothing is looked at yet
    with pytest.raises(RefusedError, match="no trustworthy alignment"):
        nowhere.compute(scheduler="synchronous")


def test_arrays_without_a_place() -> None:
    image = xr.DataArray(np.zeros((4, 4)), dims=("y", "x"))
    with pytest.raises(SettingsError, match="no CRS"):
        image.georeg.align_to(image)
    with pytest.raises(SettingsError, match="no spatial dimensions"):
        xr.DataArray(np.zeros((4, 4)), dims=("a", "b")).georeg.align_to(image)
    cube = xr.DataArray(np.zeros((2, 3, 4, 4)), dims=("time", "band", "y", "x"))
    with pytest.raises(SettingsError, match="one time at a time"):
        cube.rio.write_crs("EPSG:32633").georeg.align_to(image)


def test_it_says_where_it_is() -> None:
    assert georeg.xarray.GeoregAccessor.__doc__
