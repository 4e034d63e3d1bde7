"""Whether files are whole of which GDAL reads what is missing as zeros or noise, without a word."""

from __future__ import annotations

import os
from typing import Any

from georeg.errors import InputError
from georeg.inputs import netcdf, pcidsk, pcraster, png

_WANTED = {
    "netCDF": netcdf.wanted,
    "PCIDSK": pcidsk.wanted,
    "PCRaster": pcraster.wanted,
    "PNG": png.wanted,
}


def check_whole(dataset: Any) -> None:
    """See that a dataset's file is as long as it says itself.

    Args:
        dataset: of rasterio; drivers that see it themselves are let through, and what is no file of
            the disk.

    Raises:
        InputError: it is shorter.
    """
    wanted = _WANTED.get(dataset.driver)
    if wanted is None:
        return
    for path in filter(os.path.isfile, dataset.files):
        try:
            with open(path, "rb") as file:
                least = wanted(file)
            size = os.path.getsize(path)
        except (OSError, EOFError, KeyError, IndexError):  # GDAL judges it
            continue
        if size < least:
            raise InputError(
                f"{path} is truncated: at least {least} bytes belong to it, and it has {size}: "
                "copy or download it again"
            )
