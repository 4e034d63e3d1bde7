"""What --explain and reports say about decisions: the evidence, and what decides otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import report_cases as cases
import scenes
import tie_points as tp
from cli_cases import FAST, pair, run
from georeg.alignment import Alignment
from georeg.fitting import fit_transform
from georeg.radiometry import fit_radiometry
from georeg.raster import Raster


def why(path: str, modality: str = "auto", bands: tuple[int, ...] = ()) -> tuple[str, str]:
    with Raster(path) as raster:
        look = fit_radiometry(raster, modality, bands)
    return look.modality, look.why


def test_modality_says_its_evidence(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    field = scenes.texture((300, 300))
    speckled = (field + 0.2) * rng.gamma(1.0, 1.0, field.shape) * 1000
    heights = cv2.GaussianBlur(rng.normal(size=(300, 300)), (0, 0), 8)
    heights = 500 + 400 * heights / np.abs(heights).max()

    def wrote(name: str, values: object, dtype: str) -> str:
        return scenes.write(tmp_path / name, np.asarray(values), dtype=dtype)

    assert why(wrote("o.tif", field, "uint8")) == (
        "optical",
        "nothing says otherwise: no unit, name or colour table; 8-bit pictures aren't searched for "
        "speckle",
    )
    sar, said = why(wrote("s.tif", speckled, "uint16"))
    assert sar == "sar"
    assert "speckle: grain of" in said
    dem, said = why(wrote("d.tif", heights, "float32"))
    assert dem == "dem"
    assert "as smooth as terrain" in said
    assert why(wrote("a.tif", field, "uint8"), "map") == ("map", "it was asked for")


def test_every_model_that_isn_t_taken_says_why() -> None:
    points = tp.scattered(tp.shift, 300, noise=0.3)
    models = ("shift", "similarity", "affine", "projective", "polynomial2", "field")
    fit = fit_transform(
        points.claimed, points.true, points.score, points.sigma, models=models, block=60.0
    )
    notes = {rung.name: rung.note for rung in fit.ladder}
    assert fit.transform.name == "shift"
    assert notes.pop("shift") == ""
    assert all("shift" in note for note in notes.values()), notes


def test_models_that_were_beaten_say_by_which() -> None:
    points = tp.scattered(lambda xy: xy * 1.01 + 3, 300, noise=0.2)
    fit = fit_transform(
        points.claimed, points.true, points.score, points.sigma, models=("shift", "similarity"),
        block=60.0,
    )  # fmt: skip
    assert fit.transform.name == "similarity"
    assert [rung.note for rung in fit.ladder] == ["similarity predicts better", ""]


def test_rejected_points_are_counted_by_what_they_disagree_with() -> None:
    points = tp.scattered(tp.shift, 400, outliers=0.25, noise=0.2)
    fit = fit_transform(points.claimed, points.true, points.score, points.sigma, block=60.0)
    rejected = fit.rejected
    total = rejected.neighbours + rejected.model + rejected.far
    assert total == (~fit.inlier).sum() >= 90
    assert rejected.neighbours > 0.7 * total


@pytest.mark.parametrize(("step", "why"), [((9.0, -5.0), "model"), ((2.5, -2.0), "far")])
def test_what_slid_together_disagrees_with_the_model_only(
    step: tuple[float, float], why: str
) -> None:
    points = tp.scattered(tp.shift, outliers=0.1)
    slid = (points.claimed < 300).all(axis=1) & ~points.wrong
    points.true[slid] += step
    fit = points.fit("shift", block=60.0)
    assert fit.rejected.neighbours == pytest.approx(points.wrong.sum(), abs=7)
    assert getattr(fit.rejected, why) == pytest.approx(slid.sum(), abs=7)
    assert not fit.inlier[slid].any()
    assert slid.sum() == 24
    assert fit.not_followed[slid].mean() > 0.6
    assert not fit.not_followed[~slid].any()


def test_decisions_of_a_run() -> None:
    decisions = cases.good().decisions
    steps = list(dict.fromkeys(d.step for d in decisions))
    assert steps == [
        "moving", "reference", "frame", "matcher", "search", "level", "points", "model", "verdict",
    ]  # fmt: skip
    said = "\n".join(map(str, decisions))
    assert "shift is taken" in said
    assert decisions[-1].decided == "it can be trusted"
    assert cases.good().report["decisions"][0]["why"] == decisions[0].why


@pytest.mark.parametrize(
    ("found", "frame", "levels"),
    [
        (cases.good, "480 x 480 px of 2 m", ["full resolution"] * 2),
        (cases.bent, "600 x 600 px of 1 m", ["full resolution"] * 2 + ["2 x as fine"] * 3),
    ],
)
def test_pixels_of_a_run(found: Callable[[], Alignment], frame: str, levels: list[str]) -> None:
    """The last ones are those of the frame; all else is in the rasters' own."""
    said = "\n".join(map(str, found().decisions))
    assert f"{frame} in EPSG:32633" in said
    moved = re.search(r"moved by ([-+.\d]+) px in x and ([-+.\d]+) px in y", said)
    assert moved is not None
    assert [float(v) for v in moved.groups()] == pytest.approx(cases.SHIFT, abs=1)  # at first sight
    assert re.findall(r"level: (full resolution|[^,:]+ as fine)", said) == levels


def test_a_refusal_says_what_refuses_and_what_to_try() -> None:
    result = cases.refused()
    failing = [c for c in result.verdict.criteria if not c.ok]
    assert failing
    assert all(c.reason and c.advice for c in failing)
    assert all(not c.reason and not c.advice for c in result.verdict.criteria if c.ok)
    said = "\n".join(map(str, result.decisions))
    for criterion in failing:
        assert f"refused: {criterion.reason} (next: {criterion.advice})" in said


def test_command_line_says_it_on_stderr(tmp_path: Path) -> None:
    moving, reference = pair(tmp_path / "in")
    result = run("match", moving, "--reference", reference, "-o", tmp_path / "p.csv", "--explain",
                 *FAST)  # fmt: skip
    assert result.code == 0, result.err
    lines = result.err.splitlines()
    assert any(line.startswith("georeg: moving: seen as optical") for line in lines)
    assert any("structural on cpu" in line and "[--matcher, --weights]" in line for line in lines)
    assert any(line.startswith("georeg: verdict: it can be trusted") for line in lines)
    assert result.out == ""


def test_programs_get_decisions_as_events(capsys: pytest.CaptureFixture[str]) -> None:
    from georeg_cli.command import Session
    from georeg_cli.console import Console
    from georeg_cli.explaining import explained
    from georeg_cli.stopping import Stopping

    session = Session(Console("json"), Stopping(lambda _: None))
    explained(session, cases.good().decisions, wanted=False)
    assert capsys.readouterr().err == ""
    explained(session, cases.good().decisions, wanted=True)
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {event["event"] for event in events} == {"decision"}
    assert events[0]["step"] == "moving"
    assert events[0]["options"] == ["--moving-modality", "--moving-bands"]


@pytest.mark.parametrize("side", [3, 40])
def test_nothing_to_go_by_names_what_to_try(tmp_path: Path, side: int) -> None:
    """A flat overlap: one bright square far from where the other raster has its own."""
    from georeg.align import measure
    from georeg.settings import Settings

    def square(at: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        image = np.full((200, 200), 100, np.uint8)
        image[at : at + side, at : at + side] = 140
        return image

    transform = scenes.Affine(1, 0, *scenes.ORIGIN[:1], 0, -1, scenes.ORIGIN[1])
    one = scenes.write(tmp_path / "one.tif", square(20), transform)
    two = scenes.write(tmp_path / "two.tif", square(140), transform)
    verdict = measure(one, two, Settings(threads=1)).verdict
    assert not verdict.ok
    assert all(c.advice for c in verdict.criteria if not c.ok)
    assert "--" in verdict.sentence()
