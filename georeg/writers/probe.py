"""Tiny files, written before the work: do the creation options suit the raster?

GDAL says only after an hour's work that they don't, or loses the blocks without a word.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio

from georeg.errors import OutputError, SettingsError
from georeg.inputs.opening import GDAL_ERRORS
from georeg.resampling.validity import Layout
from georeg.writers.cog import make_cog
from georeg.writers.creation import tile_size
from georeg.writers.pixels import Target
from georeg.writers.place import writing
from georeg.writers.tiff import check_whole

_SMALL = {"width": 16, "height": 16}


def try_gtiff(folder: str, target: Target, final: Mapping[str, str], *, asked: bool) -> None:
    """Make a tiny GeoTIFF.

    Args:
        folder: to work in.
        target: what will be written.
        final: options of the GTiff driver.
        asked: whether the user chose any of them.

    Raises:
        SettingsError: GDAL doesn't take the options that the user asked for.
        OutputError: it can't write at all.
    """
    path = os.path.join(folder, "probe.tif")
    try:
        with writing(target.output):
            with rasterio.open(path, "w", **{**target.profile(final), **_SMALL}) as dataset:
                target.metadata.apply(dataset, {})
                dataset.write(_something(target.layout))
            check_whole(path, target.output)  # with SPARSE_OK, too: its block isn't empty
    except OutputError as error:
        if not asked or not _has_room(folder, target.layout, tile_size(target.layout)):
            raise
        raise _refused(error) from error


def try_cog(
    folder: str, target: Target, final: Mapping[str, str], *, asked: bool
) -> dict[str, str]:
    """Make a tiny COG, and find creation options for the GeoTIFF that a COG is made from.

    Arguments and errors are those of `try_gtiff`, but for `final`: options of the COG driver.
    """
    size = final["BLOCKSIZE"]
    plain = {"TILED": "YES", "BLOCKXSIZE": size, "BLOCKYSIZE": size, "BIGTIFF": "IF_SAFER"}
    plain["INTERLEAVE"] = "PIXEL"  # as in the COG
    # Faster than no compression, because there is less to write; but not in every GDAL.
    squeezed = {**plain, "COMPRESS": "ZSTD", "ZSTD_LEVEL": "1"}
    flat, path = os.path.join(folder, "probe.tif"), os.path.join(folder, "probe-cog.tif")
    with writing(target.output):
        try:
            creation = squeezed
            dataset = rasterio.open(flat, "w", **{**target.profile(creation), **_SMALL})
        except GDAL_ERRORS:
            creation = plain
            dataset = rasterio.open(flat, "w", **{**target.profile(creation), **_SMALL})
        with dataset:
            target.metadata.apply(dataset, {}, park=True)  # what an alpha band is
            dataset.write(np.zeros((target.layout.count, 16, 16), target.layout.array_dtype))
        check_whole(flat, target.output)
    try:
        make_cog(flat, path, final, target.output)
    except OutputError as error:
        if not asked or not _has_room(folder, target.layout, int(size)):
            raise
        raise _refused(error) from error
    with writing(target.output), rasterio.open(path) as made:
        count = made.count
    if count != target.layout.count:  # COMPRESS=JPEG: alpha becomes a mask
        raise SettingsError(
            f"GDAL refuses these creation options: with them {target.layout.count} bands become "
            f"{count}, as JPEG has no alpha band; give COMPRESS=WEBP, or --driver GTiff"
        )
    return creation


def _something(layout: Layout) -> npt.NDArray[Any]:
    """(bands, 16, 16) pixels that aren't the nodata value."""
    value = 2 if layout.nodata == 1 else 1
    return np.full((layout.count, 16, 16), value, layout.array_dtype)


def _refused(error: OutputError) -> SettingsError:
    return SettingsError(f"GDAL refuses these creation options: {error}")


def _has_room(folder: str, layout: Layout, size: int) -> bool:
    """Whether a tile or two can be written at all: else it isn't the options' fault."""
    path = os.path.join(folder, "room")
    try:
        with open(path, "wb") as file:
            file.write(bytes(2 * size * size * layout.count * 16))
            file.flush()
            os.fsync(file.fileno())
        os.remove(path)
    except OSError:
        return False
    return True
