"""Two fits whose difference is known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

import scenes
from cli_cases import run
from georeg import transforms
from georeg.comparing import compare_fits
from georeg.crs import CrsPath
from georeg.errors import InputError, NoOverlapError
from georeg.fitfile import FitFile
from georeg.grid import Grid

UTM = CRS.from_epsg(32633)


def fit(
    dx: float = 0.0, dy: float = 0.0, *, gsd: float = 10.0, angle: float = 0.0, **changed: Any
) -> FitFile:
    """A similarity about the upper left corner, in a frame of 4 km that is the reference."""
    shape = (round(4000 / gsd), round(4000 / gsd))
    grid = Grid(shape, Affine(gsd, 0, scenes.ORIGIN[0], 0, -gsd, scenes.ORIGIN[1]), UTM)
    a = np.radians(angle)
    matrix = [[np.cos(a), -np.sin(a), dx], [np.sin(a), np.cos(a), dy], [0, 0, 1]]
    transform = transforms.from_dict({"name": "similarity", "matrix": matrix})
    whole = FitFile(transform, grid, grid, None, (400, 400))
    return dataclasses.replace(whole, **changed)


def test_the_same_fit() -> None:
    found = compare_fits(fit(3, 4), fit(3, 4))
    assert found.rmse_px <= found.max_px < 1e-6
    assert found.places > 1000


def test_a_shift_between_them() -> None:
    found = compare_fits(fit(3, 4), fit())
    assert (found.mean_x_px, found.mean_y_px) == pytest.approx((3, 4))
    for value in (found.rmse_px, found.ce90_px, found.median_px, found.max_px):
        assert value == pytest.approx(5)
    assert found.rmse_m == pytest.approx(50, rel=0.01)


def test_pixels_are_those_of_the_second_one_s_reference() -> None:
    found = compare_fits(fit(3, 4), fit(gsd=5.0))
    assert found.rmse_px == pytest.approx(10)
    assert found.max_m == pytest.approx(50, rel=0.01)


def test_a_rotation_grows_with_the_distance() -> None:
    found = compare_fits(fit(angle=0.1), fit())
    a = np.radians(0.1)
    far = a * np.hypot(*np.random.default_rng(0).uniform(0, 400, (2, 100_000)))
    assert found.max_px == pytest.approx(a * np.hypot(400, 400), rel=0.03)
    assert found.rmse_px == pytest.approx(np.sqrt((far**2).mean()), rel=0.02)
    assert found.rmse_m == pytest.approx(10 * found.rmse_px, rel=0.01)
    assert found.median_px == pytest.approx(np.median(far), rel=0.02)
    assert found.ce90_px == pytest.approx(np.percentile(far, 90), rel=0.02)
    # Clockwise as seen: what lies right goes down, what lies below goes left.
    assert (found.mean_x_px, found.mean_y_px) == pytest.approx((-200 * a, 200 * a), rel=0.02)


def test_fits_in_other_crs() -> None:
    """The same correction, found against a reference in degrees."""
    one = fit(3, -4)
    path = CrsPath(UTM, CRS.from_epsg(4326))
    corners = one.frame.to_map(np.array([[0.0, 400.0], [400.0, 0.0]]))
    (left, bottom), (right, top) = path.forward(corners)
    size = 1e-4
    bounds = (left - size, bottom - size, right + size, top + size)
    degrees = Grid.from_bounds(bounds, (size, size), CRS.from_epsg(4326))
    x, y = np.meshgrid(np.linspace(10, 390, 12), np.linspace(10, 390, 12))
    claimed = np.stack([x.ravel(), y.ravel()], axis=1)
    ways = [
        degrees.to_pixel(path.forward(one.frame.to_map(xy)))
        for xy in (claimed, one.transform.forward(claimed))
    ]
    model = transforms.load("polynomial2").from_points(*ways)
    other = dataclasses.replace(one, transform=model, frame=degrees, reference=degrees)
    assert compare_fits(one, other).rmse_px < 0.02
    assert compare_fits(other, one).rmse_px < 0.02


def test_without_crs_there_are_no_metres() -> None:
    def bare(one: FitFile) -> FitFile:
        grid = dataclasses.replace(one.frame, crs=None)
        return dataclasses.replace(one, frame=grid, reference=grid)

    found = compare_fits(bare(fit(3, 4)), bare(fit()))
    assert (found.rmse_px, found.rmse_m, found.max_m) == (pytest.approx(5), None, None)


def test_fits_of_other_places_can_t_be_compared() -> None:
    away = fit()
    grid = dataclasses.replace(away.frame, transform=Affine(10, 0, 0, 0, -10, 100_000))
    gone = dataclasses.replace(away, frame=grid, reference=grid, info={"moving": "b.tif"})
    with pytest.raises(NoOverlapError, match="hardly a place in common") as caught:
        compare_fits(fit(info={"moving": "a.tif"}), gone)
    assert "a.tif" in str(caught.value)
    assert "b.tif (400 x 400 px)" in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({}, {"info": {"moving": "a.tif", "reference": "r.tif"}}, ()),
        ({"info": {"moving": "/data/a.tif"}}, {"info": {"moving": "../a.tif"}}, ()),
        ({"info": {"moving": "x/a.tif"}}, {"info": {"moving": "y/a.tif"}}, ("of different",)),
        ({"moving_shape": (400, 300)}, {}, ("rasters, a raster (300 x 400 px) and a raster (400",)),
        ({"info": {"reference": "r.tif"}}, {"info": {"reference": "s.tif"}}, ("have different",)),
        ({"gsd": 5.0, "moving_shape": (9, 9)}, {}, ("of different rasters", "px, EPSG:32633)")),
        ({"reference": None}, {}, ("and a reference (400 x 400 px, EPSG:32633): how far",)),
        ({"frame": Grid((400, 400), fit().frame.transform, None)}, {}, ("a CRS: both are taken",)),
    ],
)
def test_what_else_differs_is_told(
    one: dict[str, Any], other: dict[str, Any], said: tuple[str, ...]
) -> None:
    warnings = compare_fits(fit(3, 4, **one), fit(**other)).warnings
    assert len(warnings) == len(said)
    assert all(part in warning for part, warning in zip(said, warnings, strict=True))


def test_scans_are_compared_by_their_pixels(tmp_path: Path) -> None:
    """Both placed by the fit: the placement is part of what differs."""
    image = scenes.texture((400, 400))
    scan = scenes.write(tmp_path / "scan.png", image, crs=None, driver="PNG")
    place = fit().frame.transform
    info = {"moving": scan}
    one = fit(3, 4, placement=place, info=info)
    moved = fit(placement=place @ Affine.translation(1, 1), info=info)
    assert compare_fits(one, moved).mean_x_px == pytest.approx(2, abs=1e-6)
    with pytest.raises(InputError, match="no such file"):
        compare_fits(one, fit(placement=place, info={"moving": str(tmp_path / "gone.png")}))


def test_command_line(tmp_path: Path) -> None:
    one, other = str(tmp_path / "one.json"), str(tmp_path / "other.json")
    fit(3, 4).save(one)
    fit().save(other)
    good = run("check", one, "--reference", other, "--max-error", "6")
    assert good.code == 0, good.err
    assert good.err == ""
    assert good.out.startswith("difference   5.000 px RMSE (50 m), CE90 5.000 px")
    bad = run("check", one, "--reference", other, "--max-error", "4", "--json")
    assert bad.code == 3
    assert json.loads(bad.out)["error"]["rmse_px"] == pytest.approx(5)
    assert json.loads(bad.out)["warnings"] == []
    fit(moving_shape=(200, 300)).save(other)
    doubtful = run("check", one, "--reference", other)
    assert doubtful.code == 0
    assert doubtful.line.startswith("georeg: warning: the fits are of different rasters, a raster")
    fit().save(other)
    assert "the two alignments differ by 5.00 px, more than --max-error 4" in bad.line
    mixed = run("check", one, "--reference", tmp_path / "a.tif")
    assert mixed.code == 2
    assert "compare two rasters, or two fits" in mixed.line
    assert run("check", one, "--reference", other, "--report", tmp_path / "r.html").code == 2
    (tmp_path / "no.json").write_text("{}")
    assert run("check", one, "--reference", tmp_path / "no.json").code == 4
