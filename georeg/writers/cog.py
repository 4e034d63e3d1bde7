"""Cloud-optimised GeoTIFFs, made from a plain GeoTIFF of finished blocks.

rasterio's own COG mode keeps the whole raster in memory until it is closed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import rasterio
import rasterio.shutil

from georeg.errors import OutputError, SettingsError
from georeg.raster import GDAL_ERRORS
from georeg.writers.creation import is_sparse
from georeg.writers.metadata import BAND_DOMAIN
from georeg.writers.pixels import Target
from georeg.writers.place import writing
from georeg.writers.tiff import check_whole, rename_domain


def make_cog(flat: str, path: str, creation: Mapping[str, str], output: str) -> None:
    """Turn a GeoTIFF into a COG with overviews.

    Args:
        flat: the GeoTIFF; its bands' default domain is parked as `BAND_DOMAIN`.
        path: of the new COG.
        creation: options of the COG driver.
        output: its final name, for messages.

    Raises:
        OutputError: it can't be written.
    """
    with writing(output):
        rasterio.shutil.copy(flat, path, driver="COG", **creation)
        check_whole(path, output, sparse=is_sparse(creation))
        # GDAL (3.10) copies the bands' default domain only if it copies no other domain; so it
        # travels under another name.
        rename_domain(path, BAND_DOMAIN)


def try_out(
    folder: str, target: Target, final: Mapping[str, str], *, asked: bool
) -> dict[str, str]:
    """Creation options for the GeoTIFF that a COG is made from.

    Also makes a tiny COG, lest GDAL say only after an hour's work that the options don't fit.

    Args:
        folder: to work in.
        target: what will be written.
        final: options of the COG driver.
        asked: whether the user chose any of them.

    Raises:
        SettingsError: GDAL doesn't take the options that the user asked for.
        OutputError: it can't write at all.
    """
    size = final["BLOCKSIZE"]
    plain = {"TILED": "YES", "BLOCKXSIZE": size, "BLOCKYSIZE": size, "BIGTIFF": "IF_SAFER"}
    plain["INTERLEAVE"] = "PIXEL"  # as in the COG
    # Faster than no compression, because there is less to write; but not in every GDAL.
    squeezed = {**plain, "COMPRESS": "ZSTD", "ZSTD_LEVEL": "1"}
    flat, path = os.path.join(folder, "probe.tif"), os.path.join(folder, "probe-cog.tif")
    small = {"width": 16, "height": 16}
    with writing(target.output):
        try:
            creation = squeezed
            dataset = rasterio.open(flat, "w", **{**target.profile(creation), **small})
        except GDAL_ERRORS:
            creation = plain
            dataset = rasterio.open(flat, "w", **{**target.profile(creation), **small})
        with dataset:
            target.metadata.apply(dataset, {}, park=True)  # what an alpha band is
            dataset.write(np.zeros((target.layout.count, 16, 16), target.layout.array_dtype))
        check_whole(flat, target.output)
    try:
        make_cog(flat, path, final, target.output)
    except OutputError as error:
        if not asked or not _has_room(folder, target, int(size)):
            raise
        raise SettingsError(f"GDAL refuses these creation options: {error}") from error
    with writing(target.output), rasterio.open(path) as made:
        count = made.count
    if count != target.layout.count:  # COMPRESS=JPEG: alpha becomes a mask
        raise SettingsError(
            f"GDAL refuses these creation options: with them {target.layout.count} bands become "
            f"{count}, as JPEG has no alpha band; give COMPRESS=WEBP, or --driver GTiff"
        )
    return creation


def _has_room(folder: str, target: Target, size: int) -> bool:
    """Whether a tile or two can be written at all: else it isn't the options' fault."""
    path = os.path.join(folder, "room")
    try:
        with open(path, "wb") as file:
            file.write(bytes(2 * size * size * target.layout.count * 16))
            file.flush()
            os.fsync(file.fileno())
        os.remove(path)
    except OSError:
        return False
    return True
