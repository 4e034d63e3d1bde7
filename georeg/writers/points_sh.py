"""Tie points as a shell script that gives them to a raster as GCPs: `.sh`.

Two names run `gdal_translate` (a copy with GCPs), one name runs `gdal raster edit` of GDAL 3.12 or
newer (the file itself). A line `-gcp` holds pixel, line, x, y as GDAL has them: pixel is the column
and line the row, (0, 0) being the outer corner of the upper-left pixel, rows counted downwards; x
is easting or longitude, y northing or latitude, in the CRS that the script names.

Points that aren't usable (disabled, or not explained by the fit) are there as comments, to be used
without their mark. Scores and residuals are not in it; a comment apart_px says how far apart points
must lie to be independent.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import Any

from georeg.errors import PointsError
from georeg.textfile import read_text, write_text
from georeg.writers.points import PointTable
from georeg.writers.records import from_records, number_text, plain_name
from georeg.writers.sides import Sides

_SAID = {"moving_x": "pixel", "moving_y": "line", "map_x": "x", "map_y": "y"}
# `-gcp pixel line x y` of gdal_translate and gdal_edit.py, `--gcp pixel,line,x,y` of gdal.
_GCP = re.compile(r"(?<!\S)(?:-gcp\s+|--gcp[\s=]+)(?=-?[\d.]|[^\s-])")
_CRS = re.compile(r"(?:^crs=|(?<!\S)-a_srs\s+|(?<!\S)--crs[\s=]+)")

_APART = re.compile(r"#\s*apart_px\s+(\S+?):?(?=\s|$)")

_HEAD = """\
#!/bin/sh
# GCPs by georeg, for GDAL. Pixel and line: (0, 0) is the outer corner of the upper-left pixel.
#   sh {name} IN.tif OUT.tif    a copy with GCPs (gdal_translate)
#   sh {name} RASTER.tif        into the raster itself (gdal raster edit, GDAL 3.12 or newer)
# gdalwarp, or gdalwarp -tps, then resamples it.
{apart}set -eu
crs={crs}
gcps() {{
cat <<'END'
"""
_TAIL = """\
END
}
use() { gcps | grep '^-gcp'; }
case $# in
2)  # shellcheck disable=SC2046
    gdal_translate ${crs:+-a_srs "$crs"} $(use) "$1" "$2" ;;
1)  # shellcheck disable=SC2046
    gdal raster edit ${crs:+--crs "$crs"} $(use | sed 's/^-gcp /--gcp=/; s/ /,/g') "$1" ;;
*)  echo "usage: sh $0 IN.tif OUT.tif, or sh $0 RASTER.tif" >&2; exit 2 ;;
esac
"""


def write(path: str, table: PointTable, sides: Sides, *, overwrite: bool = True) -> None:
    """Write a script: positions to the last bit.

    Raises:
        SettingsError: a reference for map positions is missing.
        PointsError: no point is usable.
        SettingsError, OutputError: as `georeg.textfile.write_text`.
    """
    table.usable_only(path)
    table = table.on_map(sides.reference, path)
    crs = "" if table.crs is None else " ".join(table.crs.split())
    lines = [
        f"{'' if usable else '# '}-gcp {' '.join(map(number_text, [*moving, *place]))}\n"
        for usable, moving, place in zip(table.usable, table.moving_xy, table.map_xy, strict=True)
    ]
    apart = ""
    if table.apart > 0:
        apart = f"# apart_px {number_text(table.apart)}: nearer points aren't independent.\n"
    name = plain_name(os.path.basename(path))
    head = _HEAD.format(name=name, crs=shlex.quote(crs), apart=apart)
    write_text(path, head + "".join(lines) + _TAIL, overwrite=overwrite)


def read(path: str, sides: Sides) -> PointTable:
    """Read what a script, ours or another one, says with -gcp or --gcp.

    Raises:
        InputError: the file is missing or unreadable.
        PointsError: a value is missing or makes no sense; names the line.
    """
    crs = apart = None
    records: list[tuple[str, dict[str, Any]]] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        found = _CRS.search(line)
        if found is not None and crs is None:
            crs = _word(line[found.end() :])
        comment = line.lstrip().startswith("#")
        told = _APART.match(line)
        apart = apart if told is None else told[1]
        for part in _GCP.split(line)[1:]:
            values = re.findall(r"[^\s,'\"\\]+", part)[: len(_SAID)]
            named = dict(zip(_SAID, values, strict=False))
            if not (comment and _is_prose(values)):
                records.append(
                    (f"line {number}", {**named, "apart_px": apart, "enabled": not comment})
                )
    if not records:
        raise PointsError(f"{path} holds no tie points: there is neither -gcp nor --gcp in it")
    return from_records(records, path, crs, _SAID)


def _is_prose(values: list[str]) -> bool:
    """Whether what follows -gcp in a comment are words."""
    return not values or not values[0][-1].isdigit()


def _word(text: str) -> str | None:
    """The first word of the rest of a line, without quotes; None for a variable or nothing."""
    try:
        words = shlex.split(text.rstrip().rstrip("\\"))
    except ValueError:
        return None
    return words[0] if words and words[0] and not words[0].startswith("$") else None
