"""Grids and windows: round trips and edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod

from georeg.errors import SettingsError
from georeg.grid import Grid, Window, outline

windows = st.builds(
    Window,
    st.integers(-1000, 1000),
    st.integers(-1000, 1000),
    st.integers(1, 500),
    st.integers(1, 500),
)
grids = st.builds(
    lambda rows, columns, size, x, y: Grid(
        (rows, columns), Affine(size, 0, x * size, 0, -size, y * size), CRS(32633)
    ),
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.sampled_from([0.3, 0.5, 1.0, 10.0, 30.0]),
    st.integers(-100000, 100000),
    st.integers(-100000, 100000),
)


@settings(deadline=None, derandomize=True)
@given(windows, windows)
def test_intersection(one: Window, other: Window) -> None:
    both = one.intersect(other)
    x = set(range(one.x, one.x + one.width)) & set(range(other.x, other.x + other.width))
    y = set(range(one.y, one.y + one.height)) & set(range(other.y, other.y + other.height))
    assert both.empty == (not x or not y)
    if not both.empty:
        assert (both.x, both.width) == (min(x), len(x))
        assert (both.y, both.height) == (min(y), len(y))
    assert other.intersect(one).empty == both.empty


@settings(deadline=None, derandomize=True)
@given(windows, st.integers(0, 20))
def test_pad_and_around(window: Window, margin: int) -> None:
    corners = np.array(
        [[window.x, window.y], [window.x + window.width, window.y + window.height]], np.float64
    )
    assert Window.around(corners, margin) == window.pad(margin)
    assert window.pad(margin).intersect(window) == window


@settings(deadline=None, derandomize=True)
@given(grids, st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=1))
def test_pixel_map_round_trip(grid: Grid, points: list[tuple[float, float]]) -> None:
    xy = np.array(points)
    assert np.abs(grid.to_pixel(grid.to_map(xy)) - xy).max() < 1e-6


@settings(deadline=None, derandomize=True)
@given(grids)
def test_from_bounds_undoes_bounds(grid: Grid) -> None:
    """Also where the last bits of the bounds are rounded."""
    size = grid.transform.a
    again = Grid.from_bounds(grid.bounds(), (size, size), grid.crs, align=True)
    assert again.shape == grid.shape
    assert np.abs(again.to_map(np.zeros((1, 2))) - grid.to_map(np.zeros((1, 2)))).max() < 1e-6


@settings(deadline=None, derandomize=True)
@given(grids, windows)
def test_crop_keeps_pixels_in_place(grid: Grid, window: Window) -> None:
    part = grid.crop(window)
    assert part.shape == window.shape
    at = part.to_map(np.array([[3.5, 2.25]]))
    np.testing.assert_allclose(
        at, grid.to_map(np.array([[window.x + 3.5, window.y + 2.25]])), rtol=1e-12, atol=1e-6
    )


@settings(deadline=None, derandomize=True)
@given(grids, st.floats(1, 20))
def test_zoom_covers_the_same_ground(grid: Grid, factor: float) -> None:
    small = grid.zoom(factor)
    assert small.width * factor >= grid.width * (1 - 1e-6)
    assert (small.width - 1) * factor < grid.width
    np.testing.assert_allclose(
        small.to_map(np.array([[1.0, 1.0]])), grid.to_map(np.array([[factor, factor]])), atol=1e-6
    )


def test_aligned_to_multiples() -> None:
    grid = Grid.from_bounds((13.0, 27.0, 58.0, 71.0), (10.0, 10.0), None, align=True)
    assert grid.bounds() == (10.0, 20.0, 60.0, 80.0)


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize(
    ("bounds", "size"), [((0.0, 0.0, 60.0, 60.0), 1e-310), ((-1e308, 0.0, 1e308, 60.0), 10.0)]
)
def test_pixels_that_cannot_be_counted(
    bounds: tuple[float, float, float, float], size: float, align: bool
) -> None:
    """An OverflowError of Python's, which told nobody what to do."""
    with pytest.raises(SettingsError, match=r"can't be counted .* check --resolution"):
        Grid.from_bounds(bounds, (size, size), None, align=align)


def test_outline_is_the_edge() -> None:
    xy = outline(60, 40, 5)
    assert len(xy) == 20
    assert ((xy[:, 0] == 0) | (xy[:, 0] == 60) | (xy[:, 1] == 0) | (xy[:, 1] == 40)).all()


@pytest.mark.parametrize("latitude", [0.0, 45.0, -60.0])
def test_metres_of_degrees(latitude: float) -> None:
    grid = Grid((2, 2), Affine(1e-3, 0, 10, 0, -1e-3, latitude + 1e-3), CRS(4326))
    size = grid.metres_per_pixel()
    assert size is not None
    geod = Geod(ellps="WGS84")
    _, _, east = geod.inv(10, latitude, 10.001, latitude)
    _, _, north = geod.inv(10, latitude - 0.0005, 10, latitude + 0.0005)
    assert size == pytest.approx((east, north), rel=1e-5)


def test_metres_of_feet_and_of_mercator() -> None:
    feet = Grid((10, 10), Affine(1, 0, 500000, 0, -1, 1e6), CRS(26771)).metres_per_pixel()
    assert feet is not None
    assert feet[0] == pytest.approx(0.3048, rel=1e-3)
    high = Grid((2, 2), Affine(1, 0, 0, 0, -1, 8399738), CRS(3857)).metres_per_pixel()
    assert high is not None  # at 60 degrees north a Mercator metre is half a metre
    assert high[0] == pytest.approx(math.cos(math.radians(60)), rel=0.01)
    assert Grid((2, 2), Affine.identity(), None).metres_per_pixel() is None
