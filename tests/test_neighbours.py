"""Agreement with the neighbourhood, where displacements change within a small part of a scene."""

from __future__ import annotations

import numpy as np
import pytest

from georeg.fitting import fit_transform
from georeg.neighbours import robust_weights

SIDE, COUNT = 1000.0, 2500


def scattered(
    amplitude: float, period: float, outliers: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Claimed and true positions over a square, and which of them are wrong by up to 20 px."""
    rng = np.random.default_rng(0)
    true = rng.uniform(0, SIDE, (COUNT, 2))
    claimed = true + amplitude * np.sin(2 * np.pi * true[:, ::-1] / period)
    claimed += rng.normal(0, 0.2, claimed.shape)
    wrong = rng.uniform(size=COUNT) < outliers
    claimed[wrong] += rng.uniform(-20, 20, (int(wrong.sum()), 2))
    return claimed, true, wrong


@pytest.mark.parametrize("period", [110.0, 150.0, 400.0])
def test_waves_of_a_small_part_of_the_scene_are_no_outliers(period: float) -> None:
    claimed, true, wrong = scattered(4.0, period, 0.2)
    weights, noise = robust_weights(claimed, true, np.ones(COUNT), block=20.0)
    # Nine tenths of the square are well within it: its edge has neighbours on one side only.
    inner = (np.abs(true - SIDE / 2) < 0.45 * SIDE).all(axis=1)
    assert (weights[inner & ~wrong] > 0.5).mean() > 0.95
    assert noise < 0.4
    far = wrong & (np.hypot(*(claimed - true).T) > 12)
    assert (weights[far] < 0.1).mean() > 0.98


def test_what_is_random_stays_outliers() -> None:
    """No model of small parts may gain by following what agrees with nothing."""
    claimed, true, wrong = scattered(0.0, 100.0, 0.6)
    weights, noise = robust_weights(claimed, true, np.ones(COUNT), block=20.0)
    far = wrong & (np.hypot(*(claimed - true).T) > 6)
    assert (weights[far] < 0.1).mean() > 0.98
    assert (weights[~wrong] > 0.5).mean() > 0.98
    assert noise < 0.4


def test_how_far_points_overlap_needs_not_be_known() -> None:
    claimed, true, wrong = scattered(4.0, 400.0, 0.2)
    weights, _ = robust_weights(claimed, true, np.ones(COUNT))
    assert (weights[~wrong] > 0.5).mean() > 0.95


def test_what_a_stiff_model_cannot_follow_counts_as_its_error() -> None:
    """Neighbours agree; where they take no part, the error that is stated is too small."""
    claimed, true, _ = scattered(2.5, 110.0, 0.0)
    one = np.ones(COUNT)
    stated = []
    for closely in (True, False):
        # Of blocks as wide as the waves are long a field predicts nothing.
        fit = fit_transform(
            claimed, true, one, 0.2 * one,
            models=("shift", "field"), block=20.0, blocks=8, closely=closely,
        )  # fmt: skip
        assert fit.transform.name == "shift"
        stated.append(np.sqrt((fit.held_out[fit.inlier] ** 2).sum(axis=1).mean()))
    actual = np.sqrt(((claimed - true) ** 2).sum(axis=1).mean())
    assert stated[0] < 0.6 * actual
    assert stated[1] > 0.9 * actual


def test_no_model_that_is_asked_for_need_be_local() -> None:
    """Then no neighbourhood is smaller than it can follow, whoever asks."""
    claimed, true, _ = scattered(2.5, 110.0, 0.0)
    one = np.ones(COUNT)
    fit = fit_transform(claimed, true, one, 0.2 * one, models=("shift", "affine"), block=20.0)
    actual = np.sqrt(((claimed - true) ** 2).sum(axis=1).mean())
    held = np.sqrt((fit.held_out[fit.inlier] ** 2).sum(axis=1).mean())
    assert held > 0.9 * actual
