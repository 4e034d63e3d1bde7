"""The errors that are stated, against known ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import scenes
import tie_points as tp
from georeg.align import measure
from georeg.fitting import fit_transform
from georeg.judging.criteria import within
from georeg.judging.stating import accuracy_of
from georeg.report.facts import gather
from georeg.search.tiepoints import TiePoints
from georeg.settings import Settings
from georeg.verdict import judge
from test_align import corrected
from test_verdict import GOOD, GSD, frame, start, verdict


@pytest.mark.parametrize(("transform", "amplitude"), [("shift", 2.8), ("affine", 2.5)])
def test_what_a_stiff_transform_cannot_follow_is_its_error(
    tmp_path: Path, transform: str, amplitude: float
) -> None:
    """Points agree there, with their neighbours and not with the model: not as outliers do."""
    warp = scenes.waves(amplitude, 500.0, 2.0, -3.0)
    pair = scenes.make_pair(tmp_path, warp, (500, 600))
    result = measure(pair.moving, pair.reference, Settings(transform=transform))
    assert result.fit is not None
    true = float(np.sqrt((pair.errors(corrected(result)) ** 2).mean()))
    accuracy, expected = result.verdict.accuracy, result.verdict.expected
    assert accuracy is not None
    assert expected is not None
    assert true > 3
    assert accuracy.rmse_px == pytest.approx(true, rel=0.2)
    assert 0.8 * true < expected.half_px < 1.3 * true
    # The report's plots are of the same errors.
    facts = gather(result.report, None)
    assert float(np.sqrt((facts.errors**2).sum(axis=1).mean())) == pytest.approx(
        accuracy.rmse_px, rel=0.01
    )
    assert facts.judged.sum() > facts.inlier.sum()
    assert any("--transform auto looks for one" in w for w in result.verdict.warnings)


def test_nothing_is_said_of_a_stiff_transform_that_follows(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, lambda xy: xy + [2.0, -3.0], (400, 400))
    found = measure(pair.moving, pair.reference, Settings(transform="shift")).verdict
    assert found.ok
    assert found.warnings == ()


def test_the_mean_error_is_where_the_fit_leads_less_the_truth() -> None:
    """In x to the right, in y downwards: of ten points that lie left of, and below, the rest."""
    points = tp.scattered(tp.shift, noise=0.05)
    points.true[:10] += [-0.5, 0.7]
    fit = fit_transform(
        points.claimed, points.true, np.full(400, 0.9), np.full(400, 0.3), own=10, block=60.0
    )
    found = accuracy_of(fit, 2.0, None, 10.0)
    assert found is not None
    assert (found.mean_x_px, found.mean_y_px) == pytest.approx((1.0, -1.4), abs=0.1)


def test_a_correction_that_the_fit_does_not_show() -> None:
    """An RPC's bias is taken before its orthoimage is looked at: the fit of that is nothing."""
    points = tp.scattered(lambda xy: xy, noise=0.1)
    ties = TiePoints(points.claimed, points.true, points.score, points.sigma, 400, 60.0)
    fit = points.fit("shift", block=60.0)
    where = frame(GSD / 4)  # four reference pixels along one of the frame
    for most, ok in ((12.5, True), (11.5, False)):
        settings = Settings(max_shift=most)
        found = judge(where, start(), ties, fit, GOOD, settings, displacement=3.0)
        assert (found.displacement_px, found.displacement_m) == pytest.approx((12, 30), rel=0.01)
        assert found.ok is ok, found.reasons
        assert found.status == ("aligned" if ok else "refused")
    assert judge(where, start(), ties, fit, GOOD, settings).status == "already aligned"


def test_nine_tenths_of_known_errors() -> None:
    points = tp.scattered(tp.shift, 101, noise=0.05)
    held = np.arange(101.0)[:, None] * [0.006, 0.008]
    everyone = np.ones(101, np.bool_)
    fit = replace(points.fit("shift"), held_out=held, inlier=everyone, agreeing=everyone)
    found = accuracy_of(fit, 2.0, 30.0, 1e9)  # one frame pixel is 2 pixels of 15 m
    assert found is not None
    assert found.ce90_px == pytest.approx(2 * 0.9)
    assert found.ce90_m == pytest.approx(30 * 0.9)
    assert found.rmse_px == pytest.approx(2 * 0.01 * np.sqrt(100 * 201 / 6))
    assert (found.mean_x_px, found.mean_y_px) == pytest.approx((2 * 0.3, 2 * 0.4))


@pytest.mark.parametrize("model", ["shift", "affine"])
def test_nine_tenths_of_the_overlap_have_less(model: str) -> None:
    """Less than nine tenths of the root mean squares: two thirds of the errors were less."""
    less = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        half = rng.uniform([0, 0], [tp.SIZE, tp.SIZE / 2], (40, 2))
        points = tp.scattered(tp.shift, within=half, noise=0.6, seed=seed)
        expected = verdict(points, model).expected
        assert expected is not None
        places = tp.grid(20)
        off = places - tp.shift(points.fit(model, block=60.0).transform.inverse(places))
        off += rng.normal(0, 0.6, off.shape)  # of tie points: counted besides
        less.append((np.hypot(*off.T) < expected.most_px).mean())
    assert 0.85 < np.mean(less) < 0.95


@pytest.mark.parametrize(("count", "told"), [(2, False), (3, True)])
def test_three_points_tell_an_error(count: int, told: bool) -> None:
    points = tp.scattered(tp.shift, 8, noise=0.05)
    fit = points.fit("shift")
    held = np.where(np.arange(8)[:, None] < count, fit.held_out, np.nan)
    found = accuracy_of(replace(fit, held_out=held), 1.0, None, 3.0)
    assert (found is not None) is told
    assert within(found and found.rmse_px, 5.0).ok is told, "what isn't known is not within"
