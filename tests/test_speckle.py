"""Speckle: how much of it there is, and how it is calmed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from georeg.imagery.speckle import calm, local_moments, speckle_spread


@pytest.mark.parametrize("looks", [1, 4, 16])
def test_spread_of_speckle(looks: int) -> None:
    """Intensity of L looks spreads by 1 / sqrt(L) of its mean."""
    rng = np.random.default_rng(0)
    intensity = (7 * rng.gamma(looks, 1 / looks, (400, 400))).astype(np.float32)
    found = speckle_spread(intensity, np.ones(intensity.shape, bool))
    assert 0.8 / np.sqrt(looks) < found < 1.05 / np.sqrt(looks)


def test_calming() -> None:
    rng = np.random.default_rng(0)
    even = rng.rayleigh(1, (200, 200)).astype(np.float32)
    mask = np.ones(even.shape, bool)
    mask[40:60, 40:60] = False
    even[~mask] = 0
    assert calm(even, mask, 0.523 / 2) is even  # four looks are enough
    out = calm(even, mask, 0.523)
    assert out[mask].std() / out[mask].mean() < 0.25
    assert out[mask].mean() == pytest.approx(even[mask].mean(), rel=0.01)
    assert (out[~mask] == 0).all()
    rim = np.zeros(mask.shape, bool)
    rim[38:62, 38:62] = True
    assert out[rim & mask].mean() == pytest.approx(1.25, abs=0.15)  # holes don't darken their rim


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 1000), st.floats(-1e5, 1e5))
def test_local_moments(seed: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    image = (offset + rng.normal(0, 3, (20, 24))).astype(np.float32)
    mask = rng.random(image.shape) > 0.2
    image[~mask] = 0
    mean, variance, share = local_moments(image, mask)
    part, good = image[5:10, 8:13], mask[5:10, 8:13]
    assert share[7, 10] == pytest.approx(good.mean(), abs=1e-5)
    if good.sum() > 1:
        values = part[good].astype(np.float64)
        assert mean[7, 10] == pytest.approx(values.mean(), abs=1e-2)
        assert variance[7, 10] == pytest.approx(values.var(), rel=0.02, abs=0.05)
