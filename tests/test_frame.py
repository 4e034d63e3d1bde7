"""The common frame: its grid, its extent, and the way from either raster and back."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from georeg.crs import CrsPath
from georeg.errors import NoOverlapError, SettingsError
from georeg.grid import Grid
from georeg.inputs.georef import AffineGeoref, GcpGeoref
from georeg.pairing.frame import Frame, build_frame

UTM = CRS(32633)
Side = tuple[AffineGeoref, tuple[int, int]]


def side(
    x: float = 350000, y: float = 5250000, size: float = 10, shape: tuple[int, int] = (400, 500),
    angle: float = 0.0, up: float = -1,
) -> Side:  # fmt: skip
    transform = Affine(size, 0, x, 0, up * size, y) @ Affine.rotation(angle)
    return AffineGeoref(transform), shape


def corners(frame: Frame) -> tuple[float, float, float, float]:
    return frame.grid.bounds()


def test_the_references_own_pixels() -> None:
    """Never resampled where they are the coarser ones."""
    reference = side()
    frame, shift = build_frame(side(size=3), reference, CrsPath(UTM, UTM))
    grid = Grid(reference[1], reference[0].transform, UTM)
    assert frame.grid.transform.a == 10
    offset = grid.to_pixel(frame.grid.to_map(np.zeros((1, 2))))
    np.testing.assert_allclose(offset, np.round(offset), atol=1e-9)
    assert frame.reference_pixels == pytest.approx(1.0)
    assert frame.metres == pytest.approx(10.0, rel=1e-3)
    assert shift == pytest.approx(max(64, 0.05 * np.hypot(150, 120)))


def test_only_an_area() -> None:
    area = (351000.0, 5247000.0, 352000.0, 5248000.0)
    frame, _ = build_frame(side(size=3, shape=(4000, 4000)), side(), CrsPath(UTM, UTM), area=area)
    assert corners(frame) == area
    with pytest.raises(NoOverlapError, match="area 1 2 3 4"):
        build_frame(side(), side(), CrsPath(UTM, UTM), area=(1, 2, 3, 4))


@pytest.mark.parametrize(
    ("moving", "reference", "side_of_finest"),
    [
        (side(size=25), side(size=10), 0.4),
        (side(size=2.5, angle=30), side(size=10), 0.25),
        (side(), side(), 1.0),
    ],
)
def test_the_finer_pixels(moving: Side, reference: Side, side_of_finest: float) -> None:
    frame, _ = build_frame(moving, reference, CrsPath(UTM, UTM))
    assert frame.finest(moving[1], reference[1]) == pytest.approx(side_of_finest)


def test_an_asked_for_resolution_that_is_the_references_own() -> None:
    """A degree is wider along a meridian than along a parallel; its pixels stay as they are."""
    degrees = CRS(4326)
    transform = Affine(1e-4, 0, 13.0, 0, -1e-4 / 1.49, 47.8)  # about square on the ground
    reference = AffineGeoref(transform), (400, 500)
    coarse = AffineGeoref(transform @ Affine.scale(2)), (200, 250)
    frame, _ = build_frame(coarse, reference, CrsPath(degrees, degrees, 13, 13), resolution=1e-4)
    assert frame.grid.transform.almost_equals(transform)


def test_the_coarser_size_counts() -> None:
    frame, _ = build_frame(side(size=25), side(size=10), CrsPath(UTM, UTM))
    assert frame.grid.transform.a == pytest.approx(25)
    assert frame.reference_pixels == pytest.approx(2.5)
    frame, _ = build_frame(side(size=25), side(size=10), CrsPath(UTM, UTM), resolution=5.0)
    assert frame.grid.transform.a == pytest.approx(5)


def test_square_on_the_ground_in_degrees() -> None:
    degree = AffineGeoref(Affine(1e-4, 0, 13.0, 0, -1e-4, 60.0)), (500, 500)
    frame, _ = build_frame(degree, degree, CrsPath(CRS(4326), CRS(4326), 13.0, 13.0))
    size = frame.grid.metres_per_pixel()
    assert size is not None
    assert size[0] == pytest.approx(size[1], rel=0.01)


def test_lengths_in_pixels_that_are_not_square() -> None:
    """Of 1 m x 10 m: 10 m are ten pixels or one, and a mean of both lengths said two."""
    narrow = AffineGeoref(Affine(1, 0, 350000, 0, -10, 5250000)), (70, 700)
    frame, _ = build_frame(side(size=1, shape=(700, 700)), narrow, CrsPath(UTM, UTM))
    metres = frame.grid.transform.a
    np.testing.assert_allclose(frame.reference_steps, [metres, metres / 10])
    # An error of 1 m that points anywhere.
    assert frame.reference_pixels / metres == pytest.approx(np.sqrt((1 + 0.01) / 2))


def test_room_for_the_shift() -> None:
    """What the moving raster can meet once it is shifted, and nothing beyond the reference."""
    reference = side(shape=(2000, 2000))
    moving = side(x=355000, y=5245000, shape=(400, 400))
    frame, shift = build_frame(moving, reference, CrsPath(UTM, UTM), max_shift=100)
    assert shift == 100
    left, bottom, right, top = corners(frame)
    assert (left, top) == (354000, 5246000)
    assert (right, bottom) == (360000, 5240000)


def test_meeting_only_after_the_shift() -> None:
    reference = side()
    frame, _ = build_frame(side(x=355100), reference, CrsPath(UTM, UTM), max_shift=64)
    assert frame.grid.width > 0
    with pytest.raises(NoOverlapError, match=r"don't overlap.*100 working pixels \(100\d m\)"):
        build_frame(side(x=356000), reference, CrsPath(UTM, UTM), max_shift=64)


def mistold(
    told: int, x: float, y: float, size: float = 10, true: int = 32633
) -> tuple[Side, Side, CrsPath]:
    """A raster by its header, one of 4 x 5 km in zone 33, and the way from one to the other."""
    return side(x, y, size), side(), CrsPath(CRS(told), CRS(true), x, 350000)


@pytest.mark.parametrize(
    ("told", "x", "y", "size", "said"),
    [
        (32632, 350000, 5250000, 10, "--moving-crs EPSG:32633"),
        (32733, 350000, 5250000, 10, "--moving-crs EPSG:32633"),
        (3857, 350000, 5250000, 10, "--moving-crs EPSG:32633"),
        (32633, 13.02, 47.37, 1e-4, "--moving-crs EPSG:4326"),
        (32633, 1449000, 6000000, 15, "--moving-crs EPSG:3857"),
        (32633, 5250000, 350000, 10, "with x and y exchanged the moving raster would lie"),
        (4326, 47.37, 13.02, 1e-4, "with x and y exchanged the moving raster would lie"),
        (32633, 47.37, 13.02, 1e-4, "with x and y exchanged, read as EPSG:4326, the moving raster"),
    ],
)
def test_headers_that_say_another_place_are_read_as_what_they_are(
    told: int, x: float, y: float, size: float, said: str
) -> None:
    """They were "528 km apart: check the CRS of both", whatever was wrong."""
    moving, reference, path = mistold(told, x, y, size)
    with pytest.raises(NoOverlapError, match="don't overlap") as raised:
        build_frame(moving, reference, path)
    assert said in str(raised.value)


def test_a_reference_that_is_told_wrongly_is_named() -> None:
    """Its degrees count as metres; and nothing is named where two simply lie apart."""
    degrees = side(13.02, 47.37, 1e-4)
    with pytest.raises(NoOverlapError, match="--reference-crs EPSG:4326"):
        build_frame(side(), degrees, CrsPath(UTM, CRS(32632)))
    for told, x in ((32633, 450000), (32633, 351000 + 5000), (32632, 550000)):
        with pytest.raises(NoOverlapError, match="check the CRS of both"):
            build_frame(*mistold(told, x, 5250000))


def test_different_zones_meet() -> None:
    """A place at 18 degrees east, in zones 33 and 34."""
    at = CrsPath(CRS(4326), CRS(32634)).forward(np.array([[18.0, 48.0]]))[0]
    here = CrsPath(CRS(4326), UTM).forward(np.array([[18.0, 48.0]]))[0]
    moving = side(x=at[0] - 2500, y=at[1] + 2000)
    reference = side(x=here[0] - 2500, y=here[1] + 2000)
    frame, _ = build_frame(moving, reference, CrsPath(CRS(32634), UTM))
    middle = frame.claim(np.array([[250.0, 200.0]]))
    np.testing.assert_allclose(middle, frame.from_reference(np.array([[250.0, 200.0]])), atol=0.01)


def test_across_the_antimeridian() -> None:
    """Zone 60 west of it and zone 1 east of it, both around 180 degrees."""
    lonlat = np.array([[180.0, -17.0]])
    west = CrsPath(CRS(4326), CRS(32760)).forward(lonlat)[0]
    east = CrsPath(CRS(4326), CRS(32701)).forward(lonlat)[0]
    moving = side(x=west[0] - 2500, y=west[1] + 2000)
    reference = side(x=east[0] - 2500, y=east[1] + 2000)
    frame, _ = build_frame(moving, reference, CrsPath(CRS(32760), CRS(32701)))
    assert min(frame.grid.shape) > 380
    degrees = AffineGeoref(Affine(1e-4, 0, 179.98, 0, -1e-4, -16.98)), (400, 400)
    other = AffineGeoref(Affine(1e-4, 0, -180.02, 0, -1e-4, -16.98)), (400, 400)
    path = CrsPath(CRS(4326), CRS(4326), 180.0, -180.0)
    frame, _ = build_frame(degrees, other, path)
    claimed = frame.claim(np.array([[100.0, 100.0]]))
    np.testing.assert_allclose(claimed, frame.from_reference(np.array([[100.0, 100.0]])), atol=1e-4)


def test_a_world_map_against_a_small_raster() -> None:
    world = AffineGeoref(Affine(0.1, 0, -180, 0, -0.1, 90)), (1800, 3600)
    small = side()
    frame, _ = build_frame(world, small, CrsPath(CRS(4326), UTM, 15.0, 350000))
    assert frame.metres is not None
    assert frame.metres > 5000
    frame, _ = build_frame(small, world, CrsPath(UTM, CRS(4326), 350000, 13.0))
    assert max(frame.grid.shape) < 300


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    angle=st.floats(-180, 180),
    up=st.sampled_from([-1, 1]),
    size=st.floats(2, 40),
    source=st.sampled_from([32633, 32634, 3035, 3857]),
    x=st.floats(0, 500),
    y=st.floats(0, 400),
)
def test_there_and_back(
    angle: float, up: float, size: float, source: int, x: float, y: float
) -> None:
    """Claim and unclaim undo each other, whatever the orientation, unit and CRS."""
    path = CrsPath(CRS(source), UTM)
    middle = path.inverse(np.array([[352500.0, 5248000.0]]))[0]
    local = Affine(size, 0, 0, 0, up * size, 0) @ Affine.rotation(angle)
    dx, dy = local @ (250, 200)
    moving = AffineGeoref(Affine.translation(middle[0] - dx, middle[1] - dy) @ local), (400, 500)
    frame, _ = build_frame(moving, side(), path)
    xy = np.array([[x, y]])
    # PROJ's Lambert azimuthal (EPSG:3035) comes back to 0.4 mm only, here up to 2e-4 px.
    np.testing.assert_allclose(frame.unclaim(frame.claim(xy)), xy, atol=1e-3)
    at = frame.from_reference(xy)
    np.testing.assert_allclose(frame.to_reference(at), xy, atol=1e-6)
    # Both lead to the same ground.
    ground = path.forward(moving[0].to_map(xy))
    np.testing.assert_allclose(frame.grid.to_map(frame.claim(xy)), ground, atol=1e-4)


def test_gcps() -> None:
    turned = Affine(10, 0, 350000, 0, -10, 5250000) @ Affine.rotation(15)
    pixel = np.array([[x, y] for x in (0.0, 250.0, 500.0) for y in (0.0, 200.0, 400.0)])
    ground = np.array([turned @ tuple(p) for p in pixel])
    georef = GcpGeoref.from_gcps(pixel, ground)
    frame, _ = build_frame((georef, (400, 500)), side(), CrsPath(UTM, UTM))
    xy = np.array([[100.0, 300.0]])
    exact = frame.grid.to_pixel(np.array([turned @ (100, 300)]))
    np.testing.assert_allclose(frame.claim(xy), exact, atol=1e-3)
    np.testing.assert_allclose(frame.unclaim(frame.claim(xy)), xy, atol=1e-3)


@pytest.mark.parametrize("resolution", [1e30, 1e200, 10_000.0, 1e-30, 1e-310])
def test_absurd_resolutions(resolution: float) -> None:
    """From "float division by zero" to three minutes and all of the memory."""
    with pytest.raises(SettingsError, match=r"--working-resolution 1.* in map units"):
        build_frame(side(), side(), CrsPath(UTM, UTM), resolution=resolution)


def test_nowhere_near() -> None:
    far = side(x=350000, y=1000000)
    with pytest.raises(NoOverlapError, match="don't overlap"):
        build_frame(far, side(), CrsPath(UTM, UTM))
    degrees = AffineGeoref(Affine(1e-4, 0, -120, 0, -1e-4, -40)), (400, 500)
    with pytest.raises(NoOverlapError, match="don't overlap"):
        build_frame(degrees, side(), CrsPath(CRS(4326), UTM))


def test_no_farther_than_the_rasters_meet() -> None:
    """--max-shift 3000, meant in metres, took a minute and 2.5 GB for 300 x 300 pixels."""
    pair = side(x=350100), side()
    frame, shift = build_frame(*pair, CrsPath(UTM, UTM), max_shift=1e30)
    assert shift == pytest.approx(510)  # both together, along x
    same, less = build_frame(*pair, CrsPath(UTM, UTM), max_shift=300)
    assert less == 300
    assert corners(frame) == corners(build_frame(*pair, CrsPath(UTM, UTM), max_shift=700)[0])
    assert frame.metres == pytest.approx(same.metres)
