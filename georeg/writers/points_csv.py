"""Tie points as CSV: for spreadsheets, scripts and hands.

Lines that begin with # are comments; one of them names the CRS of map_x, map_y.
"""

from __future__ import annotations

import csv
import io
import math

from georeg.errors import PointsError
from georeg.textfile import read_text, write_text
from georeg.writers.points import PointTable, from_records, plain_name

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


def write(path: str, table: PointTable, *, overwrite: bool = True) -> None:
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
    rows.writerow([*COLUMNS, "height"] if high else COLUMNS)
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
        row = [plain_name(name) or str(i + 1), *(_text(float(n)) for n in numbers), *flags]
        rows.writerow(row if table.height is None else [*row, _text(float(table.height[i]))])
    write_text(path, text.getvalue(), overwrite=overwrite)


def _text(number: float) -> str:
    return repr(number) if math.isfinite(number) else ""


def read(path: str) -> PointTable:
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
    names = [n.strip().lower() for n in _values(head, delimiter, f"{path}, line {lines[0][0]}")]
    for needed in ("moving_x", "moving_y"):
        if needed not in names:
            raise PointsError(
                f"{path}, line {lines[0][0]}: there is no column {needed}; the first line must "
                f"name the columns, e.g. {','.join(COLUMNS[1:5])}"
            )
    records = []
    for number, line in lines[1:]:
        values = _values(line, delimiter, f"{path}, line {number}")
        if len(values) > len(names) and any(v.strip() for v in values[len(names) :]):
            raise PointsError(
                f"{path}, line {number}: {len(values)} values for {len(names)} columns"
            )
        records.append((f"line {number}", dict(zip(names, values, strict=False))))
    return from_records(records, path, crs)


def _values(line: str, delimiter: str, where: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error as error:
        raise PointsError(f"{where}: {error}") from None
