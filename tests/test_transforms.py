"""The contract that every transform model keeps, over all that are available."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from georeg.errors import PointsError
from georeg.transforms import LADDER, available, from_dict, load
from transform_points import bent, domain, fitted, member, scattered

every = pytest.mark.parametrize("name", available())


def test_the_ladder_is_available_in_order():
    assert available() == list(LADDER)


@every
def test_class_carries_its_name(name):
    model = load(name)
    assert model.name == name
    assert model.min_points >= 1


@every
def test_min_points_are_enough_and_one_less_is_refused(name):
    model = load(name)
    reference = scattered(model.min_points)
    model.from_points(bent(reference, 0.1), reference)
    with pytest.raises(PointsError, match=f"{name} needs at least {model.min_points} points"):
        model.from_points(bent(reference)[1:], reference[1:])


@every
def test_points_of_weight_zero_do_not_count(name):
    model = load(name)
    reference = scattered(model.min_points)
    weights = np.ones(len(reference))
    weights[0] = 0.0
    with pytest.raises(PointsError, match="needs at least"):
        model.from_points(bent(reference), reference, weights)


@every
def test_exact_member_is_recovered(name):
    moving, reference = member(name)
    transform = load(name).from_points(moving, reference)
    assert np.abs(transform.forward(moving) - reference).max() < 1e-7
    assert np.abs(transform.inverse(reference) - moving).max() < 1e-7


@every
def test_exact_member_is_recovered_whatever_the_weights(name):
    moving, reference = member(name)
    weights = 10.0 ** np.random.default_rng(2).uniform(-4, 4, len(moving))
    transform = load(name).from_points(moving, reference, weights)
    assert np.abs(transform.forward(moving) - reference).max() < 1e-6


@every
def test_forward_undoes_inverse(name):
    transform = fitted(name)
    xy = domain()
    assert np.abs(transform.forward(transform.inverse(xy)) - xy).max() < 1e-7
    assert np.abs(transform.inverse(transform.forward(xy)) - xy).max() < 1e-7


@every
def test_jacobian_is_the_derivative_of_forward(name):
    transform = fitted(name)
    xy = domain(0.4) + 0.123
    step = 0.01
    columns = [
        (transform.forward(xy + d) - transform.forward(xy - d)) / (2 * step)
        for d in step * np.eye(2)
    ]
    assert np.abs(transform.jacobian(xy) - np.stack(columns, axis=2)).max() < 1e-6


@every
def test_json_keeps_every_bit(name):
    transform = fitted(name)
    data = json.loads(json.dumps(transform.to_dict(), allow_nan=False))
    again = from_dict(data)
    assert type(again) is type(transform)
    assert again.to_dict() == transform.to_dict()
    xy = domain()
    for method in ("forward", "inverse", "jacobian"):
        assert (getattr(again, method)(xy) == getattr(transform, method)(xy)).all()


@every
def test_same_points_give_the_same_transform(name):
    assert fitted(name).to_dict() == fitted(name).to_dict()


@every
def test_outlier_of_weight_zero_changes_nothing(name):
    moving, reference = bent(scattered()), scattered()
    clean = load(name).from_points(moving[1:], reference[1:])
    moving[0] += 500.0
    weights = np.ones(len(moving))
    weights[0] = 0.0
    assert load(name).from_points(moving, reference, weights).to_dict() == clean.to_dict()


@every
def test_weight_two_is_the_point_twice(name):
    options = {"tps": {"smoothing": 0.01}, "field": {"smoothing": 0.1}}.get(name, {})
    reference = scattered()
    moving = bent(reference) + np.random.default_rng(3).normal(0, 0.5, reference.shape)
    weights = np.where(np.arange(len(moving)) < 30, 2.0, 1.0)
    twice = np.concatenate([np.arange(len(moving)), np.arange(30)])
    weighted = load(name).from_points(moving, reference, weights, **options)
    repeated = load(name).from_points(moving[twice], reference[twice], **options)
    xy = domain()
    assert np.abs(weighted.inverse(xy) - repeated.inverse(xy)).max() < 1e-6


@every
def test_only_the_ratio_of_weights_matters(name):
    options = {"tps": {"smoothing": 0.01}}.get(name, {})
    reference = scattered()
    moving = bent(reference) + np.random.default_rng(3).normal(0, 0.5, reference.shape)
    weights = np.random.default_rng(4).uniform(0.5, 2.0, len(moving))
    one = load(name).from_points(moving, reference, weights, **options)
    other = load(name).from_points(moving, reference, 1e-5 * weights, **options)
    assert np.abs(one.inverse(domain()) - other.inverse(domain())).max() < 1e-6


@pytest.mark.parametrize("name", [n for n in available() if n != "shift"])
def test_heavy_points_win(name):
    """Two contradicting halves: the fit follows the one that weighs 1e6 times as much."""
    reference = scattered()
    moving = bent(reference, 0.0)
    heavy = np.arange(len(moving)) % 2 == 0
    moving[~heavy] += [5.0, -5.0]
    options = {"tps": {"smoothing": 1e-2}}.get(name, {})
    weights = np.where(heavy, 1e3, 1e-3)
    transform = load(name).from_points(moving, reference, weights, **options)
    errors = np.hypot(*(transform.inverse(reference) - moving)[heavy].T)
    limit = {"similarity": 30.0}.get(name, 0.05)  # no similarity has the shear of this warp
    assert np.median(errors) < limit


@every
def test_frozen_and_independent_of_the_callers_arrays(name):
    reference = scattered()
    moving = bent(reference)
    transform = load(name).from_points(moving, reference)
    before = transform.to_dict()
    moving += 100.0
    reference += 100.0
    assert transform.to_dict() == before
    for field in fields(transform):
        value = getattr(transform, field.name)
        with pytest.raises(FrozenInstanceError):
            setattr(transform, field.name, value)
        if isinstance(value, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                value[...] = 0.0


@every
def test_no_positions_and_nan(name):
    transform = fitted(name)
    for method, shape in (("forward", (0, 2)), ("inverse", (0, 2)), ("jacobian", (0, 2, 2))):
        assert getattr(transform, method)(np.empty((0, 2))).shape == shape
    xy = domain()
    xy[3] = np.nan
    for method in ("forward", "inverse"):
        answer = getattr(transform, method)(xy)
        assert np.isnan(answer[3]).all()
        assert np.isfinite(np.delete(answer, 3, axis=0)).all()
