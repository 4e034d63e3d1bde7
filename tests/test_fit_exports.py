"""A fit for other tools: applied by GDAL's programs and by PROJ, it does what it does in georeg."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from pyproj import CRS, Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject

import gdal_judges as judges
import scenes
import tie_points as tp
from fit_cases import FRAME, TRUE, fit_file
from georeg.crs import CrsPath
from georeg.errors import InputError, OutputError, SettingsError
from georeg.fitfile import FitFile
from georeg.grid import Grid
from georeg.transforms import LADDER
from georeg.writers import fit_grid
from georeg.writers.fits import FitExport, export_fit, formats
from georeg.writers.pipelines import conversion, pipeline
from georeg.writers.sides import open_side

Array = npt.NDArray[np.float64]

SHAPE = (400, 500)
PLACE = TRUE @ Affine.translation(250, 300)
LINEAR = ("shift", "similarity", "affine")
# The same frame in degrees (axes north, east), and a moving raster of it in metres, as before.
DEGREES = Grid((1000, 1000), Affine(1.35e-5, 0, 13.0, 0, -9e-6, 47.38), CRS.from_epsg(4326))
_UTM = Transformer.from_crs(4326, 32633, always_xy=True)
IN_DEGREES = Affine.translation(*_UTM.transform(13.003, 47.3775)) @ Affine.scale(1, -1)
# Frame, and the moving raster's place and CRS: the other way round, too.
CRSS = {
    "metres": (FRAME, PLACE, scenes.CRS),
    "frame in degrees": (DEGREES, IN_DEGREES, scenes.CRS),
    "raster in degrees": (
        FRAME,
        Affine.translation(*_UTM.transform(*(PLACE @ (0, 0)), direction="INVERSE"))
        @ Affine.scale(1.35e-5, -9e-6),
        "EPSG:4326",
    ),
}


def job(fit: FitFile, **more: Any) -> FitExport:
    return FitExport(fit, "fit.json", **more)


def true_xy(fit: FitFile, claimed: Array) -> Array:
    """(N, 2) map positions in the frame's CRS, through the fit itself."""
    return np.asarray(fit.frame.to_map(fit.transform.forward(fit.frame.to_pixel(claimed))))


def places(grid: Grid, count: int = 200, seed: int = 0) -> Array:
    """(N, 2) map positions in a grid."""
    xy = np.random.default_rng(seed).uniform(20, 980, (count, 2))
    return np.asarray(grid.to_map(xy))


def through(text: str, xy: Array, **options: Any) -> Array:
    """(N, 2) positions through a pipeline, by pyproj."""
    x, y = Transformer.from_pipeline(text.strip()).transform(*xy.T, errcheck=True, **options)
    return np.stack([x, y], axis=1)


def test_formats_are_the_files() -> None:
    assert formats() == ["gdalwarp", "geoloc", "grid", "matrix", "proj"]


@pytest.mark.parametrize(
    ("name", "crss"),
    [
        *((name, "metres") for name in LADDER),
        ("shift", "frame in degrees"),
        ("field", "frame in degrees"),
        ("shift", "raster in degrees"),
    ],
)
def test_gdalwarp_script_and_grid(tmp_path: Path, name: str, crss: str) -> None:
    """By Debian's gdalwarp, on the grid that georeg makes, from a raster in another CRS or not."""
    frame, place, crs = CRSS[crss]
    fit = fit_file(name, frame=frame, reference=frame)
    folder = tmp_path / "a folder"
    folder.mkdir()
    source = judges.ramp(folder / "moving.tif", SHAPE, place, crs)
    script = folder / "warp it.sh"
    text = export_fit("gdalwarp", job(fit, moving=open_side(source), output=str(script)))
    assert text == ""
    own = judges.own_warp(fit, source, tmp_path / "own.tif")
    with rasterio.open(own) as file:
        like = ["-te", *map(repr, file.bounds), "-ts", file.width, file.height]
    judges.run("gdalinfo", "--version")
    done = subprocess.run(
        ["sh", str(script), source, str(tmp_path / "theirs.tif"), *map(str, like), "-q",
         "-r", "bilinear"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    error = judges.apart(own, tmp_path / "theirs.tif", SHAPE)
    assert error < judges.CLOSE, f"{name}: {error:.4f} px"
    beside = {"warp it.grid.tif"} if name not in LINEAR else set()
    assert {p.name for p in folder.iterdir()} == {"moving.tif", "warp it.sh"} | beside


def test_gdalwarp_script_takes_no_other_crs(tmp_path: Path) -> None:
    """-ct takes coordinates as they are, so a raster in another CRS would land anywhere."""
    x, y = Transformer.from_crs(32633, 32632, always_xy=True).transform(*(PLACE @ (250, 200)))
    other = Affine(1, 0, x - 250, 0, -1, y + 200)
    source = judges.ramp(tmp_path / "other.tif", SHAPE, other, "EPSG:32632")
    judges.run("gdalinfo", "--version")

    def warp(script: Path, *more: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(script), source, str(tmp_path / "out.tif"), "-q", *more]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    export_fit("gdalwarp", job(fit_file(), output=str(tmp_path / "a.sh")))
    done = warp(tmp_path / "a.sh")
    assert (done.returncode, done.stdout) == (2, "")
    (said,) = done.stderr.splitlines()
    assert "other.tif is in another CRS" in said
    assert "--moving" in said
    assert not (tmp_path / "out.tif").exists()
    assert warp(tmp_path / "a.sh", "-s_srs", "EPSG:32633").returncode == 0
    (tmp_path / "out.tif").unlink()
    export_fit("gdalwarp", job(fit_file(), moving=open_side(source), output=str(tmp_path / "b.sh")))
    done = warp(tmp_path / "b.sh")
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "out.tif").unlink()
    told = job(fit_file(moving_crs=CRS.from_epsg(32633)), moving=open_side(source))  # --moving-crs
    export_fit("gdalwarp", replace(told, output=str(tmp_path / "c.sh")))
    assert warp(tmp_path / "c.sh").returncode == 0


@pytest.mark.parametrize(
    ("name", "crss"), [*((name, "metres") for name in LADDER), ("shift", "raster in degrees")]
)
def test_geolocation_arrays(tmp_path: Path, name: str, crss: str) -> None:
    frame, place, crs = CRSS[crss]
    fit = fit_file(name, frame=frame, reference=frame)
    source = judges.ramp(tmp_path / "moving.tif", SHAPE, place, crs)
    vrt = tmp_path / "moving.vrt"
    export_fit("geoloc", job(fit, moving=open_side(source), output=str(vrt)))
    own = judges.own_warp(fit, source, tmp_path / "own.tif")
    theirs = judges.gdalwarp(vrt, tmp_path / "theirs.tif", own)
    error = judges.apart(own, theirs, SHAPE)
    assert error < judges.CLOSE, f"{name}: {error:.4f} px"
    assert {p.name for p in tmp_path.iterdir()} == {
        "moving.tif", "moving.vrt", "moving.xy.tif", "own.tif", "theirs.tif",
    }  # fmt: skip


def test_by_a_newer_gdal(tmp_path: Path) -> None:
    fit = fit_file("field")
    source = judges.ramp(tmp_path / "moving.tif", SHAPE, PLACE)
    own = judges.own_warp(fit, source, tmp_path / "own.tif")
    what = job(fit, moving=open_side(source))
    export_fit("geoloc", replace(what, output=str(tmp_path / "m.vrt")))
    operation = export_fit("grid", replace(what, output=str(tmp_path / "g.tif"))).strip()
    for name, more in (("m.vrt", ()), ("moving.tif", ("-ct", operation))):
        theirs = judges.gdalwarp(tmp_path / name, tmp_path / "theirs.tif", own, *more, new=True)
        assert judges.apart(own, theirs, SHAPE) < judges.CLOSE, name


def test_by_rasterio(tmp_path: Path) -> None:
    """Of a smooth fit: its transformer is approximate to an eighth of a pixel and more."""
    fit = fit_file("polynomial2")
    source = judges.ramp(tmp_path / "moving.tif", SHAPE, PLACE)
    own = judges.own_warp(fit, source, tmp_path / "own.tif")
    what = job(fit, moving=open_side(source))
    export_fit("geoloc", replace(what, output=str(tmp_path / "m.vrt")))
    operation = export_fit("grid", replace(what, output=str(tmp_path / "g.tif"))).strip()
    for name, how in (
        ("m.vrt", {"SRC_METHOD": "GEOLOC_ARRAY"}),
        ("moving.tif", {"COORDINATE_OPERATION": operation}),
    ):
        with rasterio.open(own) as like, rasterio.open(tmp_path / name) as moving:
            out = np.full((2, *like.shape), judges.NODATA)
            reproject(
                rasterio.band(moving, [1, 2]), out, dst_transform=like.transform,
                dst_crs=like.crs, src_crs=like.crs, src_nodata=judges.NODATA,
                dst_nodata=judges.NODATA, resampling=Resampling.bilinear, **how,
            )  # fmt: skip
            profile = like.profile
        with rasterio.open(tmp_path / "theirs.tif", "w", **profile) as file:
            file.write(out)
        assert judges.apart(own, tmp_path / "theirs.tif", SHAPE) < 2 * judges.CLOSE, name


def test_geolocation_arrays_of_a_scan(tmp_path: Path) -> None:
    """No georeference but the one that the fit gave it."""
    source = judges.ramp(tmp_path / "scan.tif", SHAPE, None, None)
    fit = fit_file("polynomial2", placement=PLACE, moving_shape=SHAPE)
    vrt = tmp_path / "scan.vrt"
    export_fit("geoloc", job(fit, moving=open_side(source), output=str(vrt)))
    own = judges.own_warp(fit, source, tmp_path / "own.tif")
    theirs = judges.gdalwarp(vrt, tmp_path / "theirs.tif", own)
    assert judges.apart(own, theirs, SHAPE) < judges.CLOSE


@pytest.mark.parametrize("name", LINEAR)
def test_pipeline_by_pyproj(name: str) -> None:
    fit = fit_file(name)
    claimed = places(FRAME)
    text = export_fit("proj", job(fit))
    assert through(text, claimed) == pytest.approx(true_xy(fit, claimed), abs=1e-6)
    back = through(text, true_xy(fit, claimed), direction="INVERSE")
    assert back == pytest.approx(claimed, abs=1e-6)


@pytest.mark.parametrize("name", LADDER)
def test_grid_by_pyproj(tmp_path: Path, name: str) -> None:
    """Both ways, as for coordinates of points or point clouds."""
    fit = fit_file(name)
    claimed = places(FRAME)
    text = export_fit("grid", job(fit, output=str(tmp_path / "g.tif")))
    true = true_xy(fit, claimed)
    assert np.hypot(*(through(text, claimed) - true).T).max() < 0.02
    back = through(text, true, direction="INVERSE")
    assert np.hypot(*(back - claimed).T).max() < 0.02
    assert [p.name for p in tmp_path.iterdir()] == ["g.tif"]


def test_a_grid_that_would_be_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "g.tif"
    export_fit("grid", job(fit_file("affine"), output=str(path)))
    with rasterio.open(path) as file:
        nodes = file.width * file.height
    path.unlink()
    monkeypatch.setattr(fit_grid, "_MOST", nodes - 1)
    with pytest.raises(InputError, match=r"^fit\.json: a grid .* too large: use 'georeg warp'"):
        export_fit("grid", job(fit_file("affine"), output=str(path)))
    assert not path.exists()
    monkeypatch.setattr(fit_grid, "_MOST", nodes)
    export_fit("grid", job(fit_file("affine"), output=str(path)))
    assert path.exists()


def test_nodes_where_the_fit_isn_t_defined_get_the_nearest_offset() -> None:
    offset = np.arange(32, dtype=np.float64).reshape(4, 4, 2)
    assert fit_grid._filled(offset) is offset
    holes = offset.copy()
    holes[0, 0], holes[3, 2:, 1], holes[1, 3] = np.nan, np.inf, np.nan
    found = fit_grid._filled(holes)
    known = np.isfinite(holes).all(axis=2)
    assert np.array_equal(found[known], offset[known])
    assert found[0, 0].tolist() in (offset[0, 1].tolist(), offset[1, 0].tolist())
    assert found[3, 2].tolist() in (offset[2, 2].tolist(), offset[3, 1].tolist())
    assert np.isfinite(found).all()


def test_pipeline_from_another_crs(tmp_path: Path) -> None:
    """Longitude and latitude in, the reference's CRS out; x comes first whatever the axes."""
    fit = fit_file("affine")
    claimed = places(FRAME)
    lonlat = Transformer.from_crs(fit.frame.crs, 4326, always_xy=True).transform(*claimed.T)
    for form in ("proj", "grid"):
        more = {"source_crs": CRS.from_epsg(4326), "output": str(tmp_path / f"{form}.out")}
        text = export_fit(form, job(fit, **more)) or Path(more["output"]).read_text()
        error = through(text, np.stack(lonlat, axis=1)) - true_xy(fit, claimed)
        assert np.hypot(*error.T).max() < 0.02, form


@pytest.mark.parametrize(
    ("source", "target", "lonlat"),
    [
        (26771, 26716, (-87.7, 41.8)),  # NAD27, feet
        (31467, 25832, (9.0, 48.0)),  # northing first, another datum
        (27700, 4326, (-1.5, 53.8)),
        (5514, 32633, (15.0, 50.0)),  # axes to the south and the west
        (3035, 2193, (10.0, 50.0)),
    ],
)
def test_conversions_are_those_of_georeg(source: int, target: int, lonlat: Any) -> None:
    one, other = CRS.from_epsg(source), CRS.from_epsg(target)
    at = np.array(Transformer.from_crs(4326, one, always_xy=True).transform(*lonlat))
    xy = at + np.random.default_rng(0).uniform(-1000, 1000, (20, 2))
    text = pipeline(conversion(one, other, at))
    assert through(text, xy) == pytest.approx(CrsPath(one, other).forward(xy), rel=1e-12)


@pytest.mark.parametrize("epsg", [2193, 27572, 3031, 2263])
def test_grid_in_many_crss(tmp_path: Path, epsg: int) -> None:
    """Northing first, grads and Paris, polar, feet."""
    crs = CRS.from_epsg(epsg)
    assert crs.area_of_use is not None
    west, south, east, north = crs.area_of_use.bounds
    middle = ((west + (east if east > west else east + 360)) / 2, (south + north) / 2)
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(*middle)
    frame = Grid((1000, 1000), Affine(3, 0, x, 0, -3, y), crs)
    fit = fit_file("field", frame=frame, reference=frame)
    text = export_fit("grid", job(fit, output=str(tmp_path / "g.tif")))
    claimed = places(frame, 50)
    error = through(text, claimed) - true_xy(fit, claimed)
    assert np.hypot(*error.T).max() < 0.02 * 3


def test_cct_applies_pipelines(tmp_path: Path) -> None:
    """PROJ's own program, of another version than pyproj's."""
    if shutil.which("cct") is None:
        pytest.skip("cct is not on PATH (Debian: apt install proj-bin)")
    fit = fit_file("field")
    text = export_fit("grid", job(fit, output=str(tmp_path / "g.tif")))
    claimed = places(FRAME, 10)
    lines = "".join(f"{x!r} {y!r} 0 0\n" for x, y in claimed.tolist())
    done = subprocess.run(
        ["cct", "-d", "6", *text.split()], input=lines, capture_output=True, text=True, check=True
    )
    found = np.array([[float(v) for v in line.split()[:2]] for line in done.stdout.splitlines()])
    assert np.hypot(*(found - true_xy(fit, claimed)).T).max() < 0.02


@pytest.mark.parametrize("name", [*LINEAR, "projective"])
def test_matrices(tmp_path: Path, name: str) -> None:
    moving = scenes.write(tmp_path / "m.tif", np.zeros(SHAPE, np.uint8), PLACE)
    fit = fit_file(name)
    found = json.loads(export_fit("matrix", job(fit, moving=open_side(moving))))
    pixels = np.random.default_rng(0).uniform(0, 400, (50, 2))
    claimed = np.array([PLACE @ tuple(p) for p in pixels])
    true = true_xy(fit, claimed)

    def times(matrix: Any, xy: Array) -> Array:
        out = np.column_stack([xy, np.ones(len(xy))]) @ np.array(matrix).T
        return np.asarray(out[:, :2] / out[:, 2:])

    assert times(found["map"], claimed) == pytest.approx(true, abs=1e-5)
    assert times(found["pixel_to_map"], pixels) == pytest.approx(true, abs=1e-5)
    assert times(found["pixel_to_pixel"], pixels) == pytest.approx(FRAME.to_pixel(true), abs=1e-5)
    assert ("geotransform" in found) == ("pdal" in found) == (name in LINEAR)
    if name in LINEAR:
        place = Affine.from_gdal(*found["geotransform"])
        assert np.array([place @ tuple(p) for p in pixels]) == pytest.approx(true, abs=1e-5)
        four = np.array(found["pdal"]).reshape(4, 4)
        xyz1 = np.column_stack([claimed, np.full(50, 7.0), np.ones(50)]) @ four.T
        assert xyz1[:, :2] == pytest.approx(true, abs=1e-5)
        assert (xyz1[:, 2] == 7).all()
    export_fit("matrix", job(fit, output=str(tmp_path / "m.txt")))
    assert np.loadtxt(tmp_path / "m.txt") == pytest.approx(np.array(found["map"]), rel=1e-15)


def test_matrix_of_a_scan() -> None:
    """Without a raster: the fit knows its pixels."""
    fit = fit_file("similarity", placement=PLACE, moving_shape=SHAPE)
    found = json.loads(export_fit("matrix", job(fit)))
    place = Affine.from_gdal(*found["geotransform"])
    claimed = np.array([PLACE @ (10, 20)])
    assert np.array([place @ (10, 20)]) == pytest.approx(true_xy(fit, claimed), abs=1e-5)


@pytest.mark.skipif(os.sep != "/", reason="a backslash is the end of a folder's name")
def test_geolocation_arrays_under_a_name_that_gdal_splits(tmp_path: Path) -> None:
    """It was written, and opened as a raster that isn't there."""
    moving = open_side(judges.ramp(tmp_path / "moving.tif", SHAPE, PLACE))
    with pytest.raises(SettingsError, match=r"backslash in a \.vrt's name"):
        export_fit("geoloc", job(fit_file(), moving=moving, output=str(tmp_path / "a\\b.vrt")))
    assert os.listdir(tmp_path) == ["moving.tif"]


def test_geolocation_arrays_in_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The raster's virtual copy was one file for all of a process's exports into a folder."""
    moving = open_side(judges.ramp(tmp_path / "moving.tif", SHAPE, PLACE))
    real, names = rasterio.shutil.copy, []

    def noted(source: Any, name: str, **more: Any) -> None:
        names.append(name)
        real(source, name, **more)

    monkeypatch.setattr(rasterio.shutil, "copy", noted)
    for name in ("a.vrt", "b.vrt"):
        export_fit("geoloc", job(fit_file(), moving=moving, output=str(tmp_path / name)))
    assert len(set(names)) == 2
    assert len(os.listdir(tmp_path)) == 5


NOWHERE = Grid((1000, 1000), TRUE, None)
POLE = Grid((1000, 1000), Affine(9, 0, -4500, 0, -9, 4500), CRS.from_epsg(3413))
DATE_LINE = Grid((1000, 1000), Affine(9, 0, 830000, 0, -9, 100000), CRS.from_epsg(32660))


@pytest.mark.parametrize(
    ("form", "fit", "said"),
    [
        ("matrix", {"name": "field"}, "a 'field' is no matrix: use --format grid or geoloc"),
        ("proj", {"name": "projective"}, "no operation for .projective.: use --format grid"),
        ("proj", {"name": "shift", "frame": NOWHERE}, "its reference has no CRS"),
        ("grid", {"name": "field", "frame": NOWHERE}, "its reference has no CRS"),
        ("grid", {"name": "field", "frame": POLE}, "a pole or the antimeridian"),
        ("grid", {"name": "field", "frame": DATE_LINE}, "a pole or the antimeridian"),
        ("proj", {"name": "shift", "placement": PLACE}, "of a raster without georeference"),
        ("gdalwarp", {"name": "shift", "placement": PLACE}, "of a raster without georeference"),
    ],
)  # fmt: skip
def test_what_can_not_be_expressed(tmp_path: Path, form: str, fit: Any, said: str) -> None:
    output = str(tmp_path / "out")
    with pytest.raises(InputError, match=said) as error:
        export_fit(form, job(fit_file(**fit), output=output))
    assert str(error.value).startswith("fit.json")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    fit = fit_file("field")
    for form in ("geoloc", "grid", "gdalwarp"):
        with pytest.raises(SettingsError, match="--output"):
            export_fit(form, job(fit))
    with pytest.raises(SettingsError, match="--moving"):
        export_fit("geoloc", job(fit, output=str(tmp_path / "a.vrt")))
    with pytest.raises(SettingsError, match="choose from gdalwarp"):
        export_fit("shapefile", job(fit))
    for name in ("a,b", "a;b", "a#b"):
        with pytest.raises(InputError, match="comma"):
            export_fit("grid", job(fit, output=str(tmp_path / f"{name}.tif")))
        with pytest.raises(InputError, match="comma"):  # that script would have failed
            export_fit("gdalwarp", job(fit, output=str(tmp_path / f"{name}.sh")))
    with pytest.raises(OutputError, match="no folder"):
        export_fit("grid", job(fit, output=str(tmp_path / "nowhere" / "g.tif")))
    (tmp_path / "g.tif").write_text("mine")
    with pytest.raises(SettingsError, match="exists"):
        export_fit("grid", job(fit, output=str(tmp_path / "g.tif")))
    assert (tmp_path / "g.tif").read_text() == "mine"
    assert os.listdir(tmp_path) == ["g.tif"]


@pytest.mark.parametrize("form", ["grid", "geoloc"])
@pytest.mark.parametrize("short", [1, 2000])
def test_a_disk_that_gets_full_at_the_end(tmp_path: Path, form: str, short: int) -> None:
    """What libtiff fails to write when it closes a file, it reports to nobody."""
    fit = fit_file("field")
    moving = open_side(judges.ramp(tmp_path / "moving.tif", SHAPE, PLACE))
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    export_fit(form, job(fit, moving=moving, output=str(tmp_path / "whole" / "g.tif")))
    size = max(path.stat().st_size for path in (tmp_path / "whole").iterdir())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - short, before[1]))
    try:
        with pytest.raises(OutputError, match=r"can't be written|is incomplete"):
            export_fit(form, job(fit, moving=moving, output=str(tmp_path / "cut" / "g.tif")))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "cut").iterdir())


@pytest.mark.parametrize(("form", "name"), [("geoloc", "g.vrt"), ("gdalwarp", "g.sh")])
@pytest.mark.parametrize("replaced", [False, True])
def test_arrays_do_not_stay_without_their_text(
    tmp_path: Path, form: str, name: str, replaced: bool
) -> None:
    """A disk with room for the larger file of two only: none comes, none is replaced."""
    small = tmp_path / "small"
    small.mkdir()
    fit = fit_file("field")
    moving = open_side(judges.ramp(tmp_path / "moving.tif", SHAPE, PLACE))
    export_fit(form, job(fit, moving=moving, output=str(tmp_path / name)))
    arrays = next(path for path in tmp_path.glob("g.*.tif")).stat().st_size
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "georeg", str(small)],
                          capture_output=True)  # fmt: skip
    if made.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        if replaced:
            (small / name).write_text("mine")
            (small / name).with_suffix(".xy.tif").write_text("mine")
            (small / name).with_suffix(".grid.tif").write_text("mine")
        before = {path.name: path.read_bytes() for path in small.iterdir()}
        disk = os.statvfs(small)
        room = -(-arrays // disk.f_frsize)
        (small / "full").write_bytes(bytes((disk.f_bfree - room) * disk.f_frsize))
        with pytest.raises(OutputError, match=r"can't be written|is incomplete"):
            export_fit(form, job(fit, moving=moving, output=str(small / name), overwrite=replaced))
        (small / "full").unlink()
        assert {path.name: path.read_bytes() for path in small.iterdir()} == before
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_truths_are_what_they_seem() -> None:
    """The fits of these tests move by several pixels, or they would show nothing."""
    xy = tp.grid()
    for name in LADDER:
        moved = np.hypot(*(fit_file(name).transform.forward(xy) - xy).T)
        assert np.median(moved) > 4, name
