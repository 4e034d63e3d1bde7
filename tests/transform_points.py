"""Points and fits that the tests of the transforms share."""

from __future__ import annotations

import numpy as np

from georeg.transforms import load

LOW, SIZE = np.array([3000.0, 5000.0]), np.array([1000.0, 800.0])
SLOPE = np.array([[1.02, 0.03], [-0.05, 0.97]])


def scattered(count=150, seed=0):
    return LOW + SIZE * np.random.default_rng(seed).random((count, 2))


def bent(reference_xy, height=3.0):
    """A smooth warp, reference -> moving."""
    u, v = ((reference_xy - LOW) / SIZE).T
    wave = np.stack([np.sin(3 * u + v), np.cos(2 * v - u)], axis=1)
    return reference_xy @ SLOPE.T + [12.0, -7.0] + height * wave


def member(name):
    """Moving and reference points that an exact member of the family relates."""
    reference = scattered()
    u, v = ((reference - LOW) / SIZE).T
    if name == "shift":
        return np.add(reference, [3.25, -8.5]), reference
    if name == "similarity":
        return reference @ np.array([[0.9, 0.2], [-0.2, 0.9]]) + [50.0, 70.0], reference
    if name == "projective":
        moving = reference @ SLOPE.T + [12.0, -7.0]
        return moving / (1 + 2e-5 * reference @ [[1.0], [-0.7]]), reference
    if name in ("polynomial2", "polynomial3"):
        rest = np.stack([4 * u * v - 3 * u**2, v**2 + u], axis=1)
        if name == "polynomial3":
            rest += np.stack([5 * u**3 - 2 * v**3, u * v**2 - 4 * u**2 * v], axis=1)
        return reference @ SLOPE.T + rest, reference
    if name == "tps":
        spline = load("tps").from_points(bent(reference[:40]), reference[:40])
        return spline.inverse(reference[:40]), reference[:40]
    return reference @ SLOPE.T + [12.0, -7.0], reference


def fitted(name, **options):
    reference = scattered()
    noise = np.random.default_rng(1).normal(0, 0.2, reference.shape)
    if name == "tps":
        options.setdefault("smoothing", 1e-3)
    return load(name).from_points(bent(reference) + noise, reference, **options)


def domain(margin=0.2):
    """Positions over the points' extent, enlarged."""
    t = np.linspace(-margin, 1 + margin, 23)
    return LOW + SIZE * np.stack(np.meshgrid(t, t), axis=-1).reshape(-1, 2)
