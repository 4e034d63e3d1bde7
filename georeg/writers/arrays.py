"""GeoTIFFs of numbers: displacement grids and geolocation arrays, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio

from georeg.errors import OutputError
from georeg.writers.place import placed, writing


def write_arrays(
    output: str,
    bands: npt.NDArray[Any],
    profile: Mapping[str, Any],
    inputs: Sequence[str] = (),
    *,
    overwrite: bool = False,
    describe: Callable[[Any], None] | None = None,
) -> None:
    """Write an array into a GeoTIFF, and read it again.

    libtiff reports writes that fail when the file is closed (disk full, quota) to nobody.

    Args:
        output: name of the file.
        bands: (bands, rows, columns); no NaN.
        profile: rasterio's, but for the array's shape and type.
        inputs: names of files that must not be overwritten.
        overwrite: whether an existing file may be replaced.
        describe: called with the open dataset, before there are pixels.

    Raises:
        SettingsError: the file is an input, or exists and may not be overwritten.
        OutputError: it can't be written; nothing is left behind.
    """
    count, height, width = bands.shape
    shape = {"count": count, "height": height, "width": width, "dtype": bands.dtype.name}
    with placed(output, inputs, overwrite=overwrite) as (_, path), writing(output):
        with rasterio.open(path, "w", driver="GTiff", **shape, **profile) as file:
            if describe is not None:
                describe(file)
            file.write(bands)
        with rasterio.open(path) as file:
            if not np.array_equal(file.read(), bands):
                raise OutputError(f"{output} is incomplete: its values were damaged on the way")
