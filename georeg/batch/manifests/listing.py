"""All rasters of a folder, of a pattern, or one by name."""

from __future__ import annotations

import glob
import os

from georeg.batch.entries import Entry
from georeg.errors import InputError
from georeg.writers.place import is_virtual

# What is taken for a raster in a folder; patterns and names may be anything.
SUFFIXES = (
    ".tif", ".tiff", ".jp2", ".img", ".vrt", ".png", ".jpg", ".jpeg", ".ntf", ".nc", ".hdf", ".bil",
    ".dat", ".asc", ".gpkg",
)  # fmt: skip


def list_rasters(name: str) -> list[Entry]:
    """One entry for each raster; outputs keep folders below the one that is named.

    Raises:
        InputError: there is no such file, or nothing that matches.
    """
    if is_virtual(name):
        return [Entry(name, name)]
    if os.path.isdir(name):
        return _entries(sorted(_walk(name)), name, name)
    if glob.has_magic(name) and not os.path.exists(name):
        found = sorted(path for path in glob.glob(name, recursive=True) if os.path.isfile(path))
        if not found:
            raise InputError(f"{name}: no file matches")
        return _entries(found, os.path.commonpath([os.path.dirname(p) for p in found]), name)
    return [Entry(name, name)]


def _walk(folder: str) -> list[str]:
    found = [
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES) and not name.startswith(".")
    ]
    if not found:
        raise InputError(f"{folder}: no rasters in this folder")
    return found


def _entries(paths: list[str], top: str, source: str) -> list[Entry]:
    """Outputs have the stem of their input, and all of its name where two stems are the same."""
    inner = [os.path.relpath(path, top or ".") for path in paths]
    stems = [os.path.splitext(name)[0] for name in inner]
    return [
        Entry(path, f"{source}: {name}", id=(own if stems.count(own) == 1 else name))
        for path, name, own in zip(paths, inner, stems, strict=True)
    ]
