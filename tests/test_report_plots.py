"""The plots: what is drawn is what was measured, and every drawing is whole."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import report_cases as cases
from georeg.errors import SettingsError
from georeg.report import palette, plots, svg
from georeg.report.facts import Facts, gather
from georeg.report.files import drawn

NAME = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def facts() -> Facts:
    return cases.facts_of(cases.good())


@pytest.mark.parametrize("pixels", [None, math.nan, math.inf])
@pytest.mark.parametrize("metres", [None, 2.0])
def test_lengths_in_words(facts: Facts, pixels: float | None, metres: float | None) -> None:
    facts = replace(facts, metres=metres)
    assert facts.length(pixels) == "unknown"
    assert facts.length(12.34) == ("12.3 px" if metres is None else "12.3 px (24.7 m)")
    assert facts.length(0.126).startswith("0.13 px")
    assert facts.length(-100.4).startswith("-100 px")


def parsed(name: str, facts: Facts) -> ET.Element:
    drawing = plots.load(name).draw(facts, palette.LIGHT, plots.embedded(facts))
    assert drawing is not None
    return ET.fromstring(drawing.svg())


@pytest.mark.parametrize("name", plots.NAMES)
def test_every_drawing_is_well_formed_and_described(name: str, facts: Facts) -> None:
    root = parsed(name, facts)
    assert root.tag == f"{NAME}svg"
    assert root.attrib["role"] == "img"
    title = root.find(f"{NAME}title")
    assert title is not None
    assert plots.load(name).caption(facts) in (title.text or "")
    numbers = [v for e in root.iter() for k, v in e.attrib.items() if k not in ("href", "mask")]
    assert not any("nan" in value or "inf" in value for value in numbers)


@pytest.mark.parametrize("name", plots.NAMES)
def test_a_refusal_draws_what_there_is(name: str) -> None:
    facts = cases.facts_of(cases.refused())
    drawing = plots.load(name).draw(facts, palette.LIGHT, plots.embedded(facts))
    if drawing is not None:
        ET.fromstring(drawing.svg())


@pytest.mark.parametrize("name", plots.NAMES)
def test_nothing_is_drawn_of_nothing(name: str) -> None:
    report = {**cases.good().report, "model": None, "ladder": [], "transform": None}
    for part in ("points", "tie_points", "coverage"):
        report.pop(part)
    facts = gather(report, None)
    assert plots.load(name).draw(facts, palette.LIGHT, plots.embedded(facts)) is None


def test_accuracy_is_that_of_the_listed_points(facts: Facts) -> None:
    """All tie points are listed here, so the errors that are drawn give the verdict's numbers."""
    assert facts.some == ""
    length = np.hypot(*facts.errors.T)
    accuracy = facts.verdict["accuracy"]
    assert math.sqrt((length**2).mean()) == pytest.approx(accuracy["rmse_px"], abs=2e-3)
    assert np.percentile(length, 90) == pytest.approx(accuracy["ce90_px"], abs=2e-3)


def test_displacements_are_the_truth(facts: Facts) -> None:
    before = facts.before[facts.inlier]
    assert np.median(before, axis=0) == pytest.approx(cases.SHIFT, abs=0.1)
    rest = np.hypot(*facts.residual[facts.judged].T)
    assert 0.5 < np.median(rest) / np.median(np.hypot(*facts.errors.T)) <= 1.05
    rejected = facts.report["tie_points"]["rejected"]
    assert sum(rejected.values()) == (~facts.inlier).sum()
    said = facts.report["tie_points"]["offset_before"]
    before = facts.before[facts.counted]
    length = np.hypot(*before.T)
    assert (said["mean_x_px"], said["mean_y_px"]) == pytest.approx(before.mean(axis=0), abs=2e-3)
    assert said["median_px"] == pytest.approx(np.median(length), abs=2e-3)
    assert said["rmse_px"] == pytest.approx(np.sqrt((length**2).mean()), abs=2e-3)
    assert said["rmse_m"] == pytest.approx(2 * said["rmse_px"], rel=1e-3), "pixels of 2 m"
    assert said["ce90_px"] == pytest.approx(np.percentile(length, 90), abs=2e-3)


def test_circle_holds_nine_tenths(facts: Facts) -> None:
    root = parsed("ce90", facts)
    circle = root.find(f"{NAME}circle")
    assert circle is not None
    cx, cy, radius = (float(circle.attrib[name]) for name in ("cx", "cy", "r"))
    path = next(p for p in root.iter(f"{NAME}path") if p.get("stroke-linecap") == "round")
    places = [part.split("h")[0].split() for part in path.attrib["d"].split("M")[1:]]
    away = np.hypot(*(np.array(places, float) - [cx, cy]).T)
    assert (away <= radius + 0.1).sum() / len(facts.errors) == pytest.approx(0.9, abs=0.02)


def test_bars_are_as_high_as_there_are_errors(facts: Facts) -> None:
    root = parsed("histogram", facts)
    bars = [r for r in root.iter(f"{NAME}rect") if r.get("fill") == palette.LIGHT.first]
    height = np.array([float(b.attrib["height"]) for b in bars])
    words = [t.text or "" for t in root.iter(f"{NAME}text")]
    assert {"RMSE", "CE90"} <= set(words)
    length = np.hypot(*facts.errors.T)
    (label,) = [w for w in words if w.startswith("length of the error")]
    longer = int(label.split("; ")[1].split()[0]) if ";" in label else 0
    # Heights are proportional to whole numbers that add up to all errors but the longer ones.
    counts = height / height.sum() * (len(length) - longer)
    assert np.abs(counts - np.rint(counts)).max() < 0.15
    assert np.rint(counts).sum() == len(length) - longer


@pytest.mark.parametrize("rmse", [0.5, 2.0])  # of the CE90
def test_marks_of_errors_are_named_side_by_side(rmse: float) -> None:
    """Where the RMSE was the larger one, both names stood on each other."""
    report = cases.good().report
    verdict = report["verdict"]
    accuracy = {**verdict["accuracy"], "rmse_px": rmse * verdict["accuracy"]["ce90_px"]}
    facts = gather({**report, "verdict": {**verdict, "accuracy": accuracy}}, None)
    texts = parsed("histogram", facts).iter(f"{NAME}text")
    side = {t.text: t.get("text-anchor") for t in texts if t.text in ("RMSE", "CE90")}
    assert side == {"RMSE": "end" if rmse < 1 else None, "CE90": "end" if rmse > 1 else None}


def test_ladder_marks_the_one_that_is_taken_without_colour(facts: Facts) -> None:
    root = parsed("ladder", facts)
    bold = [t.text for t in root.iter(f"{NAME}text") if t.get("font-weight") == "bold"]
    assert facts.report["transform"] in bold
    assert "taken" in bold


def test_arrows_have_a_key_in_pixels_and_metres(facts: Facts) -> None:
    words = [t.text or "" for t in parsed("displacements", facts).iter(f"{NAME}text")]
    (key,) = [w for w in words if "enlarged" in w or "true to scale" in w]
    pixels = float(key.split(" px")[0])
    assert f"({2 * pixels:g} m)" in key


def test_arrows_lead_where_things_are_in_the_reference(facts: Facts) -> None:
    shaft = re.compile(r"l(-?[\d.]+) (-?[\d.]+)")
    (drawn, *_) = (
        p for g in parsed("displacements", facts).iter(f"{NAME}g") if g.get("clip-path")
        for p in g.iter(f"{NAME}path")
    )  # fmt: skip
    steps = np.array(shaft.findall(drawn.attrib["d"]), float)
    steps = steps[np.hypot(*steps.T) > 10]  # without heads
    assert len(steps) > 20
    way = np.median(steps, axis=0)
    assert way / np.hypot(*way) == pytest.approx(cases.SHIFT / np.hypot(*cases.SHIFT), abs=0.05)


@pytest.mark.parametrize("way", [(0.2, 0.0), (0.0, 0.2)])
def test_errors_lie_right_and_below_the_middle_where_they_are(way: tuple[float, float]) -> None:
    report = cases.good().report
    points = report["points"]
    place = [points["columns"].index(f"left_out_{axis}") for axis in "xy"]
    rows = [list(row) for row in points["rows"]]
    for row in rows:
        row[place[0]], row[place[1]] = way
    facts = gather({**report, "points": {**points, "rows": rows}}, None)
    root = parsed("ce90", facts)
    circle = root.find(f"{NAME}circle")
    assert circle is not None
    path = next(p for p in root.iter(f"{NAME}path") if p.get("stroke-linecap") == "round")
    at = np.array(path.attrib["d"].split("h")[0][1:].split(), float)
    off = at - [float(circle.attrib["cx"]), float(circle.attrib["cy"])]
    assert off / np.hypot(*off) == pytest.approx(np.array(way) / 0.2)


def test_long_lists_are_drawn_at_random_and_say_so() -> None:
    report = cases.good().report
    points = {**report["points"], "count": 12345}
    facts = gather({**report, "points": points}, None)
    assert facts.some == f"{len(points['rows'])} of 12345 tie points, drawn at random"
    assert facts.some in plots.load("ce90").caption(facts)


def test_png_and_svg_are_the_same_drawings(facts: Facts) -> None:
    pytest.importorskip("resvg_py", reason="needs georeg[plot]")
    names = ("checkerboard", "histogram")
    as_svg, as_png = drawn(facts, "svg"), drawn(facts, "png", names)
    assert list(as_svg) == list(plots.NAMES)
    assert tuple(as_png) == names
    for name, data in as_png.items():
        root = ET.fromstring(as_svg[name])
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
        assert image.shape[1] / image.shape[0] == pytest.approx(width / height, rel=0.01)
        assert image.shape[1] >= 1200
        assert (image[:4] == 255).all()  # paper
        title = image[: int(40 / width * image.shape[1])]
        assert title.min() < 100  # the title's letters: there is a font
        assert image.std() > 10


def test_unknown_format(facts: Facts) -> None:
    with pytest.raises(SettingsError, match="png, svg"):
        drawn(facts, "pdf")


@settings(deadline=None)
@given(
    st.floats(-1e6, 1e6, allow_nan=False), st.floats(1e-3, 1e6, allow_nan=False), st.integers(2, 9)
)
def test_ticks_are_round_and_inside(low: float, size: float, count: int) -> None:
    high = low + size
    found = svg.ticks(low, high, count)
    assert 1 <= len(found) <= count + 2
    slack = 1e-6 * max(abs(low), abs(high), size)
    assert all(low - slack <= value <= high + slack for value in found)
    labels = svg.tick_labels(found)
    assert len(set(labels)) == len(labels)


def test_axes_place_values() -> None:
    axes = svg.Axes(10, 20, 100, 50, (0, 10), (0, 5))
    assert axes.place(0, 0) == (10, 70)
    assert axes.place(10, 5) == (110, 20)


def test_text_is_escaped() -> None:
    assert "&lt;b&gt;" in svg.text(0, 0, "<b>", fill="#000")
    assert '"&quot;' in svg.tag("g", id='"')
