"""What stays in place on both rasters while the ground doesn't isn't taken for the ground."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from affine import Affine

import scenes
from georeg.align import measure
from georeg.report.facts import gather
from georeg.settings import Settings
from georeg.verdict import Verdict

SHAPE = (400, 400)
GREY = 25 / 255  # of a sensor's noise, the same on both


def stored(
    folder: Path, ground: scenes.Image, image: scenes.Image, moved: float,
    draw: Callable[[scenes.Image], scenes.Image],
) -> tuple[str, str]:  # fmt: skip
    """Another sensor's image of the ground, and a reference, with the same drawn over both."""
    x, y = scenes.ORIGIN
    files = []
    for name, seen, left in (
        ("moving", scenes.other_sensor(ground), x + moved),
        ("reference", image, x),
    ):
        there = Affine(1.0, 0, left, 0, -1.0, y)
        files.append(scenes.write(folder / f"{name}.tif", draw(seen), there))
    return files[0], files[1]


def overlaid(
    folder: Path, step: tuple[float, float], *, moved: float = 0.0, noise: float = GREY
) -> tuple[str, str]:
    """The ground lies `step` off; `moved` pixels lie between the georeferences."""
    image = scenes.texture(SHAPE)
    ground = scenes.sample(image, scenes.pixels(SHAPE) + step, SHAPE)
    same = np.random.default_rng(5).normal(0, noise, SHAPE).astype(np.float32)
    return stored(folder, ground, image, moved, lambda seen: 0.7 * seen + 0.15 + same)


def judged(files: tuple[str, str], **settings: float) -> Verdict:
    return measure(*files, Settings(**settings)).verdict  # type: ignore[arg-type]


def refused(found: Verdict) -> str:
    """The reason, which is that the ground lies 15 px away."""
    assert not found.ok
    (said,) = found.reasons
    assert "fine detail stays in place on both rasters" in said
    assert found.check is not None
    assert found.check.smoothed is not None
    assert found.check.smoothed.away == pytest.approx(15, abs=0.5)
    return said


@pytest.mark.parametrize("moved", [0.0, 6.0], ids=["map position", "pixel"])
def test_noise_that_stays_in_place(tmp_path: Path, moved: float) -> None:
    """It was 'already aligned' within 0.03 px, with the ground 15 px off."""
    found = judged(overlaid(tmp_path, (12.0, 9.0), moved=moved))
    assert "--working-resolution" in refused(found)


def test_what_is_advised_helps(tmp_path: Path) -> None:
    result = measure(*overlaid(tmp_path, (12.0, 9.0)), Settings(working_resolution=2.0))
    found, accuracy = result.verdict, result.verdict.accuracy
    assert found.ok, found.reasons
    assert found.displacement_px == pytest.approx(15, abs=0.3)
    # All is said in pixels of the reference, of 1 m, though those that were looked at have 2 m.
    before = result.report["tie_points"]["offset_before"]
    assert before["median_px"] == pytest.approx(15, abs=0.3)
    assert accuracy is not None
    assert gather(result.report, None).metres == pytest.approx(1, rel=0.002)
    for pixels, metres in (
        (found.displacement_px, found.displacement_m),
        (before["rmse_px"], before["rmse_m"]),
        (accuracy.rmse_px, accuracy.rmse_m),
        (accuracy.ce90_px, accuracy.ce90_m),
    ):
        assert metres == pytest.approx(pixels, rel=0.002)
    errors = {rung["transform"]: rung["held_out_rmse_px"] for rung in result.report["ladder"]}
    assert errors[result.report["transform"]] == pytest.approx(accuracy.rmse_px, rel=0.3)


def test_ground_that_is_in_place_is_not_doubted(tmp_path: Path) -> None:
    found = judged(overlaid(tmp_path, (0.0, 0.0)))
    assert found.ok, found.reasons
    assert found.status == "already aligned"
    assert found.check is not None
    assert found.check.smoothed is not None
    assert found.check.smoothed.away < 1


def test_what_moves_is_not_looked_at_again(tmp_path: Path) -> None:
    found = judged(overlaid(tmp_path, (12.0, 9.0), noise=0.01))
    assert found.ok, found.reasons
    assert found.check is not None
    assert found.check.smoothed is None


@pytest.mark.parametrize(("apart", "width", "contrast"), [(50, 2, 0.5), (50, 3, 1.0)])
def test_a_grid_that_is_drawn_on_both(
    tmp_path: Path, apart: int, width: int, contrast: float
) -> None:
    """The lines of a map's grid outlived the smoothing: 'already aligned' within 0.1 px."""
    image = (contrast * (scenes.texture(SHAPE) - 0.5) + 0.5).astype(np.float32)
    ground = scenes.sample(image, scenes.pixels(SHAPE) + (12.0, 9.0), SHAPE)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    drawn = (x % apart < width) | (y % apart < width)
    there = Affine(1.0, 0, scenes.ORIGIN[0], 0, -1.0, scenes.ORIGIN[1])
    moving, reference = (
        scenes.write(tmp_path / f"{name}.tif", np.where(drawn, np.float32(0), seen), there)
        for name, seen in (("moving", scenes.other_sensor(ground)), ("reference", image))
    )
    found = judged((moving, reference))
    refused(found)


def labelled(folder: Path, step: tuple[float, float], moved: float = 0.0) -> tuple[str, str]:
    """Two sensors' images with the same labels in large letters; see `overlaid`."""
    image = scenes.texture(SHAPE)
    ground = scenes.sample(image, scenes.pixels(SHAPE) + step, SHAPE)
    drawn = np.zeros(SHAPE, np.uint8)
    for row in range(60, SHAPE[0], 80):
        cv2.putText(drawn, "LABELS", (10 + row // 4, row), cv2.FONT_HERSHEY_SIMPLEX, 2.2, 1, 9)
    white = np.float32(1)
    return stored(folder, ground, image, moved, lambda x: np.where(drawn > 0, white, 0.8 * x))


@pytest.mark.parametrize("moved", [0.0, 6.0], ids=["map position", "pixel"])
def test_letters_that_are_drawn_on_both(tmp_path: Path, moved: float) -> None:
    """No median takes strokes of nine pixels: "already aligned" within 0.1 px."""
    files = labelled(tmp_path, (12.0, 9.0), moved)
    found = judged(files)
    assert not found.ok
    (said,) = found.reasons
    assert "what is white or black on both" in said
    assert "--moving-nodata" in said
    assert found.check is not None
    assert found.check.smoothed is not None
    assert found.check.smoothed.away == pytest.approx(15, abs=0.5)


def test_letters_named_as_no_data_hide_nothing(tmp_path: Path) -> None:
    """As it is advised."""
    files = labelled(tmp_path, (12.0, 9.0))
    found = judged(files, moving_nodata=255, reference_nodata=255)
    assert found.ok, found.reasons
    assert found.displacement_px == pytest.approx(15, abs=0.3)


def test_letters_on_ground_that_is_in_place_are_not_doubted(tmp_path: Path) -> None:
    found = judged(labelled(tmp_path, (0.0, 0.0)))
    assert found.ok, found.reasons
    assert found.status == "already aligned"
