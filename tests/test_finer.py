"""Looks at pixels that are finer than the coarser raster's."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

import scenes
from georeg.align import align, measure
from georeg.finer import sharper, telling
from georeg.outcome import Outcome
from georeg.report.rereading import look_again, read_report
from georeg.search.tiepoints import no_points
from georeg.search.tracking import Tracked
from georeg.settings import Settings
from test_align import corrected


@pytest.mark.parametrize(
    ("side", "truth"),
    [(48, scenes.shift(4.3, -3.2)), (64, scenes.shift(4.3, -3.2)), (80, scenes.shift(20, -14))],
)
def test_small_rasters(tmp_path: Path, side: int, truth: scenes.Warp) -> None:
    """They gave four templates and fewer: "agree on nothing"."""
    pair = scenes.make_pair(tmp_path, truth, (side, side))
    found = measure(pair.moving, pair.reference, Settings())
    assert found.verdict.ok, found.verdict.reasons
    assert np.median(pair.errors(corrected(found), margin=side / 8)) < 0.2
    (decision, *_) = [d for d in found.decisions if d.step == "frame"]
    assert "of 0.5 m" in decision.decided
    assert "too few places" in decision.why
    assert found.report["settings"]["working_resolution"] is None  # what was asked for


def test_a_coast_beside_a_masked_sea(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.shift(3.4, -2.2), (128, 128))
    for name in (pair.moving, pair.reference):
        with rasterio.open(name, "r+") as file:
            values = file.read(1)
            y, x = np.mgrid[:128, :128]
            values[y > 40 + 8 * np.sin(x / 17)] = 0
            file.write(values, 1)
            file.nodata = 0
    found = measure(pair.moving, pair.reference, Settings())
    assert found.verdict.ok, found.verdict.reasons
    assert np.median(pair.errors(corrected(found), margin=16)) < 0.2


def test_pixels_that_the_user_chose_stay(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.shift(4.3, -3.2), (64, 64))
    assert not measure(pair.moving, pair.reference, Settings(working_resolution=1.0)).verdict.ok


@pytest.mark.parametrize(("side", "seed"), [(48, 47), (48, 174), (56, 14), (72, 46)])
def test_unrelated_small_rasters_are_refused(tmp_path: Path, side: int, seed: int) -> None:
    """The first three are hundreds of unrelated pairs' best ones: a first look would take them."""
    shape = (side, side)
    one = scenes.make_pair(tmp_path / "one", scenes.shift(3, 2), shape, seed=seed)
    two = scenes.make_pair(tmp_path / "two", scenes.shift(3, 2), shape, seed=seed + 1)
    found = measure(one.moving, two.reference, Settings())
    assert not found.verdict.ok
    # What is told is the first look, on the pixels that a user expects.
    assert found.report["frame"]["shape"] == [side, side]


def test_outputs_and_reports_of_finer_pixels(tmp_path: Path) -> None:
    """The output keeps the raster's own pixels, and the report can be read again."""
    pair = scenes.make_pair(tmp_path, scenes.shift(4.0, -3.0), (64, 64))
    out, report = str(tmp_path / "out.tif"), str(tmp_path / "report.json")
    found = align(pair.moving, pair.reference, out, report_path=report)
    assert found.output == out
    with rasterio.open(out) as file:
        assert file.res == (1.0, 1.0)
    pictures = look_again(read_report(report))
    assert pictures is not None


def widened(name: str, folder: Path, times: int) -> str:
    """A raster on pixels so many times as wide: means of whole squares."""
    with rasterio.open(name) as file:
        data, transform = file.read(1), file.transform
    rows, columns = (side // times * times for side in data.shape)
    squares = data[:rows, :columns].reshape(rows // times, times, columns // times, times)
    means = np.rint(squares.mean(axis=(1, 3))).astype(np.uint8)
    return scenes.write(folder / "wide.tif", means, transform @ Affine.scale(times))


@pytest.mark.parametrize(
    ("times", "which", "truth", "limit"),
    [
        (2, "moving", scenes.similarity(0.8, 1.01, 7.3, -4.6, (300, 300)), 0.018),
        (4, "moving", scenes.shift(7.3, -4.6), 0.05),
        (3, "reference", scenes.shift(7.3, -4.6), 0.05),
    ],
)
def test_pixels_of_different_sizes(
    tmp_path: Path, times: int, which: str, truth: scenes.Warp, limit: float
) -> None:
    """They were looked at on the wider ones only, with errors twice as large."""
    pair = scenes.make_pair(tmp_path, truth, (300, 300))
    names = {"moving": pair.moving, "reference": pair.reference}
    names[which] = widened(names[which], tmp_path, times)
    found = measure(names["moving"], names["reference"], Settings())
    assert found.verdict.ok, found.verdict.reasons
    assert np.median(pair.errors(corrected(found), margin=30)) < limit
    levels = [(level["goal"], round(level["factor"], 3)) for level in found.report["levels"]]
    assert levels[0] in (("track", times), ("track", times / 2))
    assert levels[-1] in (("refine", 1.0), ("detail", 1.0))
    (decision, *_) = [d for d in found.decisions if d.step == "frame"]
    assert "of 1 m" in decision.decided
    assert "finer than those on which the alignment was found" in decision.why


def test_small_scenes_that_bend(tmp_path: Path) -> None:
    """Templates of 64 px average away what those of half their width follow."""
    pair = scenes.make_pair(tmp_path, scenes.waves(2.0, 110, 3.3, -1.7), (240, 240))
    found = measure(pair.moving, pair.reference, Settings())
    assert found.verdict.ok, found.verdict.reasons
    assert np.median(pair.errors(corrected(found), margin=24)) < 0.35
    coarse = measure(pair.moving, pair.reference, Settings(working_resolution=1.0))
    assert np.median(pair.errors(corrected(coarse), margin=24)) > 0.7
    checks = found.verdict.check, coarse.verdict.check
    assert checks[0] is not None
    assert checks[1] is not None
    assert checks[0].places == checks[1].places  # it is judged on the rasters' own pixels


def noisy(pair: scenes.Pair, sigma: float, seed: int) -> None:
    """The same rasters, with less contrast and white noise."""
    random = np.random.default_rng(seed)
    for name in (pair.moving, pair.reference):
        with rasterio.open(name, "r+") as file:
            values = 0.5 * file.read(1) + 64 + random.normal(0, sigma, file.shape)
            file.write(np.clip(values, 0, 255).astype(np.uint8), 1)


def test_noise_is_averaged(tmp_path: Path) -> None:
    """Smaller templates show little but noise: with them it came out 0.33 px off, not 0.03."""
    pair = scenes.make_pair(tmp_path, scenes.shift(3.3, -4.6), (300, 300), seed=2)
    noisy(pair, 10, 2)
    found = measure(pair.moving, pair.reference, Settings())
    assert found.verdict.ok, found.verdict.reasons
    assert np.median(pair.errors(corrected(found), margin=30)) < 0.1


def test_what_bends_outweighs_noise(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.waves(2.0, 110, 3.3, -1.7), (240, 240))
    noisy(pair, 3, 1)
    found = measure(pair.moving, pair.reference, Settings())
    assert np.median(pair.errors(corrected(found), margin=24)) < 0.8  # 2.0 on coarser pixels


@pytest.mark.parametrize(("side", "sigma", "asked"), [(160, 18, True), (240, 3, False)])
def test_few_tiles_are_asked_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, side: int, sigma: float, asked: bool
) -> None:
    """Matching all of them took seconds, for maps and radar where smaller templates don't tell."""
    pair = scenes.make_pair(tmp_path, scenes.shift(3.3, -4.6), (side, side), seed=1)
    noisy(pair, sigma, 1)
    with caplog.at_level("INFO"):
        assert measure(pair.moving, pair.reference, Settings()).verdict.ok
    assert "on pixels 2 times as fine" in caplog.text
    assert ("too little in a few tiles" in caplog.text) == asked


def first_outcome(moving: str, reference: str) -> Outcome:
    """What is found on the coarser raster's pixels."""
    outcomes = []

    def look(outcome: Outcome) -> None:
        outcomes.append(outcome)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["georeg.align"], "sharper", look)
        measure(moving, reference, Settings())
    (outcome,) = outcomes
    return outcome


@pytest.mark.parametrize(
    ("times", "side", "finer"),
    [
        (1, 150, 2.0), (1, 1024, 2.0), (1, 1025, None),
        (2, 150, 2.0), (2, 1100, None),
        (3, 150, 3.0), (3, 900, 1.5),
    ],
)  # fmt: skip
def test_how_fine(tmp_path: Path, times: int, side: int, finer: float | None) -> None:
    """The finer raster's pixels, or half; large scenes have places enough; few tiles are few."""
    pair = scenes.make_pair(tmp_path, scenes.shift(7.3, -4.6), (300, 300))
    moving = pair.moving if times == 1 else widened(pair.moving, tmp_path, times)
    outcome = first_outcome(moving, pair.reference)
    grid = replace(outcome.scene.frame.grid, shape=(side, side))
    scene = replace(outcome.scene, frame=replace(outcome.scene.frame, grid=grid))
    outcome = replace(outcome, scene=scene)
    assert sharper(outcome) == (None if finer is None else pytest.approx(finer))
    assert sharper(replace(outcome, settings=Settings(max_tiles=4))) is None
    assert sharper(replace(outcome, settings=Settings(working_resolution=1.0))) is None


@pytest.mark.parametrize(("share", "tells"), [(0.49, False), (0.51, True)])
def test_most_of_the_smaller_templates_must_tell(tmp_path: Path, share: float, tells: bool) -> None:
    """Else what they agree on may be chance: maps came out 1 px off what larger ones find."""
    pair = scenes.make_pair(tmp_path, scenes.shift(7.3, -4.6), (300, 300))
    first = first_outcome(pair.moving, pair.reference)
    assert first.points is not None
    assert first.fit is not None
    tracked = Tracked(first.points, first.fit, (), no_points())
    few = replace(first.points, templates=round(first.fit.inlier.sum() / share))
    tracked = replace(tracked, points=few)
    assert telling(tracked, 2.0) == tells
    assert telling(tracked, 1.0)  # templates of the usual width in the finer raster's pixels
