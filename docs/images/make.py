"""The README's picture: sample_data before and after `georeg.align`, chequered with the reference.

    python docs/images/make.py

Only the look is changed: crop, enlargement, and Blue Marble's dark colours made brighter.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from rasterio.vrt import WarpedVRT

import georeg

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "sample_data"
WINDOW = (slice(155, 355), slice(250, 550))  # rows and columns of the reference
SQUARE, ENLARGED, GAP = 100, 2, 12


def on_grid(path: Path, like: Any) -> np.ndarray[Any, Any]:
    """A raster where its georeference says that it is, on the pixels of another: (H, W, RGB)."""
    place = {"crs": like.crs, "transform": like.transform}
    size = {"height": like.height, "width": like.width}
    with (
        rasterio.open(path) as source,
        WarpedVRT(source, resampling=rasterio.enums.Resampling.cubic, **place, **size) as warped,
    ):
        return warped.read((1, 2, 3)).transpose(1, 2, 0)


def chequered(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Squares of one image in turn with squares of another."""
    rows, columns = np.indices(one.shape[:2]) // SQUARE
    return np.where(((rows + columns) % 2 == 0)[..., None], one, other)


def labelled(image: np.ndarray[Any, Any], text: str) -> np.ndarray[Any, Any]:
    """Enlarged, with a word in the upper left corner."""
    big = cv2.resize(image, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.7, 1)
    big[: height + 20, : width + 20] = 255
    place = (10, height + 10)
    cv2.putText(big, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (30, 30, 30), 1, cv2.LINE_AA)
    return big


def bright(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Blue Marble as one can see it beside a map."""
    return (255 * (image / 255.0) ** 0.6).astype(np.uint8)


def main() -> None:
    """Write docs/images/before_after.png."""
    moving, reference = SAMPLE / "moving.tif", SAMPLE / "reference.tif"
    with tempfile.TemporaryDirectory() as folder, rasterio.open(reference) as like:
        aligned = Path(folder) / "aligned.tif"
        georeg.align(str(moving), str(reference), str(aligned))
        base = like.read((1, 2, 3)).transpose(1, 2, 0)[WINDOW]
        parts = [
            labelled(chequered(bright(on_grid(path, like)[WINDOW]), base), name)
            for path, name in ((moving, "before"), (aligned, "after"))
        ]
    gap = np.full((len(parts[0]), GAP, 3), 255, np.uint8)
    picture = np.hstack([parts[0], gap, parts[1]])
    packed = [cv2.IMWRITE_PNG_COMPRESSION, 9]
    cv2.imwrite(str(HERE / "before_after.png"), picture[..., ::-1], packed)


if __name__ == "__main__":
    main()
