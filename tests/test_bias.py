"""Biases of RPCs in the image: which model, and how RPCs take them up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from georeg import transforms
from georeg.errors import PointsError, SettingsError
from georeg.ortho.bias import absorb, describe, fit_bias, largest_difference, nothing
from georeg.transforms import Transform
from ortho_cases import Array, rpc_of

SIDE = 2000


def affine(*rows: list[float], name: str = "affine") -> Transform:
    return transforms.from_dict({"name": name, "matrix": [*rows, [0.0, 0.0, 1.0]]})


def points(
    bias: Transform, noise: float = 0.1, count: int = 300, seed: int = 0
) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(0, SIDE, (count, 2))
    return predicted, bias.forward(predicted) + rng.normal(0, noise, (count, 2))


def fitted(predicted: Array, seen: Array, **options: object) -> tuple[Transform, dict[str, float]]:
    n = len(seen)
    fit = fit_bias(predicted, seen, np.ones(n), np.full(n, 0.3), block=40.0, **options)  # type: ignore[arg-type]
    return fit.bias, {rung.name: rung.error for rung in fit.ladder}


CASES = {
    "shift": affine([1, 0, 12], [0, 1, -9]),
    "drift": affine([1, 1e-3, 12], [0, 1.002, -9]),
    "affine": affine([1.0015, 1e-3, 12], [-2e-3, 1.002, -9]),
}


@pytest.mark.parametrize("kind", CASES)
def test_the_simplest_model_that_predicts(kind: str) -> None:
    found, ladder = fitted(*points(CASES[kind]))
    assert found.name == kind
    assert list(ladder) == ["shift", "drift", "affine"]
    assert largest_difference(found, CASES[kind], (SIDE, SIDE)) < 0.1


def test_outliers_have_no_say() -> None:
    predicted, seen = points(CASES["drift"])
    seen[::3] += np.random.default_rng(1).uniform(-40, 40, (100, 2))
    found, _ = fitted(predicted, seen)
    assert found.name == "drift"
    assert largest_difference(found, CASES["drift"], (SIDE, SIDE)) < 0.3


def test_the_relief_that_a_poor_dem_leaves_is_averaged() -> None:
    """Not the densest agreement: that is some hillside."""
    predicted, seen = points(CASES["shift"])
    relief = 6 * np.sin(predicted[:, 0] / 130) * np.cos(predicted[:, 1] / 170)
    seen[:, 1] += relief - relief.mean()
    found, _ = fitted(predicted, seen)
    assert found.name == "shift"
    assert largest_difference(found, CASES["shift"], (SIDE, SIDE)) < 0.5


def test_a_slope_that_no_sensor_has_is_the_dems() -> None:
    tilted = affine([1.013, 0.005, 3], [-0.05, 0.98, 5])
    predicted = np.random.default_rng(0).uniform(0, 300, (100, 2))
    found, ladder = fitted(predicted, tilted.forward(predicted))
    assert found.name == "shift"
    assert np.isinf(ladder["affine"])
    forced, _ = fitted(predicted, tilted.forward(predicted), model="affine")
    assert forced.name == "affine"


def test_units_scale_what_counts_as_small() -> None:
    """A reference of 10 m can't tell a fifth of its pixel, though that is many of the image's."""
    bias = CASES["drift"]
    predicted, seen = points(bias, noise=3.0)
    found, _ = fitted(predicted, seen, unit=20.0)
    assert found.name == "shift"


def test_too_few_points() -> None:
    with pytest.raises(PointsError):
        fitted(np.zeros((0, 2)), np.zeros((0, 2)))


def test_a_shift_goes_into_the_offsets_exactly() -> None:
    rpc = rpc_of()
    new, error = absorb(rpc, affine([1, 0, 12.25], [0, 1, -9.5], name="shift"))
    assert error == 0
    assert (new.samp_off, new.line_off) == (rpc.samp_off + 12.25, rpc.line_off - 9.5)
    assert new.line_num_coeff == rpc.line_num_coeff


@settings(deadline=None, max_examples=10)
@given(st.lists(st.floats(-5e-3, 5e-3), min_size=4, max_size=4), st.floats(-50, 50))
def test_affine_biases_go_into_the_polynomials(parts: list[float], shift: float) -> None:
    a, b, c, d = parts
    bias = affine([1 + a, b, shift], [c, 1 + d, -shift])
    rpc = rpc_of()
    new, error = absorb(rpc, bias)
    rng = np.random.default_rng(5)
    at = rng.uniform(-1, 1, (500, 3)) * [rpc.long_scale, rpc.lat_scale, rpc.height_scale]
    at += [rpc.long_off, rpc.lat_off, rpc.height_off]
    true = bias.forward(rpc.project(at[:, :2], at[:, 2]))
    found = np.hypot(*(new.project(at[:, :2], at[:, 2]) - true).T).max()
    assert found <= max(2 * error, 1e-9)
    assert error < 1e-3
    if b == c == 0:
        assert error < 1e-9


def test_only_affine_biases_can_be_part_of_rpcs() -> None:
    bent = transforms.from_dict(
        {"name": "projective", "matrix": [[1, 0, 0], [0, 1, 0], [1e-5, 0, 1]]}
    )
    with pytest.raises(SettingsError, match="projective"):
        absorb(rpc_of(), bent)


def test_drift_is_no_transform_for_users() -> None:
    assert "drift" not in transforms.available()
    drift = transforms.load("drift").from_points(*points(CASES["drift"], 0.0))
    assert largest_difference(drift, CASES["drift"], (SIDE, SIDE)) < 1e-9
    assert transforms.from_dict(drift.to_dict()).to_dict() == drift.to_dict()
    with pytest.raises(PointsError, match="different rows"):
        transforms.load("drift").from_points(np.ones((5, 2)), np.zeros((5, 2)))


def test_what_reports_say() -> None:
    said = describe(CASES["shift"], (100, 200))
    assert (said["samp_px"], said["line_px"]) == pytest.approx((12, -9))
    assert said["varies_by_px"] == pytest.approx(0, abs=1e-12)
    assert describe(CASES["drift"], (1000, 200))["varies_by_px"] == pytest.approx(1.0)
    assert describe(nothing(), (10, 10))["model"] == "shift"
