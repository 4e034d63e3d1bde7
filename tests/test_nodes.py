import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from georeg.grid import Window
from georeg.resampling.nodes import MIN_STEP, sample_nodes, sampling_ratio


def wavy(amplitude, length):
    def mapping(xy):
        x, y = xy.T
        return np.stack(
            [x + amplitude * np.sin(y / length) + 7, y + amplitude * np.cos(x / length)], axis=1
        )

    return mapping


def positions(window, count=4000, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(
        [window.x, window.y], [window.x + window.width, window.y + window.height], (count, 2)
    )


def test_affine_needs_no_halving():
    nodes = sample_nodes(lambda xy: xy * 2 + 5, Window(100, 200, 500, 300))
    assert nodes.step == 32  # the points of the check are kept
    assert nodes.error < 1e-9
    assert (nodes.x, nodes.y) == (64, 192)
    assert np.array_equal(nodes.xy[0, 0], [133, 389])


@settings(deadline=None, max_examples=40)
@given(
    x=st.integers(-3000, 3000),
    y=st.integers(-3000, 3000),
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    amplitude=st.floats(0, 20),
    length=st.floats(60, 1000),
    tolerance=st.sampled_from([0.01, 0.05, 0.5]),
)
def test_interpolation_stays_within_tolerance(x, y, width, height, amplitude, length, tolerance):
    window = Window(x, y, width, height)
    mapping = wavy(amplitude, length)
    nodes = sample_nodes(mapping, window, tolerance)
    at = positions(window)
    error = np.hypot(*(nodes.interpolate(at) - mapping(at)).T).max()
    if nodes.step > MIN_STEP:
        assert error <= tolerance
    assert error <= nodes.error + 1e-9
    assert nodes.step >= MIN_STEP


def test_halving_costs_evaluations_only_where_needed():
    calls = []

    def bump(xy):
        calls.append(len(xy))
        return xy + 20 * np.exp(-((xy - 500) ** 2).sum(axis=1) / 800)[:, None]

    window = Window(0, 0, 1024, 1024)
    nodes = sample_nodes(bump, window)
    assert nodes.step == MIN_STEP
    assert sum(calls) < 0.2 * (1024 / MIN_STEP) ** 2
    at = positions(window)
    assert np.hypot(*(nodes.interpolate(at) - bump(at)).T).max() <= max(0.05, nodes.error)


@pytest.mark.parametrize("mapping", [wavy(9, 40), wavy(3, 200)])
def test_windows_agree_bit_by_bit(mapping):
    """Nodes don't depend on the window they were sampled for."""

    def odd(xy):
        bump = 15 * np.exp(-((xy - [400, 300]) ** 2).sum(axis=1) / 500)[:, None]
        return mapping(xy) + bump

    whole = sample_nodes(odd, Window(0, 0, 800, 700))
    for window in (Window(0, 0, 256, 256), Window(256, 192, 300, 77), Window(512, 256, 288, 444)):
        part = sample_nodes(odd, window)
        assert part.step >= whole.step
        ratio = part.step // whole.step
        left, top = (part.x - whole.x) // whole.step, (part.y - whole.y) // whole.step
        same = whole.xy[top::ratio, left::ratio][: part.xy.shape[0], : part.xy.shape[1]]
        assert np.array_equal(part.xy, same)
        at = positions(window)
        assert np.allclose(part.interpolate(at), whole.interpolate(at), atol=1e-9)


def test_crop_covers_its_window():
    whole = sample_nodes(wavy(3, 300), Window(-100, 50, 900, 700))
    window = Window(33, 301, 97, 65)
    part = whole.crop(window)
    assert part.x <= window.x
    assert part.y <= window.y
    assert part.x + (part.xy.shape[1] - 1) * part.step >= window.x + window.width
    assert part.y + (part.xy.shape[0] - 1) * part.step >= window.y + window.height
    assert part.x > window.x - part.step
    at = positions(window)
    assert np.allclose(part.interpolate(at), whole.interpolate(at), atol=1e-9)


def test_dense_maps_fit_cv2():
    window = Window(300, 200, 130, 90)
    mapping = wavy(2, 400)
    nodes = sample_nodes(mapping, window)
    source = nodes.source_window(3)
    y, x = np.mgrid[source.y : source.y + source.height, source.x : source.x + source.width] + 0.5
    map_x, map_y = nodes.dense(window, (source.x, source.y))
    assert map_x.dtype == np.float32
    assert map_x.shape == window.shape
    found = [cv2.remap(v.astype(np.float32), map_x, map_y, cv2.INTER_LINEAR) for v in (x, y)]
    at = np.stack(
        np.meshgrid(
            window.x + np.arange(window.width) + 0.5, window.y + np.arange(window.height) + 0.5
        ),
        axis=-1,
    )
    truth = mapping(at.reshape(-1, 2)).reshape(*window.shape, 2)
    # OpenCV's weights have five bits.
    assert np.abs(np.stack(found, axis=-1) - truth).max() < 0.06


@pytest.mark.parametrize("length", [30, 400, 9000])
@pytest.mark.parametrize("hole", [False, True])
def test_dense_maps_lie_between_the_nodes(length, hole):
    def mapping(xy):
        out = wavy(3, length)(xy)
        if hole:
            out[np.hypot(*(xy - 330).T) < 20] = np.nan
        return out

    window = Window(301, 203, 133, 197)
    nodes = sample_nodes(mapping, window, 0.02)
    origin = (290, 180)
    found = np.stack(nodes.dense(window, origin), axis=-1)
    x, y = np.meshgrid(
        window.x + np.arange(window.width) + 0.5, window.y + np.arange(window.height) + 0.5
    )
    expected = nodes.interpolate(np.stack([x.ravel(), y.ravel()], axis=1)) - origin - 0.5
    expected = expected.reshape(found.shape)
    assert np.isnan(expected).any() == hole
    np.testing.assert_allclose(found, expected, atol=5e-5)


def test_within_says_whether_all_is_defined_and_there():
    nodes = sample_nodes(lambda xy: xy + 0.25, Window(64, 64, 64, 64))
    assert nodes.within(Window(64, 64, 65, 65))
    assert not nodes.within(Window(65, 64, 64, 65))
    assert not nodes.within(Window(64, 64, 64, 65))
    holed = sample_nodes(lambda xy: np.where(xy > 100, np.nan, xy), Window(64, 64, 64, 64))
    assert not holed.within(Window(0, 0, 1000, 1000))


def test_dense_maps_of_overflows_are_far_out():
    nodes = sample_nodes(lambda xy: xy * 1e200, Window(10, 10, 100, 100))
    map_x, _ = nodes.dense(Window(10, 10, 100, 100))
    assert (map_x > 1e8).all()


def test_dense_maps_keep_precision_far_out():
    window = Window(200_000, 300_000, 64, 64)
    nodes = sample_nodes(lambda xy: xy + 0.123456789, window)
    map_x, map_y = nodes.dense(window, (200_000, 300_000))
    assert abs(map_x[5, 7] - 7.123456789) < 1e-5
    assert abs(map_y[5, 7] - 5.123456789) < 1e-5


def test_undefined_cells_are_small_and_marked():
    def mapping(xy):
        out = np.array(xy)
        out[np.hypot(*(xy - 300).T) > 150] = np.nan
        return out

    window = Window(100, 100, 400, 400)
    nodes = sample_nodes(mapping, window)
    defined = nodes.defined(window)
    y, x = np.mgrid[100:500, 100:500] + 0.5
    radius = np.hypot(x - 300, y - 300)
    assert not defined[radius > 150].any()
    assert defined[radius < 150 - 2 * MIN_STEP].all()
    assert np.isinf(nodes.error)
    source = nodes.source_window()
    assert source.x >= 150
    assert source.x + source.width <= 450
    map_x, _ = nodes.dense(window)
    assert np.isfinite(map_x[defined]).all()
    assert np.isnan(map_x[0, 0])


def test_defined_everywhere_costs_no_mask():
    window = Window(0, 0, 100, 100)
    assert sample_nodes(lambda xy: xy, window).defined(window) is None


def test_nothing_defined():
    nodes = sample_nodes(lambda xy: xy * np.nan, Window(0, 0, 100, 100))
    assert nodes.source_window(5) is None
    assert not nodes.defined(Window(0, 0, 100, 100)).any()


def test_source_window_holds_every_position():
    window = Window(10, 20, 200, 300)
    mapping = wavy(30, 90)
    nodes = sample_nodes(mapping, window)
    source = nodes.source_window(1)
    at = mapping(positions(window))
    assert (at >= [source.x, source.y]).all()
    assert (at <= [source.x + source.width, source.y + source.height]).all()


def test_overflow_is_contained():
    nodes = sample_nodes(lambda xy: xy * 1e200, Window(0, 0, 100, 100))
    assert nodes.source_window(1).width > 0


@pytest.mark.parametrize("angle", [0, 17, 45, 90])
@pytest.mark.parametrize("scale", [0.5, 1, 3.3])
def test_sampling_ratio_ignores_rotation(angle, scale):
    turn = np.deg2rad(angle)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    ratio = sampling_ratio(lambda xy: xy @ matrix.T + 50, Window(0, 0, 100, 100), (500, 500))
    assert np.allclose(ratio, scale)


def test_sampling_ratio_tells_the_axes_apart():
    ratio = sampling_ratio(lambda xy: xy[:, ::-1] * [2, 3], Window(0, 0, 90, 90), (500, 500))
    assert np.allclose(ratio, (2, 3))
    assert sampling_ratio(lambda xy: xy * np.nan, Window(0, 0, 9, 9), (5, 5)) == (1.0, 1.0)


@pytest.mark.parametrize("per_side", [7, 21])
@pytest.mark.parametrize("corner", [(0, 0), (7430.0, 1210.0), (10_940.0, 10_940.0)])
def test_sampling_ratio_of_a_small_source_in_a_large_window(per_side, corner):
    """None of the places that are looked at first falls onto it."""
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def mapping(xy):
        return (xy - corner - 20) @ (turn * [[12], [25]]).T + [200, 500]

    ratio = sampling_ratio(mapping, Window(0, 0, 10_980, 10_980), (1000, 400), per_side)
    assert np.allclose(ratio, (12, 25))


def test_sampling_ratio_of_a_source_beside_the_window():
    calls = []

    def mapping(xy):
        calls.append(len(xy))
        return xy * 5 - [90_000, 0]

    assert sampling_ratio(mapping, Window(0, 0, 5000, 5000), (100, 100)) == (1.0, 1.0)
    assert len(calls) < 8
    assert sampling_ratio(mapping, Window(0, 0, 1, 1), (100, 100), 3) == (1.0, 1.0)
    assert sampling_ratio(mapping, Window(0, 0, 5000, 5000), (100, 100), 2) == (1.0, 1.0)
