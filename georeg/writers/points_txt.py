"""Tie points as a link table of ArcGIS: `.txt`.

One link a line, separated by tabs: from x, from y, to x, to y; after these ArcGIS writes residuals,
and before them its Spatial Adjustment writes a number (then there are five values). A first line
'link table' is old custom. From is a coordinate of the moving raster as ArcGIS shows it: in its own
map coordinates if it has a georeference, else x = column and y = -row, (0, 0) being the outer
corner of the upper-left pixel and y pointing up. Of rasters without georeference, rows counted up
from the lower-left corner are understood, too, as in Esri's article 000003999. To is in the
reference's CRS, which the file doesn't name.

The format has neither scores nor flags: only what is enabled and agrees with the fit is in it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from affine import Affine

from georeg.errors import PointsError
from georeg.inputs.georef import AffineGeoref, Georef
from georeg.textfile import read_text, write_text
from georeg.writers.points import PointTable
from georeg.writers.records import from_records, number_text
from georeg.writers.sides import UNREFERENCED, Sides, needed

_SAID = {"moving_x": "from x", "moving_y": "from y", "map_x": "to x", "map_y": "to y"}
_WHY = "link tables keep pixels in the moving raster's own coordinates"
_WITH_NUMBER = 5


def write(path: str, table: PointTable, sides: Sides, *, overwrite: bool = True) -> None:
    """Write the usable points: positions to the last bit.

    Raises:
        SettingsError: the moving raster, or a reference for map positions, is missing.
        PointsError: no point is usable.
        SettingsError, OutputError: as `georeg.textfile.write_text`.
    """
    moving = needed(sides.moving, path, "--moving", _WHY)
    table = table.usable_only(path).on_map(sides.reference, path)
    if sides.reference is not None:
        table = table.in_crs(sides.reference.crs)
    source = moving.layer.to_map(table.moving_xy)
    lines = [
        "\t".join(map(number_text, [*one, *other])) + "\n"
        for one, other in zip(source, table.map_xy, strict=True)
    ]
    write_text(path, "".join(lines), overwrite=overwrite)


def read(path: str, sides: Sides) -> PointTable:
    """Read a table: ArcGIS' own or a hand-made one, separated by tabs, spaces or commas.

    Raises:
        InputError: the file is missing or unreadable.
        SettingsError: the moving raster is missing.
        PointsError: a value is missing or makes no sense; names the line.
    """
    moving = needed(sides.moving, path, "--moving", _WHY)
    records: list[tuple[str, dict[str, Any]]] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        values = [value for value in re.split(r"[\s,;]+", line.strip()) if value]
        if not values or line.lstrip().startswith("#") or (number == 1 and _is_head(values)):
            continue
        where = f"line {number}"
        name = values.pop(0) if len(values) == _WITH_NUMBER else None
        if len(values) < len(_SAID):
            raise PointsError(f"{path}, {where}: a link is from x, from y, to x, to y")
        records.append((where, {"id": name, **dict(zip(_SAID, values, strict=False))}))
    table = from_records(records, path, None, _SAID)
    conventions: list[tuple[str, Georef]] = [("map coordinates", moving.layer)]
    if moving.georef is None:
        bottom = AffineGeoref(Affine(1.0, 0.0, 0.0, 0.0, -1.0, float(moving.shape[0])))
        conventions.append(("rows counted from the bottom", bottom))
    else:
        conventions.append(("columns and rows", UNREFERENCED))
    return replace(table, moving_xy=moving.pixels(table.moving_xy, conventions, path))


def _is_head(values: list[str]) -> bool:
    """Whether the first line holds words instead of numbers."""
    try:
        [float(value) for value in values]
    except ValueError:
        return not any(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", v, re.I) for v in values)
    return False
