"""A raster that is refused because it is mirrored is told so, and no other is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import scenes
from georeg.align import measure
from georeg.choosing import devices_of, judges_of
from georeg.judging.mirrored import look_mirrored
from georeg.pairing.scene import open_scene
from georeg.settings import Settings

SHAPE = (260, 320)
Change = Callable[[Any], Any]


def changed(folder: Path, change: Change) -> tuple[str, str]:
    """Two files, of which one has other pixels under the same header."""
    pair = scenes.make_pair(folder, scenes.shift(5.3, -7.8), SHAPE)
    with rasterio.open(pair.moving) as file:
        pixels, transform = file.read(1), file.transform
    scenes.write(Path(pair.moving), np.ascontiguousarray(change(pixels)), transform)
    return pair.moving, pair.reference


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (np.fliplr, "moving.tif is mirrored, its columns run from right to left"),
        (np.flipud, "moving.tif is mirrored, its rows run from bottom to top"),
        (np.transpose, "moving.tif is transposed, its rows are columns"),
        (lambda pixels: np.rot90(pixels, 2), ""),  # which a wide search finds
    ],
)
def test_what_is_mirrored_is_seen(tmp_path: Path, change: Change, said: str) -> None:
    settings = Settings()
    with (
        open_scene(*changed(tmp_path, change), settings) as scene,
        judges_of(devices_of(settings), settings) as judges,
    ):
        found = look_mirrored(scene, judges, 0.2)
    assert said in found
    assert bool(said) == bool(found)


def test_a_refusal_tells_of_it(tmp_path: Path) -> None:
    """"Do the rasters show the same place?" was all, and no search finds it."""  # fmt: skip
    verdict = measure(*changed(tmp_path, np.fliplr), Settings(working_resolution=1.0)).verdict
    assert not verdict.ok
    assert "is mirrored" in " ".join(verdict.warnings)
