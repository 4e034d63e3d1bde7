"""How far is looked for what, and what repeats."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

import scenes
from georeg.align import measure
from georeg.errors import NoOverlapError
from georeg.settings import Settings
from test_align import SHAPE, corrected


def test_far_apart_is_no_overlap(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.shift(0, 0), (200, 200))
    away = Affine(1, 0, scenes.ORIGIN[0] + 50_000, 0, -1, scenes.ORIGIN[1])
    far = scenes.write(tmp_path / "far.tif", pair.image, away)
    with pytest.raises(NoOverlapError, match="don't overlap"):
        measure(far, pair.reference, Settings())


def beside(
    folder: Path, apart: float, step: float, size: int = 300
) -> tuple[str, str, scenes.Warp]:
    """Squares of 10 m pixels that claim to lie side by side, and claimed -> true reference pixels.

    Args:
        folder: for both.
        apart: pixels between them; negative where they share some.
        step: pixels by which the moving one lies further left than it claims.
        size: pixels along a side.
    """
    world = scenes.texture((size, 3 * size), 3)
    there = Affine(10.0, 0, scenes.ORIGIN[0], 0, -10.0, scenes.ORIGIN[1])
    left = round(size + apart - step)
    moving = scenes.write(
        folder / "moving.tif", scenes.other_sensor(world[:, size + left : 2 * size + left]),
        there @ Affine.translation(size + apart, 0),
    )  # fmt: skip
    reference = scenes.write(folder / "reference.tif", world[:, size : 2 * size], there)
    return moving, reference, scenes.shift(-step, 0)


@pytest.mark.parametrize(("limit", "unit"), [(260.0, "px"), (2600.0, "m")])
def test_max_shift_reaches_over_a_gap(tmp_path: Path, limit: float, unit: str) -> None:
    """It was said to help, and the rasters were refused before it was looked at."""
    moving, reference, truth = beside(tmp_path, 100, 250)
    with pytest.raises(NoOverlapError, match=r"100 working pixels .* raise --max-shift"):
        measure(moving, reference, Settings())
    with pytest.raises(NoOverlapError, match=r"the search reaches \(90 pixels\)"):
        measure(moving, reference, Settings(max_shift=90))
    result = measure(moving, reference, Settings(max_shift=limit, max_shift_unit=unit))
    assert result.verdict.ok, result.verdict.reasons
    matches = result.matches.moving_xy[result.inlier], result.matches.reference_xy[result.inlier]
    away = matches[1] - truth(matches[0] + [400, 0])
    assert np.hypot(*away.T).max() < 1.0


def drawn(folder: Path, image: scenes.Image, step: tuple[float, float]) -> tuple[str, str]:
    """The same thing twice with a camera's noise, displaced by a step."""
    rng = np.random.default_rng(5)
    there = Affine(1.0, 0, scenes.ORIGIN[0], 0, -1.0, scenes.ORIGIN[1])
    moved = scenes.sample(image, scenes.pixels(image.shape) + step, image.shape)
    files = [
        scenes.write(
            folder / f"{name}.tif", np.clip(seen + rng.normal(0, 0.03, SHAPE), 0, 1), there
        )
        for name, seen in (("moving", moved), ("reference", image))
    ]
    return files[0], files[1]


@pytest.mark.parametrize("degrees", [20.0, 0.0])
def test_furrows_are_refused_for_what_they_are(tmp_path: Path, degrees: float) -> None:
    """Irregular across, and nothing to be seen along: the advice was to name modalities."""
    rng = np.random.default_rng(0)
    profile = np.convolve(rng.normal(size=1000), np.hanning(9), "valid")
    x, y = scenes.pixels(SHAPE).T
    across = x * np.cos(np.radians(degrees)) + y * np.sin(np.radians(degrees))
    image = np.interp(across, np.arange(len(profile)), 0.5 + 0.15 * profile / profile.std())
    files = drawn(tmp_path, image.reshape(SHAPE).astype(np.float32), (3.0, 2.0))
    found = measure(*files, Settings()).verdict
    assert not found.ok
    assert "all that is shown runs one way" in found.reasons[0]
    said = re.findall(r"about (\d+) degrees clockwise", found.reasons[0])
    turned = abs(float(said[0]) - degrees)
    assert min(turned, 180 - turned) < 6
    assert "ends of the rows" in found.reasons[0]
    assert "--modality" not in found.reasons[0]


def test_max_shift_settles_what_repeats(tmp_path: Path) -> None:
    """Blocks of houses every 40 px; it was 'another place fits as well' whatever the limit."""
    block = np.full((40, 40), 0.4, np.float32)
    block[4:18, 4:24] = 0.8
    block[24:32, 28:34] = 0.15
    rng = np.random.default_rng(1)
    image = np.tile(block, (10, 10)) + 0.02 * scenes.texture(SHAPE) * rng.uniform()
    files = drawn(tmp_path, image.astype(np.float32), (5.0, 3.0))
    assert not measure(*files, Settings()).verdict.ok
    result = measure(*files, Settings(max_shift=15.0))
    assert result.verdict.ok, result.verdict.reasons
    at = np.array([[100.0, 100.0], [300.0, 200.0]])
    assert corrected(result)(at) - at == pytest.approx(np.array([[5.0, 3.0]] * 2), abs=0.3)
    assert any("rests on the limit" in warning for warning in result.verdict.warnings)
