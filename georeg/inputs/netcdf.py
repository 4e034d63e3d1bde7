"""How long a classic netCDF file is: of what is missing at its end, GDAL makes zeros, unsaid.

Its header says where each variable lies and how long it is: the format "CDF" 1 and 2 of
https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import BinaryIO

_OFFSETS = {1: 4, 2: 8}  # bytes of an offset, by version
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8}  # bytes, by type
_WORD = 4  # bytes of a count, and of a type; what names and attributes are padded to
_UNTOLD = 2**32 - 1  # records, while they are being written


@dataclass(frozen=True)
class _Header:
    """Numbers of a header, one after the other."""

    file: BinaryIO

    def number(self, width: int = _WORD) -> int:
        data = self.file.read(width)
        if len(data) < width:
            raise EOFError
        return int.from_bytes(data, "big")

    def entries(self) -> range:
        """Of a list; its tag is skipped."""
        self.number()
        return range(self.number())

    def skip(self, size: int) -> None:
        self.file.seek(_padded(size), os.SEEK_CUR)

    def skip_attributes(self) -> None:
        for _ in self.entries():
            self.skip(self.number())
            size = _SIZES[self.number()]
            self.skip(self.number() * size)


def _padded(size: int) -> int:
    return -(-size // _WORD) * _WORD


def wanted(file: BinaryIO) -> int:
    """How many bytes a file has at least, padding at its end aside; 0 for other formats.

    Args:
        file: open at its beginning.

    Raises:
        EOFError, KeyError, IndexError: the header isn't whole, which GDAL sees.
    """
    magic = file.read(4)
    if magic[:3] != b"CDF" or magic[3] not in _OFFSETS:
        return 0
    header = _Header(file)
    records = header.number()
    lengths = []
    for _ in header.entries():
        header.skip(header.number())
        lengths.append(header.number())  # 0: as many as there are records
    header.skip_attributes()
    ends, slices = [], []
    for _ in header.entries():
        header.skip(header.number())
        shape = [lengths[header.number()] for _ in range(header.number())]
        header.skip_attributes()
        size = _SIZES[header.number()]
        header.number()  # bytes, which needn't fit into it
        begin = header.number(_OFFSETS[magic[3]])
        by_record = bool(shape) and shape[0] == 0
        length = size * math.prod(shape[by_record:])
        if by_record:
            slices.append((begin, length))
        else:
            ends.append(begin + length)
    if 0 < records < _UNTOLD:
        # A single variable's records follow each other without padding.
        step = slices[0][1] if len(slices) == 1 else sum(_padded(size) for _, size in slices)
        ends += [begin + (records - 1) * step + length for begin, length in slices]
    return max(ends, default=0)
