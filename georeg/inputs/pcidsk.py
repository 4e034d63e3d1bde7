"""How long a PCIDSK file is: what is missing of one that is cut, GDAL reads as zeros, unsaid."""

from __future__ import annotations

from typing import BinaryIO

_MAGIC = b"PCIDSK  "
_BLOCK = 512  # bytes
# Of the file header: numbers are written as text.
_FIRST, _BLOCKS, _ORDER = slice(304, 320), slice(320, 336), slice(360, 368)
_IN_ONE_PIECE = (b"PIXEL   ", b"BAND    ")


def wanted(file: BinaryIO) -> int:
    """How many bytes a file has at least; 0 for other formats, and where its header doesn't tell.

    It does where the pixels are in one piece. Tiles (INTERLEAVING=TILED) may lie anywhere, and of
    the length that the header has then, much need not be there.

    Args:
        file: open at its beginning.
    """
    head = file.read(_BLOCK)
    if not head.startswith(_MAGIC) or head[_ORDER] not in _IN_ONE_PIECE:
        return 0
    try:
        first, blocks = int(head[_FIRST]), int(head[_BLOCKS])
    except ValueError:  # damaged in another way, which GDAL judges
        return 0
    # Blocks count from 1. The last one needn't be full.
    return (first + blocks - 2) * _BLOCK + 1 if blocks > 0 else 0
