"""The displacement field: known waves, gaps, weights, scales, sizes."""

from __future__ import annotations

import time

import numpy as np
import pytest

from georeg.errors import SettingsError
from georeg.transforms import load
from georeg.transforms._bspline import Lattice
from georeg.transforms._smoothing import Problem

Field = load("field")


def wave(xy, height, period):
    """Displacement along (3, 4) / 5 that varies along (0.8, 0.6)."""
    return height * np.sin(2 * np.pi * (xy @ [0.8, 0.6]) / period)[:, None] * np.array([0.6, 0.8])


def waves(xy, height, period):
    """Each component a wave of its own, along x and along y."""
    return height * np.sin(2 * np.pi * xy / period)


def inside(size, count=80):
    t = (np.arange(count) + 0.5) * size / count
    return np.stack(np.meshgrid(t, t), axis=-1).reshape(-1, 2)


def rms(vectors):
    """Root mean square length."""
    return float(np.sqrt((vectors**2).sum(axis=1).mean()))


def noisy(shape, size, count, sigma, seed=0):
    """Moving and reference points of reference + shape(reference) + noise."""
    rng = np.random.default_rng(seed)
    reference = rng.random((count, 2)) * size
    return reference + shape(reference) + rng.normal(0, sigma, reference.shape), reference


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [wave, waves])
def test_short_wave_from_few_noisy_points(shape, seed):
    moving, reference = noisy(lambda xy: shape(xy, 4, 300), 500, 400, 0.3, seed)
    field = Field.from_points(moving, reference)
    xy = inside(500)
    assert rms(field.inverse(xy) - xy - shape(xy, 4, 300)) < 0.25


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [wave, waves])
def test_long_wave_from_many_points(shape, seed):
    moving, reference = noisy(lambda xy: shape(xy, 4, 3333), 5000, 2500, 0.2, seed)
    field = Field.from_points(moving, reference)
    xy = inside(5000)
    error = field.inverse(xy) - xy - shape(xy, 4, 3333)
    assert np.sqrt((error**2).mean()) < 0.05  # per axis, as sigma is


@pytest.mark.parametrize("period", [500, 1500, 4000])
def test_chosen_smoothing_is_nearly_the_best(period):
    moving, reference = noisy(lambda xy: waves(xy, 3, period), 4000, 2000, 0.3)
    xy = inside(4000)
    truth = xy + waves(xy, 3, period)
    chosen = rms(Field.from_points(moving, reference).inverse(xy) - truth)
    ladder = np.geomspace(1e-5, 1e2, 15)
    best = min(
        rms(Field.from_points(moving, reference, smoothing=s).inverse(xy) - truth) for s in ladder
    )
    assert chosen < 1.25 * best


@pytest.mark.parametrize("period", [500, 1500, 4000])
def test_eased_smoothing_is_nearer_to_the_best(period):
    moving, reference = noisy(lambda xy: waves(xy, 3, period), 4000, 2000, 0.3)
    xy = inside(4000)
    truth = xy + waves(xy, 3, period)
    predicts = Field.from_points(moving, reference).smoothing
    smoothing = Field.eased(moving, reference, None, predicts, side=0)
    fields = [Field.from_points(moving, reference, smoothing=s) for s in (predicts, smoothing)]
    before, chosen = (rms(field.inverse(xy) - truth) for field in fields)
    ladder = np.geomspace(1e-5, 1e2, 15)
    best = min(
        rms(Field.from_points(moving, reference, smoothing=s).inverse(xy) - truth) for s in ladder
    )
    assert chosen < before
    assert chosen < 1.1 * best


@pytest.mark.parametrize("seed", range(3))
def test_eased_smoothing_knows_that_neighbours_err_alike(seed):
    """Templates of 64 px, 32 px apart, err alike by what they share; nothing else tells of it."""
    x, y = np.meshgrid(np.arange(32.0, 500, 32), np.arange(32.0, 500, 32))
    reference = np.column_stack([x.ravel(), y.ravel()])
    shared = np.clip(1 - np.abs(reference[:, None] - reference) / 64, 0, None).prod(axis=2)
    rng = np.random.default_rng(seed)
    errors = 0.4 * np.linalg.cholesky(shared) @ rng.normal(size=reference.shape)
    moving = reference + waves(reference, 4, 300) + errors
    xy = inside(500)
    truth = xy + waves(xy, 4, 300)
    predicts = Field.from_points(moving, reference).smoothing
    smoothing = Field.eased(moving, reference, None, predicts, side=64)
    chosen = rms(Field.from_points(moving, reference, smoothing=smoothing).inverse(xy) - truth)
    ladder = np.geomspace(1e-3, 1e2, 16)
    best = min(
        rms(Field.from_points(moving, reference, smoothing=s).inverse(xy) - truth) for s in ladder
    )
    assert chosen < 1.08 * best


def test_between_tiles_that_are_far_apart_what_predicts_stays():
    """Where much has no points, what is best at these may flatten what lies between."""
    inner = np.arange(0.0, 320, 40)
    corner = np.arange(0.0, 8000, 1600)
    x, y = np.meshgrid((corner[:, None] + inner).ravel(), (corner[:, None] + inner).ravel())
    reference = np.column_stack([x.ravel(), y.ravel()])
    moving = reference + waves(reference, 8, 4000)
    moving += np.random.default_rng(0).normal(0, 0.3, moving.shape)
    predicts = Field.from_points(moving, reference).smoothing
    assert Field.eased(moving, reference, None, predicts, side=64) == predicts
    near = (reference < 320).all(axis=1)
    predicts = Field.from_points(moving[near], reference[near]).smoothing
    assert Field.eased(moving[near], reference[near], None, predicts, side=64) >= predicts


def test_affine_data_give_an_affine_field():
    slope = np.array([[1.02, 0.03], [-0.04, 0.97]])
    moving, reference = noisy(lambda xy: xy @ (slope - np.eye(2)).T + 30.0, 500, 400, 0.0)
    field = Field.from_points(moving, reference)
    xy = 3 * inside(500) - 500
    assert np.abs(field.inverse(xy) - (xy @ slope.T + 30.0)).max() < 1e-8


@pytest.mark.parametrize("seed", range(3))
def test_noisy_affine_data_give_a_nearly_affine_field(seed):
    moving, reference = noisy(lambda xy: 0.02 * xy, 500, 2000, 0.2, seed)
    field = Field.from_points(moving, reference)
    xy = inside(500)
    design = np.column_stack([xy, np.ones(len(xy))])
    pulled = field.inverse(xy)
    wiggles = pulled - design @ np.linalg.lstsq(design, pulled, rcond=None)[0]
    assert np.abs(wiggles).max() < 0.02


def test_gap_stays_smooth():
    """No points in the middle third: the field crosses it without wiggles, near the truth."""
    moving, reference = noisy(lambda xy: wave(xy, 4, 4000), 3000, 3000, 0.2)
    keep = ((reference < 1000) | (reference > 2000)).any(axis=1)
    field = Field.from_points(moving[keep], reference[keep])
    xy = np.array([1000.0, 1000.0]) + inside(1000)
    assert rms(field.inverse(xy) - xy - wave(xy, 4, 4000)) < 0.3
    line = np.stack([np.linspace(0, 3000, 301), np.full(301, 1500.0)], axis=1)
    bend = np.diff(field.inverse(line) - line, n=2, axis=0) / 10.0**2
    truth = 4 * (2 * np.pi / 4000) ** 2
    assert np.abs(bend).max() < 2.5 * truth


def test_gap_bends_no_more_than_a_thin_plate():
    """In a large gap the field is the interpolating thin plate's, but for the lattice."""
    rng = np.random.default_rng(3)
    reference = rng.random((400, 2)) * 1000
    reference = reference[((reference < 300) | (reference > 700)).any(axis=1)]
    moving = reference + wave(reference, 4, 1500)
    field = Field.from_points(moving, reference, smoothing=1e-4)
    plate = load("tps").from_points(moving, reference)
    xy = np.array([300.0, 300.0]) + inside(400, 30)
    assert rms(field.inverse(xy) - plate.inverse(xy)) < 0.05


def test_empty_corner_and_lonely_point():
    moving, reference = noisy(lambda xy: wave(xy, 3, 1500), 1000, 500, 0.1)
    keep = (reference < 600).all(axis=1)
    keep[np.argmax(reference.sum(axis=1))] = True
    field = Field.from_points(moving[keep], reference[keep])
    xy = inside(1000)
    assert np.abs(field.inverse(xy) - xy).max() < 15
    assert np.abs(field.forward(field.inverse(xy)) - xy).max() < 1e-6


def test_weights_of_any_span():
    """Good points, 1e4, among bad ones, 1e-4: as good as the good ones alone."""
    rng = np.random.default_rng(4)
    moving, reference = noisy(lambda xy: wave(xy, 4, 2000), 3000, 2000, 0.1)
    bad = rng.random(2000) < 0.5
    moving[bad] += rng.normal(0, 20.0, (bad.sum(), 2))
    field = Field.from_points(moving, reference, np.where(bad, 1e-4, 1e4))
    xy = inside(3000)
    assert rms(field.inverse(xy) - xy - wave(xy, 4, 2000)) < 0.1


def test_weights_that_all_differ():
    moving, reference = noisy(lambda xy: wave(xy, 4, 2000), 3000, 2000, 0.1)
    weights = 10.0 ** np.random.default_rng(5).uniform(-4, 4, 2000)
    field = Field.from_points(moving, reference, weights)
    xy = inside(3000)
    assert rms(field.inverse(xy) - xy - wave(xy, 4, 2000)) < 0.5


@pytest.mark.parametrize("smoothing", [None, 0.1])
@pytest.mark.parametrize("factor", [0.01, 1000.0])
def test_smoothing_does_not_depend_on_scales(smoothing, factor):
    moving, reference = noisy(lambda xy: wave(xy, 4, 400), 500, 400, 0.3)
    one = Field.from_points(moving, reference, smoothing=smoothing)
    weights = np.full(400, factor)
    other = Field.from_points(moving * factor, reference * factor, weights, smoothing=smoothing)
    xy = inside(500)
    assert np.isclose(one.smoothing, other.smoothing, rtol=1e-6)
    assert np.abs(other.inverse(xy * factor) / factor - one.inverse(xy)).max() < 1e-6


def test_smoothing_damps_waves_as_documented():
    """What it says of a wave in the middle of the domain, for a dense grid of points."""
    reference = inside(1000, 120)
    period, side = 150.0, 1.2 * (reference.max() - reference.min())
    moving = reference + waves(reference, 1, period)
    middle = np.array([400.0, 400.0]) + inside(200, 60)
    for smoothing in (0.003, 0.03, 0.3):
        field = Field.from_points(moving, reference, smoothing=smoothing)
        shape = waves(middle, 1, period).ravel()
        kept = (field.inverse(middle) - middle).ravel() @ shape / (shape @ shape)
        # The points cover 1 / 1.44 of the domain, and are denser than "evenly spread" by that.
        x = smoothing / 1.44 * (side / (4 * period)) ** 4
        assert np.isclose(kept, 1 - (x / (1 + x)) ** 2, atol=0.03)


def test_point_count_does_not_change_the_balance():
    xy = inside(1000)
    results = []
    for count in (60, 120):
        reference = inside(1000, count)
        moving = reference + wave(reference, 2, 250)
        field = Field.from_points(moving, reference, smoothing=0.1, spacing=30)
        results.append(field.inverse(xy))
    assert rms(results[0] - results[1]) < 0.03


def test_strong_local_stretch_is_inverted():
    reference = np.random.default_rng(6).random((4000, 2)) * 1000
    shape = np.stack([np.sin(reference[:, 0] / 50), np.cos(reference[:, 1] / 50)], axis=1) * 15
    field = Field.from_points(reference + shape, reference, smoothing=1e-6)
    stretch = field._slopes(inside(1000))
    assert np.abs(stretch[:, 0, 0] - 1).max() > 0.28
    xy = 1.4 * inside(1000) - 200
    assert np.abs(field.forward(field.inverse(xy)) - xy).max() < 1e-6


def test_continuation_far_outside_is_moderate():
    moving, reference = noisy(lambda xy: wave(xy, 4, 600), 1000, 600, 0.2)
    field = Field.from_points(moving, reference)
    far = np.array([[3000.0, 500.0], [500.0, -2000.0], [500.0, 3000.0]])
    assert np.abs(field.inverse(far) - far).max() < 300


def test_spacing_is_respected_and_limited():
    moving, reference = noisy(lambda xy: wave(xy, 4, 600), 1000, 600, 0.2)
    field = Field.from_points(moving, reference, smoothing=1.0, spacing=50)
    assert all(45 < s <= 50 for s in field.spacing)
    assert Field.from_points(moving, reference, smoothing=1.0, spacing=1e9).coefficients.shape == (
        4,
        4,
        2,
    )
    dense = Field.from_points(*noisy(lambda xy: xy * 0, 1000, 5000, 0.2), smoothing=1.0)
    assert max(dense.coefficients.shape) == 47 + 3
    with pytest.raises(SettingsError, match="spacing must be at least"):
        Field.from_points(moving, reference, spacing=0.5)


@pytest.mark.parametrize("option", ["smoothing", "spacing"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_senseless_options_are_refused(option, value):
    moving, reference = noisy(lambda xy: xy * 0, 100, 20, 0.1)
    with pytest.raises(SettingsError, match=f"{option} must be positive"):
        Field.from_points(moving, reference, **{option: value})


@pytest.mark.parametrize("count", [10, 11, 15, 25])
def test_few_points(count):
    moving, reference = noisy(lambda xy: wave(xy, 2, 3000), 1000, count, 0.1, count)
    field = Field.from_points(moving, reference)
    assert rms(field.inverse(reference) - moving) < 1.0


def test_points_in_a_narrow_strip_and_in_clusters():
    rng = np.random.default_rng(7)
    strip = rng.random((500, 2)) * [10000, 30]
    clusters = rng.random((12, 2))[rng.integers(0, 12, 800)] * 5000 + rng.normal(0, 5, (800, 2))
    for reference in (strip, strip[:, ::-1].copy(), clusters):
        moving = reference + wave(reference, 3, 9000) + rng.normal(0, 0.1, reference.shape)
        field = Field.from_points(moving, reference)
        assert rms(field.inverse(reference) - reference - wave(reference, 3, 9000)) < 0.2


def test_cross_validation_survives_folds_without_enough_points():
    """All points but one on a line: leaving that one out leaves a degenerate rest."""
    line = np.stack([np.linspace(0, 1000, 40), np.linspace(0, 1000, 40)], axis=1)
    reference = np.concatenate([line, [[1000.0, 0.0]]])
    field = Field.from_points(reference + 0.01 * reference[:, ::-1], reference)
    xy = inside(1000)
    assert np.abs(field.inverse(xy) - xy - 0.01 * xy[:, ::-1]).max() < 1e-6


@pytest.mark.slow
def test_fifty_thousand_points_and_a_million_positions():
    moving, reference = noisy(lambda xy: waves(xy, 4, 3333), 5000, 50_000, 0.3)
    start = time.perf_counter()
    field = Field.from_points(moving, reference)
    fitted = time.perf_counter() - start
    xy = np.random.default_rng(8).random((1_000_000, 2)) * 5000
    start = time.perf_counter()
    pulled = field.inverse(xy)
    evaluated = time.perf_counter() - start
    assert rms(pulled - xy - waves(xy, 4, 3333)) < 0.05
    assert fitted < 30  # about 1.2 s and 0.25 s on two idle cores
    assert evaluated < 10


def test_fold_numbers_keep_neighbours_together_and_share_evenly():
    reference = np.random.default_rng(12).random((5000, 2)) * [1000, 600]
    lattice = Lattice(np.zeros(2), np.array([1000.0, 600.0]), (40, 24))
    problem = Problem(lattice, reference, reference, np.ones(5000))
    number = problem._fold_numbers()
    assert (np.abs(np.bincount(number) / 5000 - 0.2) < 0.05).all()
    near = np.hypot(*(reference[:, None] - reference[None, :200]).transpose(2, 0, 1)) < 5
    same = (number[:, None] == number[None, :200])[near]
    assert same.mean() > 0.85
