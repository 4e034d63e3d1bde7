"""The GeoPackage: its layers and styles, points that were moved on a map, files of others."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pyogrio
import pyogrio.raw
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Transformer

import gdal_judges as judges
import scenes
from fit_cases import TRUE, fit_file
from georeg.errors import GeoregError
from georeg.inputs.georef import AffineGeoref
from georeg.matches import Matches
from georeg.writers.points import PointTable, read_points, write_points
from georeg.writers.sides import Sides, open_side

PLACE = TRUE @ Affine.translation(30, 40)
COUNT = 40


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[PointTable, Sides]:
    folder = tmp_path_factory.mktemp("scene")
    moving = scenes.write(folder / "m.tif", np.zeros((900, 800), np.uint8), PLACE)
    reference = scenes.write(folder / "r.tif", np.zeros((1000, 1000), np.uint8), TRUE)
    fit = fit_file("field")
    rng = np.random.default_rng(0)
    moving_xy = rng.uniform(20, 780, (COUNT, 2))
    claimed = fit.frame.to_pixel(AffineGeoref(PLACE).to_map(moving_xy))
    residuals = rng.normal(0, 0.4, (COUNT, 2))
    matches = Matches(
        moving_xy, fit.transform.forward(claimed) - residuals, rng.random(COUNT),
        rng.uniform(0.1, 1, COUNT),
    )  # fmt: skip
    table = PointTable.of(
        matches, rng.random(COUNT) < 0.8, residuals, AffineGeoref(TRUE), fit.frame.crs
    )
    table = replace(table, enabled=rng.random(COUNT) < 0.8)
    tiles = np.array([(0, 0, 320, 320), (320, 0, 320, 320), (900, 900, 100, 100)], np.float64)
    return table, Sides(open_side(moving), open_side(reference), fit, tiles)


@pytest.fixture(scope="module")
def written(scene: tuple[PointTable, Sides], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("out") / "p.gpkg"
    write_points(str(path), *scene)
    return path


def layer(path: Path, name: str):
    meta, _, wkb, columns = pyogrio.raw.read(path, layer=name)
    fields = dict(zip(meta["fields"], columns, strict=True))
    return CRS(meta["crs"]), shapely.from_wkb(wkb), fields


def test_layers(scene: tuple[PointTable, Sides], written: Path) -> None:
    table, sides = scene
    assert sides.fit is not None
    names = ["points", "displacements", "tiles", "footprints", "layer_styles"]
    assert pyogrio.list_layers(written)[:, 0].tolist() == names
    crs, dots, fields = layer(written, "points")
    assert crs == CRS(32633)
    np.testing.assert_array_equal(shapely.get_coordinates(dots), table.map_xy)
    np.testing.assert_allclose(fields["residual_px"], np.hypot(*table.residual_xy.T))
    # Clockwise from north, and pixel rows count to the south.
    east, south = table.residual_xy.T
    angle = np.radians(fields["residual_azimuth"])
    np.testing.assert_allclose(np.sin(angle) * fields["residual_px"], east, atol=1e-6)
    np.testing.assert_allclose(-np.cos(angle) * fields["residual_px"], south, atol=1e-6)
    _, lines, fields = layer(written, "displacements")
    ends = shapely.get_coordinates(lines).reshape(-1, 2, 2)
    np.testing.assert_allclose(ends[:, 0], AffineGeoref(PLACE).to_map(table.moving_xy), atol=1e-6)
    np.testing.assert_array_equal(ends[:, 1], table.map_xy)
    length = np.hypot(fields["dx"], fields["dy"])
    np.testing.assert_allclose(fields["length_m"], length, rtol=1e-3)  # but for the UTM scale
    _, tiles, fields = layer(written, "tiles")
    inside = np.array([shapely.contains_xy(t, *table.map_xy.T) for t in tiles])
    assert fields["points"].tolist() == inside.sum(axis=1).tolist()
    assert fields["inliers"].tolist() == (inside & table.inlier).sum(axis=1).tolist()
    assert tiles[0].equals(shapely.box(*tiles[0].bounds))
    assert tiles[0].bounds == (*sides.fit.frame.to_map(np.array([[0, 320]]))[0],
                               *sides.fit.frame.to_map(np.array([[320, 0]]))[0])  # fmt: skip
    _, shapes, fields = layer(written, "footprints")
    areas = dict(zip(fields["raster"], shapely.area(shapes), strict=True))
    assert areas["reference"] == pytest.approx(1e6)
    assert areas["moving, as it claims"] == pytest.approx(720_000)
    assert areas["moving, aligned"] == pytest.approx(720_000, rel=0.02)


def test_what_is_unknown_is_left_out(scene: tuple[PointTable, Sides], tmp_path: Path) -> None:
    table, sides = scene
    write_points(str(tmp_path / "a.gpkg"), table)
    assert pyogrio.list_layers(tmp_path / "a.gpkg")[:, 0].tolist() == ["points", "layer_styles"]
    write_points(str(tmp_path / "b.gpkg"), table, Sides(sides.moving))
    found = pyogrio.list_layers(tmp_path / "b.gpkg")[:, 0].tolist()
    assert found == ["points", "displacements", "footprints", "layer_styles"]


def test_gdal_finds_nothing_to_complain_about(written: Path) -> None:
    out = judges.run("ogrinfo", "-so", "-al", written)
    assert f"Feature Count: {COUNT}" in out
    with sqlite3.connect(written) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        assert database.execute("pragma application_id").fetchone() == (0x47504B47,)


def test_styles_are_where_qgis_looks_for_them(written: Path) -> None:
    with sqlite3.connect(written) as database:
        rows = database.execute(
            "select f_table_name, f_geometry_column, styleQML, useAsDefault from layer_styles"
        ).fetchall()
        columns = {
            name: {row[1] for row in database.execute(f"pragma table_info({name})")}
            for name in pyogrio.list_layers(written)[:, 0]
        }
    assert {row[0] for row in rows} == {"points", "displacements", "tiles", "footprints"}
    for name, geometry, qml, default in rows:
        assert geometry in columns[name]
        assert default == 1
        root = Xml.fromstring(qml)
        used = {f"renderer-v2/symbols/symbol[@name='{r.get('symbol')}']" for r in root.iter("rule")}
        assert used
        assert all(root.find(path) is not None for path in used)
        expressions = " ".join(rule.get("filter", "") for rule in root.iter("rule"))
        named = set(expressions.split('"')[1::2])
        assert named <= columns[name]


def test_the_same_points_give_the_same_bytes(
    scene: tuple[PointTable, Sides], written: Path, tmp_path: Path
) -> None:
    write_points(str(tmp_path / "again.gpkg"), *scene)
    assert (tmp_path / "again.gpkg").read_bytes() == written.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["again.gpkg"]


def test_threads_give_the_same_bytes(
    scene: tuple[PointTable, Sides], written: Path, tmp_path: Path
) -> None:
    """What GDAL takes for the time is the process's: one thread put it back while others wrote."""
    paths = [tmp_path / f"{k}.gpkg" for k in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: write_points(str(path), *scene), paths))
    assert {path.read_bytes() for path in paths} == {written.read_bytes()}
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") is None


def test_edits_of_a_predecessor_go(scene: tuple[PointTable, Sides], tmp_path: Path) -> None:
    """QGIS keeps a GeoPackage that it shows open, and edits of it in SQLite's log beside it."""
    path = tmp_path / "p.gpkg"
    table, sides = scene
    write_points(str(path), table, sides)
    with sqlite3.connect(path) as shown:
        for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):  # of triggers
            shown.create_function(name, 1, lambda _: 0)
        shown.execute("pragma journal_mode = wal")
        shown.execute("update points set enabled = 0, residual_px = 1e9")
        shown.commit()
        assert (tmp_path / "p.gpkg-wal").stat().st_size > 0
        fewer = table.select(np.arange(COUNT) % 2 == 0)
        write_points(str(path), fewer, sides)
        with sqlite3.connect(path) as written:
            assert written.execute("pragma integrity_check").fetchall() == [("ok",)]
        again = read_points(str(path), sides)
        assert np.array_equal(again.moving_xy, fewer.moving_xy)
        assert np.array_equal(again.enabled, fewer.enabled)
    shown.close()


@pytest.mark.parametrize(
    "name", ["a;b.gpkg", "a!b.gpkg", "gpkg:a.gpkg", "zip:a.gpkg", "d;d/a.gpkg", "d!d/a.gpkg"]
)
def test_names_that_mean_something_to_pyogrio(
    scene: tuple[PointTable, Sides], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """They were written, and could be read no more."""
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    write_points(name, *scene)
    assert list(read_points(name).ids) == list(scene[0].ids)
    Path(name).write_bytes(b"nothing")
    with pytest.raises(GeoregError, match=f"^{re.escape(name)} is not a GeoPackage .* read: (?!/)"):
        read_points(name)


@pytest.mark.parametrize("kind", ["Point", "MultiPoint"])
def test_a_point_that_was_moved_counts_where_it_is(
    written: Path, tmp_path: Path, kind: str
) -> None:
    """As by QGIS: the geometry changes, the fields don't; some tools make all of it multi."""
    path = tmp_path / "moved.gpkg"
    path.write_bytes(written.read_bytes())
    before = read_points(str(path))
    meta, _, wkb, columns = pyogrio.raw.read(path, layer="points")
    dots = shapely.from_wkb(wkb)
    dots[3] = shapely.Point(dots[3].x + 12.5, dots[3].y - 7)
    if kind == "MultiPoint":
        dots = np.array([shapely.MultiPoint([dot]) for dot in dots])
    pyogrio.raw.write(
        path, shapely.to_wkb(dots), columns, list(meta["fields"]), layer="points",
        driver="GPKG", geometry_type=kind, crs=meta["crs"],
    )  # fmt: skip
    after = read_points(str(path))
    assert np.isnan(after.reference_xy[3]).all()
    others = np.arange(COUNT) != 3
    np.testing.assert_array_equal(after.reference_xy[others], before.reference_xy[others])
    enabled = replace(after, enabled=np.ones(COUNT, np.bool_))
    matches = enabled.matches(AffineGeoref(TRUE), CRS(32633))
    expected = before.reference_xy[3] + [12.5, 7]
    np.testing.assert_allclose(matches.reference_xy[3], expected, atol=1e-6)


def test_points_of_others_in_another_crs(tmp_path: Path) -> None:
    """A layer of a GIS, of whatever name, with two fields and without all the rest."""
    utm = np.array([[350_010.0, 5_249_980.0], [350_110.0, 5_249_880.0]])
    lonlat = np.stack(Transformer.from_crs(32633, 4326, always_xy=True).transform(*utm.T), axis=1)
    pyogrio.raw.write(
        tmp_path / "mine.gpkg", shapely.to_wkb(shapely.points(lonlat)),
        [np.array([1.5, 2.5]), np.array([3, 4])], ["Moving_X", "MOVING_Y"], layer="my points",
        driver="GPKG", geometry_type="Point", crs="EPSG:4326",
    )  # fmt: skip
    read = read_points(str(tmp_path / "mine.gpkg"))
    assert read.moving_xy.tolist() == [[1.5, 3], [2.5, 4]]
    assert read.crs == "EPSG:4326"
    matches = read.matches(AffineGeoref(TRUE), CRS(32633))
    np.testing.assert_allclose(matches.reference_xy, [[10, 20], [110, 120]], atol=1e-4)


def test_wrong_files_say_what_and_where(tmp_path: Path) -> None:
    path = tmp_path / "p.gpkg"
    with pytest.raises(GeoregError, match="no such file"):
        read_points(str(path))
    path.write_text("hello")
    with pytest.raises(GeoregError, match="not a GeoPackage that can be read") as error:
        read_points(str(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    dots = shapely.to_wkb(shapely.points([[1.0, 2.0]]))
    for fields, said in (
        ({"x": 1.0}, "there are no fields moving_x and moving_y"),
        ({"moving_x": np.nan, "moving_y": 1.0}, "layer points, feature 1: moving_x is missing"),
    ):
        path.unlink()
        pyogrio.raw.write(
            path, dots, [np.array([v]) for v in fields.values()], list(fields), layer="points",
            driver="GPKG", geometry_type="Point", crs="EPSG:4326",
        )  # fmt: skip
        with pytest.raises(GeoregError, match=said):
            read_points(str(path))


def test_rasterio_and_pyogrio_live_in_one_process(written: Path) -> None:
    """Each has a GDAL of its own."""
    assert {"rasterio", "pyogrio"} <= set(sys.modules)
    assert json.dumps(pyogrio.list_layers(written).tolist())
