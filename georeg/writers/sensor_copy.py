"""A copy of a sensor's image, pixel by pixel, with other RPCs in its tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import rasterio
import rasterio.shutil
from rasterio.rpc import RPC

from georeg.raster import Raster
from georeg.resampling.validity import Layout
from georeg.writers.creation import gtiff_options
from georeg.writers.place import placed, writing
from georeg.writers.tiff import check_whole


def copy_with_rpc(
    raster: Raster,
    output: str,
    rpc_tags: Mapping[str, str],
    *,
    overwrite: bool = False,
    inputs: Sequence[str] = (),
) -> None:
    """Write the image as a GeoTIFF with the given RPCs instead of its own.

    GDAL copies the pixels, bands, masks and tags.

    Args:
        raster: the image; never changed.
        output: a path, or a name that GDAL can write to.
        rpc_tags: GDAL's RPC metadata.
        overwrite: whether an existing output may be replaced.
        inputs: further files that must not be overwritten.

    Raises:
        SettingsError: the output is an input, or exists and may not be overwritten.
        OutputError: it can't be written; nothing is left behind.
    """
    dataset = raster.dataset()
    header = raster.header
    layout = Layout(dataset.dtypes[0], header.count, alpha=header.alpha)
    options = gtiff_options(layout, {}, classes=header.palette is not None)
    rpc = RPC(**_numbers(rpc_tags))
    files = (raster.name, *dataset.files, *inputs)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        placed(output, files, overwrite=overwrite) as (_, path),
        writing(output),
    ):
        rasterio.shutil.copy(dataset, path, driver="GTiff", **options)
        with rasterio.open(path, "r+") as copy:
            copy.rpcs = rpc
        check_whole(path, output)


def _numbers(tags: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, text in tags.items():
        values = [float(word) for word in text.split()]
        found[key.lower()] = values if len(values) > 1 else values[0]
    return found
