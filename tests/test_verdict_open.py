"""The verdict on fits that leave something open: land beside a sea, roofs that lean."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

import tie_points as tp
from georeg.verdict import Verdict
from test_verdict import reason, start, verdict

STRIP = np.zeros((250, 250), np.bool_)
STRIP[:25] = True


def along_the_coast(bend: float) -> tp.Points:
    """Land is a strip along the upper edge; what bends there tells nothing of the sea."""

    def bent(xy: Any) -> Any:
        return xy + [6.0, -4.0] + bend * np.sin(xy[:, :1] / 120 + [0.3, 1.1])

    places = np.random.default_rng(1).uniform([20, 10], [980, 90], (40, 2))
    return tp.scattered(bent, within=places, noise=0.2)


def left_open(found: Verdict) -> tuple[float, float]:
    """What the tie points that the fit follows leave open: in the median, and at the land."""
    (weighed,) = (c for c in found.criteria if c.name == "error to be expected over the overlap")
    half, matched = re.findall(r"[\d.]+(?= px)", weighed.found)
    return float(half), float(matched)


def test_a_fit_that_mostly_extrapolates_is_refused() -> None:
    """A real coast with a black sea came out 7 px off, and trusted."""
    land = np.where(STRIP, np.float32(0.1), np.float32(0))
    begin = start(texture=land)
    found = verdict(along_the_coast(3.0), "affine", begin=begin)
    assert "extrapolates over most of the overlap" in reason(found)
    half, matched = left_open(found)
    assert half > 2.5 > matched
    # Bends that an affine transform can't follow are stated besides: 3.9 px RMSE along the coast.
    assert found.accuracy is not None
    assert found.accuracy.rmse_px == pytest.approx(3.9, abs=0.4)
    assert found.expected is not None
    assert found.expected.half_px > found.expected.matched_px > 3.9
    # Where the moving raster has no data either nothing is lost.
    assert verdict(along_the_coast(3.0), "affine", begin=dataclasses.replace(begin, shown=STRIP)).ok
    # Nor where what was found can be relied on further away.
    assert verdict(along_the_coast(0.0), "affine", begin=begin).ok


def test_a_fit_that_partly_extrapolates_is_said_to() -> None:
    shown = np.zeros((250, 250), np.bool_)
    shown[:200] = True
    land = np.where(STRIP, np.float32(0.1), np.float32(0))
    begin = dataclasses.replace(start(texture=land), shown=shown)
    found = verdict(along_the_coast(1.8), "affine", begin=begin)
    assert found.ok
    half, matched = left_open(found)
    assert matched < half < 2.5
    assert found.accuracy is not None
    assert found.accuracy.rmse_px == pytest.approx(2.2, abs=0.3)
    assert found.expected is not None
    assert 2.2 < found.expected.matched_px < found.expected.half_px < found.expected.most_px
    (warning,) = (w for w in found.warnings if "extrapolates where nothing can be matched" in w)
    (most,) = re.findall(r"([\d.]+) px and more over a tenth", warning)
    assert float(most) > 2.5


LEANS = "as where buildings lean"


def along_x(xy: Any) -> Any:
    """A smooth bend that keeps to one direction."""
    return xy + np.stack([8 * np.sin(2 * np.pi * xy[:, 1] / 700) + 4, 0 * xy[:, 0]], axis=1)


def test_what_leans_is_told_from_what_bends_smoothly() -> None:
    """A bend that was followed to 0.1 px came with the warning that parts were off by 8 px."""
    bent = verdict(tp.scattered(along_x), "shift", "affine", "field")
    assert bent.ok
    assert not [w for w in bent.warnings if LEANS in w]
    rng = np.random.default_rng(3)
    xy = rng.uniform(0, 1000, (400, 2))
    high = rng.uniform(0, 1, (400, 1)) ** 2 * [8.0, 0.0]
    for model in ("shift", "field"):
        roofs = verdict(tp.scattered(lambda p: tp.shift(p) + high, within=xy), model)
        assert [w for w in roofs.warnings if LEANS in w], model
