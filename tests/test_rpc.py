"""The RPC model against GDAL's own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import RPCTransformer

from georeg.errors import InputError
from georeg.ortho.rpc import Rpc
from georeg.ortho.rpcfiles import rpc_tags
from georeg.raster import Raster
from ortho_cases import Array, gdal_rpc, rpc_of

SHARED = Path(os.environ.get("GEOREG_SHARED", "/nowhere")) / "data" / "pairs"
REAL = ("pleiades_reunion/img_01.tif", "pleiades_reunion/img_02.tif")


def real(name: str) -> Rpc:
    if not (SHARED / name).exists():
        pytest.skip("GEOREG_SHARED has no pleiades_reunion")
    with Raster(str(SHARED / name)) as raster:
        return Rpc.from_tags(rpc_tags(raster), name)


@pytest.fixture(params=["synthetic", *REAL])
def rpc(request: pytest.FixtureRequest) -> Rpc:
    return rpc_of() if request.param == "synthetic" else real(request.param)


def volume(rpc: Rpc, count: int = 2000, seed: int = 0) -> tuple[Array, Array]:
    """Longitudes and latitudes, and heights, all over the volume for which the RPCs are made."""
    u = np.random.default_rng(seed).uniform(-1, 1, (count, 3))
    at = u * [rpc.long_scale, rpc.lat_scale, rpc.height_scale]
    at += [rpc.long_off, rpc.lat_off, rpc.height_off]
    return at[:, :2], at[:, 2]


def test_projection_agrees_with_gdal(rpc: Rpc) -> None:
    lonlat, height = volume(rpc)
    with RPCTransformer(gdal_rpc(rpc)) as transformer:
        rows, columns = transformer.rowcol(*lonlat.T, zs=height, op=float)
    found = rpc.project(lonlat, height)
    assert np.abs(found - np.stack([columns, rows], axis=1)).max() < 1e-6


def test_inverse_agrees_with_gdal(rpc: Rpc) -> None:
    lonlat, height = volume(rpc, 500)
    xy = rpc.project(lonlat, height)
    exact = {"RPC_PIXEL_ERROR_THRESHOLD": "1e-9", "RPC_MAX_ITERATIONS": "200"}
    with RPCTransformer(gdal_rpc(rpc), **exact) as transformer:
        longitude, latitude = transformer.xy(xy[:, 1], xy[:, 0], zs=height, offset="ul")
    found = rpc.locate(xy, height)
    assert np.isfinite(longitude).all()
    assert np.abs(found - np.stack([longitude, latitude], axis=1)).max() < 1e-9


def test_jacobian_is_the_slope(rpc: Rpc) -> None:
    lonlat, height = volume(rpc, 200)
    jacobian = rpc.jacobian(lonlat, height)
    for axis, step in ((0, 1e-6), (1, 1e-6), (2, 0.05)):
        move = np.zeros(3)
        move[axis] = step
        ahead = rpc.project(lonlat + move[:2], height + move[2])
        behind = rpc.project(lonlat - move[:2], height - move[2])
        slope = (ahead - behind) / (2 * step)
        assert np.allclose(jacobian[:, :, axis], slope, rtol=1e-4, atol=1e-6 * np.abs(slope).max())


@settings(deadline=None, max_examples=50)
@given(
    look=st.tuples(st.floats(-0.7, 0.7), st.floats(-0.7, 0.7)),
    seed=st.integers(0, 2**31),
    gsd=st.sampled_from([0.3, 1.0, 10.0]),
)
def test_back_and_forth(look: tuple[float, float], seed: int, gsd: float) -> None:
    rpc = rpc_of(400, gsd, look)
    lonlat, height = volume(rpc, 100, seed)
    xy = rpc.project(lonlat, height)
    assert np.abs(rpc.project(rpc.locate(xy, height), height) - xy).max() < 1e-6


def test_the_antimeridian_is_no_border() -> None:
    rpc = rpc_of(long_off=179.9999)
    at = np.array([[179.9995, 48.0], [-179.9995, 48.0], [180.0005, 48.0]])
    xy = rpc.project(at, np.full(3, 600.0))
    assert xy[0, 0] < xy[1, 0]
    assert np.allclose(xy[1], xy[2])
    with RPCTransformer(gdal_rpc(rpc)) as transformer:
        rows, columns = transformer.rowcol(*at[:2].T, zs=[600, 600], op=float)
    assert np.abs(xy[:2] - np.stack([columns, rows], axis=1)).max() < 1e-6


def test_where_there_is_nothing() -> None:
    rpc = rpc_of()
    nan = np.nan
    assert np.isnan(rpc.project(np.array([[15.0, 48.0]]), np.array([nan]))).all()
    assert np.isnan(rpc.locate(np.array([[nan, 1.0], [1e12, 1.0]]), np.zeros(2))).all()
    assert rpc.locate(np.zeros((0, 2)), np.zeros(0)).shape == (0, 2)


def test_moved_is_a_shift_of_the_image() -> None:
    rpc = rpc_of()
    lonlat, height = volume(rpc, 50)
    moved = rpc.moved(3.25, -7.5).project(lonlat, height)
    assert np.abs(moved - rpc.project(lonlat, height) - [3.25, -7.5]).max() < 1e-9


def test_tags_keep_every_bit() -> None:
    rpc = rpc_of(err_bias=1.5)
    assert Rpc.from_tags(rpc.to_tags(), "x") == rpc


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"LINE_OFF": None}, "LINE_OFF is missing"),
        ({"SAMP_NUM_COEFF": "1 2 3"}, "SAMP_NUM_COEFF must be 20 numbers"),
        ({"LAT_OFF": "north"}, "LAT_OFF must be 1 number"),
        ({"LINE_NUM_COEFF": " ".join(["nan"] + ["0"] * 19)}, "LINE_NUM_COEFF is not a finite"),
        ({"HEIGHT_OFF": "inf"}, "HEIGHT_OFF is not a finite"),
        ({"SAMP_SCALE": "0"}, "SAMP_SCALE isn't above 0"),
        ({"LAT_OFF": "4800"}, "latitude 4800"),
        ({"LINE_DEN_COEFF": " ".join(["0"] * 20)}, "the line is nowhere"),
        ({"SAMP_DEN_COEFF": "0 1 " + " ".join(["0"] * 18)}, "the samp is nowhere"),
        ({"SAMP_NUM_COEFF": " ".join(["0"] * 20)}, "everywhere the same"),
    ],
)
def test_what_cannot_be_true_is_refused(change: dict[str, str | None], said: str) -> None:
    tags = {**rpc_of().to_tags(), **change}
    with pytest.raises(InputError, match=said) as error:
        Rpc.from_tags({k: v for k, v in tags.items() if v is not None}, "a.tif")
    assert "a.tif" in str(error.value)


def test_unknown_errors_stay_unknown() -> None:
    tags = rpc_of().to_tags()
    assert Rpc.from_tags({**tags, "ERR_BIAS": "-1", "ERR_RAND": "?"}, "x") == rpc_of()
    assert Rpc.from_tags({**tags, "ERR_BIAS": "2"}, "x") == replace(rpc_of(), err_bias=2.0)
