"""Scan lines without data (Landsat 7 since 2003): gaps run through every template."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import torch
from affine import Affine
from scipy import ndimage

import scenes
from georeg.align import measure
from georeg.matching import _dense, gaps
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


def salt(path: str, share: float, side: int) -> None:
    """Takes squares of pixels out of a raster, anywhere in it."""
    with rasterio.open(path, "r+") as file:
        file.nodata = 0
        band = file.read(1)
        few = np.random.default_rng(side).random((SHAPE[0] // side + 1, SHAPE[1] // side + 1))
        band[np.kron(few < share, np.ones((side, side), bool))[: SHAPE[0], : SHAPE[1]]] = 0
        file.write(band, 1)


def errors(pair: scenes.Pair) -> scenes.Array:
    """Of what is found, which must be trusted."""
    result = measure(pair.moving, pair.reference, Settings())
    assert result.verdict.ok, result.verdict.reasons
    fit = result.fit
    assert fit is not None
    base = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])

    def corrected(xy: scenes.Array) -> scenes.Array:
        to_map = xy * [base.a, base.e] + [base.c, base.f]
        true = fit.frame.to_map(fit.transform.forward(fit.frame.to_pixel(to_map)))
        return np.asarray((true - [base.c, base.f]) / [base.a, base.e])

    return pair.errors(corrected)


@pytest.mark.parametrize(
    ("wide", "angle", "start"),
    [(6, 10.0, 11.0), (12, None, 0.0), (12, 8.0, 13.0), (14, 8.0, 0.0)],
)
def test_gaps_in_every_template_hide_nothing(
    tmp_path: Path, wide: int, angle: float | None, start: float
) -> None:
    """Gaps that run the same way in both left no tie point: at the true place they lie side by
    side, and features had kept away from them.
    """  # fmt: skip
    pair = scenes.make_pair(tmp_path, scenes.shift(5.3, -7.8), SHAPE)
    open_gaps(pair.moving, wide, 8.0)
    if angle is not None:
        open_gaps(pair.reference, wide, angle, start)
    assert np.median(errors(pair)) < 0.15


@pytest.mark.parametrize(("share", "side"), [(0.03, 1), (0.2, 3)])
def test_single_pixels_without_data_hide_nothing(tmp_path: Path, share: float, side: int) -> None:
    """Two percent of them in both, and there was "nothing to go by"."""
    pair = scenes.make_pair(tmp_path, scenes.shift(5.3, -7.8), SHAPE)
    salt(pair.moving, share, side)
    salt(pair.reference, share, side)
    assert np.median(errors(pair)) < 0.15


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


@pytest.mark.parametrize("start", [0.0, 13.0])
def test_gaps_that_no_header_tells_of_are_not_matched(tmp_path: Path, start: float) -> None:
    """They are the same on both sides: a fit that held to them, 6 px off, was trusted."""
    pair = scenes.make_pair(tmp_path, scenes.shift(5.3, -7.8), SHAPE)
    open_gaps(pair.moving, 12, 8.0, declared=False)
    open_gaps(pair.reference, 12, 8.0, start, declared=False)
    assert np.median(errors(pair)) < 0.15
    warnings = measure(pair.moving, pair.reference, Settings()).report["warnings"]
    assert [w.rpartition(" ")[0].rpartition(" ")[2] for w in warnings if "exactly 0" in w] == [
        "--moving-nodata", "--reference-nodata"
    ]  # fmt: skip


@pytest.mark.parametrize("known", ["header", "setting"])
def test_zeros_are_data_beside_another_value_that_is_none(tmp_path: Path, known: str) -> None:
    """They were taken for the only pixels without data then."""
    pair = scenes.make_pair(tmp_path, scenes.shift(5.3, -7.8), SHAPE)
    for path in (pair.moving, pair.reference):
        open_gaps(path, 12, 8.0, declared=False)
        if known == "header":
            with rasterio.open(path, "r+") as file:
                file.nodata = 255
    given = Settings(moving_nodata=255, reference_nodata=255)
    result = measure(pair.moving, pair.reference, Settings() if known == "header" else given)
    assert not any("was matched as pixels" in text for text in result.report["warnings"])


def test_zeros_of_scans_in_black_and_white_are_data(tmp_path: Path) -> None:
    """Without them nothing was left: "is constant: every valid pixel holds 255", not a refusal."""
    x, y = scenes.ORIGIN
    files = [
        scenes.write(
            tmp_path / f"{seed}.tif",
            np.where(scenes.texture((300, 300), seed) > 0.5, 255, 0),
            Affine(1, 0, x, 0, -1, y),
        )
        for seed in (1, 2)
    ]
    refused = measure(*files, Settings())
    assert not refused.verdict.ok
    assert not any("-nodata" in text for text in refused.report["warnings"])


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


@pytest.mark.parametrize("gap", [1, 2, 5, 16])
def test_closing_is_that_of_morphology(gap: int) -> None:
    """Nothing beyond the edge is valid, and what is valid stays so."""
    mask = np.random.default_rng(gap).random((2, 60, 45)) < 0.05
    found = gaps.closed(torch.from_numpy(mask), gap).numpy()
    side = 2 * (gap // 2) + 1
    for one, filled in zip(mask, found, strict=True):
        around = np.pad(one, side)
        right = ndimage.binary_closing(around, np.ones((side, side), bool))
        assert (filled == right[side:-side, side:-side]).all()
        assert filled[one].all()


def test_bridges_go_on_from_what_is_valid() -> None:
    """A plane stays one in the middle of a gap; nothing is made up where nothing is near."""
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    image = (2 + 0.1 * x - 0.05 * y)[None]
    mask = torch.ones_like(image, dtype=torch.bool)
    mask[0, :, 30] = False
    mask[0, 10:13, 5:8] = False
    broken = torch.where(mask, image, 99.0)
    mended = torch.where(mask, image, gaps.bridge(broken, mask, 8))
    # Beside the edges of the image there is more on one side than on the other.
    assert (mended - image)[:, 8:-8].abs().max() < 0.06
    far = torch.zeros_like(mask)
    far[0, 0, 0] = True
    assert (gaps.bridge(broken, far, 8)[0, 20:, 20:] == broken[0, 20:, 20:]).all()
