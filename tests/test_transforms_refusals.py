"""What every transform model refuses, each with one line."""

from __future__ import annotations

import numpy as np
import pytest

from georeg.errors import PointsError, SettingsError
from georeg.transforms import available, from_dict, load
from transform_points import LOW, bent, fitted, scattered

every = pytest.mark.parametrize("name", available())


@pytest.mark.parametrize("name", [n for n in available() if n not in ("shift", "similarity")])
@pytest.mark.parametrize("side", ["moving", "reference", "both"])
def test_points_on_a_line_are_refused(name, side):
    on_line = LOW + np.linspace(0, 900, 150)[:, None] * [0.8, 0.6]
    moving, reference = scattered(), scattered()
    moving = on_line if side != "reference" else moving
    reference = on_line if side != "moving" else reference
    with pytest.raises(PointsError, match=r"degenerate|contradict") as caught:
        load(name).from_points(moving, reference)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [n for n in available() if n != "shift"])
@pytest.mark.parametrize("side", ["moving", "reference", "both"])
def test_points_at_one_place_are_refused(name, side):
    spread, place = scattered(), np.repeat(scattered(1), 150, axis=0)
    with pytest.raises(PointsError, match="degenerate") as caught:
        load(name).from_points(
            spread if side == "reference" else place, spread if side == "moving" else place
        )
    assert "\n" not in str(caught.value)


def test_projective_refuses_three_of_four_on_a_line():
    corners = np.array([[0.0, 0.0], [50.0, 50.0], [100.0, 100.0], [0.0, 100.0]])
    square = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])
    for moving, reference in ((corners, square), (square, corners)):
        with pytest.raises(PointsError, match=r"degenerate|contradict"):
            load("projective").from_points(moving, reference)


@pytest.mark.parametrize("name", ["polynomial2", "polynomial3"])
def test_polynomials_refuse_points_on_a_circle(name):
    angle = np.linspace(0, 6, 40)
    circle = LOW + 300 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    with pytest.raises(PointsError, match="degenerate"):
        load(name).from_points(circle, circle)


@every
@pytest.mark.parametrize(
    "bad", [[1.0, 2.0], [[1.0, 2.0, 3.0]], [[[1.0, 2.0]]], [["a", "b"]], [[1.0, 2.0], [3.0]]]
)
def test_malformed_positions_are_refused(name, bad):
    transform = fitted(name)
    for method in ("forward", "inverse", "jacobian"):
        with pytest.raises(PointsError, match="positions") as caught:
            getattr(transform, method)(bad)
        assert "\n" not in str(caught.value)


@every
def test_malformed_points_are_refused(name):
    model, reference = load(name), scattered(20)
    moving = bent(reference)
    spoilt = moving.copy()
    spoilt[0, 0] = np.nan
    for arguments, message in [
        ((moving[:, :1], reference), "two"),
        ((moving[:-1], reference), "two"),
        ((spoilt, reference), "finite"),
        ((moving, reference, np.ones(19)), "weights"),
        ((moving, reference, np.ones((20, 1))), "weights"),
        ((moving, reference, np.full(20, np.inf)), "finite"),
        ((moving, reference, np.linspace(-0.1, 1, 20)), "negative"),
    ]:
        with pytest.raises(PointsError, match=message) as caught:
            model.from_points(*arguments)
        assert "\n" not in str(caught.value)


@every
def test_unknown_option_is_refused(name):
    with pytest.raises(SettingsError, match=f"'{name}' has no option 'wobble'"):
        load(name).from_points(scattered(20), scattered(20), wobble=1)


@every
def test_malformed_descriptions_are_refused(name):
    good = fitted(name).to_dict()
    part = next(key for key in good if key != "name")
    for bad in (
        {**good, "name": "nonsense"},
        {key: value for key, value in good.items() if key != part},
        {**good, part: [[1.0, 2.0], [3.0]]},
        {**good, part: [[1.0]]},
        {**good, part: None},
        {**good, part: "text"},
        {**good, part: np.full(np.shape(good[part]), np.nan).tolist()},
        {},
    ):
        with pytest.raises((PointsError, SettingsError)) as caught:
            from_dict(bad)
        assert "\n" not in str(caught.value)
        with pytest.raises(PointsError):
            load(name).from_dict(bad)


@every
def test_from_dict_of_another_model_is_refused(name):
    other = "shift" if name != "shift" else "affine"
    with pytest.raises(PointsError, match=f"not the description of a {name}"):
        load(name).from_dict(fitted(other).to_dict())


def test_unknown_model():
    with pytest.raises(SettingsError, match="no transform 'base'"):
        load("base")
