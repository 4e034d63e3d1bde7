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
from georeg.settings import Settings

SHAPE = (260, 320)


def told(folder: Path, change: Callable[[Any], Any]) -> tuple[str, str]:
    """The reason and the warnings of a refusal, with other pixels under the same header."""
    pair = scenes.make_pair(folder, scenes.shift(5.3, -7.8), SHAPE)
    with rasterio.open(pair.moving) as file:
        pixels, transform = file.read(1), file.transform
    changed = np.ascontiguousarray(change(pixels))
    scenes.write(Path(pair.moving), changed, transform)
    result = measure(pair.moving, pair.reference, Settings())
    assert not result.verdict.ok
    return " ".join(result.verdict.reasons), " ".join(result.verdict.warnings)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (np.fliplr, "moving.tif is mirrored, its columns run from right to left"),
        (np.flipud, "moving.tif is mirrored, its rows run from bottom to top"),
        (np.transpose, "moving.tif is transposed, its rows are columns"),
    ],
)
def test_what_is_mirrored_is_told(tmp_path: Path, change: Callable[[Any], Any], said: str) -> None:
    """"Do the rasters show the same place?" was all, and no search finds it."""  # fmt: skip
    assert said in told(tmp_path, change)[1]


def test_what_is_turned_is_left_to_the_wide_search(tmp_path: Path) -> None:
    reasons, warnings = told(tmp_path, lambda pixels: np.rot90(pixels, 2))
    assert "--search wide" in reasons
    assert "mirrored" not in warnings
