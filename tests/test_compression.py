"""Blocks of strong compression, which are the same on both rasters wherever the ground lies."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from affine import Affine

import scenes
from georeg.align import measure
from georeg.imagery.compression import STRONG, blockiness
from georeg.settings import Settings
from test_align import corrected

Levels = npt.NDArray[np.uint8]


def jpeg(image: scenes.Image, quality: int) -> Levels:
    levels = np.clip(np.rint(image * 254 + 1), 1, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def of(levels: Levels) -> float:
    return blockiness(levels.astype(np.float32), np.ones(levels.shape, np.bool_))


def test_blocks_are_told_from_what_merely_repeats() -> None:
    image = scenes.texture((300, 300), 2)
    assert of(jpeg(image, 5)) > of(jpeg(image, 10)) > STRONG
    assert of(jpeg(image, 90)) < 1.2
    plain = np.rint(image * 254).astype(np.uint8)
    assert of(plain) < 1.2
    for factor in (2, 4):
        assert of(np.kron(plain[:100, :100], np.ones((factor, factor), np.uint8))) < 1.2
    assert of(jpeg(image, 5)[3:, 5:]) > STRONG  # a crop, its blocks cut
    assert of(plain[:40]) == 1
    masked = np.zeros(plain.shape, np.bool_)
    assert blockiness(plain.astype(np.float32), masked) == 1


@pytest.mark.parametrize(
    ("qualities", "resolution", "told"),
    [((8, 8), None, True), ((8, 90), None, False), ((8, 8), 2.0, False)],
)
def test_blocks_on_both_rasters_are_told(
    tmp_path: Path, qualities: tuple[int, int], resolution: float | None, told: bool
) -> None:
    shape, (dx, dy) = (320, 320), (3.6, 2.4)
    image = scenes.texture(shape, 2)
    moved = scenes.sample(image, scenes.pixels(shape) + [dx, dy], shape)
    transform = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])
    moving, reference = (
        scenes.write(tmp_path / name, jpeg(one, quality), transform)
        for name, one, quality in (
            ("moving.tif", scenes.other_sensor(moved), qualities[0]),
            ("reference.tif", image, qualities[1]),
        )
    )
    found = measure(moving, reference, Settings(working_resolution=resolution))
    warned = [w for w in found.report["warnings"] if "strong compression" in w]
    assert bool(warned) is told
    if told:
        assert "--working-resolution 2 (twice as large)" in warned[0]
    if resolution is not None:
        assert found.verdict.ok
        assert found.fit is not None
        step = found.fit.transform.forward(np.array([[80.0, 80.0]]))[0] - 80.0
        assert step * resolution == pytest.approx((dx, dy), abs=0.5)


def test_no_closer_look_at_blocks(tmp_path: Path) -> None:
    """On finer pixels tie points hold to them all the more: it came out 0.92 px off."""
    shape = (300, 300)
    pair = scenes.make_pair(tmp_path, scenes.similarity(0.8, 1.01, 7.3, -4.6, shape), shape, seed=1)
    for name in (pair.moving, pair.reference):
        with rasterio.open(name, "r+") as file:
            file.write(jpeg(file.read(1) / 255, 8), 1)
    found = measure(pair.moving, pair.reference, Settings())
    assert found.verdict.ok, found.verdict.reasons
    assert found.report["frame"]["shape"] == list(shape)
    assert np.median(pair.errors(corrected(found), margin=30)) < 0.6
