"""Tie points with known truth: noise, outliers, and all the ways to lie badly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georeg.fitting import Fit, fit_transform

Array = npt.NDArray[np.float64]
SIZE = 1000.0
MIDDLE = np.array([SIZE / 2, SIZE / 2])


def shift(xy: Array) -> Array:
    return xy + [12.5, -7.25]


def similarity(xy: Array) -> Array:
    a = np.radians(1.7)
    turn = 1.012 * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return np.asarray((xy - MIDDLE) @ turn.T + MIDDLE + [5.0, 9.0])


def affine(xy: Array) -> Array:
    return np.asarray((xy - MIDDLE) @ np.array([[1.01, 0.02], [-0.005, 0.985]]) + MIDDLE + [3, 4])


def projective(xy: Array) -> Array:
    u = xy - MIDDLE
    return np.asarray(u / (1 + u @ [4e-5, -3e-5])[:, None] + MIDDLE + [-4.0, 2.0])


def polynomial2(xy: Array) -> Array:
    u = (xy - MIDDLE) / 500
    bend = np.stack([9 * u[:, 0] ** 2 - 5 * u[:, 0] * u[:, 1], 7 * u[:, 1] ** 2], axis=1)
    return xy + bend + [2.0, 3.0]


def polynomial3(xy: Array) -> Array:
    u = (xy - MIDDLE) / 500
    bend = np.stack([8 * u[:, 0] ** 3, 9 * u[:, 1] ** 3 - 6 * u[:, 0] ** 2 * u[:, 1]], axis=1)
    return polynomial2(xy) + bend


def waves(xy: Array) -> Array:
    x = 5 * np.sin(2 * np.pi * xy[:, 1] / 600)
    y = 5 * np.sin(2 * np.pi * xy[:, 0] / 500 + 0.7)
    return xy + np.stack([x + 4, y - 3], axis=1)


TRUTHS: dict[str, Callable[[Array], Array]] = {
    "shift": shift,
    "similarity": similarity,
    "affine": affine,
    "projective": projective,
    "polynomial2": polynomial2,
    "polynomial3": polynomial3,
    "tps": waves,
    "field": waves,
}


@dataclass(frozen=True, eq=False)
class Points:
    """Tie points as the fit takes them, and which of them are wrong."""

    claimed: Array
    true: Array
    score: Array
    sigma: Array
    wrong: npt.NDArray[np.bool_]

    def fit(self, *models: str, block: float | None = None) -> Fit:
        return fit_transform(
            self.claimed, self.true, self.score, self.sigma, models=models, block=block
        )


def scattered(
    truth: Callable[[Array], Array],
    count: int = 400,
    *,
    noise: float = 0.3,
    outliers: float = 0.0,
    seed: int = 0,
    within: Array | None = None,
) -> Points:
    """Points all over the frame, or at the given places; outliers are off by up to 12 px."""
    rng = np.random.default_rng(seed)
    claimed = rng.uniform(0, SIZE, (count, 2)) if within is None else within
    count = len(claimed)
    true = truth(claimed) + rng.normal(0, noise, (count, 2))
    wrong = rng.permutation(count) < outliers * count
    away = rng.uniform(-12, 12, (count, 2))
    true[wrong] += (away + 2 * np.sign(away))[wrong]
    return Points(claimed, true, rng.uniform(0.6, 1.0, count), np.full(count, 0.3), wrong)


def grid(side: int = 15, margin: float = 60.0) -> Array:
    """(side ** 2, 2) places in the frame where a fit is compared with the truth."""
    at = np.linspace(margin, SIZE - margin, side)
    return np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)


def errors(fit: Fit, truth: Callable[[Array], Array]) -> Array:
    """(N,) distances between fit and truth over the frame, pixels."""
    return np.asarray(np.hypot(*(fit.transform.forward(grid()) - truth(grid())).T))
