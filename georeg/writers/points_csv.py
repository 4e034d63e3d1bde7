"""Tie points as CSV: for spreadsheets, scripts and hands.

Pixels of both rasters as GDAL has them: x is the column, y the row, counted downwards, and (0, 0)
the outer corner of the first pixel. map_x is easting or longitude. Lines that begin with # are
comments; one of them names the CRS of map_x, map_y.
"""

from __future__ import annotations

import csv
import io

from georeg.errors import PointsError
from georeg.textfile import read_text, write_text
from georeg.writers.points import PointTable
from georeg.writers.records import (
    from_records,
    number_text,
    plain_name,
    records_of,
    split_line,
)
from georeg.writers.sides import Sides

COLUMNS = (
    "id",
    "moving_x",
    "moving_y",
    "reference_x",
    "reference_y",
    "map_x",
    "map_y",
    "score",
    "sigma_px",
    "residual_x_px",
    "residual_y_px",
    "inlier",
    "enabled",
)
_HEAD = (
    "# georeg tie points. Pixels as GDAL has them: (0, 0) is the outer corner of the first pixel.",
    "# enabled = 0 leaves a point out. reference_x, reference_y count; map_x, map_y only "
    "where they are empty.",
)
_CRS = "# crs of map_x, map_y:"
_APART = "apart_px"


def write(path: str, table: PointTable, sides: Sides, *, overwrite: bool = True) -> None:
    """Write a table; reading it again gives the same numbers to the last bit.

    Raises:
        SettingsError, OutputError: as `georeg.textfile.write_text`.
    """
    text = io.StringIO()
    text.writelines(f"{line}\n" for line in _HEAD)
    if table.crs is not None:
        text.write(f"{_CRS} {' '.join(table.crs.splitlines())}\n")
    rows = csv.writer(text, lineterminator="\n")
    high = table.height is not None
    if high:
        text.write("# height: metres above the ellipsoid of WGS 84.\n")
    more = [name for name, there in (("height", high), (_APART, table.apart > 0)) if there]
    if table.apart > 0:
        text.write(f"# {_APART}: nearer points aren't independent, what they show overlaps.\n")
    rows.writerow([*COLUMNS, *more])
    for i, name in enumerate(table.ids):
        numbers = [
            *table.moving_xy[i],
            *table.reference_xy[i],
            *table.map_xy[i],
            table.score[i],
            table.sigma[i],
            *table.residual_xy[i],
        ]
        flags = [int(table.inlier[i]), int(table.enabled[i])]
        row = [plain_name(name) or str(i + 1), *(number_text(n) for n in numbers), *flags]
        if table.height is not None:
            row.append(number_text(table.height[i]))
        rows.writerow([*row, number_text(table.apart)] if table.apart > 0 else row)
    write_text(path, text.getvalue(), overwrite=overwrite)


def read(path: str, sides: Sides) -> PointTable:
    """Read a table: columns by name in any order, separated by comma, semicolon or tab.

    Raises:
        InputError: the file is missing or unreadable.
        PointsError: a value is missing or makes no sense; names the line.
    """
    crs = None
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.startswith(_CRS):
            crs = line.removeprefix(_CRS).strip() or None
        elif line.strip() and not line.lstrip().startswith("#"):
            lines.append((number, line))
    if not lines:
        raise PointsError(f"{path} holds no tie points")
    head = lines[0][1]
    delimiter = max(",;\t", key=head.count)
    names = [n.strip().lower() for n in split_line(head, delimiter, f"{path}, line {lines[0][0]}")]
    for column in ("moving_x", "moving_y"):
        if column not in names:
            raise PointsError(
                f"{path}, line {lines[0][0]}: there is no column {column}; the first line must "
                f"name the columns, e.g. {','.join(COLUMNS[1:5])}"
            )
    records = records_of(lines[1:], names, delimiter, path)
    return from_records(records, path, crs)
