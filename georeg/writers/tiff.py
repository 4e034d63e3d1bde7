"""A look at TIFF files through their own index, without GDAL.

GDAL reports some write errors only when a file is closed, and some not at all. A TIFF that isn't
whole has blocks that are not in the index, or that the index places beyond the file's end.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from georeg.errors import OutputError

_WIDTH, _LENGTH, _SAMPLES, _ROWS, _PLANAR = 256, 257, 277, 278, 284
_STRIP_OFFSETS, _STRIP_SIZES = 273, 279
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_SIZES = 322, 323, 324, 325
_GDAL_METADATA = 42112
_TYPES = {1: "u1", 2: "u1", 3: "u2", 4: "u4", 16: "u8"}


class _Tag(NamedTuple):
    """Numbers of a tag, and where in the file they are."""

    values: npt.NDArray[Any]
    position: int


_Tags = dict[int, _Tag]


class _IncompleteError(Exception):
    """What is wrong with a file, without its name."""


@dataclass(frozen=True)
class _Dialect:
    """Classic TIFF or BigTIFF, and its byte order."""

    order: str
    big: bool

    @property
    def offset(self) -> str:
        return "Q" if self.big else "I"

    @property
    def count(self) -> str:
        return "Q" if self.big else "H"


def is_bigtiff(path: str) -> bool:
    """Whether a TIFF file has 64-bit offsets."""
    with open(path, "rb") as file:
        return _dialect(file)[0].big


def check_whole(path: str, name: str | None = None, *, sparse: bool = False) -> int:
    """Check that every block of every image in a TIFF file is there: overviews and masks too.

    Args:
        path: a local file.
        name: what to call it in messages, if not by its path.
        sparse: whether blocks may be left out on purpose.

    Returns:
        The number of images in the file.

    Raises:
        OutputError: blocks are missing or cut off, or the file is no TIFF.
    """
    size = os.path.getsize(path)
    images = 0
    try:
        with open(path, "rb") as file:
            dialect, at = _dialect(file)
            while at:
                tags, at = _directory(file, dialect, at)
                _check_image(tags, size, sparse)
                images += 1
        if not images:
            raise _IncompleteError("it holds no image")
    except _IncompleteError as error:
        raise OutputError(f"{name or path} is incomplete: {error}") from None
    except (struct.error, ValueError, KeyError, EOFError):
        raise OutputError(f"{name or path} is incomplete: its index can't be read") from None
    return images


def rename_domain(path: str, domain: str) -> None:
    """Make tags of a domain tags of the default domain, in GDAL's metadata of the first image.

    Only blanks are put where the domain's name was, so that nothing moves in the file.
    """
    attribute = f' domain="{domain}"'.encode()
    with open(path, "r+b") as file:
        dialect, at = _dialect(file)
        tags, _ = _directory(file, dialect, at)
        if _GDAL_METADATA in tags:
            text, position = tags[_GDAL_METADATA]
            file.seek(position)
            file.write(text.tobytes().replace(attribute, b" " * len(attribute)))


def _dialect(file: BinaryIO) -> tuple[_Dialect, int]:
    """How to read the file, and where the first directory is."""
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        raise _IncompleteError("it has no TIFF header")
    magic = struct.unpack(order + "H", head[2:4])[0]
    dialect = _Dialect(order, magic == 43)
    fields = head[8:16] if dialect.big else head[4:8]
    return dialect, int(struct.unpack(order + dialect.offset, fields)[0])


def _directory(file: BinaryIO, dialect: _Dialect, at: int) -> tuple[_Tags, int]:
    """The integer tags of a directory, and where the next one is."""
    file.seek(at)
    order = dialect.order
    counter, pointer = (struct.calcsize("=" + f) for f in (dialect.count, dialect.offset))
    head = 4 + pointer
    (entries,) = struct.unpack(order + dialect.count, file.read(counter))
    start = file.tell()
    table = file.read(entries * (head + pointer))
    (following,) = struct.unpack(order + dialect.offset, file.read(pointer))
    tags: _Tags = {}
    for place in range(0, len(table), head + pointer):
        entry = table[place : place + head + pointer]
        tag, kind, number = struct.unpack(order + "HH" + dialect.offset, entry[:head])
        if kind not in _TYPES:
            continue
        dtype = np.dtype(order + _TYPES[kind])
        length = number * dtype.itemsize
        position, field = start + place + head, entry[head:]
        if length > pointer:
            (position,) = struct.unpack(order + dialect.offset, field)
            file.seek(position)
            field = file.read(length)
            if len(field) < length:
                raise EOFError
        tags[tag] = _Tag(np.frombuffer(field[:length], dtype), position)
    return tags, int(following)


def _check_image(tags: _Tags, size: int, sparse: bool) -> None:
    def first(tag: int) -> int:
        return int(tags[tag].values[0])

    width, height = first(_WIDTH), first(_LENGTH)
    if _TILE_OFFSETS in tags:
        blocks = -(-width // first(_TILE_WIDTH)) * -(-height // first(_TILE_LENGTH))
        offsets, sizes = tags[_TILE_OFFSETS].values, tags[_TILE_SIZES].values
    else:
        blocks = -(-height // min(height, first(_ROWS)))
        offsets, sizes = tags[_STRIP_OFFSETS].values, tags[_STRIP_SIZES].values
    if _PLANAR in tags and first(_PLANAR) == 2:
        blocks *= first(_SAMPLES)
    there = (offsets > 0) & (sizes > 0)
    missing = blocks - int(there.sum())
    if len(offsets) != blocks or len(sizes) != blocks or (missing and not sparse):
        raise _IncompleteError(f"{missing} of {blocks} blocks are missing")
    ends = offsets.astype(np.uint64) + sizes.astype(np.uint64)
    if (ends[there] > size).any():
        raise _IncompleteError("it ends amid its blocks")
