"""Tie points for QGIS, ArcGIS and GDAL: their axes and corners, round trips, files of others."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyproj import CRS

import gdal_ctypes
import gdal_judges as judges
import scenes
from georeg.errors import GeoregError, InputError, PointsError, SettingsError
from georeg.inputs.georef import AffineGeoref
from georeg.writers.plausible import check_plausible
from georeg.writers.points import PointTable, crs_text, read_points, write_points
from georeg.writers.sides import Sides, open_side

POSITIONS = ("points", "sh", "tif", "txt")
PLACE = Affine(10, 0, scenes.ORIGIN[0], 0, -10, scenes.ORIGIN[1])
ROTATED = PLACE @ Affine.rotation(30) @ Affine.scale(0.5)
SHAPE = (80, 100)


def raster(folder: Path, name: str, place: Affine | None, crs: str | None = scenes.CRS) -> str:
    data = np.random.default_rng(0).integers(1, 255, SHAPE).astype(np.uint8)
    return scenes.write(folder / name, data, place, crs if place is not None else None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sides")


@pytest.fixture(scope="module", params=["scan", "placed", "rotated"])
def sides(request: Any, folder: Path) -> Sides:
    """A moving raster without georeference, with one, and with a rotated one."""
    place = {"scan": None, "placed": PLACE, "rotated": ROTATED}[request.param]
    moving = raster(folder, f"{request.param}.tif", place)
    return Sides(open_side(moving), open_side(raster(folder, "reference.tif", PLACE)))


def table(
    moving: Any, on_map: Any, enabled: Any = None, crs: str | None = scenes.CRS
) -> PointTable:
    moving, on_map = np.array(moving, np.float64), np.array(on_map, np.float64)
    n = len(moving)
    unknown = np.full((n, 2), np.nan)
    flags = np.ones(n, np.bool_) if enabled is None else np.array(enabled)
    names = tuple(str(i + 1) for i in range(n))
    return PointTable(
        names, moving, unknown, on_map, np.ones(n), np.ones(n), unknown, flags, flags, crs
    )  # fmt: skip


OWN = crs_text(CRS.from_proj4("+proj=lcc +lat_1=47 +lat_2=49 +lon_0=13 +ellps=bessel +units=m"))
number = st.floats(-1e7, 1e7, allow_nan=False)
pixel = st.floats(-5, 80, allow_nan=False)  # hands also click a bit beyond an edge
rows = st.lists(st.tuples(pixel, pixel, number, number, st.booleans()), min_size=1, max_size=5)


@pytest.mark.parametrize("suffix", ["points", "sh", "txt"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(points=rows, crs=st.sampled_from([None, "EPSG:32633", "EPSG:4326", OWN]))
def test_round_trip_of_anything(
    suffix: str, sides: Sides, tmp_path: Path, points: Any, crs: str | None
) -> None:
    """Map positions to the last bit; pixels too, or but for the way through map coordinates."""
    known = Sides(sides.moving)  # a link table changes to the reference's CRS where it knows it
    written = table([p[:2] for p in points], [p[2:4] for p in points], [p[4] for p in points], crs)
    path = str(tmp_path / f"p.{suffix}")
    if suffix != "points" and not written.enabled.any():
        with pytest.raises(PointsError, match="no tie point is enabled"):
            write_points(path, written, known)
        return
    write_points(path, written, known)
    back = read_points(path, known)
    expected = written.select(written.usable) if suffix == "txt" else written
    np.testing.assert_array_equal(back.map_xy, expected.map_xy)
    np.testing.assert_array_equal(back.enabled, expected.enabled)
    assert sides.moving is not None
    if suffix == "sh" or sides.moving.georef is None:
        np.testing.assert_array_equal(back.moving_xy, expected.moving_xy)
    else:
        np.testing.assert_allclose(back.moving_xy, expected.moving_xy, rtol=0, atol=1e-8)
    assert back.crs == (None if suffix == "txt" else crs)
    assert np.isnan(back.reference_xy).all()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(points=st.lists(st.tuples(pixel, pixel, number, number), min_size=4, max_size=9))
@example(points=[(0, 0, 0, 0)] * 4 + [(0, 0, -3545713, -4306814), (51, 36, 0, 0)])  # on a line
def test_round_trip_of_gcps(sides: Sides, tmp_path: Path, points: Any) -> None:
    """To the last bit, and the pixels of the copy are those of the raster."""
    xy = np.array(points)
    xy[:4, :2] = [[0, 0], [80, 0], [0, 70], [80, 75]]  # so that they can be a georeference
    xy[:4, 2:] = xy[:4, :2] * [3, -3] + 1000
    written = table(xy[:, :2], xy[:, 2:])
    path = str(tmp_path / "p.tif")
    write_points(path, written, sides)
    back = read_points(path)
    np.testing.assert_array_equal(back.moving_xy, written.moving_xy)
    np.testing.assert_array_equal(back.map_xy, written.map_xy)
    assert back.crs == "EPSG:32633"
    assert sides.moving is not None
    with rasterio.open(path) as one, rasterio.open(sides.moving.name) as two:
        np.testing.assert_array_equal(one.read(), two.read())


def test_points_of_qgis(folder: Path, tmp_path: Path) -> None:
    """The exact header; y up, from the corner of the first pixel, without a georeference."""
    scan = Sides(open_side(raster(folder, "scan.tif", None)))
    write_points(str(tmp_path / "a.points"), table([[12.5, 34]], [[500010.5, 4999980.25]]), scan)
    crs, head, line = (tmp_path / "a.points").read_text().splitlines()
    assert CRS.from_wkt(crs.removeprefix("#CRS: ")) == CRS.from_epsg(32633)
    assert head == "mapX,mapY,sourceX,sourceY,enable,dX,dY,residual"
    assert line == "500010.5,4999980.25,12.5,-34.0,1,,,"
    placed = Sides(open_side(raster(folder, "placed.tif", PLACE)))
    write_points(str(tmp_path / "b.points"), table([[12.5, 34]], [[1, 2]]), placed)
    line = (tmp_path / "b.points").read_text().splitlines()[-1]
    assert line.startswith(f"1.0,2.0,{scenes.ORIGIN[0] + 125},{scenes.ORIGIN[1] - 340},1,")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("mapX,mapY,pixelX,pixelY,enable\n1,2,12.5,-34,1\n", "scan"),
        ("mapX,mapY,pixelX,pixelY,enable,dX,dY,residual\n1,2,12.5,-34,1,0,0,0\n", "placed"),
        ("mapX\tmapY\tpixelX\tpixelY\tenable\n1\t2\t12.5\t-34\t1\n", "scan"),
        ("#CRS: EPSG:4326\nmapX,mapY,sourceX,sourceY\n1,2,350125,5249660\n", "placed"),
        ("mapX,mapY,sourceX,sourceY,enable\r\n1,2,12.5,-34,1\r\n\r\n", "scan"),
        # Hands that took pixels for a raster with georeference, and an old QGIS that took layers'.
        ("mapX,mapY,sourceX,sourceY,enable\n1,2,12.5,-34,1\n", "placed"),
        ("mapX,mapY,pixelX,pixelY,enable\n1,2,350125,5249660,1\n", "placed"),
        # Where both would be pixels of the raster, the columns' names decide.
        ("mapX,mapY,pixelX,pixelY,enable\n1,2,12.5,-34,1\n", "near"),
        ("mapX,mapY,sourceX,sourceY,enable\n1,2,25,-68,1\n", "near"),
    ],
)
def test_points_files_of_others(folder: Path, tmp_path: Path, text: str, where: str) -> None:
    place = {"scan": None, "placed": PLACE, "near": Affine.scale(2, -2)}[where]
    moving = raster(folder, f"{where}.tif", place)
    (tmp_path / "p.points").write_text(text, newline="")
    read = read_points(str(tmp_path / "p.points"), Sides(open_side(moving)))
    assert read.moving_xy.tolist() == [[12.5, 34]]
    assert read.map_xy.tolist() == [[1, 2]]
    assert read.crs == ("EPSG:4326" if "4326" in text else None)
    assert read.enabled.all()


def test_links_of_arcgis(folder: Path, tmp_path: Path) -> None:
    scan = Sides(open_side(raster(folder, "scan.tif", None)))
    write_points(str(tmp_path / "a.txt"), table([[12.5, 34]], [[500010.5, 4999980.25]]), scan)
    assert (tmp_path / "a.txt").read_text() == "12.5\t-34.0\t500010.5\t4999980.25\n"


@pytest.mark.parametrize(
    "text",
    [
        "12.5\t-34\t1\t2\n",
        "link table\n12.5 -34 1 2\n",
        "7\t12.5\t-34\t1\t2\n",
        "12.5\t-34\t1\t2\t0.1\t0.2\t0.22\n",
        "12.5 46 1 2\n",  # rows from below: 80 - 34
        "XSource,YSource,XMap,YMap\n12.5,-34,1,2\n",
    ],
)
def test_links_of_others(folder: Path, tmp_path: Path, text: str) -> None:
    scan = Sides(open_side(raster(folder, "scan.tif", None)))
    (tmp_path / "p.txt").write_text(text)
    read = read_points(str(tmp_path / "p.txt"), scan)
    assert read.moving_xy.tolist() == [[12.5, 34]]
    assert read.map_xy.tolist() == [[1, 2]]


def test_a_link_table_is_in_the_reference_s_crs(folder: Path, tmp_path: Path) -> None:
    scan = open_side(raster(folder, "scan.tif", None))
    reference = open_side(raster(folder, "reference.tif", PLACE))
    lonlat = table([[1, 2]], [[13.0, 47.3]], crs="EPSG:4326")
    write_points(str(tmp_path / "p.txt"), lonlat, Sides(scan, reference))
    x, y = map(float, (tmp_path / "p.txt").read_text().split()[2:])
    assert reference.crs is not None
    expected = lonlat.in_crs(reference.crs).map_xy[0]
    assert (x, y) == pytest.approx(tuple(expected))
    assert 340_000 < x < 360_000


def translate(
    script: Path, *args: Any, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ)
    if path is not None:
        env["PATH"] = f"{path}{os.pathsep}{env['PATH']}"
    return subprocess.run(
        ["sh", str(script), *map(str, args)], env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("side", ["moving", "reference", "both"])
def test_rasters_stored_upside_down_are_no_mirror_images(tmp_path: Path, side: str) -> None:
    """Their rows count to the north, and so do right points; those of the other way don't."""
    upwards = PLACE @ Affine(1, 0, 0, 0, -1, SHAPE[0])
    moving, reference = (
        upwards if side in (name, "both") else PLACE for name in ("moving", "reference")
    )
    sides = Sides(
        open_side(raster(tmp_path, "m.tif", moving)),
        open_side(raster(tmp_path, "r.tif", reference)),
    )
    on_map = np.random.default_rng(0).uniform([0, -800], [1000, 0], (12, 2)) + scenes.ORIGIN
    pixels = AffineGeoref(moving).to_pixel(on_map)
    check_plausible(table(pixels, on_map), sides)
    with pytest.raises(PointsError, match="mirror"):
        check_plausible(table(pixels * [1, -1] + [0, SHAPE[0]], on_map), sides)


POINTS = [[0, 0], [100, 0], [0, 80], [100, 80], [50.25, 40.5]]
ON_MAP = (np.array(POINTS) * [10, -10] + scenes.ORIGIN + [3.0, 4.0]).tolist()


def test_script_for_gdal_translate(folder: Path, tmp_path: Path) -> None:
    """The script makes the same GCPs as georeg; a disabled point isn't among them."""
    if shutil.which("gdal_translate") is None:
        pytest.skip("gdal_translate is not on PATH (Debian: apt install gdal-bin)")
    scan = raster(folder, "scan.tif", None)
    flags = [True] * 4 + [False]
    script = tmp_path / "p.sh"
    write_points(str(script), table(POINTS, ON_MAP, flags))
    done = translate(script, scan, tmp_path / "out.tif")
    assert done.returncode == 0, done.stderr
    back = read_points(str(tmp_path / "out.tif"))
    np.testing.assert_array_equal(back.moving_xy, POINTS[:4])
    np.testing.assert_array_equal(back.map_xy, ON_MAP[:4])
    assert back.crs == "EPSG:32633"
    assert translate(script).returncode == 2
    info = json.loads(judges.run("gdalinfo", "-json", tmp_path / "out.tif"))
    assert info["gcps"]["gcpList"][1]["pixel"] == 100


def test_script_for_gdal_raster_edit(folder: Path, tmp_path: Path) -> None:
    """By GDAL 3.12, the first with `gdal raster edit --gcp`."""
    if gdal_ctypes.library() is None:
        pytest.skip("pyogrio is not a wheel: it brings no GDAL of its own")
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "gdal"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{gdal_ctypes.__file__}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    script = tmp_path / "p.sh"
    write_points(str(script), table(POINTS, ON_MAP))
    copy = tmp_path / "copy.tif"
    shutil.copy(raster(folder, "scan.tif", None), copy)
    done = translate(script, copy, path=programs)
    assert done.returncode == 0, done.stderr
    back = read_points(str(copy))
    np.testing.assert_array_equal(back.moving_xy, POINTS)
    np.testing.assert_array_equal(back.map_xy, ON_MAP)
    assert back.crs == "EPSG:32633"


@pytest.mark.parametrize(
    "text",
    [
        "gdal_translate -of GTiff -a_srs EPSG:4326 -gcp 1 2 3 4 -gcp 5 6 7 8 9 in.tif out.tif\n",
        "gdal_edit.py -a_srs 'EPSG:4326' -gcp 1 2 3 4 \\\n  -gcp 5 6 7 8 a.tif\n",
        'gdal raster edit --crs=EPSG:4326 --gcp 1,2,3,4 --gcp="5,6,7,8,9" a.tif\n',
    ],
)
def test_scripts_of_others(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.sh").write_text(text)
    read = read_points(str(tmp_path / "p.sh"))
    assert read.moving_xy.tolist() == [[1, 2], [5, 6]]
    assert read.map_xy.tolist() == [[3, 4], [7, 8]]
    assert read.crs == "EPSG:4326"


def test_what_an_own_script_says_of_disabled_points(tmp_path: Path) -> None:
    written = table([[1, 2], [3, 4]], [[5, 6], [7, 8]], [True, False])
    write_points(str(tmp_path / "p.sh"), written)
    assert "# -gcp 3.0 4.0 7.0 8.0\n" in (tmp_path / "p.sh").read_text()
    back = read_points(str(tmp_path / "p.sh"))
    assert back.enabled.tolist() == [True, False]


def test_scripts_keep_points_beyond_the_left_edge(tmp_path: Path) -> None:
    """Those of a negative pixel were left out without a word."""
    points = table([(-0.25, 3), (-3, -1), (7, 9)], [(-1, 2), (3, -4), (5, 6)], [True, False, True])
    path = str(tmp_path / "p.sh")
    write_points(path, points)
    back = read_points(path)
    assert np.array_equal(back.moving_xy, points.moving_xy)
    assert back.enabled.tolist() == [True, False, True]


def test_outliers_are_not_used_by_others(sides: Sides, tmp_path: Path) -> None:
    """QGIS, ArcGIS and GDAL take every point for true."""
    written = replace(table(POINTS, ON_MAP), inlier=np.array([True] * 4 + [False]))
    for suffix in POSITIONS:
        path = str(tmp_path / f"p.{suffix}")
        write_points(path, written, sides)
        back = read_points(path, sides)
        assert int(back.enabled.sum()) == 4, suffix


HEAD = "mapX,mapY,sourceX,sourceY,enable,dX,dY,residual\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.points", "", "no tie points"),
        ("p.points", HEAD, "no tie points"),
        ("p.points", "1,2,3,4,1,0,0,0\n", "line 1: the header is missing"),
        ("p.points", HEAD + "1,2,3\n", "line 2: sourceY is missing"),
        ("p.points", HEAD + "1,x,3,4,1,,,\n", "line 2: mapY is 'x'"),
        ("p.points", HEAD + ",,3,4,1,,,\n", "line 2: mapX, mapY are missing"),
        ("p.points", HEAD + "1,2,3,4,maybe,,,\n", "enabled is 'maybe'"),
        ("p.points", "#CRS: EPSG:99999999\n" + HEAD + "1,2,3,4,1,,,\n", "is not a CRS"),
        ("p.txt", "", "no tie points"),
        ("p.txt", "1 2 3\n", "line 1: a link is from x"),
        ("p.txt", "1 2 3 4\n1 2 x 4\n", "line 2: to x is 'x'"),
        ("p.txt", "1 2 3 4\na b c d\n", "line 2: from x is 'a'"),
        ("p.txt", "1. 2 x 4.5.6\n", "line 1: to x is 'x'"),
        ("p.txt", "a b c 4.5.6\n", "line 1: from x is 'a'"),
        ("p.sh", "gdal_translate a.tif b.tif\n", "neither -gcp nor --gcp"),
        ("p.sh", "gdal_translate -gcp 1 2 3 a.tif\n", "line 1: y is 'a.tif'"),
        ("p.sh", "gdal_translate -gcp 1 2 3\n", "line 1: x, y are missing"),
        ("p.tif", "hello", "not a raster"),
    ],
)
def test_wrong_files_say_what_and_where(
    folder: Path, tmp_path: Path, name: str, text: str, said: str
) -> None:
    scan = Sides(open_side(raster(folder, "scan.tif", None)))
    (tmp_path / name).write_text(text)
    with pytest.raises((PointsError, InputError), match=said) as error:
        read_points(str(tmp_path / name), scan)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_raster_without_gcps(folder: Path) -> None:
    with pytest.raises(PointsError, match="holds no GCPs"):
        read_points(raster(folder, "scan.tif", None))


@pytest.mark.parametrize("suffix", ["points", "txt", "tif"])
def test_formats_that_need_the_raster_ask_for_it(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"p.{suffix}"
    with pytest.raises(SettingsError, match="--moving"):
        write_points(str(path), table(POINTS, ON_MAP))
    assert not path.exists()
    if suffix != "tif":
        path.write_text(HEAD + "1,2,3,4,1,,,\n")
        with pytest.raises(SettingsError, match="--moving"):
            read_points(str(path))


@pytest.mark.parametrize("suffix", ["points", "sh", "tif"])
def test_what_makes_points_independent_is_kept(suffix: str, sides: Sides, tmp_path: Path) -> None:
    """All but link tables, which hold nothing but numbers in columns that are known."""
    moving = np.array([[1, 2], [30, 4], [5, 60], [40, 50]], float)
    points = replace(table(moving, moving * 10, [True, True, False, True]), apart=63.25)
    path = str(tmp_path / f"p.{suffix}")
    write_points(path, points, sides)
    assert read_points(path, sides).apart == 63.25
    other = str(tmp_path / f"q.{suffix}")
    write_points(other, replace(points, apart=0.0), sides)
    assert read_points(other, sides).apart == 0
    if suffix != "tif":
        assert "apart" not in Path(other).read_text()


def test_map_positions_come_from_the_reference(sides: Sides, tmp_path: Path) -> None:
    pixels = np.array(POINTS)
    unknown = np.full((5, 2), np.nan)
    known = replace(table(POINTS, unknown, crs=None), reference_xy=pixels)
    for suffix in POSITIONS:
        path = str(tmp_path / f"p.{suffix}")
        with pytest.raises(SettingsError, match=r"tie point 1 has no map position.*--reference"):
            write_points(path, known, Sides(sides.moving))
        write_points(path, known, sides)
        back = read_points(path, sides)
        expected = AffineGeoref(PLACE).to_map(pixels)
        np.testing.assert_allclose(back.map_xy, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("suffix", ["points", "sh", "txt"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(junk=st.binary(max_size=60))
def test_junk_is_an_error_of_ours(suffix: str, folder: Path, tmp_path: Path, junk: bytes) -> None:
    scan = Sides(open_side(raster(folder, "scan.tif", None)))
    path = tmp_path / f"p.{suffix}"
    for start in (b"", HEAD.encode(), b"gdal_translate -gcp 1 2 3 ", b"1\t2\t3\t"):
        path.write_bytes(start + junk)
        with contextlib.suppress(GeoregError):
            read_points(str(path), scan)
