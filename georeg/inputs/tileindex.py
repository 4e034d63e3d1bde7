"""The tiles of a tile index (GDAL's driver GTI): of those that are gone, GDAL makes zeros, unsaid.

It tells neither their names nor that it couldn't open one (3.10), so the index is read here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import pyogrio
import pyogrio.raw

from georeg.errors import InputError

DRIVER = "GTI"
_SHOWN = 3  # names in a message


@dataclass(frozen=True)
class _Index:
    """Where the tiles' names are: a vector file, and what of it counts."""

    path: str
    layer: str | None = None
    field: str | None = None
    where: str | None = None


def tiles(dataset: Any) -> tuple[list[str], list[str]]:
    """Names of the files that a tile index is made of: those that are there, and those that aren't.

    Names that only GDAL can look for (/vsicurl/, subdatasets) are in neither list. Both are empty
    for other datasets, and for an index that is no file or that pyogrio can't read.

    Args:
        dataset: of rasterio.
    """
    if dataset.driver != DRIVER:
        return [], []
    try:
        index = _index(dataset.name)
        if not os.path.isfile(index.path):  # nor are its tiles on a disk
            return [], []
        names = _locations(index)
    except (ElementTree.ParseError, OSError, ValueError, RuntimeError):
        return [], []
    folders = ["", os.path.dirname(index.path), os.path.dirname(dataset.name)]
    there, gone = [], []
    for name in sorted({n for n in names if not _beyond(n)}):
        found = [p for f in folders if _something(p := os.path.join(f, name))]
        if found:
            there.append(found[0])
        else:
            gone.append(name)
    return there, gone


def check_tiles(dataset: Any) -> None:
    """See that no tile is missing.

    Raises:
        InputError: some are.
    """
    there, gone = tiles(dataset)
    if gone:
        shown = ", ".join(gone[:_SHOWN]) + (", ..." if len(gone) > _SHOWN else "")
        raise InputError(
            f"{dataset.name}: {len(gone)} of its {len(there) + len(gone)} tiles are missing or "
            f"empty ({shown}): bring them back, or make the index anew (gdaltindex)"
        )


def _index(name: str) -> _Index:
    if not name.endswith(".gti") and not name.lstrip().startswith("<"):
        return _Index(name.removeprefix(f"{DRIVER}:"))
    tree = ElementTree.parse(name).getroot() if name.endswith(".gti") else ElementTree.XML(name)
    path = tree.findtext("IndexDataset")
    if not path:
        raise ValueError("it names no index")
    return _Index(
        path, tree.findtext("IndexLayer"), tree.findtext("LocationField"), tree.findtext("Filter")
    )


def _locations(index: _Index) -> list[str]:
    told: Mapping[str, str] = (
        pyogrio.read_info(index.path, layer=index.layer).get("layer_metadata") or {}
    )
    field = index.field or told.get("LOCATION_FIELD") or "location"
    where = index.where or told.get("FILTER")
    _, _, _, columns = pyogrio.raw.read(
        index.path, layer=index.layer, columns=[field], read_geometry=False, where=where
    )
    return [str(name) for name in columns[0]] if columns else []


def _something(path: str) -> bool:
    """Whether there is a folder (.zarr) or a file that isn't empty."""
    return os.path.isdir(path) or (os.path.isfile(path) and os.path.getsize(path) > 0)


def _beyond(name: str) -> bool:
    """Whether a name is one that only GDAL knows the meaning of."""
    return name.startswith("/vsi") or ":" in name[2:] or name.startswith("<")
