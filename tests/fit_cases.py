"""Fits and headers that the tests of fit files, output grids and warps share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from pyproj import CRS

import scenes
import tie_points as tp
from georeg import transforms
from georeg.fitfile import FitFile
from georeg.grid import Grid
from georeg.raster import Header, Raster
from georeg.transforms import Transform

UTM = CRS.from_epsg(32633)
TRUE = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])
FRAME = Grid((1000, 1000), TRUE, UTM)


def transform(name: str) -> Transform:
    """Some transform of that kind: claimed -> true pixels of a frame of tp.SIZE pixels."""
    points = tp.scattered(tp.TRUTHS[name], 150, noise=0.05)
    return transforms.load(name).from_points(points.claimed, points.true)


def fit_file(name: str = "shift", **more: Any) -> FitFile:
    """A fit over FRAME, of a moving raster on the same grid."""
    values: dict[str, Any] = {
        "transform": transform(name),
        "frame": FRAME,
        "reference": FRAME,
        "placement": None,
        "moving_shape": FRAME.shape,
        "info": {"matcher": "structural", "verdict": {"ok": True}},
        **more,
    }
    return FitFile(**values)


def header(
    folder: Path,
    place: Affine | None = TRUE,
    shape: tuple[int, int] = (1000, 1000),
    crs: str | None = scenes.CRS,
    name: str = "moving.tif",
) -> Header:
    """The header of a raster of the scene; one that is all zeros and takes no space."""
    path = scenes.write(
        folder / name, np.zeros(shape, np.uint8), place, crs, tiled=True, compress="deflate"
    )
    with Raster(path) as raster:
        return raster.header
