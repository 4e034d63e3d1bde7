"""Tie points as CSV, GeoJSON and GeoPackage: nothing is lost, hand-made files are understood."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer

import scenes
from georeg.errors import GeoregError, InputError, PointsError, SettingsError
from georeg.inputs.georef import AffineGeoref
from georeg.matches import Matches
from georeg.writers.points import PointTable, formats, read_points, write_points

UTM = CRS.from_epsg(32633)
GEOREF = AffineGeoref(Affine(10, 0, scenes.ORIGIN[0], 0, -10, scenes.ORIGIN[1]))
SUFFIXES = ("csv", "geojson", "gpkg")
OTHERS = ("points", "sh", "tif", "txt")  # tests/test_points_positions.py


def table(count: int = 20, seed: int = 0) -> PointTable:
    rng = np.random.default_rng(seed)
    matches = Matches(
        rng.uniform(0, 1000, (count, 2)),
        rng.uniform(0, 1000, (count, 2)),
        rng.uniform(0, 1, count),
        rng.uniform(0.05, 2, count),
    )
    return PointTable.of(
        matches, rng.random(count) < 0.5, rng.normal(0, 1, (count, 2)), GEOREF, UTM
    )


def same(one: PointTable, two: PointTable) -> None:
    for name in ("moving_xy", "reference_xy", "map_xy", "score", "sigma", "residual_xy", "inlier",
                 "enabled"):  # fmt: skip
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert one.ids == two.ids
    assert one.crs == two.crs


def test_some_of_the_points_keep_all_that_is_known() -> None:
    points = replace(table(), enabled=np.arange(20) % 3 > 0, height=np.arange(20.0), apart=64.32)
    keep = np.arange(20) % 2 > 0
    some = points.select(keep)
    for field in fields(PointTable):
        whole, part = getattr(points, field.name), getattr(some, field.name)
        if isinstance(whole, tuple | np.ndarray):
            np.testing.assert_array_equal(part, np.array(whole)[keep], err_msg=field.name)
        else:
            assert part == whole, field.name


def test_formats_are_the_files() -> None:
    assert formats() == sorted((*SUFFIXES, *OTHERS))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(suffix: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"points.{suffix}")
    write_points(path, table())
    same(read_points(path), table())
    assert [p.name for p in tmp_path.iterdir()] == [f"points.{suffix}"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_makes_points_independent_is_kept(suffix: str, tmp_path: Path) -> None:
    """The error at left-out points is worth nothing if their neighbours saw the same pixels."""
    path = str(tmp_path / f"points.{suffix}")
    write_points(path, replace(table(), apart=64.32))
    found = read_points(path)
    same(found, table())
    assert found.apart == 64.32
    assert found.matches(GEOREF, UTM).apart == 64.32
    assert found.select(found.inlier).apart == 64.32


number = st.floats(-1e9, 1e9, allow_nan=False)
maybe = number | st.just(math.nan)
name = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
rows = st.lists(
    st.tuples(name, st.tuples(*[number] * 6), st.tuples(maybe, maybe), st.floats(0, 1),
              st.floats(1e-6, 1e6), st.booleans(), st.booleans()),
    min_size=1, max_size=6,
)  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(points=rows, crs=st.sampled_from([None, "EPSG:32633", "EPSG:4326"]))
def test_round_trip_of_anything(suffix: str, tmp_path: Path, points: Any, crs: Any) -> None:
    """To the last bit, whatever the names: commas, quotes, comment signs, line breaks."""
    xy = np.array([p[1] for p in points])
    written = PointTable(
        tuple(p[0] for p in points), xy[:, :2], xy[:, 2:4], xy[:, 4:],
        np.array([p[3] for p in points]), np.array([p[4] for p in points]),
        np.array([p[2] for p in points]), np.array([p[5] for p in points]),
        np.array([p[6] for p in points]), crs,
    )  # fmt: skip
    path = str(tmp_path / f"points.{suffix}")
    write_points(path, written)
    back = read_points(path)
    assert len(back) == len(written)
    for field in ("moving_xy", "reference_xy", "map_xy", "score", "sigma", "inlier", "enabled"):
        np.testing.assert_array_equal(getattr(back, field), getattr(written, field), err_msg=field)
    np.testing.assert_array_equal(back.residual_xy, written.residual_xy)
    assert back.crs == crs
    plain = [n for n in written.ids if n and n.isascii() and n.isalnum()]
    assert set(plain) <= set(back.ids)
    # What was read once stays as it is.
    write_points(path, back)
    same(read_points(path), back)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_numbers_that_are_not_known_stay_unknown(suffix: str, tmp_path: Path) -> None:
    one = table(3)
    nothing = np.full((3, 2), np.nan)
    written = PointTable(
        one.ids, one.moving_xy, nothing, one.map_xy, one.score, one.sigma, nothing, one.inlier,
        one.enabled, None,
    )  # fmt: skip
    path = str(tmp_path / f"p.{suffix}")
    write_points(path, written)
    same(read_points(path), written)
    assert b"NaN" not in (tmp_path / f"p.{suffix}").read_bytes()


def test_geojson_is_valid_and_in_longitude_and_latitude(tmp_path: Path) -> None:
    path = tmp_path / "p.geojson"
    one = table()
    write_points(str(path), one)

    def no_constants(text: str) -> Any:
        raise AssertionError(f"{text} is no JSON")

    data = json.loads(path.read_text(), parse_constant=no_constants)
    assert data["type"] == "FeatureCollection"
    assert "crs" not in data  # RFC 7946
    lonlat = np.array([f["geometry"]["coordinates"] for f in data["features"]])
    back = Transformer.from_crs("EPSG:4326", UTM, always_xy=True).transform(*lonlat.T)
    assert np.stack(back, axis=1) == pytest.approx(one.map_xy, abs=1e-3)
    for feature in data["features"]:
        assert feature["type"] == "Feature"
        assert feature["geometry"]["type"] == "Point"
    first = data["features"][0]["properties"]
    assert (first["col"], first["row"]) == tuple(one.moving_xy[0])
    assert (first["x"], first["y"]) == tuple(one.map_xy[0])


def test_geojson_of_points_without_crs_has_no_geometry(tmp_path: Path) -> None:
    path = tmp_path / "p.geojson"
    one = PointTable.of(
        table(2).matches(None, None), np.ones(2, bool), np.zeros((2, 2)), GEOREF, None
    )
    write_points(str(path), one)
    assert [f["geometry"] for f in json.loads(path.read_text())["features"]] == [None, None]
    same(read_points(str(path)), one)


def test_csv_of_hands(tmp_path: Path) -> None:
    """Semicolons, any order, spaces, capitals, gaps, a byte order mark, Windows' line ends."""
    path = tmp_path / "p.csv"
    text = (
        "# my points\r\n"
        " Reference_X ; reference_y;MOVING_Y;Moving_X;remark\r\n"
        "10; 20 ;40;30;the old mill\r\n"
        "\r\n"
        "11;21;41;31;\r\n"
    )
    path.write_text(text, encoding="utf-8-sig", newline="")
    read = read_points(str(path))
    assert read.moving_xy.tolist() == [[30, 40], [31, 41]]
    assert read.reference_xy.tolist() == [[10, 20], [11, 21]]
    assert read.ids == ("1", "2")
    assert read.score.tolist() == read.sigma.tolist() == [1, 1]
    assert read.enabled.all()
    assert read.inlier.all()
    assert np.isnan(read.map_xy).all()


def test_map_positions_lead_to_reference_pixels(tmp_path: Path) -> None:
    """Only where the reference pixel is missing, and from the CRS that the file names."""
    lonlat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    x, y = lonlat.transform(scenes.ORIGIN[0] + 255, scenes.ORIGIN[1] - 125)
    path = tmp_path / "p.csv"
    path.write_text(
        "# crs of map_x, map_y: EPSG:4326\n"
        "id,moving_x,moving_y,reference_x,reference_y,map_x,map_y,enabled\n"
        f"by map,1,2,,,{x!r},{y!r},1\n"
        f"by pixel,3,4,7,8,{x!r},{y!r},yes\n"
        f"left out,5,6,,,1e300,0,0\n"
    )
    matches = read_points(str(path)).matches(GEOREF, UTM)
    assert matches.reference_xy == pytest.approx(np.array([[25.5, 12.5], [7, 8]]), abs=1e-5)
    assert matches.moving_xy.tolist() == [[1, 2], [3, 4]]


def test_geojson_drawn_on_a_map(tmp_path: Path) -> None:
    """Points of a GIS: col and row typed in, the place is the geometry."""
    lonlat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    x, y = lonlat.transform(scenes.ORIGIN[0] + 255, scenes.ORIGIN[1] - 125)
    feature = {
        "type": "Feature",
        "properties": {"col": 5, "row": "6.5"},
        "geometry": {"type": "Point", "coordinates": [x, y, 120.0]},
    }
    path = tmp_path / "p.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    matches = read_points(str(path)).matches(GEOREF, UTM)
    assert matches.reference_xy == pytest.approx(np.array([[25.5, 12.5]]), abs=1e-4)
    assert matches.moving_xy.tolist() == [[5, 6.5]]


def test_geojson_of_a_point_that_was_moved(tmp_path: Path) -> None:
    """As by QGIS: the geometry changes, and is rounded to seven decimals; the fields don't."""
    path = tmp_path / "p.geojson"
    one = table()
    write_points(str(path), one)
    data = json.loads(path.read_text())
    for feature in data["features"]:
        feature["geometry"]["coordinates"] = [
            round(v, 7) for v in feature["geometry"]["coordinates"]
        ]
    path.write_text(json.dumps(data))
    same(read_points(str(path)), one)
    lonlat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    x, y = lonlat.transform(one.map_xy[3, 0] + 25, one.map_xy[3, 1] - 5)
    expected = np.array(one.reference_xy)
    expected[3] += [2.5, 0.5]
    for kind, place in (("Point", [x, y]), ("MultiPoint", [[x, y]])):
        data["features"][3]["geometry"] = {"type": kind, "coordinates": place}
        path.write_text(json.dumps(data))
        matches = read_points(str(path)).matches(GEOREF, UTM)
        np.testing.assert_allclose(matches.reference_xy, expected, atol=1e-5)


HEAD = "moving_x,moving_y,reference_x,reference_y,score,sigma_px,enabled\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no tie points"),
        ("# only a comment\n", "no tie points"),
        (HEAD, "no tie points"),
        ("a,b\n1,2\n", "no column moving_x"),
        (HEAD + "1,2,3,4,1,1,1\n1,2,3,x,1,1,1\n", "line 3: reference_y is 'x'"),
        (HEAD + "1,2,3,nan,1,1,1\n", "line 2: reference_y is 'nan'"),
        (HEAD + "1,,3,4,1,1,1\n", "line 2: moving_y is missing"),
        (HEAD + "1,2,,,1,1,1\n", "neither reference_x, reference_y nor map_x"),
        (HEAD + "1,2,3,4,1.5,1,1\n", "score is 1.5"),
        (HEAD + "1,2,3,4,1,0,1\n", "sigma_px is 0"),
        (HEAD + "1,2,3,4,1,1,perhaps\n", "enabled is 'perhaps'"),
        (HEAD + "1,2,3,4,1,1,1,9\n", "8 values for 7 columns"),
        (HEAD + f"1,2,3,{'4' * 200_000},1,1,1\n", "line 2"),
        (HEAD + f"1,2,3,{'x' * 200_000},1,1,1\n", "line 2"),
    ],
)
def test_wrong_csv_says_where(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(PointsError, match=said) as error:
        read_points(str(path))
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 500
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "not GeoJSON"),
        ({"type": "Feature"}, "not a GeoJSON FeatureCollection"),
        ({"type": "FeatureCollection", "features": {}}, "not a GeoJSON FeatureCollection"),
        ({"type": "FeatureCollection", "features": []}, "no tie points"),
        ({"type": "FeatureCollection", "features": [1]}, "feature 1: it has no properties"),
        ({"type": "FeatureCollection", "features": [{"properties": {"col": 1, "row": 2}}]},
         "feature 1: neither"),
        ({"type": "FeatureCollection", "features": [{"properties": {"row": 2, "x": 1, "y": 1}}]},
         "feature 1: moving_x is missing"),
        ({"type": "FeatureCollection", "features": [
            {"properties": {"col": True, "row": 2, "x": 1, "y": 1}}]}, "moving_x is 'True'"),
        ({"type": "FeatureCollection", "features": [
            {"properties": {"col": 10**400, "row": 2, "x": 1, "y": 1}}]}, "moving_x is '1000"),
        ({"type": "FeatureCollection", "features": [
            {"properties": {"col": [1], "row": 2, "x": 1, "y": 1}}]}, "moving_x is"),
        ({"type": "FeatureCollection", "georeg_crs": 7, "features": [
            {"properties": {"col": 1, "row": 2, "x": 1, "y": 1}}]}, "must be text"),
    ],
)  # fmt: skip
def test_wrong_geojson_says_where(data: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "p.geojson"
    path.write_text(json.dumps(data))
    with pytest.raises(GeoregError, match=said) as error:
        read_points(str(path))
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(junk=st.binary(max_size=80))
def test_junk_is_an_error_of_ours(suffix: str, tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / f"p.{suffix}"
    head = {
        "csv": HEAD.encode(),
        "geojson": b'{"type": "FeatureCollection", "features": [',
        "gpkg": b"SQLite format 3\0",
    }[suffix]
    for start in (b"", head):
        path.write_bytes(start + junk)
        with contextlib.suppress(GeoregError):
            read_points(str(path))


def test_suffix_picks_the_format(tmp_path: Path) -> None:
    for bad in ("p.shp", "p", "p.csv.gz"):
        with pytest.raises(SettingsError, match="csv"):
            write_points(str(tmp_path / bad), table())
    write_points(str(tmp_path / "P.CSV"), table())
    same(read_points(str(tmp_path / "P.CSV")), table())
    with pytest.raises(InputError, match="no such file"):
        read_points(str(tmp_path / "nowhere.csv"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_existing_files_are_kept_unless_told_otherwise(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"p.{suffix}"
    path.write_text("mine")
    with pytest.raises(SettingsError, match="--overwrite"):
        write_points(str(path), table(), overwrite=False)
    assert path.read_text() == "mine"
    write_points(str(path), table())
    same(read_points(str(path)), table())


def test_no_point_enabled(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(HEAD + "1,2,3,4,1,1,0\n")
    with pytest.raises(PointsError, match="no tie point is enabled"):
        read_points(str(path)).matches(GEOREF, UTM)


def test_map_positions_need_a_reference_with_a_place() -> None:
    one = table(2)
    nothing = np.full((2, 2), np.nan)
    lost = PointTable(
        one.ids, one.moving_xy, nothing, one.map_xy, one.score, one.sigma, nothing, one.inlier,
        one.enabled, one.crs,
    )  # fmt: skip
    with pytest.raises(PointsError, match="only a map position"):
        lost.matches(None, None)
    assert lost.matches(GEOREF, UTM).reference_xy == pytest.approx(one.reference_xy)
