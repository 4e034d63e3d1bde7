"""Which grid an output gets, by option and by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer

import scenes
import tie_points as tp
from fit_cases import FRAME, TRUE, UTM, fit_file, header
from georeg.applying import apply_fit
from georeg.errors import InputError, NoOverlapError, SettingsError
from georeg.fitfile import FitFile
from georeg.grid import Grid
from georeg.outgrid import check_shown, output_grid
from georeg.raster import Header
from georeg.settings import OutputSettings

LEFT, TOP = scenes.ORIGIN


def grid(fit: FitFile, head: Header, **wanted: Any) -> Grid:
    return output_grid(fit, head, "moving.tif", OutputSettings(**wanted))


def on_whole_pixels(found: Grid) -> bool:
    t = found.transform
    steps = np.array([t.c / t.a, t.f / t.e])
    return bool(np.abs(steps - np.round(steps)).max() < 1e-6)


def test_default_keeps_the_moving_resolution_and_follows_the_corrected_footprint(
    tmp_path: Path,
) -> None:
    """A shift of (12.5, 7.25) m north-eastwards moves the extent with it."""
    place = TRUE @ Affine.scale(3)
    found = grid(fit_file("shift"), header(tmp_path, place, (200, 300)))
    assert found.crs == UTM
    assert (found.transform.a, found.transform.e) == (3, -3)
    assert on_whole_pixels(found)
    left, bottom, right, top = found.bounds()
    expected = (LEFT + 12.5, TOP + 7.25 - 600, LEFT + 12.5 + 900, TOP + 7.25)
    assert (left, bottom) <= (expected[0] + 0.1, expected[1] + 0.1)
    for got, want in zip((left, bottom, right, top), expected, strict=True):
        assert abs(got - want) < 3.1


@pytest.mark.parametrize("name", ["similarity", "polynomial2", "field"])
def test_nothing_of_the_corrected_raster_is_cut_off(name: str, tmp_path: Path) -> None:
    head = header(tmp_path)
    fit = fit_file(name)
    found = grid(fit, head)
    every = fit.corrected(head, "moving.tif", tp.grid(60, 0.0), UTM)
    pixel = found.to_pixel(every)
    assert pixel.min() > -1.0
    assert (pixel < [found.width + 1.0, found.height + 1.0]).all()
    # And not much more than that.
    assert (np.ptp(pixel, axis=0) > [found.width - 3, found.height - 3]).all()


def test_default_of_a_raster_in_another_crs_has_pixels_of_the_same_size(tmp_path: Path) -> None:
    place = Affine(2e-5, 0, 13.0, 0, -2e-5, 47.4)
    head = header(tmp_path, place, (400, 400), "EPSG:4326")
    frame = Grid((500, 700), Affine(1, 0, 349_000, 0, -1, 5_252_500), UTM)
    found = grid(fit_file("shift", frame=frame, reference=frame), head)
    assert found.crs == UTM
    # 2e-5 degrees are 1.51 m by 2.22 m at 47.4 degrees north.
    assert found.transform.a == pytest.approx(np.sqrt(1.51 * 2.22), rel=0.01)
    assert found.transform.a == -found.transform.e


def test_default_of_a_scan_follows_its_placement(tmp_path: Path) -> None:
    placement = TRUE @ Affine.translation(200, 300) @ Affine.rotation(90) @ Affine.scale(0.5)
    fit = fit_file("shift", placement=placement, moving_shape=(200, 400))
    found = grid(fit, header(tmp_path, None, (200, 400), None))
    assert found.transform.a == pytest.approx(0.5)
    assert (found.width, found.height) == pytest.approx((200, 400), abs=2)


def test_reference_grid_is_taken_as_it_is(tmp_path: Path) -> None:
    reference = Grid((70, 90), Affine(10, 0, LEFT - 3.7, 0, -10, TOP + 1.2), UTM)
    fit = fit_file("shift", reference=reference)
    assert grid(fit, header(tmp_path), grid="reference") == reference


def test_reference_grid_under_its_own_crs_by_name(tmp_path: Path) -> None:
    found = grid(fit_file("shift"), header(tmp_path), grid="reference", dst_crs="EPSG:32633")
    assert (found.shape, found.transform) == (FRAME.shape, FRAME.transform)


def test_reference_without_grid(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="GCPs only"):
        grid(fit_file("shift", reference=None), header(tmp_path), grid="reference")


def test_moving_grid_is_taken_as_it_is(tmp_path: Path) -> None:
    place = TRUE @ Affine.translation(0.3, 0.4) @ Affine.rotation(10)
    head = header(tmp_path, place, (120, 110))
    assert grid(fit_file("shift"), head, grid="moving") == head.grid


def test_moving_grid_of_a_scan_is_none(tmp_path: Path) -> None:
    head = header(tmp_path, None, (200, 400), None)
    with pytest.raises(SettingsError, match="no pixel grid of its own"):
        grid(fit_file("shift", placement=TRUE), head, grid="moving")


def test_grid_like_a_file(tmp_path: Path) -> None:
    place = Affine(7, 0, LEFT - 11, 0, -7, TOP + 13)
    like = header(tmp_path, place, (30, 40), "EPSG:32634", name="like.tif")
    found = grid(fit_file("shift"), header(tmp_path), grid=str(tmp_path / "like.tif"))
    assert found == like.grid


def test_grid_like_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        grid(fit_file("shift"), header(tmp_path), grid=str(tmp_path / "nowhere.tif"))
    header(tmp_path, None, crs=None, name="scan.tif")
    with pytest.raises(SettingsError, match="no pixel grid"):
        grid(fit_file("shift"), header(tmp_path), grid=str(tmp_path / "scan.tif"))


def test_grid_like_a_file_without_crs(tmp_path: Path) -> None:
    """Its numbers may mean anything, and the output would have no CRS."""
    header(tmp_path, crs=None, name="like.tif")
    with pytest.raises(SettingsError, match=r"like\.tif: that raster has no CRS"):
        grid(fit_file("shift"), header(tmp_path), grid=str(tmp_path / "like.tif"))


@pytest.mark.parametrize("resolution", [(4.0,), (4.0, 2.0)])
def test_resolution(resolution: tuple[float, ...], tmp_path: Path) -> None:
    found = grid(fit_file("shift"), header(tmp_path), resolution=resolution)
    assert (found.transform.a, -found.transform.e) == (resolution[0], resolution[-1])
    assert on_whole_pixels(found)
    assert found.width * resolution[0] == pytest.approx(1000, abs=8)


def test_resolution_on_the_extent_of_a_named_grid(tmp_path: Path) -> None:
    """Who names a grid wants its extent, whatever the pixels."""
    reference = Grid((100, 300), Affine(10, 0, LEFT + 5, 0, -10, TOP + 5), UTM)
    fit = fit_file("shift", reference=reference)
    found = grid(fit, header(tmp_path), grid="reference", resolution=(5.0,))
    assert found.shape == (200, 600)
    assert found.bounds() == reference.bounds()


def test_bounds_are_exact(tmp_path: Path) -> None:
    bounds = (LEFT + 10.25, TOP - 110.5, LEFT + 60.25, TOP - 10.5)
    found = grid(fit_file("shift"), header(tmp_path), bounds=bounds, resolution=(0.5,))
    assert found.bounds() == pytest.approx(bounds)
    assert found.shape == (200, 100)


@pytest.mark.parametrize("named", ["auto", "reference", "moving"])
def test_bounds_keep_the_resolution_of_the_grid(named: str, tmp_path: Path) -> None:
    fit = fit_file("shift", reference=Grid((100, 100), TRUE @ Affine.scale(10), UTM))
    head = header(tmp_path, TRUE @ Affine.scale(2), (500, 500))
    bounds = (LEFT + 100, TOP - 300, LEFT + 200, TOP - 100)
    found = grid(fit, head, grid=named, bounds=bounds)
    size = {"auto": 2, "reference": 10, "moving": 2}[named]
    assert found.bounds() == pytest.approx(bounds)
    assert found.shape == (200 / size, 100 / size)


def test_dst_crs(tmp_path: Path) -> None:
    head = header(tmp_path)
    found = grid(fit_file("shift"), head, dst_crs="EPSG:4326")
    assert found.crs == CRS.from_epsg(4326)
    size = found.metres_per_pixel()
    assert size is not None
    assert np.sqrt(size[0] * size[1]) == pytest.approx(1.0, rel=0.01)
    fit = fit_file("shift")
    corners = fit.corrected(head, "moving.tif", np.array([[0.0, 0.0], [1000.0, 1000.0]]), found.crs)
    pixel = found.to_pixel(corners)
    assert ((pixel > -1) & (pixel < [found.width + 1, found.height + 1])).all()
    # Degrees, as the message of an absurd size says.
    with pytest.raises(SettingsError, match="units of the output's CRS"):
        grid(fit_file("shift"), head, resolution=(1e-5,))


def test_a_crs_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not a CRS"):
        grid(fit_file("shift"), header(tmp_path), dst_crs="EPSG:0")


def test_a_crs_on_the_other_side_of_the_world(tmp_path: Path) -> None:
    """The corrected outline has no place in that projection."""
    with pytest.raises(InputError, match="can't be expressed"):
        grid(fit_file("shift"), header(tmp_path), dst_crs="+proj=ortho +lat_0=-47 +lon_0=-167")


def test_nothing_of_the_raster_on_the_grid(tmp_path: Path) -> None:
    """Such an output would be empty, and be called written."""
    fit, head = fit_file("shift"), header(tmp_path)
    with pytest.raises(NoOverlapError, match=r"moving\.tif: nothing of it lies on the output's"):
        check_shown(
            fit, head, "moving.tif", Grid((90, 90), TRUE @ Affine.translation(3000, 0), UTM)
        )
    with pytest.raises(NoOverlapError, match="--bounds"):
        check_shown(fit, head, "moving.tif", Grid((90, 90), TRUE, CRS.from_epsg(32634)))
    check_shown(fit, head, "moving.tif", FRAME)
    corner = Grid((90, 90), TRUE @ Affine.translation(1005, 980), UTM)  # moved by (12.5, 7.25) m
    check_shown(fit, head, "moving.tif", corner)
    strip = Grid((5000, 3), TRUE @ Affine.translation(777, -2000), UTM)
    check_shown(fit, head, "moving.tif", strip)


def test_a_raster_with_the_pole_in_it_on_a_grid_around_the_pole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In degrees its outline lies beyond the grid, and all that it surrounds on it."""
    place = Affine(10_000, 0, -800_000, 0, -10_000, 800_000)
    head = header(tmp_path, place, (160, 160), "EPSG:3031")
    around = Grid((70, 3600), Affine(0.1, 0, -180, 0, -0.1, -83), CRS.from_epsg(4326))
    fit = fit_file("shift", frame=around, reference=around)
    check_shown(fit, head, "moving.tif", around)
    apply_fit(fit, str(tmp_path / "moving.tif"), str(tmp_path / "out.tif"))
    assert not caplog.records


def test_the_grid_may_count_longitude_on_the_other_side(tmp_path: Path) -> None:
    place = Affine(2e-5, 0, 179.99, 0, -2e-5, 47.4)
    world = CRS.from_epsg(4326)
    head = header(tmp_path, place, (400, 400), "EPSG:4326")
    frame = Grid((1000, 1000), place, world)
    fit = fit_file("shift", frame=frame, reference=frame)
    west = Grid((400, 400), Affine(2e-5, 0, -180.01, 0, -2e-5, 47.4), world)
    check_shown(fit, head, "moving.tif", west)
    with pytest.raises(NoOverlapError):
        check_shown(
            fit, head, "moving.tif", Grid((400, 400), place @ Affine.translation(900, 0), world)
        )


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857"])
def test_a_raster_across_the_antimeridian_stays_in_one_piece(tmp_path: Path, crs: str) -> None:
    """In a CRS where longitudes jump there its outline was torn apart, all around the Earth."""
    zone = CRS.from_epsg(32660)
    x, y = Transformer.from_crs(4326, zone, always_xy=True).transform(180.0, 10.0)
    place = Affine(1, 0, x - 500, 0, -1, y + 500)
    frame = Grid((1000, 1000), place, zone)
    head = header(tmp_path, place, crs=zone.to_wkt())
    fit = fit_file("shift", frame=frame, reference=frame)
    found = grid(fit, head, dst_crs=crs)
    assert max(found.shape) < 1100
    check_shown(fit, head, "moving.tif", found)
    lon, _ = Transformer.from_crs(crs, 4326, always_xy=True).transform(*found.center)
    assert abs(lon) == pytest.approx(180, abs=1e-3)


def test_a_raster_that_is_torn_apart(tmp_path: Path) -> None:
    """Robinson's projection ends at the antimeridian."""
    place = Affine(2e-5, 0, 179.99, 0, -2e-5, 47.4)
    world = CRS.from_epsg(4326)
    head = header(tmp_path, place, crs="EPSG:4326")
    frame = Grid((1000, 1000), place, world)
    with pytest.raises(SettingsError, match="lies across the edge of ESRI:54030, half of it at"):
        grid(fit_file("shift", frame=frame, reference=frame), head, dst_crs="ESRI:54030")


@pytest.mark.parametrize("west", [-180.0, 0.0])
def test_a_raster_of_all_the_earth(tmp_path: Path, west: float) -> None:
    """Wherever it is cut open: its inside reaches further than its outline, and was cut off."""
    place, world = Affine(0.1, 0, west, 0, -0.1, 90), CRS.from_epsg(4326)
    head = header(tmp_path, place, (1800, 3600), "EPSG:4326")
    frame = Grid((1800, 3600), place, world)
    fit = fit_file("shift", frame=frame, reference=frame)
    left, bottom, right, top = grid(fit, head, dst_crs="ESRI:54009").bounds()
    wide, high = 18_040_096, 9_020_048  # half of Mollweide's ellipse, with its axes of 2 to 1
    assert left < -0.999 * wide
    assert right > 0.999 * wide
    assert bottom < -0.98 * high
    assert top > 0.98 * high


def test_a_raster_with_the_pole_in_it(tmp_path: Path) -> None:
    place, polar = Affine(10_000, 0, -1e6, 0, -10_000, 1e6), CRS.from_epsg(3413)
    head = header(tmp_path, place, (200, 200), "EPSG:3413")
    frame = Grid((200, 200), place, polar)
    fit = fit_file("shift", frame=frame, reference=frame)
    left, bottom, right, top = grid(fit, head, dst_crs="EPSG:4326").bounds()
    assert right - left > 350
    assert bottom < 78
    assert top > 89


def test_pixels_between_which_the_raster_vanishes(tmp_path: Path) -> None:
    """Metres where the CRS counts degrees: the output was two empty pixels, and called written."""
    fit, head = fit_file("shift"), header(tmp_path)
    far = grid(fit, head, dst_crs="EPSG:4326", resolution=(10.0,))
    with pytest.raises(SettingsError, match=r"which are 10 x 10 units .* check --resolution"):
        check_shown(fit, head, "moving.tif", far)
    middle = TRUE @ (500, 500)
    one = Affine(5000, 0, middle[0] - 2500, 0, -5000, middle[1] + 2500)
    check_shown(fit, head, "moving.tif", Grid((1, 1), one, UTM))
