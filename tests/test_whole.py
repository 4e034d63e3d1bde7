"""Files that are cut, of which GDAL says nothing."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import rasterio.shutil
from scipy.io import netcdf_file

from georeg.errors import InputError
from georeg.grid import Window
from georeg.inputs import pcidsk, pcraster
from georeg.raster import Raster
from rasters import write

PIXELS = 1 + np.arange(2 * 3 * 5, dtype=np.int8).reshape(2, 3, 5)
PADDING = 3  # bytes at most, at the end of a file


def pcraster_head(order: Literal["little", "big"], kind: int) -> bytes:
    numbers = ((46, 4, 1), (66, 2, kind), (100, 4, 90), (104, 4, 101))
    head = bytearray(b"RUU CROSS SYSTEM MAP FORMAT".ljust(256, b"\0"))
    for place, size, number in numbers:
        head[place : place + size] = number.to_bytes(size, order)
    return bytes(head)


def pcidsk_head(order: bytes, first: bytes, blocks: bytes) -> bytes:
    return b"PCIDSK  ".ljust(304) + first.rjust(16) + blocks.rjust(16) + b" " * 24 + order


def classic(path: Path, version: int, others: int, by_record: bool) -> Path:
    """A picture of two bands, last in its file, along with other variables of odd sizes."""
    with netcdf_file(path, "w", version=version) as file:
        file.history = "made"
        for name, size in (("t", None if by_record else len(PIXELS)), ("y", 3), ("x", 5)):
            file.createDimension(name, size)
        for k in range(others):
            variable = file.createVariable(f"other{k}", "i2", ("t",))
            variable.units = "m"
            for t in range(len(PIXELS)):
                variable[t] = t
        picture = file.createVariable("z", "i1", ("t", "y", "x"))
        for t, layer in enumerate(PIXELS):
            picture[t] = layer
    return path


@pytest.mark.parametrize("by_record", [False, True])
@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize("version", [1, 2])
def test_a_classic_netcdf_file_that_is_cut(
    tmp_path: Path, version: int, others: int, by_record: bool
) -> None:
    """GDAL makes zeros of what is missing, without a word."""
    path = classic(tmp_path / "a.nc", version, others, by_record)
    size = os.path.getsize(path)
    name = f"NETCDF:{path}:z"
    with Raster(name) as raster:
        found = raster.read(Window(0, 0, 5, 3), bands=(1, 2)).data
    assert np.array_equal(np.sort(found, axis=None), PIXELS.ravel())
    for less in (PADDING + 1, 9):
        os.truncate(path, size - less)
        said = rf"a\.nc is truncated: at least \d+ bytes belong to it, and it has {size - less}:"
        with pytest.raises(InputError, match=said):
            Raster(name)


def test_a_png_that_is_cut(tmp_path: Path) -> None:
    """GDAL makes noise of all of it, without a word, where it reads it as a whole."""
    pixels = np.random.default_rng(0).integers(0, 255, (3, 200, 200), np.uint8)
    path = Path(write(tmp_path / "a.png", pixels, driver="PNG", WORLDFILE="YES"))
    with Raster(str(path)) as raster:
        read = raster.read(Window(0, 0, 200, 200), bands=(1, 2, 3)).data
    assert np.array_equal(read, pixels)
    whole = path.read_bytes()
    path.write_bytes(whole + b"more")  # as some programs leave it
    Raster(str(path)).close()
    for less in (1, 12, 13, 2000, len(whole) // 2):
        path.write_bytes(whole[:-less])
        with pytest.raises(InputError, match=rf"a\.png is truncated: .* has {len(whole) - less}:"):
            Raster(str(path))


@pytest.mark.parametrize(
    ("driver", "kind", "more"),
    [
        ("PCIDSK", "u1", {"INTERLEAVING": "BAND"}),
        ("PCIDSK", "f4", {"INTERLEAVING": "PIXEL"}),
        ("PCRaster", "f4", {}),
        ("PCRaster", "i4", {}),
        ("PCRaster", "u1", {}),
    ],
)
def test_what_gdal_makes_zeros_of(
    tmp_path: Path, driver: str, kind: str, more: dict[str, str]
) -> None:
    """Other orders of a PCIDSK file's pixels don't tell how long it is."""
    pixels = np.random.default_rng(0).integers(1, 2 if kind == "u1" else 99, (1, 90, 101))
    source, path = write(tmp_path / "a.tif", pixels.astype(kind)), tmp_path / "a.pix"
    scale = {"u1": "VS_BOOLEAN", "i4": "VS_NOMINAL", "f4": "VS_SCALAR"}[kind]
    if driver == "PCRaster":
        more = {"PCRASTER_VALUESCALE": scale}
    rasterio.shutil.copy(source, path, driver=driver, **more)
    with Raster(str(path)) as raster:
        read = raster.read(Window(0, 0, 101, 90), bands=(1,)).data
    assert np.array_equal(read, pixels)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"a\.pix is truncated: at least \d+ bytes"):
        Raster(str(path))


@pytest.mark.parametrize(
    ("wanted", "head", "least"),
    [
        (pcraster.wanted, pcraster_head("little", 0x5A), 256 + 4 * 90 * 101),
        (pcraster.wanted, pcraster_head("big", 0xDB), 256 + 8 * 90 * 101),
        (pcraster.wanted, b"II*", 0),
        (pcidsk.wanted, pcidsk_head(b"BAND    ", b"68", b"176"), (67 + 175) * 512 + 1),
        (pcidsk.wanted, pcidsk_head(b"FILE    ", b"68", b"176"), 0),
        (pcidsk.wanted, pcidsk_head(b"BAND    ", b"68", b"0"), 0),
        (pcidsk.wanted, pcidsk_head(b"BAND    ", b"x", b"176"), 0),
        (pcidsk.wanted, b"", 0),
    ],
)
def test_lengths_in_headers(wanted: Any, head: bytes, least: int) -> None:
    assert wanted(BytesIO(head)) == least
