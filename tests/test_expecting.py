"""What error is expected where there are no tie points, against what it really is."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import tie_points as tp
from georeg.fitting import Fit
from georeg.judging.expecting import beyond_points, expected_errors
from georeg.transforms import load

FAR = np.array([[500.0, 900.0], [80.0, 950.0], [900.0, 700.0]])
NEAR = np.array([[500.0, 75.0], [300.0, 60.0], [700.0, 90.0]])


def coast(seed: int, count: int = 60) -> Any:
    """Places in a strip along the upper edge."""
    return np.random.default_rng(seed).uniform([0, 0], [tp.SIZE, 150], (count, 2))


@cache
def fitted(seed: int, noise: float, model: str) -> tuple[Fit, tp.Points]:
    points = tp.scattered(tp.shift, within=coast(seed), noise=noise, seed=seed)
    return points.fit(model, block=30.0), points


@pytest.mark.parametrize("model", ["shift", "similarity", "affine"])
@pytest.mark.parametrize("places", [NEAR, FAR], ids=["near", "far"])
def test_it_is_about_the_true_error(model: str, places: Any) -> None:
    """Over many draws, together with the tie points' own noise, which it includes."""
    expected, true = [], []
    for seed in range(40):
        fit, points = fitted(seed, 0.6, model)
        found = expected_errors(fit, points.true, places)
        assert found is not None
        expected.append(found**2 + beyond_points(fit, points.true, places) ** 2)
        off = fit.transform.forward(fit.transform.inverse(places)) - places
        np.testing.assert_allclose(off, 0, atol=1e-6)
        known = places - tp.shift(fit.transform.inverse(places))
        true.append((known**2).sum(axis=1) + 2 * 0.6**2)
    ratio = np.sqrt(np.mean(expected) / np.mean(true))
    assert 0.75 < ratio < 1.35


def test_far_from_all_points_more_is_expected() -> None:
    fit, points = fitted(3, 0.6, "affine")
    near, far = (expected_errors(fit, points.true, xy) for xy in (NEAR, FAR))
    assert near is not None
    assert far is not None
    assert far.min() > 1.5 * near.max()


def test_a_shift_is_known_everywhere_alike() -> None:
    fit, points = fitted(3, 0.6, "shift")
    found = expected_errors(fit, points.true, np.concatenate([NEAR, FAR]))
    assert found is not None
    assert np.ptp(found) < 1e-6


def test_nothing_to_compare() -> None:
    fit, points = fitted(3, 0.6, "shift")
    assert expected_errors(replace(fit, fold_models=()), points.true, FAR) is None
    nothing = np.full_like(fit.held_out, np.nan)
    assert expected_errors(replace(fit, held_out=nothing), points.true, FAR) is None


def beside(seed: int, phase: float) -> tuple[Fit, tp.Points, Any]:
    """A scene that bends, of which three fifths could be matched."""

    def truth(xy: Any) -> Any:
        x = 5 * np.sin(2 * np.pi * xy[:, 1] / 600 + phase)
        y = 5 * np.sin(2 * np.pi * xy[:, 0] / 500 + 2 * phase)
        return xy + np.stack([x + 4, y - 3], axis=1)

    within = np.random.default_rng(seed).uniform([0, 0], [600, tp.SIZE], (300, 2))
    points = tp.scattered(truth, within=within, noise=0.3, seed=seed)
    return points.fit("field", block=60.0), points, truth


@pytest.mark.parametrize("away", [60.0, 120.0, 240.0])
def test_what_bends_is_not_known_beyond_the_points(away: float) -> None:
    """A field goes on straight there, and so do those that were fitted without a part: they agree,
    and a fifth of the true error was expected."""
    y = np.linspace(100, 900, 9)
    places = np.stack([np.full_like(y, 600 + away), y], axis=1)
    expected, true = [], []
    for seed in range(8):
        fit, points, truth = beside(seed, 0.8 * seed)
        found = expected_errors(fit, points.true, places)
        assert found is not None
        expected.append(found**2 + beyond_points(fit, points.true, places) ** 2)
        known = places - truth(fit.transform.inverse(places))
        true.append((known**2).sum(axis=1))
    ratio = np.sqrt(np.mean(expected) / np.mean(true))
    assert 0.5 < ratio < 2.0


@pytest.mark.parametrize("model", ["field", "tps"])
def test_what_bends_is_known_the_less_the_further_away(model: str) -> None:
    """Also beyond any distance that could be tried among the points."""
    fit, points, _ = beside(3, 1.0)
    if model != "field":
        spline = load(model).from_points(points.claimed, points.true, smoothing=1e-3)
        fit = replace(fit, transform=spline)
    x = np.array([600.0, 700.0, 900.0, 1500.0, 2500.0])
    found = beyond_points(fit, points.true, np.stack([x, np.full_like(x, 500.0)], axis=1))
    assert (np.diff(found) > 0).all()


def test_between_the_points_of_a_field_it_is_what_they_were_off_by() -> None:
    fit, points, _ = beside(3, 1.0)
    places = np.random.default_rng(1).uniform([80, 80], [520, 920], (200, 2))
    found = expected_errors(fit, points.true, places)
    assert found is not None
    found = np.hypot(found, beyond_points(fit, points.true, places))
    held = np.sqrt(np.nanmean((fit.held_out[fit.inlier] ** 2).sum(axis=1)))
    assert np.median(found) == pytest.approx(held, rel=0.2)
