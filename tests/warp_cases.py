"""Rasters with known truth, for the tests of resampling and writing."""

import json
import math
import shutil
import subprocess

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS

from georeg.grid import Grid
from georeg.raster import Raster
from georeg.warping import WarpOptions, gdal_env, layout_of, warp
from georeg.writers.geotiff import WriteOptions, write_warped

UTM = CRS.from_epsg(32633)
AT = Affine(2.0, 0.0, 350_000.0, 0.0, -2.0, 5_250_000.0)


def save(path, data, **profile):
    """Write (bands, rows, columns) pixels; `mask` and `interp` go beyond rasterio's profile."""
    mask = profile.pop("mask", None)
    interp = profile.pop("interp", None)
    data = np.atleast_3d(data) if data.ndim == 3 else data[None]
    settings = {
        "driver": "GTiff",
        "count": len(data),
        "height": data.shape[1],
        "width": data.shape[2],
        "dtype": data.dtype,
        "crs": "EPSG:32633",
        "transform": AT,
        **profile,
    }
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **settings) as dataset,
    ):
        if interp is not None:
            dataset.colorinterp = interp
        dataset.write(data)
        if mask is not None:
            dataset.write_mask(mask)
    return str(path)


def grid(rows, columns):
    return Grid((rows, columns), AT, UTM)


def run(path, shape, mapping, *, nodata=None, **options):
    """Warp and put the blocks together: (bands, rows, columns) and the mask or None."""
    settings = WarpOptions(**options)
    with gdal_env(), Raster(path, nodata=nodata) as raster:
        layout = layout_of(raster, settings.dst_nodata)
        data = np.empty((layout.count, *shape), layout.array_dtype)
        mask = np.zeros(shape, bool) if layout.mask else None
        seen = np.zeros(shape, int)
        for block in warp(raster, grid(*shape), mapping, settings):
            w = block.window
            place = np.s_[w.y : w.y + w.height, w.x : w.x + w.width]
            data[(slice(None), *place)] = block.data
            seen[place] += 1
            if mask is not None:
                mask[place] = block.mask
    assert (seen == 1).all()
    return data, mask


def texture(rows, columns, seed=0, low=20.0, high=230.0):
    """Smooth but lively."""
    rng = np.random.default_rng(seed)
    waves = [(*rng.uniform(-0.6, 0.6, 2), rng.uniform(0, 6)) for _ in range(12)]
    fx, fy, phase = np.array(waves).T
    # The sum of sin(fx x + fy y + phase), as one product of matrices: a tenth of the time.
    along, down = fx[:, None] * np.arange(columns) + phase[:, None], fy * np.arange(rows)[:, None]
    out = np.cos(down) @ np.sin(along) + np.sin(down) @ np.cos(along)
    out = (out - out.min()) / np.ptp(out)
    return low + out * (high - low)


def holes(rows, columns):
    """A fifth of the pixels, in patches."""
    patches = texture(rows, columns, seed=9)
    return patches > np.percentile(patches, 80)


def coordinates(rows, columns):
    """Two bands that hold the x and y of their own pixel centres."""
    y, x = np.mgrid[:rows, :columns] + 0.5
    return np.stack([x, y])


def centres(rows, columns):
    return coordinates(rows, columns).reshape(2, -1).T


def similarity(angle, scale, about, to):
    """Turn by `angle` degrees and scale about a point, which goes `to` another."""
    c, s = math.cos(math.radians(angle)) * scale, math.sin(math.radians(angle)) * scale
    matrix = np.array([[c, -s], [s, c]])
    return lambda xy: (xy - np.asarray(about)) @ matrix.T + np.asarray(to)


def shift(dx, dy):
    return lambda xy: xy + np.array([dx, dy])


def wavy(xy):
    """A smooth field with an amplitude of 6 px."""
    x, y = xy.T
    return np.stack([x + 6 * np.sin(y / 150) + 20, y + 6 * np.cos(x / 170) + 15], axis=1)


def gdalinfo(path, *more):
    """What GDAL's own program says; .ci/run installs it."""
    if shutil.which("gdalinfo") is None:
        pytest.skip("gdalinfo is not on PATH (Debian: apt install gdal-bin)")
    text = subprocess.run(
        ["gdalinfo", "-json", *more, str(path)], check=True, capture_output=True, text=True
    ).stdout
    return json.loads(text)


def entries(folder):
    return sorted(p.name for p in folder.iterdir())


def produce(source, output, mapping=wavy, shape=(650, 640), warp_options=None, **options):
    """Warp a raster into a file, as `georeg align` does."""
    with Raster(str(source)) as raster:
        write_warped(
            raster,
            grid(*shape),
            mapping,
            str(output),
            warp_options,
            WriteOptions(**options),
            provenance={"TIFFTAG_SOFTWARE": "georeg 0.1.0", "seed": "7", "moving": "a.tif"},
        )
