"""How GDAL is asked to open rasters and to read them, and what its errors mean."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import Any

import rasterio
import rasterio.shutil
from affine import Affine
from rasterio._err import CPLE_BaseError, CPLE_OutOfMemoryError
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from georeg.errors import InputError
from georeg.quietly import QUIETLY
from georeg.textfile import unspeakable

# Some of rasterio's functions let GDAL's own errors through.
GDAL_ERRORS = (RasterioError, CPLE_BaseError)
_NO_DAMAGE = ("No such file or directory", "Permission denied", "Too many open files")


@contextmanager
def with_vertical_crs() -> Iterator[None]:
    """Rasters opened in here tell of the vertical part of their CRS, too; GDAL hides it in some."""
    with rasterio.Env(GTIFF_REPORT_COMPD_CS="YES"):
        yield


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn GDAL's errors while reading pixels of `name` into InputError, or MemoryError."""
    try:
        yield
    except GDAL_ERRORS as error:
        check_memory(error)
        reason = str(error).splitlines()[0] if str(error) else "read error"
        cause = error.__cause__
        if cause is not None and str(cause):
            reason = str(cause).splitlines()[0]
        # Of a virtual raster, a source may be gone.
        guess = "" if reason.endswith(_NO_DAMAGE) else ", it looks truncated or corrupt"
        raise InputError(f"{name} can't be decoded{guess}: {reason}") from None


def check_memory(error: BaseException) -> None:
    """See that an error of GDAL isn't due to a lack of memory, for which no file is to blame.

    Raises:
        MemoryError: it is.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, CPLE_OutOfMemoryError):
            raise MemoryError(str(cause)) from error
        cause = cause.__cause__


def check_name(name: str) -> None:
    """See that GDAL can be told a name: it takes UTF-8 only.

    Raises:
        InputError: it can't.
    """
    if reason := unspeakable(name):
        raise InputError(f"{name!a} can't be opened by its name: {reason}")


def stamp_of(name: str) -> tuple[int, int] | None:
    """What mostly changes with a file, size and time; None for what is no file."""
    try:
        found = os.stat(name)
    except (OSError, ValueError):
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def first_line(error: Exception) -> str:
    """What an error says, without what GDAL adds below."""
    return str(error).splitlines()[0] if str(error) else "unknown reason"


def _behind(name: str) -> str:
    """The file that a subdataset's name (DRIVER:FILE:SUBDATASET) is about; empty without one."""
    file = name.partition(":")[2].rpartition(":")[0].strip('"')
    return file if file and os.path.exists(file) else ""


def _careful(name: str) -> AbstractContextManager[Any]:
    """Files that don't lie on a disk are decoded in one thread of GDAL.

    Its threads fetch many ranges at once, and where a server knows no ranges they make zeros of
    pixels without a word (GDAL 3.10; uncompressed TIFF). georeg reads in threads of its own.
    """
    if name.startswith("/vsi") or "://" in name:
        env: AbstractContextManager[Any] = rasterio.Env(GDAL_NUM_THREADS="1")
        return env
    return nullcontext()


def _in_one_thread(dataset: Any) -> Any:
    """A virtual raster opened anew, so that GDAL reads its sources one by one; others as they are.

    Where it reads several at once, in threads (3.10), those that are missing or damaged come out as
    zeros without an error.
    """
    if dataset.driver != "VRT":
        return dataset
    with closing(dataset):
        return rasterio.open(dataset.name, NUM_THREADS="1")


def transform_of(dataset: Any) -> Affine:
    """The geotransform of an open rasterio dataset; identity where it has none.

    The driver PNM leaves it unset where there is no world file, and rasterio takes what lies there
    in memory for numbers (1.4). A virtual copy asks GDAL whether there is one.
    """
    found: Affine = dataset.transform
    if dataset.driver == "PNM":
        with QUIETLY, MemoryFile(ext=".vrt") as file:
            rasterio.shutil.copy(dataset, file.name, driver="VRT")
            with rasterio.open(file.name) as virtual:
                found = virtual.transform
    return found


def open_dataset(name: str) -> Any:
    """Rasterio's dataset; virtual and distant ones as GDAL reads them without losing errors.

    Raises:
        InputError: there is none of that name that GDAL can read.
    """
    check_name(name)
    try:
        with QUIETLY, _careful(name):
            return _in_one_thread(rasterio.open(name))
    except GDAL_ERRORS as error:
        text = first_line(error)
        if "No such file" in text or "does not exist" in text:
            behind = _behind(name)
            text = f"{behind} has no such subdataset" if behind else "no such file"
        elif os.path.isdir(name):
            text = "it is a folder"
        elif "not recognized" in text:
            text = "not a raster that GDAL can read"
        for prefix in (f"{os.path.basename(name)}: ", f"{name}: ", f"{name}:", f"'{name}' "):
            text = text.removeprefix(prefix)
        raise InputError(f"{name} can't be opened: {text}") from None
