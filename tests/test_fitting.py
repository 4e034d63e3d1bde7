"""Robust fits of points with known truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tie_points as tp
from georeg import transforms
from georeg.errors import PointsError, SettingsError
from georeg.fitting import fit_transform
from georeg.folding import Folding
from georeg.neighbours import robust_weights
from georeg.search.tracking import AUTO

NAMES = list(tp.TRUTHS)
LIMIT = {"tps": 1.0, "field": 1.0, "polynomial3": 0.4}  # pixels, at 0.3 px noise


@pytest.mark.parametrize("outliers", [0.0, 0.4])
@pytest.mark.parametrize("name", NAMES)
def test_recovers_every_model_from_noise_and_outliers(name: str, outliers: float) -> None:
    points = tp.scattered(tp.TRUTHS[name], outliers=outliers)
    fit = points.fit(name)
    assert fit.transform.name == name
    error = tp.errors(fit, tp.TRUTHS[name])
    assert math.sqrt((error**2).mean()) < LIMIT.get(name, 0.25)


@pytest.mark.parametrize("name", NAMES)
def test_outliers_are_told_from_inliers(name: str) -> None:
    points = tp.scattered(tp.TRUTHS[name], outliers=0.4)
    fit = points.fit(name)
    assert fit.inlier[~points.wrong].mean() > 0.95
    assert fit.inlier[points.wrong].mean() < 0.1
    assert (fit.weights[~fit.inlier] >= 0).all()
    assert fit.weights[points.wrong].sum() < 0.02 * fit.weights.sum()
    assert fit.noise == pytest.approx(0.3, abs=0.1)


def test_residuals_and_held_out_errors_are_what_they_say() -> None:
    points = tp.scattered(tp.affine, outliers=0.2)
    fit = points.fit("affine", block=60)
    assert fit.residuals == pytest.approx(fit.transform.forward(points.claimed) - points.true)
    held = fit.held_out[fit.inlier]
    assert np.isfinite(held).all()
    # At left-out points: the noise, and hardly more.
    assert math.sqrt((held**2).mean()) == pytest.approx(0.3, abs=0.06)
    assert fit.error == pytest.approx(math.sqrt(2) * 0.3, rel=0.2)
    k = int(fit.folding.fold(points.true[:1])[0])
    model = fit.fold_models[k]
    assert model is not None
    again = points.claimed[:1] - model.inverse(points.true[:1])
    assert fit.held_out[:1] == pytest.approx(again)


def test_the_left_out_block_has_no_say() -> None:
    """Points moved in one fold don't change the model that was fitted without that fold."""
    points = tp.scattered(tp.similarity, noise=0.1)
    fit = points.fit("similarity")
    fold = fit.folding.fold(points.true)
    moved = points.true + np.where((fold == 2)[:, None], 0.4, 0.0)
    other = fit_transform(points.claimed, moved, points.score, points.sigma, models=("similarity",))
    # The folding follows the points: compare only where it stayed.
    assert np.isclose(other.folding.side, fit.folding.side, atol=1)
    one, two = fit.fold_models[2], other.fold_models[2]
    assert one is not None
    assert two is not None
    assert np.abs(one.forward(tp.grid()) - two.forward(tp.grid())).max() < 0.1
    both = np.abs(fit.transform.forward(tp.grid()) - other.transform.forward(tp.grid()))
    assert both.max() > 0.05


@pytest.mark.parametrize("seed", range(3))
def test_a_shift_with_noise_stays_a_shift(seed: int) -> None:
    points = tp.scattered(tp.shift, 200, outliers=0.2, seed=seed)
    fit = points.fit("shift", "similarity", "affine", "projective", "polynomial2", "field")
    assert fit.transform.name == "shift"
    assert [r.name for r in fit.ladder][:2] == ["shift", "similarity"]
    assert all(math.isfinite(r.error) for r in fit.ladder)


@pytest.mark.parametrize(
    ("truth", "chosen"),
    [
        (tp.similarity, {"similarity"}),
        (tp.affine, {"affine"}),
        (tp.polynomial2, {"polynomial2"}),
        (tp.waves, {"field"}),
    ],
)
def test_the_ladder_is_climbed_as_far_as_it_pays(truth: Any, chosen: set[str]) -> None:
    points = tp.scattered(truth, outliers=0.3)
    fit = points.fit("shift", "similarity", "affine", "projective", "polynomial2", "field")
    assert fit.transform.name in chosen
    error = {r.name: r.error for r in fit.ladder}
    assert error[fit.transform.name] < 0.8 * error["shift"]
    assert fit.error == error[fit.transform.name]


def test_a_flexible_model_must_predict_and_not_only_follow() -> None:
    """Clumps that are off together: a field can follow each, but predicts none of them."""
    rng = np.random.default_rng(5)
    clumps = rng.uniform(50, 950, (40, 2))
    claimed = (clumps[:, None] + rng.normal(0, 8, (40, 10, 2))).reshape(-1, 2)
    off = np.repeat(rng.normal(0, 0.8, (40, 2)), 10, axis=0)
    true = claimed + [3.0, 4.0] + off + rng.normal(0, 0.05, (400, 2))
    one = np.ones(400)
    models = ("shift", "similarity", "affine", "polynomial2", "field")
    fit = fit_transform(claimed, true, one, 0.3 * one, models=models, block=60)
    assert fit.transform.name == "shift"


@pytest.mark.parametrize(("side", "chosen"), [(200, "shift"), (330, "field")])
def test_what_helps_in_few_places_only_may_be_chance(side: int, chosen: str) -> None:
    """2.5 px over 4 of the 100 squares that are left out, and over some ten of them."""
    points = tp.scattered(tp.shift, 600, noise=0.05)
    points.true[(points.claimed < side).all(axis=1)] += [2.5, 0.0]
    fit = points.fit("shift", "field", block=60.0)
    assert fit.transform.name == chosen
    notes = {rung.name: rung.note for rung in fit.ladder}
    assert ("but not everywhere: it may be chance" in notes["field"]) is (chosen == "shift")
    assert fit.ladder[1].error < 0.5 * fit.ladder[0].error


def test_points_count_by_the_inverse_of_their_variance() -> None:
    """Half of them are 80 times less sure than the others, and off by 0.8 px."""
    points = tp.scattered(tp.shift, 200, noise=0.02)
    unsure = np.arange(200) % 2 > 0
    points.true[unsure] += [0.8, 0.0]
    sigma = np.where(unsure, 4.0, 0.05)
    fit = fit_transform(points.claimed, points.true, np.ones(200), sigma)
    assert tp.errors(fit, tp.shift).max() < 0.004


def test_few_points_get_the_stiffest_model() -> None:
    points = tp.scattered(tp.shift, 6, noise=0.1)
    fit = points.fit("shift", "similarity", "affine", "projective", "polynomial2", "field")
    assert fit.transform.name == "shift"
    assert tp.errors(fit, tp.shift).max() < 0.3
    failed = {r.name: r.note for r in fit.ladder if not math.isfinite(r.error)}
    assert "at least" in failed["polynomial2"] or "too few" in failed["polynomial2"]


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_points_are_an_error_that_says_so(count: int) -> None:
    points = tp.scattered(tp.shift, count)
    with pytest.raises(PointsError, match=r"few|at least|no "):
        points.fit("shift")


@pytest.mark.parametrize("name", NAMES)
def test_one_point_less_than_a_model_needs(name: str) -> None:
    least = transforms.load(name).min_points
    points = tp.scattered(tp.TRUTHS[name], least - 1)
    with pytest.raises(PointsError):
        points.fit(name)


def test_no_model_is_an_error() -> None:
    with pytest.raises(SettingsError, match="no transform model"):
        tp.scattered(tp.shift, 10).fit()


def test_an_unknown_model_is_an_error() -> None:
    with pytest.raises(SettingsError, match="no transform 'wobbly'"):
        tp.scattered(tp.shift, 10).fit("wobbly")


def test_collinear_points_fix_a_similarity_but_no_affine() -> None:
    t = np.linspace(50, 950, 60)
    points = tp.scattered(tp.similarity, within=np.stack([t, t], axis=1), noise=0.1)
    fit = points.fit("shift", "similarity", "affine", "projective")
    assert fit.transform.name == "similarity"
    notes = {r.name: r.note for r in fit.ladder if not math.isfinite(r.error)}
    assert notes["affine"]
    assert notes["projective"]
    with pytest.raises(PointsError):
        points.fit("affine")


def test_points_that_are_one_and_the_same() -> None:
    within = np.full((20, 2), 300.0)
    points = tp.scattered(tp.shift, within=within, noise=0.0)
    with pytest.raises(PointsError):
        points.fit("similarity")


def test_clustered_points_don_t_climb() -> None:
    """In a corner even curved ground is flat: nothing there tells how it curves elsewhere."""
    rng = np.random.default_rng(3)
    within = rng.uniform(100, 180, (200, 2))
    fit = tp.scattered(tp.polynomial2, within=within).fit(
        "shift", "similarity", "affine", "projective", "polynomial2", "field", block=60
    )
    assert fit.transform.name in ("shift", "similarity", "affine")
    assert np.hypot(*fit.residuals[fit.inlier].T).mean() < 0.6


def test_two_rows_of_points_dont_bend_what_lies_between_them() -> None:
    """Rasters that share a strip of 90 x 300 px: left-out points lie in the same two rows, and
    confirmed a polynomial that was 4 px off between them. What was matched through it was off by
    2.8 px all over, and passed for 0.25.
    """  # fmt: skip
    x, y, dx, dy = np.array(
        [
            [239.865, 47.32, 0.073, 0.046],
            [207.826, 79.573, 0.207, -0.013],
            [239.936, 79.531, 0.075, 0.016],
            [207.92, 111.825, 0.231, -0.003],
            [240.003, 111.785, 0.071, 0.028],
            [208.041, 144.042, 0.281, -0.028],
            [240.1, 144.018, 0.098, 0.018],
            [208.079, 176.221, 0.248, -0.091],
            [240.167, 176.201, 0.094, -0.041],
            [208.1, 208.466, 0.2, -0.088],
            [240.201, 208.45, 0.058, -0.034],
            [208.119, 240.679, 0.148, -0.117],
            [240.255, 240.676, 0.042, -0.05],
        ]
    ).T
    true, off = np.stack([x, y], axis=1), np.stack([dx, dy], axis=1)
    fit = fit_transform(true - off, true, np.ones(13), np.full(13, 0.125), models=AUTO, block=64.32)
    between = np.array([[224.0, 80.0], [224.0, 150.0], [225.0, 220.0]])
    assert np.abs(fit.transform.inverse(between) - between).max() < 0.5
    rung = next(rung for rung in fit.ladder if rung.name == "polynomial2")
    assert "between the points" in rung.note


def test_one_crowd_does_not_outvote_the_rest() -> None:
    """Half of the points sit in a corner; the model must hold everywhere."""
    rng = np.random.default_rng(1)
    within = np.concatenate([rng.uniform(0, 1000, (150, 2)), rng.uniform(0, 100, (150, 2))])
    points = tp.scattered(tp.affine, within=within, outliers=0.3)
    assert tp.errors(points.fit("affine"), tp.affine).max() < 0.4


def test_sigma_and_score_weigh_the_points() -> None:
    """Exact points decide, wherever the vague or unlikely ones lie."""
    points = tp.scattered(tp.shift, 200, noise=0.0)
    off = np.zeros(200, bool)
    off[:100] = True
    true = points.true + np.where(off[:, None], [0.8, 0.0], 0.0)
    one = np.ones(200)

    def step(score: Any, sigma: Any) -> float:
        fit = fit_transform(points.claimed, true, score, sigma, models=("shift",))
        return float((fit.transform.forward(np.zeros((1, 2))) - tp.shift(np.zeros((1, 2))))[0, 0])

    assert step(one, 0.3 * one) == pytest.approx(0.4, abs=0.1)
    assert step(one, np.where(off, 3.0, 0.1)) == pytest.approx(0.0, abs=0.05)
    assert step(one, np.where(off, 0.1, 3.0)) == pytest.approx(0.8, abs=0.05)
    assert step(np.where(off, 0.1, 1.0), 0.3 * one) == pytest.approx(0.0, abs=0.05)


def test_points_of_no_score_are_no_points() -> None:
    points = tp.scattered(tp.shift, 50)
    with pytest.raises(PointsError):
        fit_transform(points.claimed, points.true, np.zeros(50), points.sigma)


def test_a_point_is_judged_by_its_neighbours() -> None:
    """An error of 3 px that a global model of a wavy scene could hide, the neighbours show."""
    points = tp.scattered(tp.waves, 600, noise=0.1)
    true = points.true.copy()
    wrong = np.arange(600) % 20 == 0
    true[wrong] += [3.0, 0.0]
    weights, noise = robust_weights(points.claimed, true, np.ones(600))
    assert weights[wrong].max() < 0.25
    assert np.median(weights[~wrong]) > 0.8
    assert noise < 0.5


def test_errors_are_fractions_of_the_pixels_that_were_looked_at() -> None:
    """The same scene in pixels eight times as wide: the same points agree, on the same model."""
    points = tp.scattered(tp.waves, outliers=0.3)
    models = ("shift", "affine", "field")
    fine = points.fit(*models, block=60)
    coarse = fit_transform(
        8 * points.claimed, 8 * points.true, points.score, 8 * points.sigma,
        models=models, block=480, unit=8.0,
    )  # fmt: skip
    assert (coarse.inlier == fine.inlier).all()
    assert [rung.note for rung in coarse.ladder] == [rung.note for rung in fine.ladder]
    assert coarse.error == pytest.approx(8 * fine.error, rel=1e-3)
    assert coarse.transform.forward(8 * tp.grid()) == pytest.approx(
        8 * fine.transform.forward(tp.grid()), abs=0.1
    )


def test_where_displacements_bend_outliers_are_told_beside_a_guess() -> None:
    """Bends of 40 px: neighbours differ by more than the outliers do."""

    def bent(xy: tp.Array) -> tp.Array:
        return xy + 8 * (tp.waves(xy) - xy)

    def nearly(xy: tp.Array) -> tp.Array:
        return bent(xy) + np.sin(xy / 90)

    points = tp.scattered(bent, 1200, outliers=0.2)
    nodes = tp.grid(30, 0)
    guess = transforms.load("field").from_points(nodes, nearly(nodes), np.ones(900))
    without, beside = (
        fit_transform(
            points.claimed, points.true, points.score, points.sigma,
            models=("field",), blocks=25, guess=g,
        )
        for g in (None, guess)
    )  # fmt: skip
    assert without.inlier[~points.wrong].mean() < 0.9
    assert beside.inlier[~points.wrong].mean() > 0.97
    assert beside.inlier[points.wrong].mean() < 0.1
    assert np.median(tp.errors(beside, bent)) < 0.3


def test_the_densest_agreement_wins_and_not_the_mean() -> None:
    """Leaning roofs, a third of all points, all the same way."""
    points = tp.scattered(tp.shift, 300, noise=0.2)
    true = points.true + np.where((np.arange(300) % 3 == 0)[:, None], [4.0, 0.0], 0.0)
    fit = fit_transform(points.claimed, true, points.score, points.sigma, models=("shift",))
    assert tp.errors(fit, tp.shift).max() < 0.15


def test_pure_chance_leaves_few_inliers() -> None:
    rng = np.random.default_rng(0)
    claimed = rng.uniform(0, 1000, (300, 2))
    true = claimed + rng.uniform(-30, 30, (300, 2))
    one = np.ones(300)
    try:
        fit = fit_transform(claimed, true, one, 0.3 * one, models=("shift", "similarity", "affine"))
    except PointsError:
        return
    assert fit.inlier.mean() < 0.15


def test_values_that_are_no_numbers_are_refused() -> None:
    points = tp.scattered(tp.shift, 40)
    true = points.true.copy()
    true[3] = np.nan
    with pytest.raises(PointsError, match="finite"):
        fit_transform(points.claimed, true, points.score, points.sigma)


def test_many_points() -> None:
    points = tp.scattered(tp.waves, 8_000, outliers=0.3)
    assert tp.errors(points.fit("field"), tp.waves).max() < 0.5


def test_the_same_numbers_twice() -> None:
    """RANSAC inside, yet nothing random from one run to the next."""
    points = tp.scattered(tp.waves, 200, outliers=0.4)
    one, two = (points.fit("shift", "affine", "field", block=60.0) for _ in range(2))
    assert one.transform.to_dict() == two.transform.to_dict()
    np.testing.assert_array_equal(one.weights, two.weights)
    np.testing.assert_array_equal(one.held_out, two.held_out)
    assert one.ladder == two.ladder


def test_the_order_of_points_makes_no_difference() -> None:
    points = tp.scattered(tp.affine, outliers=0.3)
    order = np.random.default_rng(9).permutation(400)
    two = fit_transform(
        points.claimed[order], points.true[order], points.score[order], points.sigma[order],
        models=("affine",),
    )  # fmt: skip
    one = points.fit("affine")
    difference = one.transform.forward(tp.grid()) - two.transform.forward(tp.grid())
    assert np.abs(difference).max() < 0.02


def test_blocks_of_a_fold_lie_apart() -> None:
    folding = Folding.over(tp.grid(40, 0.0), 0.0)
    column, row = np.meshgrid(np.arange(10), np.arange(10))
    middle = np.stack([column.ravel(), row.ravel()], axis=1) + 0.5
    fold = folding.fold(middle * folding.side + [folding.x, folding.y]).reshape(10, 10)
    assert set(fold.ravel()) == set(range(folding.folds))
    assert (fold[1:] != fold[:-1]).all()
    assert (fold[:, 1:] != fold[:, :-1]).all()


def test_blocks_are_as_wide_as_asked_but_never_all_there_is() -> None:
    xy = tp.grid()
    assert Folding.over(xy, 200.0).side == 200.0
    wide = Folding.over(xy, 1e6)
    assert len(np.unique(wide.blocks(xy), axis=0)) == 4


@pytest.mark.parametrize("spread", [20.0, 0.0])
def test_points_that_help_are_no_proof(spread: float) -> None:
    """Where all of a level's own points disagree with them there is no fit, nor an error of 0."""
    rng = np.random.default_rng(0)
    helping, own = rng.uniform(0, 3000, (900, 2)), rng.uniform(0, 3000, (200, 2))
    elsewhere = own + [30.0, -30.0] + rng.uniform(-spread, spread, own.shape)
    claimed = np.concatenate([own, helping])
    true = np.concatenate([elsewhere, helping + [5.0, 3.0]])
    one = np.ones(len(claimed))
    with pytest.raises(PointsError, match="agree on nothing"):
        fit_transform(claimed, true, one, 0.5 * one, models=("shift",), block=60, own=len(own))


def test_errors_are_those_of_the_own_points() -> None:
    rng = np.random.default_rng(1)
    claimed = rng.uniform(0, 3000, (1100, 2))
    true = claimed + [5.0, 3.0]
    true[:200] += rng.normal(0, 0.8, (200, 2))
    one = np.ones(len(claimed))
    fit = fit_transform(claimed, true, one, 0.5 * one, models=("shift",), block=60, own=200)
    assert len(fit.weights) == len(fit.residuals) == len(fit.held_out) == 200
    assert 0.6 < fit.error < 1.3  # outlying ones weigh less; 0.21 with the others
