"""Tie points read off surfaces whose peaks are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from georeg.matching.protocol import Surfaces
from georeg.search.peaks import detour, read_peaks

RADIUS = 12


def bumps(
    places: list[list[tuple[float, float, float]]],
    *,
    step: float = 1.0,
    noise: float = 0.02,
    radius: int = RADIUS,
) -> Surfaces:
    """One template per list of (dx, dy, height): peaks in pixels."""
    rng = np.random.default_rng(0)
    at = np.arange(-radius, radius + 1) * step
    score = noise * rng.normal(size=(len(places), len(at), len(at)))
    for k, peaks in enumerate(places):
        for dx, dy, height in peaks:
            apart = (at[None, :] - dx) ** 2 + (at[:, None] - dy) ** 2
            score[k] += height * np.exp(-apart / (2 * (1.5 * step) ** 2))
    n = len(places)
    center = np.stack([50.0 + 10 * np.arange(n), np.full(n, 70.0)], axis=1)
    return Surfaces(np.arange(n), center, score.astype(np.float32), step, 96.0)


def test_peaks_are_where_they_were_put() -> None:
    shifts = [(0.0, 0.0), (3.3, -2.6), (-5.5, 4.25)]
    for step in (1.0, 2.0):
        found = read_peaks(bumps([[(*s, 0.8)] for s in shifts], step=step, noise=0.002))
        assert found.tile.tolist() == [0, 1, 2]
        moved = found.reference_xy - found.moving_xy
        assert moved == pytest.approx(np.array(shifts), abs=0.03 * step)
        assert found.moving_xy[:, 0].tolist() == [50.0, 60.0, 70.0]
        assert (found.score > 0.9).all()
        assert ((found.sigma > 0.05) & (found.sigma < 1.0)).all()


def test_a_rival_costs_probability() -> None:
    surfaces = bumps([[(1, 1, 0.6)], [(1, 1, 0.6), (-6, 5, 0.4)], [(1, 1, 0.6), (-6, 5, 0.59)]])
    score = read_peaks(surfaces).score
    assert len(score) == 3
    assert score[0] > score[1] > score[2]
    assert score[2] < 0.75


def test_noise_has_low_scores() -> None:
    surfaces = bumps([[] for _ in range(100)], noise=0.1)
    sure = read_peaks(bumps([[(2, 2, 0.8)]] * 100, noise=0.1))
    unsure = read_peaks(surfaces)
    assert np.median(unsure.score) < 0.75 < np.median(sure.score)


def test_only_near_the_expected_place_and_only_if_nearly_the_best() -> None:
    surfaces = bumps([[(5, 0, 0.6), (-6, 0, 0.6)], [(5, 0, 0.6), (-6, 0, 0.8)]], noise=0.0)
    expected = np.array([[4.0, 0.0], [4.0, 0.0]])
    found = read_peaks(surfaces, expected, 4.0)
    assert found.tile.tolist() == [0]
    assert (found.reference_xy - found.moving_xy)[0] == pytest.approx((5, 0), abs=0.1)
    assert not len(read_peaks(surfaces, expected + [0, 9], 2.0))


def test_a_peak_at_the_windows_edge_is_none() -> None:
    assert not len(read_peaks(bumps([[(12, 3, 0.8)], [(14, 0, 0.8)]], noise=0.0)))


def test_unknown_displacements() -> None:
    surfaces = bumps([[(2, 1, 0.7)]] * 3, noise=0.0)
    score = surfaces.score.copy()
    score[0] = np.nan  # nothing known
    score[1, :, :6] = np.nan  # a part far from the peak
    score[2, RADIUS + 1, RADIUS + 3] = np.nan  # beside the peak
    found = read_peaks(replace(surfaces, score=score))
    assert found.tile.tolist() == [1]


def test_no_templates_no_points() -> None:
    assert not len(read_peaks(bumps([[(0, 0, 1)]]).select(np.zeros(1, bool))))


def test_the_way_back_must_lead_back() -> None:
    surfaces = bumps([[(4, -2, 0.8)]] * 3, noise=0.001)
    back = bumps([[(-4, 2, 0.8)], [(5, 5, 0.8)], [(-8, 2, 0.8)]], step=2.0, radius=7, noise=0.001)
    both = replace(surfaces, back=back.score, back_step=2.0)
    there = np.tile([4.0, -2.0], (3, 1))
    assert detour(both, there) == pytest.approx([0, np.hypot(9, 3), 4], abs=0.3)
    assert read_peaks(both).tile.tolist() == [0]
    with pytest.raises(ValueError, match="way back"):
        detour(surfaces, there)


def test_no_way_back_at_all() -> None:
    surfaces = bumps([[(4, -2, 0.8)]], noise=0.0)
    back = np.full((1, 15, 15), np.nan, np.float32)
    assert detour(replace(surfaces, back=back, back_step=2.0), np.array([[4.0, -2.0]]))[0] == np.inf


def test_wide_peaks_are_less_certain() -> None:
    narrow = bumps([[(0, 0, 0.6)]], step=1.0, noise=0.0)
    wide = bumps([[(0, 0, 0.6)]], step=2.0, noise=0.0)
    assert read_peaks(wide).sigma[0] > 1.5 * read_peaks(narrow).sigma[0]
