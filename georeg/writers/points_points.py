"""Tie points as QGIS' Georeferencer keeps them: `.points`.

mapX, mapY are in the CRS of the first line. sourceX, sourceY are coordinates of the moving raster
*as QGIS shows it*: in its own map coordinates if it has a georeference, else x = column and
y = -row, (0, 0) being the outer corner of the upper-left pixel and y pointing up. Columns pixelX,
pixelY, as QGIS wrote before 3.26, are column and -row whatever the raster (QGIS' qgsgcplist.cpp
and qgsrasterchangecoords.cpp). dX, dY are ours in reference pixels, y down; QGIS computes its own.

QGIS reads the first five columns and ignores more: apart_px is ours, too, and says how far apart
points must lie to be independent. A file that QGIS has saved no longer has it.

The format has no scores and no inliers: only what is enabled and agrees with the fit is enabled in
it, because QGIS would be misled by the rest.
"""

from __future__ import annotations

import io
import math
from dataclasses import replace

from georeg.crs import parse_crs
from georeg.errors import PointsError
from georeg.textfile import read_text, write_text
from georeg.writers.points import PointTable
from georeg.writers.records import from_records, number_text, records_of, split_line
from georeg.writers.sides import UNREFERENCED, Sides, needed

HEAD = "mapX,mapY,sourceX,sourceY,enable,dX,dY,residual"
_CRS = "#CRS:"
_APART = "apart_px"
_NAMES = {
    "mapx": "map_x",
    "mapy": "map_y",
    "sourcex": "x",
    "sourcey": "y",
    "pixelx": "x",
    "pixely": "y",
    "enable": "enabled",
    "dx": "residual_x_px",
    "dy": "residual_y_px",
}
_SAID = {"moving_x": "sourceX", "moving_y": "sourceY", "map_x": "mapX", "map_y": "mapY"}
_WHY = "QGIS keeps pixels in the moving raster's own coordinates"


def write(path: str, table: PointTable, sides: Sides, *, overwrite: bool = True) -> None:
    """Write a table: positions to the last bit.

    Raises:
        SettingsError: the moving raster, or a reference for map positions, is missing.
        SettingsError, OutputError: as `georeg.textfile.write_text`.
    """
    moving = needed(sides.moving, path, "--moving", _WHY)
    table = table.on_map(sides.reference, path)
    source = moving.layer.to_map(table.moving_xy)
    text = io.StringIO()
    if table.crs is not None:
        wkt = parse_crs(table.crs).to_wkt()
        text.write(f"{_CRS} {' '.join(wkt.split())}\n")
    more = [number_text(table.apart)] if table.apart > 0 else []
    text.write(",".join([HEAD, *([_APART] if more else [])]) + "\n")
    for i, usable in enumerate(table.usable):
        residual = [*table.residual_xy[i], math.hypot(*table.residual_xy[i])]
        place = [*table.map_xy[i], *source[i]]
        values = [*map(number_text, place), str(int(usable)), *map(number_text, residual), *more]
        text.write(",".join(values) + "\n")
    write_text(path, text.getvalue(), overwrite=overwrite)


def read(path: str, sides: Sides) -> PointTable:
    """Read a table: QGIS' own, old or new, or a hand-made one.

    Raises:
        InputError: the file is missing or unreadable.
        SettingsError: the moving raster is missing.
        PointsError: a value is missing or makes no sense; names the line.
    """
    moving = needed(sides.moving, path, "--moving", _WHY)
    crs = None
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.startswith(_CRS):
            crs = line.removeprefix(_CRS).strip() or None
        elif line.strip() and not line.startswith("#"):
            lines.append((number, line))
    if not lines:
        raise PointsError(f"{path} holds no tie points")
    head = lines[0][1]
    delimiter = "\t" if "\t" in head else ","
    where = f"{path}, line {lines[0][0]}"
    names = [name.strip().lower() for name in split_line(head, delimiter, where)]
    if not {"mapx", "mapy"} <= set(names) or not ({"sourcex", "pixelx"} & set(names)):
        raise PointsError(f"{where}: the header is missing: put '{HEAD}' before the points")
    columns = [_NAMES.get(name, name) for name in names]
    records = records_of(lines[1:], columns, delimiter, path)
    for _, values in records:
        values["moving_x"], values["moving_y"] = values.pop("x", None), values.pop("y", None)
    table = from_records(records, path, crs, _SAID)
    old = "pixelx" in names
    conventions = (("columns and rows", UNREFERENCED), ("map coordinates", moving.layer))
    pixels = moving.pixels(table.moving_xy, conventions if old else conventions[::-1], path)
    return replace(table, moving_xy=pixels)
