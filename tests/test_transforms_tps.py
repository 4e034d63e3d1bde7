"""The thin plate spline against SciPy's, its scales, and awkward points."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator

from georeg.errors import SettingsError
from georeg.transforms import load
from georeg.transforms._scatter import Scatter

Tps = load("tps")
RNG = np.random.default_rng(0)
REFERENCE = np.array([700.0, 300.0]) + RNG.random((120, 2)) * [2000.0, 1500.0]
MOVING = REFERENCE + 5 * np.sin(REFERENCE[:, ::-1] / 400) + RNG.normal(0, 0.5, (120, 2))
QUERY = np.array([500.0, 100.0]) + RNG.random((500, 2)) * [2400.0, 1900.0]
EXTENT = np.ptp(REFERENCE, axis=0).max()


@pytest.mark.parametrize("smoothing", [0.0, 1e-4, 1e-2, 1.0, 1e6])
def test_equals_scipy(smoothing):
    ours = Tps.from_points(MOVING, REFERENCE, smoothing=smoothing)
    # In pixels, r^2 log r is extent^2 times as large, but for terms that the affine part absorbs.
    theirs = RBFInterpolator(
        REFERENCE, MOVING, kernel="thin_plate_spline", smoothing=smoothing * EXTENT**2
    )
    assert np.abs(ours.inverse(QUERY) - theirs(QUERY)).max() < 1e-6


def test_equals_scipy_with_weights():
    weights = RNG.uniform(0.01, 10.0, len(REFERENCE))
    ours = Tps.from_points(MOVING, REFERENCE, weights, smoothing=1e-2)
    diagonal = 1e-2 * EXTENT**2 * weights.mean() / weights
    theirs = RBFInterpolator(REFERENCE, MOVING, kernel="thin_plate_spline", smoothing=diagonal)
    assert np.abs(ours.inverse(QUERY) - theirs(QUERY)).max() < 1e-6


def test_interpolates_without_smoothing():
    transform = Tps.from_points(MOVING, REFERENCE)
    assert np.abs(transform.inverse(REFERENCE) - MOVING).max() < 1e-8


def test_smoothing_does_not_depend_on_the_scale_of_coordinates():
    one = Tps.from_points(MOVING, REFERENCE, smoothing=0.01)
    other = Tps.from_points(MOVING * 1000, REFERENCE * 1000, smoothing=0.01)
    assert np.abs(other.inverse(QUERY * 1000) / 1000 - one.inverse(QUERY)).max() < 1e-6


def test_much_smoothing_is_the_affine_fit():
    affine = load("affine").from_points(REFERENCE, MOVING)  # this way round: residuals in moving
    stiff = Tps.from_points(MOVING, REFERENCE, smoothing=1e9)
    assert np.abs(stiff.inverse(QUERY) - affine.forward(QUERY)).max() < 1e-5


def test_equal_and_nearly_equal_points_are_merged():
    reference = np.concatenate([REFERENCE, REFERENCE[:10], REFERENCE[:10] + 1e-9])
    moving = np.concatenate([MOVING, MOVING[:10] + 3.0, MOVING[:10]])
    transform = Tps.from_points(moving, reference)
    assert len(transform.centers) == len(REFERENCE)
    assert np.abs(transform.inverse(REFERENCE[10:]) - MOVING[10:]).max() < 1e-6
    assert np.abs(transform.inverse(REFERENCE[:10]) - (MOVING[:10] + 1.0)).max() < 1e-6


@pytest.mark.parametrize("clustered", [False, True])
def test_many_points_are_thinned_evenly(clustered):
    rng = np.random.default_rng(1)
    reference = rng.random((20000, 2)) ** (4 if clustered else 1) * 5000
    moving = reference + 4 * np.sin(reference / 800) + rng.normal(0, 0.2, reference.shape)
    transform = Tps.from_points(moving, reference, smoothing=1e-3)
    assert 500 < len(transform.centers) <= 1000
    error = transform.inverse(reference) - (reference + 4 * np.sin(reference / 800))
    assert np.sqrt((error**2).mean()) < 0.15


def test_all_points_equal_but_four():
    reference = np.concatenate([np.full((3000, 2), 50.0), [[0, 0], [100, 0], [0, 100.0], [99, 99]]])
    transform = Tps.from_points(reference + 1.0, reference)
    assert len(transform.centers) == 5
    assert np.abs(transform.inverse(reference) - reference - 1.0).max() < 1e-8


def test_thinning_keeps_what_is_few_and_weighted_means():
    points = Scatter(REFERENCE, MOVING, np.ones(len(REFERENCE)))
    assert points.thinned(120) is points
    few = Scatter(REFERENCE, MOVING, RNG.uniform(1, 2, len(REFERENCE)))
    thin = few.thinned(30)
    assert 15 < len(thin.xy) <= 30
    assert np.isclose(thin.weights.sum(), few.weights.sum())
    assert np.allclose(thin.weights @ thin.values, few.weights @ few.values)


@pytest.mark.parametrize("smoothing", [-1.0, np.nan, np.inf])
def test_senseless_smoothing_is_refused(smoothing):
    with pytest.raises(SettingsError, match="smoothing must be"):
        Tps.from_points(MOVING, REFERENCE, smoothing=smoothing)


def test_jacobian_at_the_centers_themselves():
    transform = Tps.from_points(MOVING, REFERENCE, smoothing=1e-3)
    xy = transform.centers
    columns = [(transform._pull(xy + d) - transform._pull(xy - d)) / 0.2 for d in 0.1 * np.eye(2)]
    assert np.abs(transform._slopes(xy) - np.stack(columns, axis=2)).max() < 1e-3


@pytest.mark.slow
def test_memory_stays_bounded():
    rng = np.random.default_rng(2)
    reference = rng.random((1000, 2)) * 5000
    transform = Tps.from_points(reference + np.sin(reference / 500), reference)
    query = rng.random((100_000, 2)) * 5000
    start = time.perf_counter()
    tracemalloc.start()
    transform.inverse(query)
    transform._by_chunk(transform._slopes, query)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert time.perf_counter() - start < 60
