"""How long a PNG file is: of one that is cut, GDAL makes noise, unsaid (3.10; read as a whole)."""

from __future__ import annotations

import os
from typing import BinaryIO

_MAGIC = b"\x89PNG\r\n\x1a\n"
_HEAD = 8  # bytes: a chunk's length and name
_CHECKSUM = 4  # bytes after it
_END = b"IEND"


def wanted(file: BinaryIO) -> int:
    """How many bytes a file has at least; 0 for other formats.

    Args:
        file: open at its beginning.
    """
    if file.read(len(_MAGIC)) != _MAGIC:
        return 0
    size = os.fstat(file.fileno()).st_size
    place = len(_MAGIC)
    while place + _HEAD <= size:
        file.seek(place)
        head = file.read(_HEAD)
        place += _HEAD + int.from_bytes(head[:4], "big") + _CHECKSUM
        if head[4:] == _END:
            return place
    return max(place, size) + _HEAD + _CHECKSUM  # the end is still to come
