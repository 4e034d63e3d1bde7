"""Ways between CRSs with known answers, and honest words where PROJ only guesses."""

from __future__ import annotations

import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

import rasters
from georeg import crs as crs_module
from georeg.crs import (
    CrsPath,
    ballpark_warning,
    crs_name,
    metres_per_unit,
    parse_crs,
    to_lonlat,
    turn,
    wrap_longitude,
)
from georeg.errors import InputError, SettingsError
from georeg.raster import Raster

ALBERS = "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +datum=NAD83 +units=m"
CHICAGO = np.array([[-88.0, 41.5], [-87.5, 41.5], [-87.5, 42.0], [-88.0, 42.0]])


@pytest.mark.parametrize(
    ("source", "target", "at", "expected"),
    [
        # Origins of the projections, by definition.
        ("EPSG:32633", "EPSG:4326", (500000, 0), (15, 0)),
        ("EPSG:3857", "EPSG:4326", (20037508.342789244, 0), (180, 0)),
        # Illinois East: 500 000 US feet east at 36 deg 40' N, 88 deg 20' W, on NAD27.
        ("EPSG:26771", "EPSG:4267", (500000, 0), (-88 - 1 / 3, 36 + 2 / 3)),
        (ALBERS, "EPSG:4269", (0, 0), (-96, 23)),
    ],
)
def test_known_positions(
    source: str, target: str, at: tuple[float, float], expected: tuple[float, float]
) -> None:
    path = CrsPath(parse_crs(source), parse_crs(target))
    np.testing.assert_allclose(path.forward(np.array([at], float)), [expected], atol=1e-6)
    np.testing.assert_allclose(path.inverse(np.array([expected], float)), [at], atol=0.02)


@settings(deadline=None, derandomize=True)
@given(
    pair=st.sampled_from(
        [
            ("EPSG:32633", "EPSG:32634"),
            ("EPSG:32633", "EPSG:4326"),
            ("EPSG:4326", "EPSG:3857"),
            ("EPSG:32633", "EPSG:3035"),
            ("EPSG:32633", "EPSG:25832"),
            ("EPSG:4326", "EPSG:5041"),
        ]
    ),
    x=st.floats(12.5, 17.5),
    y=st.floats(40, 60),
)
def test_round_trips(pair: tuple[str, str], x: float, y: float) -> None:
    source, target = CRS(pair[0]), CRS(pair[1])
    start = CrsPath(CRS(4326), source).forward(np.array([[x, y]]))
    path = CrsPath(source, target)
    back = path.inverse(path.forward(start))
    metres = 111_000 if source.is_geographic else 1.0
    assert np.abs(back - start).max() * metres < 1e-3


@settings(deadline=None, derandomize=True)
@given(st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_wrapping(x: float, around: float) -> None:
    wrapped = float(wrap_longitude(np.array([x]), around, 360.0)[0])
    assert abs(wrapped - around) <= 180 + 1e-9
    assert math.isclose((wrapped - x) / 360, round((wrapped - x) / 360), abs_tol=1e-9)
    if abs(x - around) <= 180:
        assert wrapped == x


@pytest.mark.parametrize(
    ("crs", "length"),
    [
        ("EPSG:4326", 360.0),
        ("EPSG:3857", 2 * math.pi * 6378137),
        ("+proj=eqc +lon_0=150 +datum=WGS84", 2 * math.pi * 6378137),
        ("EPSG:32633", None),
        (ALBERS, None),
        ("EPSG:4807", 400.0),  # grads
    ],
)
def test_turns(crs: str, length: float | None) -> None:
    found = turn(parse_crs(crs))
    assert found == (None if length is None else pytest.approx(length, rel=1e-6))


def test_longitudes_come_out_near_the_other_raster() -> None:
    fiji = CRS(32701)  # zone 1, around 177 degrees west
    east = np.array([[177.5, -18.0], [179.9, -18.0]])
    utm = CrsPath(CRS(4326), fiji).forward(east)
    here = CrsPath(fiji, CRS(4326), target_x=-179.0).forward(utm)
    np.testing.assert_allclose(here[:, 0], [-182.5, -180.1], atol=1e-6)
    there = CrsPath(fiji, CRS(4326), target_x=179.0).forward(utm)
    np.testing.assert_allclose(there[:, 0], [177.5, 179.9], atol=1e-6)


def test_without_a_crs_nothing_happens() -> None:
    xy = np.array([[1.0, 2.0]])
    assert (CrsPath(None, None).forward(xy) == xy).all()
    assert np.isnan(to_lonlat(None, xy)).all()
    assert metres_per_unit(None, xy[0]) is None
    assert turn(None) is None
    assert ballpark_warning(None, CRS(4326), xy) is None


def test_crs_without_a_code(tmp_path: Path) -> None:
    """A projection that somebody made up goes through a file and leads to the right place."""
    wkt = CRS.from_proj4("+proj=laea +lat_0=47.3 +lon_0=11.1 +x_0=7 +y_0=9 +datum=WGS84").to_wkt()
    name = rasters.write(tmp_path / "a.tif", rasters.ramp(), crs=wkt)
    with Raster(name) as raster:
        crs = raster.header.crs
        assert crs is not None
        assert crs.to_epsg() is None
        at = CrsPath(crs, CRS(4326)).forward(np.array([[7.0, 9.0]]))
        np.testing.assert_allclose(at, [[11.1, 47.3]], atol=1e-8)


def test_names() -> None:
    assert crs_name(CRS(32633)) == "EPSG:32633"
    assert crs_name(None) == "no CRS"
    assert crs_name(parse_crs(ALBERS)) == "a CRS without a name"


def test_no_crs_at_all() -> None:
    with pytest.raises(SettingsError, match="'nonsense' is not a CRS"):
        parse_crs("nonsense")
    with pytest.raises(SettingsError) as caught:
        parse_crs("PROJCS[" + "x" * 1000)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(("code", "kind"), [("EPSG:5703", "vertical"), ("EPSG:4978", "geocentric")])
def test_a_crs_without_a_map(code: str, kind: str) -> None:
    """Taken for one, it would make a raster of nonsense."""
    with pytest.raises(SettingsError, match=f"'{code}' is a {kind} CRS"):
        parse_crs(code)
    for good in ("EPSG:4979", "EPSG:32633+5773", "EPSG:31466"):
        parse_crs(good)


def test_missing_grid_is_named() -> None:
    """NAD27 needs NADCON or NTv2, which no package brings along."""
    text = ballpark_warning(CRS(26771), CRS(32616), CHICAGO, pixel=1.0)
    if text is None:
        pytest.skip("this machine has PROJ's grids for NAD27")
    assert "us_noaa_conus.tif" in text
    assert "EPSG:26771" in text
    assert "projsync" in text


@pytest.mark.parametrize(
    ("source", "target"), [(26771, 26716), (4326, 32616), (32616, 32617), (4269, 4326)]
)
def test_no_warning_where_nothing_is_missing(source: int, target: int) -> None:
    assert ballpark_warning(CRS(source), CRS(target), CHICAGO, pixel=10.0) is None


def test_second_best_is_fine_for_coarse_pixels() -> None:
    assert ballpark_warning(CRS(26771), CRS(32616), CHICAGO, pixel=250.0) is None


def test_unknown_datum() -> None:
    sphere = parse_crs("+proj=longlat +a=6370997 +b=6370997 +no_defs")
    bare = parse_crs("+proj=longlat +ellps=bessel +no_defs")
    for crs in (sphere, bare):
        text = ballpark_warning(crs, CRS(4326), CHICAGO, pixel=10.0)
        if text is not None:
            assert "ballpark" in text
    text = ballpark_warning(bare, CRS(4326), CHICAGO, pixel=10.0)
    assert text is not None
    assert "unknown accuracy" in text


def test_threads_leave_warnings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The filters are the whole process's: one thread leaves while the next one still looks."""
    real, both, one_left = crs_module.TransformerGroup, Barrier(2, timeout=10), Event()

    def slowly(*args: Any, **more: Any) -> Any:
        if both.wait() == 1:  # the second of the two goes on when the first one is done
            one_left.wait(10)
        return real(*args, **more)

    monkeypatch.setattr(crs_module, "TransformerGroup", slowly)

    def looked(_: int) -> str | None:
        text = ballpark_warning(CRS(4267), CRS(4326), CHICAGO)
        one_left.set()
        return text

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with ThreadPoolExecutor(2) as pool:
            assert all(pool.map(looked, range(2)))
        assert list(warnings.filters) == before


@pytest.mark.parametrize("code", ["merc", "longlat", "eqc"])
def test_a_turn_of_a_crs_with_a_datum_shift(code: str) -> None:
    """With +towgs84 there was none, so nothing met across the antimeridian."""
    plain, shifted = (
        CRS(f"+proj={code} +ellps=bessel {datum}") for datum in ("", "+towgs84=100,20,-7")
    )
    assert shifted.is_bound
    assert turn(shifted) == pytest.approx(turn(plain))


def test_units_on_the_ground() -> None:
    feet = metres_per_unit(CRS(26771), np.array([500000.0, 1e6]))
    assert feet == pytest.approx((0.3048, 0.3048), rel=1e-3)
    local = parse_crs('LOCAL_CS["site",UNIT["foot",0.3048],AXIS["E",EAST],AXIS["N",NORTH]]')
    assert metres_per_unit(local, np.zeros(2)) == pytest.approx((0.3048, 0.3048))


def test_no_transformation_between_planets() -> None:
    moon = parse_crs("+proj=longlat +a=1737400 +b=1737400 +no_defs")
    mars = CRS.from_user_input("IAU_2015:49900") if _has_iau() else None
    if mars is None:
        pytest.skip("this PROJ database knows no other planets")
    path = CrsPath(mars, CRS(4326))
    with pytest.raises(InputError, match="no transformation"):
        path.forward(np.array([[1.0, 1.0]]))
    assert crs_name(moon) == "a CRS without a name"


def _has_iau() -> bool:
    try:
        CRS.from_user_input("IAU_2015:49900")
    except Exception:
        return False
    return True
