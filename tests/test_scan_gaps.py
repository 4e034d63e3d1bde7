"""Scan lines without data (Landsat 7 since 2003): gaps run through every template."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import torch
from affine import Affine

import scenes
from georeg.align import measure
from georeg.matching import _dense
from georeg.settings import Settings

SHAPE = (500, 500)
PERIOD = 33  # pixels from gap to gap


def open_gaps(
    path: str, wide: int, angle: float, start: float = 0.0, *, declared: bool = True
) -> None:
    """Takes lines of pixels out of a raster, by rotation (degrees) and place of the first one."""
    with rasterio.open(path, "r+") as file:
        file.nodata = 0 if declared else None
        y, x = np.mgrid[: file.height, : file.width]
        across = y * np.cos(np.radians(angle)) + x * np.sin(np.radians(angle)) + start
        band = file.read(1)
        band[across % PERIOD < wide] = 0
        file.write(band, 1)


@pytest.mark.parametrize(("wide", "both"), [(6, True), (12, False)])
def test_gaps_in_every_template_hide_nothing(tmp_path: Path, wide: int, both: bool) -> None:
    truth = scenes.shift(5.3, -7.8)
    pair = scenes.make_pair(tmp_path, truth, SHAPE)
    open_gaps(pair.moving, wide, 8.0)
    if both:
        open_gaps(pair.reference, wide, 10.0, 11.0)
    result = measure(pair.moving, pair.reference, Settings())
    assert result.verdict.ok, result.verdict.reasons
    fit = result.fit
    assert fit is not None
    base = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])

    def corrected(xy: scenes.Array) -> scenes.Array:
        to_map = xy * [base.a, base.e] + [base.c, base.f]
        true = fit.frame.to_map(fit.transform.forward(fit.frame.to_pixel(to_map)))
        return np.asarray((true - [base.c, base.f]) / [base.a, base.e])

    assert np.median(pair.errors(corrected)) < 0.15


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_gaps_make_nothing_of_another_place(tmp_path: Path, seed: int) -> None:
    """The gaps themselves must not be what is matched: fewer pixels tell less."""
    pair = scenes.make_pair(tmp_path / "one", scenes.shift(0, 0), SHAPE)
    other = scenes.make_pair(tmp_path / "two", scenes.shift(0, 0), SHAPE, seed=seed)
    open_gaps(pair.moving, 8, 8.0)
    open_gaps(other.reference, 8, 8.0, 11.0)
    assert not measure(pair.moving, other.reference, Settings()).verdict.ok


def test_gaps_that_no_header_tells_of_are_named(tmp_path: Path) -> None:
    """A refusal says what else may be the reason, unless it was ruled out."""
    pair = scenes.make_pair(tmp_path / "one", scenes.shift(0, 0), SHAPE)
    other = scenes.make_pair(tmp_path / "two", scenes.shift(0, 0), SHAPE, seed=11)
    open_gaps(pair.moving, 6, 8.0, declared=False)
    refused = measure(pair.moving, other.reference, Settings())
    assert not refused.verdict.ok
    (hint,) = (text for text in refused.report["warnings"] if "-nodata" in text)
    assert hint.startswith("18% of ")
    assert pair.moving in hint
    assert hint.endswith("name it with --moving-nodata 0")
    named = measure(pair.moving, other.reference, Settings(moving_nodata=0))
    assert not any("-nodata" in text for text in named.report["warnings"])


def masked(rows: npt.NDArray[np.bool_]) -> torch.Tensor:
    """A mask whose rows are valid or not, within a margin without data."""
    mask = np.zeros((160, 160), np.float32)
    mask[20:140, 30:150] = rows[:, None]
    return torch.from_numpy(mask)[None]


def test_what_is_known_is_told_from_where_a_raster_ends() -> None:
    plan = _dense._Plan(2, 16, 3)
    at = np.arange(120)
    whole, gaps, half = masked(at >= 0), masked(at % 12 >= 8), masked(at >= 60)
    island = masked((at < 30) | (at >= 90))  # a gap that is wider than half a template
    for mask, known in ((whole, 1.0), (gaps, 1 / 3), (half, 1.0), (island, 1.0)):
        share = _dense._least_share(mask, whole, plan)
        assert float(share) == pytest.approx(0.35 * known, abs=0.02)
    # However little is known, there is something left to be compared.
    few = masked(at % 12 >= 10)
    assert float(_dense._least_share(few, few, plan)) == pytest.approx(800 / 96**2)


def test_gaps_that_leave_most_templates_make_nothing_of_the_others() -> None:
    """A coast beside a masked sea: what shows little of it was matched, and fits were 4 px off."""
    plan = _dense._Plan(2, 16, 3)
    at = np.arange(120)
    whole = masked(at >= 0)
    for rows in (at % 12 >= 6, (at < 60) | (at % 12 >= 9)):
        assert float(_dense._least_share(masked(rows), whole, plan)) == pytest.approx(0.35)
