"""Geometry of the models that are one matrix: known truths, horizons and noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fit_cases import transform
from georeg.errors import PointsError
from georeg.transforms import from_dict, load
from georeg.transforms._linear import apply_matrix

SIZE = 10000.0
GRID = np.stack(np.meshgrid(*[np.linspace(0.0, SIZE, 7)] * 2), axis=-1).reshape(-1, 2)


def unit(low=-1.0, high=1.0):
    return st.floats(low, high, allow_nan=False)


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def matrix(linear, shift, tilt=(0.0, 0.0)):
    """A homogeneous matrix about the middle of the frame, where w is 1."""
    there = np.eye(3)
    there[:2, 2] = -SIZE / 2
    m = np.eye(3)
    m[:2, :2], m[:2, 2], m[2, :2] = linear, shift, np.asarray(tilt) / SIZE
    back = np.eye(3)
    back[:2, 2] = SIZE / 2
    return back @ m @ there


similarities = st.builds(
    lambda angle, scale, x, y: matrix(scale * rotation(angle), [x, y]),
    unit(-3.2, 3.2),
    unit(0.5, 2.0),
    unit(-1e4, 1e4),
    unit(-1e4, 1e4),
)
linears = st.builds(
    lambda a, b, s, t, flip: rotation(a) @ np.diag([s, t * flip]) @ rotation(b),
    unit(-3.2, 3.2),
    unit(-3.2, 3.2),
    unit(0.5, 2.0),
    unit(0.5, 2.0),
    st.sampled_from([1.0, -1.0]),
)
shifts = st.tuples(unit(-1e4, 1e4), unit(-1e4, 1e4))
affines = st.builds(matrix, linears, shifts)
projectives = st.builds(matrix, linears, shifts, st.tuples(unit(-0.3, 0.3), unit(-0.3, 0.3)))


def check_recovery(name, truth, count):
    """From the fewest points and from many, and back."""
    rng = np.random.default_rng(0)
    few = np.array([[0.0, 0.0], [SIZE, SIZE], [SIZE, 100.0], [300.0, SIZE]])[:count]
    for points in (few, rng.random((60, 2)) * SIZE):
        transform = load(name).from_points(points, apply_matrix(truth, points))
        expected = apply_matrix(truth, GRID)
        assert np.abs(transform.forward(GRID) - expected).max() < 1e-6
        assert np.abs(transform.inverse(expected) - GRID).max() < 1e-6


@settings(deadline=None, max_examples=60)
@given(similarities)
def test_similarity_is_recovered(truth):
    check_recovery("similarity", truth, 2)


@settings(deadline=None, max_examples=60)
@given(affines)
def test_affine_is_recovered(truth):
    check_recovery("affine", truth, 3)


@settings(deadline=None, max_examples=60)
@given(projectives)
def test_projective_is_recovered(truth):
    check_recovery("projective", truth, 4)


@settings(deadline=None, max_examples=60)
@given(projectives)
def test_inverse_of_forward_even_far_away(truth):
    model = load("projective").from_dict({"name": "projective", "matrix": truth.tolist()})
    xy = 2.0 * GRID - SIZE / 2
    assert np.abs(model.inverse(model.forward(xy)) - xy).max() < 1e-6


def test_shift_is_the_weighted_mean():
    moving = np.array([[0.0, 0.0], [5.0, 5.0]])
    reference = moving + np.array([[1.0, 2.0], [5.0, 6.0]])
    transform = load("shift").from_points(moving, reference, [3.0, 1.0])
    assert np.allclose(transform.forward(moving) - moving, [2.0, 3.0])


def test_similarity_never_reflects():
    moving = np.random.default_rng(0).random((20, 2)) * 100
    moving[:, 1] *= 3
    transform = load("similarity").from_points(moving, moving * [-1.0, 1.0])
    assert (np.linalg.det(transform.jacobian(moving)) > 0).all()


def test_similarity_refuses_a_mirrored_square():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    with pytest.raises(PointsError, match="no rotation and scale"):
        load("similarity").from_points(square, square * [-1.0, 1.0])


@pytest.mark.parametrize("name", ["similarity", "affine", "projective"])
def test_solution_is_the_least_squares_one(name):
    """No small change of the matrix, within the family, lessens the weighted squared residual."""
    rng = np.random.default_rng(5)
    moving = rng.random((80, 2)) * 1000
    truth = np.array([[0.9, 0.1, 20.0], [-0.1, 0.9, 10.0], [1e-4, -5e-5, 1.0]])
    if name != "projective":
        truth[2] = 0, 0, 1
    reference = apply_matrix(truth, moving) + rng.normal(0, 2.0, moving.shape)
    w = rng.uniform(0.1, 3.0, len(moving))
    transform = load(name).from_points(moving, reference, w)

    def cost(m):
        return float(w @ ((apply_matrix(m, moving) - reference) ** 2).sum(axis=1))

    best = cost(transform.matrix)
    if name == "similarity":
        turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
        aside = np.array([[0.0, 0.0, 1e3], [0.0, 0.0, 1e3], [0.0, 0.0, 0.0]])
        ways = [np.diag([1.0, 1.0, 0.0]), turn, aside]
    else:
        sizes = np.array([[1, 1, 1e3], [1, 1, 1e3], [1e-3, 1e-3, 0]])
        units = np.eye(9).reshape(9, 3, 3)[: 6 if name == "affine" else 8]
        ways = [one * sizes for one in units]
    for way in ways:
        for epsilon in (1e-6, -1e-6):
            assert cost(transform.matrix + epsilon * way) >= best * (1 - 1e-12)


def test_projective_from_noisy_points():
    rng = np.random.default_rng(6)
    truth = np.array([[1.0, 0.05, 30.0], [-0.04, 1.02, -12.0], [4e-5, -3e-5, 1.0]])
    moving = rng.random((500, 2)) * 4000
    reference = apply_matrix(truth, moving) + rng.normal(0, 0.5, moving.shape)
    error = load("projective").from_points(moving, reference).forward(moving)
    error -= apply_matrix(truth, moving)
    # 8 parameters from 1000 equations: 0.5 * sqrt(8 / 1000) = 0.045 per axis is expected.
    assert np.sqrt((error**2).mean()) < 0.08


def test_beyond_the_horizon_is_nan_and_folded():
    truth = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1e-3, 1.0]])
    model = load("projective").from_dict({"name": "projective", "matrix": truth.tolist()})
    xy = np.array([[10.0, 100.0], [10.0, -999.0], [10.0, -1000.0], [10.0, -2000.0]])
    assert np.isnan(model.forward(xy)).all(axis=1).tolist() == [False, False, True, True]
    assert np.linalg.det(model.jacobian(xy[[0, 3]])).tolist()[1] < 0
    # In the image plane the horizon is at y = 1000.
    assert np.isnan(model.inverse(np.array([[0.0, 999.0], [0.0, 1001.0]]))[:, 0]).tolist() == [
        False,
        True,
    ]


def test_projective_refuses_a_horizon_among_the_points():
    square = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])
    with pytest.raises(PointsError, match="horizon"):
        load("projective").from_points(
            square, square[[0, 2, 1, 3]] + [[0, 0], [0, 9], [0, 0], [0, 0]]
        )


@pytest.mark.parametrize("name", ["shift", "similarity", "affine", "projective"])
def test_singular_matrix_is_refused(name):
    data = {"name": name, "matrix": [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 0.0, 1.0]]}
    with pytest.raises(PointsError, match="can't be inverted"):
        load(name).from_dict(data)


@pytest.mark.parametrize("name", ["polynomial2", "polynomial3", "tps", "field"])
def test_singular_base_is_refused(name):
    """A fit file that someone edited ended in NumPy's LinAlgError, when it was applied."""
    data = transform(name).to_dict()
    data["base"] = [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]
    with pytest.raises(PointsError, match="can't be inverted"):
        from_dict(data)
