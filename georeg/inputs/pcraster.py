"""How long a PCRaster file is: what is missing of one that is cut, GDAL reads as zeros, unsaid."""

from __future__ import annotations

from typing import BinaryIO, Literal

_MAGIC = b"RUU CROSS SYSTEM MAP FORMAT"
_HEADER = 256  # bytes before the pixels
_ORDER, _KIND = slice(46, 50), slice(66, 68)
_ROWS, _COLUMNS = slice(100, 104), slice(104, 108)


def wanted(file: BinaryIO) -> int:
    """How many bytes a file has at least; 0 for other formats.

    Args:
        file: open at its beginning.
    """
    head = file.read(_HEADER)
    if not head.startswith(_MAGIC):
        return 0
    order: Literal["little", "big"] = "little" if head[_ORDER] == b"\1\0\0\0" else "big"
    kind, rows, columns = (int.from_bytes(head[at], order) for at in (_KIND, _ROWS, _COLUMNS))
    return _HEADER + (rows * columns << (kind & 3))  # bytes of a number, as a power of 2
