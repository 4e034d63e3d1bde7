"""A fit as a file: nothing is lost, and it serves every file of its scene."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer

import scenes
import tie_points as tp
from fit_cases import FRAME, TRUE, UTM, fit_file, header, transform
from georeg import transforms
from georeg.applying import apply_fit
from georeg.errors import InputError, SettingsError
from georeg.fitfile import FitFile, load_fit
from georeg.grid import Grid
from georeg.inputs.georef import AffineGeoref, GcpGeoref
from georeg.settings import OutputSettings

PLACES = tp.grid(9)


def round_trip(fit: FitFile, folder: Path) -> FitFile:
    path = str(folder / "fit.json")
    fit.save(path)
    return load_fit(path)


@pytest.mark.parametrize("name", transforms.available())
def test_round_trip_of_every_transform(name: str, tmp_path: Path) -> None:
    fit = fit_file(name)
    back = round_trip(fit, tmp_path)
    np.testing.assert_array_equal(back.transform.forward(PLACES), fit.transform.forward(PLACES))
    np.testing.assert_array_equal(back.transform.inverse(PLACES), fit.transform.inverse(PLACES))
    assert back.to_dict() == fit.to_dict()
    assert back.frame == fit.frame
    assert back.reference == fit.reference


number = st.floats(-1e7, 1e7, allow_nan=False).filter(lambda v: abs(v) > 1e-9)
sides = st.tuples(st.integers(1, 10**6), st.integers(1, 10**6))
affines = (  # as grids have them: pixels aren't lines
    st.tuples(*[number] * 6).filter(lambda v: v[0] * v[4] != v[1] * v[3]).map(lambda v: Affine(*v))
)
systems = st.sampled_from(
    [None, "EPSG:4326", "EPSG:32633", "EPSG:2154", "EPSG:4267", "+proj=ortho +lat_0=40"]
).map(lambda c: None if c is None else CRS.from_user_input(c))
grids = st.builds(Grid, sides, affines, systems)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    frame=grids,
    reference=st.none() | grids,
    placement=st.none() | affines,
    shape=sides,
    crs=systems,
    step=st.tuples(number, number),
    info=st.dictionaries(texts, texts | st.integers() | st.booleans() | st.none(), max_size=4),
)
def test_round_trip_to_the_last_bit(
    tmp_path: Path, frame: Any, reference: Any, placement: Any, shape: Any, crs: Any, step: Any,
    info: Any,
) -> None:  # fmt: skip
    zero = np.zeros((1, 2))
    shift = transforms.load("shift").from_points(zero, zero + step)
    fit = FitFile(shift, frame, reference, placement, shape, crs, info)
    back = round_trip(fit, tmp_path)
    assert back.to_dict() == fit.to_dict()
    assert (back.frame, back.reference, back.placement) == (frame, reference, placement)
    assert (back.moving_shape, back.moving_crs, back.info) == (shape, crs, info)


def test_the_file_is_plain_json_that_people_can_read(tmp_path: Path) -> None:
    fit_file("affine").save(str(tmp_path / "fit.json"))
    data = json.loads((tmp_path / "fit.json").read_text())
    assert (data["format"], data["version"]) == ("georeg-fit", 1)
    assert data["frame"]["crs_name"] == "EPSG:32633"
    assert data["transform"]["name"] == "affine"
    assert [p.name for p in tmp_path.iterdir()] == ["fit.json"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "other"}, "not a fit file of georeg"),
        ({"format": None}, "not a fit file of georeg"),
        ({"version": 2}, "newer georeg"),
        ({"version": 3, "moving": "elsewhere", "frame": None}, "newer georeg"),
        ({"version": "two"}, "damaged"),
        ({"version": None}, "damaged"),
        ({"version": 1e999}, "damaged"),
        ({"transform": {"name": "wobbly"}}, "damaged"),
        ({"transform": {}}, "damaged"),
        ({"transform": None}, "damaged"),
        ({"transform": {"name": "affine", "matrix": [[1, 2], [3, 4]]}}, "damaged"),
        ({"transform": {"name": "affine", "matrix": "eye"}}, "damaged"),
        ({"transform": {"name": "affine", "matrix": [[10**400] * 3] * 3}}, "damaged"),
        ({"frame": None}, "damaged"),
        ({"frame": {"shape": [1], "transform": [1, 0, 0, 0, 1, 0], "crs": None}}, "damaged"),
        ({"frame": {"shape": [9, 1e999], "transform": [1, 0, 0, 0, 1, 0], "crs": None}}, "damaged"),
        ({"frame": {"shape": [9, 0], "transform": [1, 0, 0, 0, 1, 0], "crs": None}}, "damaged"),
        ({"frame": {"shape": [9, 9], "transform": [0] * 6, "crs": None}}, "damaged"),
        ({"frame": {"shape": [9, 9], "transform": [1] * 6, "crs": None}}, "damaged"),
        ({"frame": {"shape": [9, 9], "transform": [None] * 6, "crs": None}}, "damaged"),
        ({"frame": {"shape": [9, 9], "transform": [1, 0, 0, 0, 1, 0], "crs": "x"}}, "damaged"),
        ({"moving": []}, "damaged"),
        ({"moving": {"shape": [0, 9], "placement": None, "crs": None}}, "damaged"),
        ({"moving": {"shape": [9, 9], "placement": [0] * 6, "crs": None}}, "damaged"),
        ({"info": "text"}, "damaged"),
        ({"info": {"verdict": "fine"}}, None),
        ({"info": None}, None),
    ],
)  # fmt: skip
def test_what_is_no_fit_is_an_input_error(tmp_path: Path, change: Any, said: str | None) -> None:
    path = tmp_path / "fit.json"
    path.write_text(json.dumps({**fit_file("shift").to_dict(), **change}))
    if said is None:
        load_fit(str(path))
        return
    with pytest.raises(InputError, match=said) as error:
        load_fit(str(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", "[" * 100_000, "nonsense", "é" * 10])
def test_what_is_no_json_is_an_input_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "fit.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="fit"):
        load_fit(str(path))


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_fit(str(tmp_path / "nowhere.json"))


# --- other files of the scene ---------------------------------------------------------------


def true_map(claimed_map: Any) -> Any:
    """Where a claimed map position truly lies, by the truth of the similarity."""
    return FRAME.to_map(tp.similarity(FRAME.to_pixel(claimed_map)))


@pytest.mark.parametrize("gsd", [0.5, 2.0, 10.0])
def test_serves_a_file_of_another_resolution(tmp_path: Path, gsd: float) -> None:
    """Another product: other pixels, other extent, north not quite up."""
    place = Affine(gsd, 0.02 * gsd, scenes.ORIGIN[0] + 33, 0.02 * gsd, -gsd, scenes.ORIGIN[1] - 21)
    size = int(600 / gsd)
    other = header(tmp_path, place, (size, size))
    fit = round_trip(fit_file("similarity"), tmp_path)
    xy = np.random.default_rng(0).uniform(0, size, (50, 2))
    expected = true_map(AffineGeoref(place).to_map(xy))
    assert fit.corrected(other, "other.tif", xy, UTM) == pytest.approx(expected, abs=0.05)
    grid = Grid((300, 300), TRUE @ Affine.scale(3), UTM)
    there = np.array([[100.5, 150.5], [180.0, 60.0]])
    pixel = fit.mapping(other, "other.tif", grid)(there)
    again = true_map(AffineGeoref(place).to_map(pixel))
    assert again == pytest.approx(grid.to_map(there), abs=0.05)


def test_serves_a_file_in_another_crs_and_a_grid_in_a_third(tmp_path: Path) -> None:
    to_lonlat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    left, top = to_lonlat.transform(scenes.ORIGIN[0] + 100, scenes.ORIGIN[1] - 100)
    place = Affine(2e-5, 0, left, 0, -2e-5, top)
    other = header(tmp_path, place, (400, 300), "EPSG:4326")
    fit = round_trip(fit_file("similarity"), tmp_path)
    xy = np.random.default_rng(0).uniform(0, 300, (50, 2))
    back = Transformer.from_crs("EPSG:4326", UTM, always_xy=True)
    claimed = np.stack(back.transform(*AffineGeoref(place).to_map(xy).T), axis=1)
    got = fit.corrected(other, "other.tif", xy, UTM)
    assert got == pytest.approx(true_map(claimed), abs=0.05)
    neighbour = CRS.from_epsg(32634)
    over = Transformer.from_crs(UTM, neighbour, always_xy=True)
    corner = over.transform(*got.mean(axis=0))
    grid = Grid((50, 50), Affine(1, 0, corner[0], 0, -1, corner[1]), neighbour)
    there = np.array([[0.5, 0.5], [25.0, 10.0]])
    pixel = fit.mapping(other, "other.tif", grid)(there)
    on_grid = fit.corrected(other, "other.tif", pixel, neighbour)
    assert on_grid == pytest.approx(grid.to_map(there), abs=1e-3)


def test_forward_and_backward_agree(tmp_path: Path) -> None:
    other = header(tmp_path)
    fit = fit_file("field")
    grid = Grid((500, 500), TRUE @ Affine.scale(2), UTM)
    there = tp.grid(12) / 2
    pixel = fit.mapping(other, "moving.tif", grid)(there)
    back = grid.to_pixel(fit.corrected(other, "moving.tif", pixel, UTM))
    assert back == pytest.approx(there, abs=1e-3)


def test_the_crs_that_was_given_for_the_moving_raster_counts_for_the_others(tmp_path: Path) -> None:
    nameless = header(tmp_path, crs=None)
    fit = fit_file("shift", moving_crs=UTM)
    xy = np.array([[10.0, 20.0]])
    got = fit.corrected(nameless, "x.tif", xy, UTM)
    assert got == pytest.approx(FRAME.to_map(fit.transform.forward(xy)))
    with pytest.raises(InputError, match=r"x\.tif has no CRS: name it with --moving-crs"):
        fit_file("shift").corrected(nameless, "x.tif", xy, UTM)


def test_places_a_scan_and_its_other_resolutions(tmp_path: Path) -> None:
    """No georeference: the pixels themselves are where the fit starts from."""
    placement = TRUE @ Affine.translation(100, 200) @ Affine.rotation(90) @ Affine.scale(0.5)
    fit = round_trip(fit_file("similarity", placement=placement, moving_shape=(600, 800)), tmp_path)
    xy = np.array([[0.0, 0.0], [800.0, 600.0], [123.4, 432.1]])
    expected = true_map(AffineGeoref(placement).to_map(xy))
    scan = header(tmp_path, None, (600, 800), None)
    assert fit.corrected(scan, "scan.png", xy, UTM) == pytest.approx(expected, abs=0.05)
    half = header(tmp_path, None, (300, 400), None)
    assert fit.corrected(half, "half.png", xy / 2, UTM) == pytest.approx(expected, abs=0.05)
    # What the file claims itself was not to be trusted.
    wrong = header(tmp_path, Affine(7, 0, 0, 0, -7, 0), (600, 800))
    assert fit.corrected(wrong, "wrong.tif", xy, UTM) == pytest.approx(expected, abs=0.05)


def test_a_file_without_georeference_has_no_place_in_a_georeferenced_scene(tmp_path: Path) -> None:
    scan = header(tmp_path, None, crs=None)
    with pytest.raises(InputError, match="has no georeference"):
        fit_file("shift").mapping(scan, "scan.png", FRAME)


def test_pixels_of_another_file_land_where_the_truth_says(tmp_path: Path) -> None:
    """Through the whole writer: a raster that holds its own coordinates."""
    place = TRUE @ Affine.translation(100, 100) @ Affine.scale(2)
    xy = AffineGeoref(place).to_map(scenes.pixels((300, 300)))
    values = (xy - scenes.ORIGIN).T.reshape(2, 300, 300).astype(np.float32)
    moving = scenes.write(tmp_path / "bands.tif", values, place, dtype="float32")
    fit = round_trip(fit_file("similarity"), tmp_path)
    out = str(tmp_path / "out.tif")
    grid = apply_fit(fit, moving, out, OutputSettings(resampling="bilinear", driver="GTiff"))
    import rasterio

    with rasterio.open(out) as file:
        got, valid = file.read().astype(float), file.read_masks(1) > 0
    claimed = np.stack([got[0][valid], got[1][valid]], axis=1) + scenes.ORIGIN
    there = grid.to_map(scenes.pixels(grid.shape).reshape(*grid.shape, 2)[valid])
    inner = (np.abs(claimed - xy.mean(axis=0)) < 290).all(axis=1)
    assert inner.sum() > 60_000
    assert np.hypot(*(true_map(claimed) - there)[inner].T).max() < 0.2


def test_rasters_from_elsewhere_are_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The scene's next sheet has its place, but nobody looked at it."""
    fit, image = fit_file("shift"), np.full((50, 50), 7, np.uint8)
    for name, east, said in (("in", 980, False), ("beyond", 1010, True)):
        caplog.clear()
        place = TRUE @ Affine.translation(east, 100)
        moving = scenes.write(tmp_path / f"{name}.tif", image, place)
        apply_fit(fit, moving, str(tmp_path / f"{name}_out.tif"), OutputSettings(driver="GTiff"))
        assert ("wholly outside of where the fit was measured" in caplog.text) == said


# --- shift only -----------------------------------------------------------------------------


def test_a_shift_moves_the_geotransform(tmp_path: Path) -> None:
    other = header(tmp_path, TRUE @ Affine.scale(2), (500, 500))
    grid = fit_file("shift").shifted(other, "other.tif")
    assert grid.shape == (500, 500)
    moved = (grid.transform.c - scenes.ORIGIN[0], grid.transform.f - scenes.ORIGIN[1])
    assert moved == pytest.approx((12.5, 7.25), abs=0.05)
    assert (grid.transform.a, grid.transform.e) == (2, -2)


def test_more_than_a_shift_moves_no_geotransform(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--transform shift"):
        fit_file("similarity").shifted(header(tmp_path), "moving.tif")


def test_gcps_are_no_geotransform_that_could_be_moved(tmp_path: Path) -> None:
    corners = np.array([[0.0, 0.0], [1000.0, 0.0], [0.0, 1000.0], [1000.0, 1000.0]])
    georef = GcpGeoref.from_gcps(corners, AffineGeoref(TRUE).to_map(corners))
    bare = replace(header(tmp_path), georef=georef)
    with pytest.raises(SettingsError, match=r"--shift-only: moving\.tif has GCPs .* --embed-gcps"):
        fit_file("shift").shifted(bare, "moving.tif")


# --- pixel size -----------------------------------------------------------------------------


def test_pixel_sizes_that_the_geotransform_doesn_t_tell(tmp_path: Path) -> None:
    """Of one that is turned, or that the fit itself places: sides of a square as large."""
    fit = fit_file("shift")
    wide = header(tmp_path, TRUE @ Affine.scale(2, 3))
    assert fit.pixel_size(wide, "a.tif", UTM) == (2, 3)
    turned = header(tmp_path, TRUE @ Affine.rotation(30) @ Affine.scale(2, 3))
    assert fit.pixel_size(turned, "a.tif", UTM) == pytest.approx([6**0.5] * 2)
    placed = replace(fit, placement=TRUE @ Affine.scale(0.5, 2))
    assert placed.pixel_size(wide, "a.tif", UTM) == pytest.approx((1, 1))
    assert fit.pixel_size(wide, "a.tif", CRS.from_epsg(4326))[0] == pytest.approx(2.7e-5, rel=0.1)


@pytest.mark.parametrize("at", [[[0, 0]] * 3, [[0, 0], [1e200, 0], [0, 1e200]], [[np.nan] * 2] * 3])
def test_a_pixel_size_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: list[list[float]]
) -> None:
    monkeypatch.setattr(FitFile, "corrected", lambda *_: np.array(at, np.float64))
    with pytest.raises(InputError, match=r"^a\.tif: its pixel size can't be expressed"):
        fit_file("shift").pixel_size(header(tmp_path), "a.tif", CRS.from_epsg(4326))


def test_transform_of_the_helper_is_near_its_truth() -> None:
    for name, truth in tp.TRUTHS.items():
        limit = 1.0 if name in ("tps", "field") else 0.3
        assert np.abs(transform(name).forward(PLACES) - truth(PLACES)).max() < limit
