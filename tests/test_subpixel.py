"""Peaks between the steps of surfaces whose peaks are known."""

from __future__ import annotations

import numpy as np
import pytest

from georeg.matching.subpixel import sharpen, vertex

Array = np.ndarray


def surfaces(place: Array, size: int = 13, width: float = 1.8, kind: str = "gauss") -> Array:
    """(K, size, size) peaks at (K, 2) places (x, y)."""
    at = np.arange(size)
    dx = at[None, None, :] - place[:, 0, None, None]
    dy = at[None, :, None] - place[:, 1, None, None]
    if kind == "gauss":
        return np.exp(-(dx**2 + dy**2) / (2 * width**2))
    if kind == "quadratic":
        return 1 - (dx**2 + 0.5 * dx * dy + 2 * dy**2) / 100
    return np.exp(-(np.abs(dx) ** 1.5 + np.abs(dy) ** 1.5) / width**1.5)


def highest(score: Array) -> tuple[Array, Array]:
    return np.divmod(score.reshape(len(score), -1).argmax(axis=1), score.shape[2])


def places(n: int = 200) -> Array:
    return np.random.default_rng(0).uniform(5.0, 7.0, (n, 2))


def test_a_quadratic_is_found_exactly() -> None:
    place = places()
    score = surfaces(place, kind="quadratic")
    y, x = highest(score)
    found, width, ok = vertex(score, y, x)
    assert ok.all()
    assert found == pytest.approx(place, abs=1e-9)
    assert (width > 0).all()
    assert sharpen(score, y, x, found) == pytest.approx(place, abs=1e-6)


@pytest.mark.parametrize(("kind", "first", "second"), [("gauss", 0.04, 0.02), ("sharp", 0.12, 0.1)])
def test_a_quartic_comes_closer(kind: str, first: float, second: float) -> None:
    place = places()
    score = surfaces(place, kind=kind)
    y, x = highest(score)
    start, _, ok = vertex(score, y, x)
    assert ok.all()
    rough = np.abs(start - place).max()
    fine = np.abs(sharpen(score, y, x, start) - place).max()
    assert rough < first
    assert fine < second
    assert fine < rough


def test_wider_peaks_have_larger_widths() -> None:
    place = np.array([[6.0, 6.0]])
    widths = []
    for width in (1.5, 3.0):
        score = surfaces(place, width=width)
        widths.append(float(vertex(score, *highest(score))[1][0]))
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.25)


def test_an_edge_is_no_peak() -> None:
    for place in ((0.0, 6.0), (6.0, 12.0), (12.0, 0.0)):
        score = surfaces(np.array([place]))
        assert not vertex(score, *highest(score))[2][0]


def test_ridges_plateaus_saddles_and_unknowns_are_no_peaks() -> None:
    at = np.arange(13) - 6.0
    ridge = -np.tile(at**2, (13, 1)) / 50
    plateau = np.zeros((13, 13))
    saddle = (at[:, None] ** 2 - at**2) / 50
    unknown = surfaces(np.array([[6.0, 6.0]]))[0]
    unknown[5, 6] = np.nan
    score = np.stack([ridge, plateau, saddle, unknown])
    middle = np.full(4, 6)
    found, _, ok = vertex(score, middle, middle)
    assert not ok.any()
    assert np.isfinite(found[:3]).all()


def test_surfaces_too_small_for_a_peak() -> None:
    for size in (1, 2):
        score = np.zeros((3, size, size))
        found, width, ok = vertex(score, np.zeros(3, int), np.zeros(3, int))
        assert found.shape == (3, 2)
        assert width.shape == (3,)
        assert not ok.any()


def test_near_the_edge_or_beside_unknowns_the_quadratic_stays() -> None:
    place = np.array([[1.3, 6.2], [6.3, 6.2]])
    score = surfaces(place)
    score[1, 8, 8] = np.nan
    y, x = highest(np.nan_to_num(score, nan=-1.0))
    start, _, _ = vertex(score, y, x)
    assert (sharpen(score, y, x, start) == start).all()
