"""Matchers with trained weights, imported from packages that ship them; only tests need those."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

import scenes
from cli_cases import run
from georeg import choosing
from georeg.align import measure
from georeg.matching.protocol import Device, Mask, Matcher, TilePoints
from georeg.matching.running import one_thread_each
from georeg.settings import Settings
from matcher_cases import SHIFT, batch_of, displacement, points_of, shifted
from model_cases import SHIPPED, packaged

SHARED = Path(os.environ.get("GEOREG_SHARED", Path(__file__).parents[2] / "shared"))
# Pixels: of the median displacement, and of nine points in ten. Key points of DISK and XFeat are
# less exact than ALIKED's, see networks/keypoints.py.
EXACT = {
    "aliked_lightglue": (0.1, 0.6),
    "disk_lightglue": (0.1, 0.9),
    "xfeat_lighterglue": (0.15, 1.3),
}
SHAPE = (224, 256)


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch, one_thread_each(Device()):
        patch.setenv("GEOREG_MODEL_DIR", str(folder))
        patch.setenv("GEOREG_OFFLINE", "1")
        yield folder


@pytest.fixture(scope="module", params=list(SHIPPED))
def matcher(request: pytest.FixtureRequest, store: Path) -> Matcher:
    """Through the door that users take."""
    for path in map(packaged, SHIPPED[request.param].values()):
        got = run("models", "import", path)
        assert got.code == 0, got.err
    return choosing.loader(request.param)(Device())


@cache
def whole(matcher: Matcher) -> TilePoints:
    return points_of(matcher, batch_of([shifted(shape=SHAPE)]))


def away(points: TilePoints) -> np.ndarray:
    return np.hypot(*(displacement(points) - SHIFT).T)


def exact(points: TilePoints, matcher: Matcher) -> None:
    middle, most = EXACT[matcher.name]
    assert np.median(displacement(points), axis=0) == pytest.approx(SHIFT, abs=middle)
    assert np.percentile(away(points), 90) < most


def test_finds_a_shift_between_the_pixels(matcher: Matcher) -> None:
    points = whole(matcher)
    assert len(points) >= 100
    exact(points, matcher)
    assert np.median(points.score) > 0.9
    assert ((points.score > 0) & (points.score <= 1)).all()
    assert np.abs(displacement(points)).max() <= 6
    # Measured where the images differ more; here they are nearly the same.
    assert np.median(away(points)) < np.median(points.sigma) < 1
    assert np.corrcoef(points.score, points.sigma)[0, 1] < -0.99


def test_swapping_the_sides_turns_the_displacement_round(matcher: Matcher) -> None:
    moving, reference = shifted(shape=SHAPE)
    there, back = whole(matcher), points_of(matcher, batch_of([(reference, moving)]))
    assert len(back) == pytest.approx(len(there), rel=0.1)
    both = np.median(displacement(there), axis=0) + np.median(displacement(back), axis=0)
    assert both == pytest.approx((0, 0), abs=0.05)


def test_masks(matcher: Matcher) -> None:
    """Both masks have the same oblique edge, whose displacement (none) must not be found."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    one: Mask = np.asarray(x + 0.7 * y < 250)
    two: Mask = np.asarray(one & ((x - 70) ** 2 + (y - 90) ** 2 > 30**2))
    points = points_of(matcher, batch_of([shifted(shape=SHAPE)], masks=[(one, two)]))
    assert len(points) >= 50
    exact(points, matcher)
    for mask, xy in ((one, points.moving_xy), (two, points.reference_xy)):
        column, row = np.floor(xy).astype(int).T
        for down, right in ((0, 0), (0, 3), (0, -3), (3, 0), (-3, 0)):
            assert mask[row + down, column + right].all()


def test_a_tile_means_the_same_in_any_batch(matcher: Matcher) -> None:
    """And at any time; and what shows nothing gives nothing."""
    pair = shifted(shape=SHAPE)
    flat = (np.full(SHAPE, 0.5, np.float32), pair[1])
    yes, no = np.ones(SHAPE, np.bool_), np.zeros(SHAPE, np.bool_)
    masks = [(yes, yes), (no, yes), (yes, yes)]
    together = points_of(matcher, batch_of([flat, pair, pair], masks=masks))
    assert set(together.tile.tolist()) == {2}
    for name in ("moving_xy", "reference_xy", "score", "sigma"):
        assert getattr(together, name) == pytest.approx(getattr(whole(matcher), name), abs=1e-3)


def test_half_precision_is_none_of_theirs(matcher: Matcher) -> None:
    """They compute in float32 all the same."""
    batch = batch_of([shifted(shape=(160, 192))])
    expected = points_of(matcher, batch)
    half = points_of(choosing.loader(matcher.name)(Device(dtype="float16")), batch)
    for name in TilePoints.__dataclass_fields__:
        assert np.array_equal(getattr(half, name), getattr(expected, name))


def test_isnt_sure_of_unrelated_places(matcher: Matcher) -> None:
    images = [scenes.texture(SHAPE, seed) for seed in (6, 7)]
    wrong = points_of(matcher, batch_of([(images[0], images[1])], radius=60.0))
    assert wrong.score.sum() < 0.1 * whole(matcher).score.sum()


def test_locates_a_scene_from_afar(matcher: Matcher) -> None:
    shift = (31.0, -22.0)
    points = points_of(matcher, batch_of([shifted(shift, (256, 256))], "locate", 60.0))
    assert len(points) >= 50
    assert np.median(displacement(points), axis=0) == pytest.approx(shift, abs=0.2)


@pytest.mark.parametrize("shape", [(2, 9), (15, 40), (41, 63)])
def test_tiny_tiles_are_no_error(matcher: Matcher, shape: tuple[int, int]) -> None:
    points = points_of(matcher, batch_of([shifted(shape=shape)]))
    assert np.isfinite(displacement(points)).all()


def dates(shape: tuple[int, int], shift: tuple[int, int]) -> list[np.ndarray]:
    """Grey images of one place in 2017 and 2020, the first cut out elsewhere by so many pixels."""
    folder = SHARED / "data/pairs/naip"
    images = []
    for date, (x, y) in (("20170827", shift), ("20200831", (0, 0))):
        path = folder / f"naip_{date}.tif"
        if not path.exists():
            pytest.skip(f"no real rasters in {folder}: set GEOREG_SHARED")
        with rasterio.open(path) as file:
            window = Window(300 + x, 200 + y, shape[1], shape[0])
            images.append(file.read(1, window=window).astype(np.float32) / 255)
    return images


def test_two_dates_of_one_place(matcher: Matcher) -> None:
    """Other seasons and water levels; the files agree to a pixel or so."""
    shift = (9, -6)
    moving, reference = dates((320, 320), shift)
    points = points_of(matcher, batch_of([(moving, reference)], "track", 30.0))
    assert len(points) >= 60
    assert np.median(displacement(points), axis=0) == pytest.approx(shift, abs=1.5)
    assert (np.hypot(*(displacement(points) - shift).T) < 4).mean() > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("matcher", ["aliked_lightglue", "xfeat_lighterglue"], indirect=True)
def test_aligns_two_dates_of_one_place(matcher: Matcher, tmp_path: Path) -> None:
    """Through the whole engine; DISK would take half a minute."""
    shift = (9, -6)
    grid = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])
    files = [
        scenes.write(tmp_path / f"{number}.tif", image, grid, nodata=0)
        for number, image in enumerate(dates((320, 320), shift))
    ]
    result = measure(*files, Settings(matcher=matcher.name, transform="affine"))
    assert result.verdict.ok, result.verdict.reasons
    assert result.fit is not None
    xy = scenes.pixels((320, 320))[::5077] * [1, -1] + scenes.ORIGIN
    pixel = result.fit.frame.to_pixel(xy)
    moved = result.fit.frame.to_map(result.fit.transform.forward(pixel)) - xy
    assert np.median(moved * [1, -1], axis=0) == pytest.approx(shift, abs=1.5)
