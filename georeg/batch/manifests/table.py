"""Manifests as tables: `.csv` (comma or semicolon) and `.tsv`. Columns are names of options, too.

    moving,reference,output,max-shift
    scene1.tif,base.tif,scene1_aligned.tif,800m

Empty cells say nothing, nor do lines of nothing else and columns at the end without a name, as
spreadsheets export them; lines that begin with # are comments.
"""

from __future__ import annotations

import csv
import os

from georeg.batch.entries import Entry, entry_of
from georeg.errors import InputError
from georeg.textfile import read_text
from georeg.writers.place import is_virtual


def read(path: str, asset: str | None = None) -> list[Entry]:
    """Entries of a table.

    Raises:
        InputError: it can't be read, has no column 'moving', or a line doesn't fit the header.
    """
    folder = "" if is_virtual(path) else os.path.dirname(os.path.abspath(path))
    lines = [
        (number, line)
        for number, line in enumerate(read_text(path).splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise InputError(f"{path} is empty")
    head = lines[0][1]
    delimiter = max("\t;,", key=head.count)
    try:
        rows = list(csv.reader([line for _, line in lines], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InputError(f"{path} is no table of CSV: {error}") from None
    names, *rows = (_filled(row) for row in rows)
    if "moving" not in names:
        raise InputError(f"{path}: the first line names no column 'moving'")
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two columns have the same name")
    entries = []
    for (number, _), row in zip(lines[1:], rows, strict=False):
        if len(row) > len(names):
            raise InputError(f"{path}, line {number}: {len(row)} values for {len(names)} columns")
        if row:
            values = dict(zip(names, row, strict=False))
            entries.append(entry_of(values, f"{path}, line {number}", folder))
    return entries


def _filled(row: list[str]) -> list[str]:
    """The cells up to the last one that isn't blank."""
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells
