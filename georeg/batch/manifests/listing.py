"""All rasters of a folder, of a pattern, or one by name."""

from __future__ import annotations

import glob
import os
import sqlite3
import urllib.parse
from collections import Counter
from contextlib import closing

from georeg.batch.entries import Entry
from georeg.errors import InputError
from georeg.writers.place import is_virtual

# What is taken for a raster in a folder; patterns and names may be anything.
SUFFIXES = (
    ".tif", ".tiff", ".jp2", ".img", ".vrt", ".png", ".jpg", ".jpeg", ".ntf", ".nc", ".hdf", ".bil",
    ".dat", ".asc", ".gpkg",
)  # fmt: skip
_INDEX = ".gti.gpkg"  # of tiles: a mosaic for GDAL


def list_rasters(name: str, output_dir: str = "") -> list[Entry]:
    """One entry for each raster; outputs keep folders below the one that is named.

    Args:
        name: folder, pattern or raster.
        output_dir: where outputs go; if it lies below what is named, what is in it is no input.

    Raises:
        InputError: there is no such file, or nothing that matches.
    """
    if is_virtual(name):
        return [Entry(name, name)]
    if os.path.isdir(name):
        return _entries(sorted(_walk(name, output_dir)), name, name)
    if glob.has_magic(name) and not os.path.exists(name):
        found = sorted(path for path in glob.glob(name, recursive=True) if os.path.isfile(path))
        if _below(output_dir, _fixed(name)):
            found = [path for path in found if not _below(path, output_dir)]
        if not found:
            raise InputError(f"{name}: no file matches")
        return _entries(found, os.path.commonpath([os.path.dirname(p) for p in found]), name)
    if _means_folder(name) and not os.path.exists(name):  # a disk that isn't mounted
        raise InputError(f"{name}: no such folder")
    return [Entry(name, name)]


def _holds_features(path: str) -> bool:
    """Whether a file is a GeoPackage without rasters, as tie points are; not where it's unsure."""
    if not path.lower().endswith(".gpkg") or path.lower().endswith(_INDEX):
        return False
    place = urllib.parse.quote(os.path.abspath(path))
    try:
        with closing(sqlite3.connect(f"file:{place}?mode=ro&immutable=1", uri=True)) as file:
            found = file.execute("SELECT DISTINCT data_type FROM gpkg_contents").fetchall()
    except sqlite3.Error:
        return False
    return bool(found) and {kind for (kind,) in found} <= {"features", "attributes"}


def _means_folder(name: str) -> bool:
    """Whether a name can hardly be a raster's, or one that GDAL alone understands."""
    return name.endswith("/") or not (os.path.splitext(name)[1] or ":" in name or "<" in name)


def _walk(folder: str, output_dir: str) -> list[str]:
    found: list[str] = []
    own = os.path.abspath(output_dir) if output_dir else ""
    for place, folders, names in os.walk(folder):
        # Hidden ones are no scenes: among them is what is being written, or was when it was killed.
        folders[:] = [
            below for below in folders
            if not below.startswith(".") and os.path.abspath(os.path.join(place, below)) != own
        ]  # fmt: skip
        found += [
            os.path.join(place, name) for name in names
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
            and not _holds_features(os.path.join(place, name))
        ]  # fmt: skip
    if not found:
        raise InputError(f"{folder}: no rasters in this folder")
    return found


def _fixed(pattern: str) -> str:
    """The folder in which a pattern begins to be one."""
    folder = os.path.dirname(pattern)
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder


def _below(path: str, folder: str) -> bool:
    """Whether something lies in a folder, however deep."""
    top = os.path.join(os.path.abspath(folder), "")
    return bool(path) and os.path.abspath(path).startswith(top)


def _entries(paths: list[str], top: str, source: str) -> list[Entry]:
    """Outputs have the stem of their input, and all of its name where two stems are the same."""
    inner = [os.path.relpath(path, top or ".") for path in paths]
    stems = [os.path.splitext(name)[0] for name in inner]
    times = Counter(stems)
    return [
        Entry(path, f"{source}: {name}", id=(own if times[own] == 1 else name))
        for path, name, own in zip(paths, inner, stems, strict=True)
    ]
