"""Polynomials, and what the flexible models share: continuation beyond the box, inversion."""

from __future__ import annotations

import numpy as np
import pytest

from georeg.transforms import load
from georeg.transforms._newton import invert, solve

RNG = np.random.default_rng(0)
REFERENCE = np.array([2000.0, 1000.0]) + RNG.random((300, 2)) * [4000.0, 3000.0]


def bowl(xy, height):
    u, v = ((xy - [4000.0, 2500.0]) / 2000.0).T
    return xy + height * np.stack([u**2 + u * v**2, u**3 - v**2], axis=1)


def fitted(name, height=20.0):
    return load(name).from_points(bowl(REFERENCE, height), REFERENCE)


@pytest.mark.parametrize("name", ["polynomial2", "polynomial3", "field"])
@pytest.mark.parametrize("axis", [0, 1])
def test_continuation_is_linear_along_the_axes(name, axis):
    transform = fitted(name)
    low, high = transform.box
    for start, outward in ((low, -1.0), (high, 1.0)):
        line = np.repeat([(low + high) / 2 + [100.0, -50.0]], 9, axis=0)
        line[:, axis] = start[axis] + outward * np.linspace(0, 20000, 9)
        assert np.abs(np.diff(transform.inverse(line), n=2, axis=0)).max() < 1e-7


@pytest.mark.parametrize("name", ["polynomial2", "polynomial3", "field"])
def test_value_and_slope_are_continuous_everywhere(name):
    """Across the box's sides, and across the borders of the corner areas beyond it."""
    transform = fitted(name)
    low, high = transform.box
    t = np.linspace(-0.5, 1.5, 41)[:, None]
    for axis in (0, 1):
        for edge in (low[axis], high[axis]):
            border = low + t * (high - low)
            border[:, axis] = edge
            step = 1e-6 * np.eye(2)[axis]
            for method, limit in ((transform.inverse, 1e-5), (transform._slopes, 1e-8)):
                assert np.abs(method(border + step) - method(border - step)).max() < limit


def test_polynomial_does_not_explode_outside():
    transform = fitted("polynomial3", 5.0)
    far = REFERENCE.mean(axis=0) + np.array([[40000.0, 0.0], [0.0, -40000.0]])
    raw = np.abs(bowl(far, 5.0) - far).max()
    assert raw > 10000
    assert np.abs(transform.inverse(far) - far).max() < 500


@pytest.mark.parametrize("name", ["polynomial2", "polynomial3", "tps", "field"])
def test_agreement_within_the_hull_enlarged_by_a_fifth(name):
    """A warp of hundreds of pixels, far more than a scene needs."""
    transform = fitted(name, 200.0)
    xy = REFERENCE.mean(axis=0) + 1.4 * (REFERENCE - REFERENCE.mean(axis=0))
    assert np.abs(transform.forward(transform.inverse(xy)) - xy).max() < 1e-6


@pytest.mark.parametrize("name", ["polynomial2", "polynomial3"])
def test_noise_is_averaged(name):
    truth = fitted(name)
    noise = np.random.default_rng(1).normal(0, 0.5, REFERENCE.shape)
    again = load(name).from_points(truth.inverse(REFERENCE) + noise, REFERENCE)
    error = again.inverse(REFERENCE) - truth.inverse(REFERENCE)
    expected = 0.5 * np.sqrt(again.min_points / len(REFERENCE))
    assert np.sqrt((error**2).mean()) < 1.5 * expected


@pytest.mark.parametrize("name", ["polynomial2", "polynomial3"])
def test_large_coordinates_lose_nothing(name):
    away = np.array([3.0e6, 5.0e6])
    far = REFERENCE + away
    transform = load(name).from_points(bowl(REFERENCE, 20.0) + away, far)
    near = fitted(name)
    assert np.abs(transform.inverse(far) - away - near.inverse(REFERENCE)).max() < 1e-6


def test_a_fold_has_no_counterpart_on_its_far_side():
    """moving_x = x^2 / 1000 has its fold at x = 0: nothing maps to less than 0."""
    transform = load("polynomial2").from_dict(
        {
            "name": "polynomial2",
            "base": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            "box": [[-1000.0, -1000.0], [1000.0, 1000.0]],
            "coefficients": [[0, 0], [-1000.0, 0], [0, 0], [1000.0, 0], [0, 0], [0, 0]],
        }
    )
    answer = transform.forward(np.array([[250.0, 7.0], [-100.0, 7.0]]))
    assert np.abs(answer[0] - [500.0, 7.0]).max() < 1e-6
    assert np.isnan(answer[1]).all()


def test_newton_finds_roots_where_full_steps_overshoot():
    def arctan(xy):
        return np.arctan(xy)

    def slopes(xy):
        return np.einsum("ni,ij->nij", 1 / (1 + xy**2), np.eye(2))

    target = np.array([[0.5, -0.2], [2.0, 0.0]])  # arctan never gets to 2
    found = solve(arctan, slopes, target, np.full((2, 2), 5.0))
    assert np.abs(found[0] - np.tan(target[0])).max() < 1e-8
    assert np.isnan(found[1]).all()


def test_invert_matrices():
    matrices = np.random.default_rng(2).normal(size=(50, 2, 2))
    assert np.allclose(invert(matrices) @ matrices, np.eye(2), atol=1e-10)
    assert not np.isfinite(invert(np.ones((1, 2, 2)))).any()


@pytest.mark.parametrize("name", ["polynomial2", "polynomial3", "tps", "field"])
def test_many_positions_are_the_same_in_one_go_and_one_by_one(name):
    transform = fitted(name)
    xy = np.random.default_rng(3).random((transform.chunk + 7, 2)) * 5000
    for method in (transform.inverse, transform.forward):
        assert np.abs(method(xy)[-9:] - method(xy[-9:])).max() < 1e-8
