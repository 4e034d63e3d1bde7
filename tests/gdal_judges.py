"""GDAL's own programs as judges: rasters that hold their own coordinates show any warp's errors."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from affine import Affine

import gdal_ctypes
import scenes
from georeg.applying import apply_fit
from georeg.fitfile import FitFile
from georeg.settings import OutputSettings, Settings

Array = npt.NDArray[np.float64]

NODATA = -1e6
CLOSE = 0.05  # pixels: what georeg promises


def ramp(
    path: Path, shape: tuple[int, int], place: Affine | None, crs: str | None = scenes.CRS
) -> str:
    """A raster whose two bands are the column and the row of their own pixels."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return scenes.write(
        path, np.stack([x, y]), place, crs, nodata=NODATA, dtype="float64", compress="deflate"
    )


def run(program: str, *args: Any) -> str:
    """Stdout of a program of gdal-bin; .ci/run installs it."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on PATH (Debian: apt install gdal-bin)")
    done = subprocess.run(
        [program, *map(str, args)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def newer(*args: Any) -> str:
    """The same by pyogrio's GDAL: `warp ...` as gdalwarp, anything else as `gdal ...`."""
    if gdal_ctypes.library() is None:
        pytest.skip("pyogrio is not a wheel: it brings no GDAL of its own")
    done = subprocess.run(
        [sys.executable, gdal_ctypes.__file__, *map(str, args)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def gdalwarp(
    source: Path | str, output: Path, like: Path | str, *more: Any, new: bool = False
) -> Path:
    """gdalwarp, exactly, on the grid of another raster; Debian's, or the newer one."""
    with rasterio.open(like) as file:
        bounds, size, crs = file.bounds, file.shape, file.crs
    program = (newer, "warp") if new else (run, "gdalwarp")
    program[0](
        program[1], "-q", "-overwrite", "-r", "bilinear", "-et", 0, *more, "-t_srs", crs.to_wkt(),
        "-te", *map(repr, bounds), "-ts", size[1], size[0], source, output,
    )  # fmt: skip
    return output


def own_warp(fit: FitFile, source: str, output: Path, **more: Any) -> Path:
    """The same by georeg."""
    wanted = OutputSettings(resampling="bilinear", driver="GTiff", **more)
    apply_fit(fit, source, str(output), wanted, settings=Settings(threads=1))
    return output


def apart(one: Path, two: Path, size: tuple[int, int], most: float = 0.02) -> float:
    """Largest distance in source pixels between two warps of a ramp.

    Args:
        one: a warped ramp.
        two: another one, on the same grid.
        size: (rows, columns) of the ramp; half a pixel from its edge values are no positions.
        most: share of pixels near the edges that only one of them may have.
    """
    with rasterio.open(one) as a, rasterio.open(two) as b:
        assert a.shape == b.shape
        first, second = a.read(), b.read()
    valid = (first[0] != NODATA, second[0] != NODATA)
    both = valid[0] & valid[1]
    assert both.mean() > 0.5
    assert (valid[0] != valid[1]).mean() < most
    for values in (first, second):
        for axis, length in ((0, size[1]), (1, size[0])):
            both &= (values[axis] > 1) & (values[axis] < length - 1)
    return float(np.hypot(*(first - second)[:, both]).max())
