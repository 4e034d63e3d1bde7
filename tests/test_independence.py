"""What few independent tie points say of an error, against what it really is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

import tie_points as tp
from georeg.fitting import Fit, fit_transform
from georeg.judging.independence import allowance, independent_errors
from georeg.neighbours import BLOCK

Array = npt.NDArray[np.float64]

SIDE = 96.0  # pixels of a template


@pytest.mark.parametrize("count", [1, 2, 5, 50])
def test_the_radius_holds_nine_tenths_whatever_the_number(count: int) -> None:
    """Of errors that are as large as the few by which their size is estimated."""
    rng = np.random.default_rng(0)
    known = (rng.normal(size=(20000, count, 2)) ** 2).sum(axis=2).mean(axis=1)
    new = (rng.normal(size=(20000, 2)) ** 2).sum(axis=1)
    alone = np.sqrt(np.log(10) * known)  # Rayleigh's 90 %, by the mean square
    assert (np.sqrt(new) <= allowance(count) * alone).mean() == pytest.approx(0.9, abs=0.01)
    if count < 5:
        assert (np.sqrt(new) <= alone).mean() < 0.87


def seen(extent: float, seed: int, model: str = "shift") -> tuple[Fit, tp.Points]:
    """Templates every 24 px over a scene; each errs by the mean noise of the pixels it sees."""
    at = np.arange(SIDE / 2, extent - SIDE / 2 + 1, 24.0)
    claimed = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, int(extent) + 1, int(extent) + 1)).cumsum(axis=1).cumsum(axis=2)
    noise = np.pad(noise, ((0, 0), (1, 0), (1, 0)))
    left, top = (claimed - SIDE / 2).astype(int).T
    right, bottom = left + int(SIDE), top + int(SIDE)
    total = noise[:, bottom, right] - noise[:, top, right]
    total = total - noise[:, bottom, left] + noise[:, top, left]
    true = claimed + [3.0, -2.0] + 0.4 * (total / SIDE).T
    ones = np.ones(len(claimed))
    points = tp.Points(claimed, true, 0.9 * ones, 0.2 * ones, ones < 0)
    return points.fit(model, block=BLOCK * SIDE), points


def shares(extent: float, model: str = "shift") -> tuple[float, float]:
    """Of the true errors at the tie points, within a CE90 of left-out ones, and with allowance."""
    plain, allowed = [], []
    for seed in range(150):
        fit, points = seen(extent, seed, model)
        off = np.hypot(*(fit.transform.forward(points.claimed) - points.claimed - [3.0, -2.0]).T)
        ce90 = float(np.percentile(np.hypot(*fit.held_out.T), 90))
        found = independent_errors(fit, points.true, BLOCK * SIDE, SIDE)
        plain.append((off <= ce90).mean())
        allowed.append((off <= allowance(found) * ce90).mean())
    return float(np.mean(plain)), float(np.mean(allowed))


def test_a_scene_hardly_larger_than_a_template() -> None:
    """9 tie points see almost the same: a quarter of the errors were beyond the stated CE90."""
    plain, allowed = shares(144)
    assert plain < 0.85
    assert allowed == pytest.approx(0.9, abs=0.05)


def test_many_places_are_stated_as_they_are() -> None:
    fit, points = seen(900, 0)
    many = independent_errors(fit, points.true, BLOCK * SIDE, SIDE)
    few_fit, few_points = seen(144, 0)
    few = independent_errors(few_fit, few_points.true, BLOCK * SIDE, SIDE)
    assert few < 4
    assert 50 < many < len(points.claimed)
    assert allowance(many) < 1.02


@pytest.mark.parametrize("model", ["shift", "similarity", "affine", "polynomial2"])
def test_errors_vary_as_those_of_so_many_do(model: str) -> None:
    """The mean square of N errors along two axes varies by its own square / N."""
    at = np.random.default_rng(3).uniform(0, 500, (12, 2))
    ones = np.ones(12)
    step = 1e-4 * np.concatenate([np.zeros((1, 12)), np.eye(12)])  # of one point at a time
    fits = [
        fit_transform(at, at + np.outer(x, [1.0, 0.0]), 0.9 * ones, 0.2 * ones, models=[model])
        for x in step
    ]
    answer = np.stack([fit.held_out @ [1.0, 1.0j] for fit in fits[1:]]) / 1e-4
    noise = np.random.default_rng(0).normal(size=(2, 20000, 12))
    square = (np.abs((noise[0] + 1j * noise[1]) @ answer) ** 2).mean(axis=1)
    found = independent_errors(fits[0], at, 0.0, 0.0)
    assert found == pytest.approx(square.mean() ** 2 / square.var(), rel=0.1)


def test_points_that_share_nothing_count_each() -> None:
    points = tp.scattered(tp.shift, 40)
    found = independent_errors(points.fit("shift"), points.true, 0.0, 0.0)
    assert found == pytest.approx(40, abs=4)
    assert independent_errors(points.fit("affine"), points.true, 0.0, 0.0) < 40


def test_copies_of_one_point_are_one() -> None:
    fit, points = seen(120, 0)
    same = np.zeros_like(points.true)
    assert independent_errors(fit, same, BLOCK * SIDE, SIDE) == 1.0
