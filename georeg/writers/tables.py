"""Names of classes and raster attribute tables, carried over to an output.

A GeoTIFF has no room for them, and rasterio doesn't know them: GDAL keeps them in a file beside it
(OUTPUT.aux.xml), and tells them as XML to whoever asks for a virtual copy of a raster.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from xml.etree import ElementTree

import rasterio
import rasterio.shutil
from rasterio.io import MemoryFile

from georeg.inputs.opening import GDAL_ERRORS
from georeg.raster import Raster
from georeg.writers.place import writing

_NAMES, _TABLE = "CategoryNames", "GDALRasterAttributeTable"
_PIXEL_COUNT = "1"  # GDAL's number of a column that says how many pixels have a value

Tables = Mapping[int, tuple[str, ...]]
"""XML of names and table, by 1-based band."""


def tables_of(raster: Raster) -> Tables:
    """What a raster calls its classes, and what its attribute tables say about them.

    Numbers of pixels are left out: they aren't those of a resampled copy.
    """
    found: dict[int, tuple[str, ...]] = {}
    # What GDAL can't copy or XML can't hold is no table that anyone reads.
    with suppress(*GDAL_ERRORS, ElementTree.ParseError), MemoryFile(ext=".vrt") as file:
        rasterio.shutil.copy(raster.dataset(), file.name, driver="VRT")
        with rasterio.open(file.name) as virtual:
            (text,) = virtual.tags(ns="xml:VRT").values()
        for band in ElementTree.fromstring(text).iterfind("VRTRasterBand"):
            parts = [part for part in band if part.tag == _NAMES or _is_telling(part)]
            if parts:
                texts = (ElementTree.tostring(part, encoding="unicode").strip() for part in parts)
                found[int(band.get("band", "1"))] = tuple(texts)
    return found


def _is_telling(part: ElementTree.Element) -> bool:
    """Whether this is a table with more than numbers of pixels; takes those out."""
    if part.tag != _TABLE:
        return False
    columns = part.findall("FieldDefn")
    counts = [k for k, one in enumerate(columns) if one.findtext("Usage") == _PIXEL_COUNT]
    for row in part.iterfind("Row"):
        cells = row.findall("F")
        for k in counts:
            row.remove(cells[k])
    for k in counts:
        part.remove(columns[k])
    for k, column in enumerate(part.iterfind("FieldDefn")):
        column.set("index", str(k))
    return len(counts) < len(columns)


def write_tables(path: str, tables: Tables, output: str) -> None:
    """Put tables beside a finished raster, with what GDAL has put there already.

    Args:
        path: of the raster.
        tables: by `tables_of`; nothing is written where there are none.
        output: the raster's final name, for messages.

    Raises:
        OutputError: they can't be written.
    """
    if not tables:
        return
    beside = path + ".aux.xml"
    with writing(output):
        there = os.path.exists(beside)
        root = ElementTree.parse(beside).getroot() if there else ElementTree.Element("PAMDataset")
        known = {band.get("band"): band for band in root.iterfind("PAMRasterBand")}
        for number, texts in tables.items():
            key = str(number)
            if key not in known:
                known[key] = ElementTree.SubElement(root, "PAMRasterBand", {"band": key})
            known[key].extend(map(ElementTree.fromstring, texts))
        ElementTree.ElementTree(root).write(beside, encoding="utf-8")
