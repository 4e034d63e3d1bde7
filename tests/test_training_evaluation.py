"""Evaluation: known errors are found as they are, and luck isn't taken for a difference."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from georeg.errors import InputError
from georeg.matching.structural import StructuralMatcher
from georeg.settings import Settings
from georeg.training import bootstrap, plots, report
from georeg.training.bootstrap import area, paired
from georeg.training.evaluate import PairResult, compare, table
from georeg.training.tiles import tile_errors
from georeg.training.truth import TruePair, content, held_out, project, read_index
from georeg.training.whole import auc, whole_error
from scenes import texture
from training_cases import city

errors = st.lists(st.floats(0, 50) | st.just(math.inf), min_size=1, max_size=30)


def pair_of(matrix: np.ndarray, side: int = 360, wrong: float = 0.0) -> TruePair:
    """A picture and the same one through a homography (edge convention); `wrong` is a lie."""
    wide = texture((side + 80, side + 80), 3)
    image = (wide[40:-40, 40:-40] * 255).astype(np.uint8)
    shift = np.array([[1, 0, -40.0], [0, 1, -40.0], [0, 0, 1]])
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    centres = np.linalg.inv(half) @ matrix @ shift @ half
    moved = cv2.warpPerspective((wide * 255).astype(np.uint8), centres, (side, side))
    told = matrix.copy()
    told[0, 2] += wrong
    whole = np.ones(image.shape, np.bool_)
    return TruePair("one", "texture", image, moved, whole, whole, told)


def turned(degrees: float, scale: float, x: float, y: float, side: int = 360) -> np.ndarray:
    c, s = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    m = side / 2
    return np.array([[c, -s, m - c * m + s * m + x], [s, c, m - s * m - c * m + y], [0, 0, 1.0]])


@pytest.mark.parametrize("goal", ["track", "refine"])
def test_tiles_of_a_true_pair_have_small_errors(goal: str) -> None:
    found = tile_errors(pair_of(turned(7, 0.95, 12, -5)), StructuralMatcher(), goal)
    assert len(found.places) > 30
    assert np.median(found.points) < 0.2
    assert (found.places < 1).mean() > 0.95


def test_tiles_show_how_wrong_a_truth_is() -> None:
    found = tile_errors(pair_of(turned(0, 1, 0, 0), wrong=2.5), StructuralMatcher())
    assert np.median(found.points) == pytest.approx(2.5, abs=0.15)


def test_whole_pairs() -> None:
    """The error counts in pixels of the reference as it is, not of the resized one."""
    settings = Settings(matcher="structural", threads=1, georef=False, transform="projective")
    good = whole_error(pair_of(turned(6, 0.97, 10, -6)), settings)
    assert good.trusted
    assert good.corners < 0.5
    lie = whole_error(pair_of(turned(6, 0.97, 10, -6), wrong=4.0), settings)
    assert lie.corners == pytest.approx(4, abs=0.5)


def test_whole_pairs_are_fitted_with_what_is_wanted() -> None:
    """A homography follows what leans away; the best affine leaves much of it at the corners."""
    settings = Settings(matcher="structural", threads=1, georef=False, transform="projective")
    leaning = turned(6, 0.97, 10, -6)
    leaning[2, :2] = (2e-4, -1e-4)
    assert whole_error(pair_of(leaning), settings).corners < 1
    stiff = replace(settings, transform="affine")
    assert whole_error(pair_of(leaning), stiff).corners > 2


def test_index(tmp_path: Path) -> None:
    """Centres of pixels in the file, corners inside."""
    image = (texture((90, 120), 1) * 255).astype(np.uint8)
    image[:, :30] = 0
    cv2.imwrite(str(tmp_path / "a.png"), image)
    row = {
        "moving": "a.png",
        "reference": "a.png",
        "moving_to_reference": np.diag([2, 2, 1]).tolist(),
    }
    (tmp_path / "index.json").write_text(json.dumps([row]))
    (entry,) = read_index(str(tmp_path / "index.json"))
    pair = entry.read()
    assert pair.to_reference(np.array([[0.5, 0.5]])) == pytest.approx(np.array([[0.5, 0.5]]))
    assert pair.to_moving(pair.to_reference(np.array([[7.0, 5.0]]))) == pytest.approx(
        np.array([[7.0, 5.0]])
    )
    assert not pair.moving_mask[:, :29].any()
    assert pair.moving_mask[:, 40:].all()
    row["reference"] = "b.png"
    (tmp_path / "index.json").write_text(json.dumps([row]))
    with pytest.raises(InputError, match=r"b\.png is missing"):
        read_index(str(tmp_path / "index.json"))[0].read()
    nowhere = {**row, "moving_to_reference": np.diag([1.0, 0, 1]).tolist()}
    unknown = {**row, "moving_to_reference": np.diag([1.0, math.nan, 1]).tolist()}
    for text in ("[{}]", "[" * 100_000, json.dumps([nowhere]), json.dumps([unknown])):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(InputError, match="no index of pairs"):
            read_index(str(tmp_path / "index.json"))


def test_shadows_are_content() -> None:
    image = np.full((100, 100), 90, np.uint8)
    image[40:70, 40:70] = 0
    image[:30, :30] = 1
    mask = content(image)
    assert mask[45:65, 45:65].all()
    assert not mask[:30, :30].any()


def test_held_out_pairs_are_true(tmp_path: Path) -> None:
    stiff = city(tmp_path, count=8, size=192, warps=("affine",))
    pairs = [p for p in held_out(stiff) if p.group == "optical / optical"]
    assert pairs
    for entry in pairs[:2]:
        pair = entry.read()
        record = stiff[entry.number]
        node = np.array([[96.0, 96.0]])
        one, two = (node + record.there[k][:, 24, 24] for k in (0, 1))
        assert pair.to_reference(one) == pytest.approx(two, abs=0.02)


@given(errors, st.sampled_from([3.0, 10.0]))
def test_area_is_the_auc(values: list[float], limit: float) -> None:
    found = area(limit)(np.array([values]))
    assert float(found[0]) == pytest.approx(auc(values, limit), abs=1e-9)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=40), st.floats(-3, 3))
@settings(max_examples=15, deadline=None)
def test_a_constant_lead_is_found_exactly(values: list[float], lead: float) -> None:
    found = paired([v + lead for v in values], values)
    assert (found.mean, found.low, found.high) == pytest.approx((lead,) * 3, abs=1e-9)


def test_luck_is_no_difference() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=(2, 40))
    found = paired(one.tolist(), two.tolist(), groups=["a", "b"] * 20)
    assert found.low < 0 < found.high
    real = paired((two + 1.0 + 0.3 * one).tolist(), two.tolist())
    assert 0 < real.low < real.mean < real.high
    assert real.better == 1


def result(matcher: str, name: str, share: float, corners: float) -> PairResult:
    return PairResult(matcher, "g", name, (share,) * 4, (share,) * 4, 9, corners, True)


def test_resampling_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pairs took gigabytes at the end of an evaluation."""
    one, two = np.random.default_rng(4).exponential(5, (2, 60))
    groups = ["a"] * 43 + ["b"] * 17
    whole = paired(one.tolist(), two.tolist(), area(10), groups)
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 1000)
    assert paired(one.tolist(), two.tolist(), area(10), groups) == whole


def test_tables_and_comparisons() -> None:
    one = [result("a", n, 0.8, 2.0) for n in "xyz"]
    two = [result("b", n, 0.6, math.inf) for n in "xyz"]
    text = "\n".join(table([*one, *two]))
    assert "| a | g | 3 | 80.0 / 80.0 / 80.0 | 80.0 / 80.0 / 80.0 | 66.7 / 83.3 / 91.7 |" in text
    assert "| b | **all groups** | 3 | 60.0 / 60.0 / 60.0" in text
    found = compare(one, two)
    assert found["places within 3 px"].mean == pytest.approx(20)
    assert found["AUC at 10 px"].low == pytest.approx(100 * 5 / 6)
    with pytest.raises(ValueError, match="different pairs"):
        compare(one, two[:2])


def test_projecting_is_dividing_by_the_third() -> None:
    matrix = np.array([[2.0, 0, 1], [0, 1, 0], [0, 0, 2]])
    assert project(matrix, np.array([[3.0, 4.0]])) == pytest.approx(np.array([[3.5, 2.0]]))


def test_plots_show_every_matcher(tmp_path: Path) -> None:
    rows = {
        name: [
            PairResult(name, "sar", str(k), (0.2, 0.4, share, 0.9), (0.5,) * 4, 9, corners, True)
            for k, corners in enumerate((1.0, 4.0, math.inf))
        ]
        for name, share in (("structural", 0.5), ("a & b", 0.75))
    }
    report.store(rows, report.report(rows), str(tmp_path))
    for name in ("places.svg", "corners.svg"):
        root = ElementTree.parse(tmp_path / name).getroot()
        words = [e.text for e in root.iter() if e.tag.endswith("text")]
        assert {"structural", "a & b"} <= set(words)
    assert "sar" in (tmp_path / "places.svg").read_text()
    curve = plots._recall([1.0, 4.0, math.inf])
    np.testing.assert_allclose(
        curve, [[0, 0], [1, 0], [1, 1 / 3], [4, 1 / 3], [4, 2 / 3], [20, 2 / 3]]
    )
