"""A fit as a shell script around `gdalwarp`, which needs no georeg.

`sh SCRIPT IN OUT [more options of gdalwarp]` resamples any raster of the scene by its own
georeference, in the CRS of --moving (or --moving-crs; the reference's without both); of another CRS
it takes none. GDAL 3.1 or newer; the fit is given as a coordinate operation (-ct), for models other
than shift, similarity and affine with a displacement grid beside the script.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import replace

from georeg.textfile import prepared
from georeg.writers.fit_grid import grid_steps, write_grid
from georeg.writers.fit_proj import has_steps, steps
from georeg.writers.fits import FitExport
from georeg.writers.pipelines import in_crs_order, pipeline, quoted
from georeg.writers.points import crs_text

_GRID = "GEOREG_GRID"  # stands for the grid's path until the script knows where it lies
_SCRIPT = """\
#!/bin/sh
# A fit by georeg ({transform}), for gdalwarp:
#   sh {name} IN OUT [more options of gdalwarp]
set -eu
[ $# -ge 2 ] || {{ echo "usage: sh $0 IN OUT [more options of gdalwarp]" >&2; exit 2; }}
in=$1 out=$2
shift 2
{guard}here=$(cd "$(dirname "$0")" && pwd)
exec gdalwarp -s_srs {source} -t_srs {target} -et 0 \\
    -ct {operation} "$@" "$in" "$out"
"""
_GUARD = """\
# -ct takes coordinates as they are, whatever CRS they are in. To insist: -s_srs.
srs() {{ echo $(gdalsrsinfo -o proj4 "$1" 2>/dev/null); }}
is=$(srs "$in") wanted=$(srs {source})
case " $* " in *" -s_srs "*) is= ;; esac
[ -z "$is" ] || [ -z "$wanted" ] || [ "$is" = "$wanted" ] || {{
    echo "$in is in another CRS than this script is for: $is, not $wanted." \\
        "Make one for it by 'georeg export --format gdalwarp --moving'" >&2
    exit 2
}}
"""


def export(job: FitExport) -> str:
    """Write the script, and SCRIPT.grid.tif where it needs one.

    Raises:
        SettingsError: no output is named, or it exists and may not be overwritten.
        InputError: the fit can't be expressed as a coordinate operation, or PROJ can't be told the
            grid's name.
        OutputError: it can't be written.
    """
    output = job.needed_output()
    grid = os.path.splitext(output)[0] + ".grid.tif"
    exact = has_steps(job)
    found = steps(job) if exact else grid_steps(job, _GRID)
    operation = shlex.quote(pipeline(in_crs_order(found, job.source, job.crs)))
    if not exact:
        quoted(os.path.abspath(grid))  # or the script would fail
        # Out of the single quotes, for the shell to fill in; PROJ wants double ones around spaces.
        beside = os.path.basename(grid).replace('"', '""')
        place = f"""'"\\"$here/{_shell(beside)}\\""'"""
        operation = operation.replace(_GRID, place)
    source = shlex.quote(crs_text(job.source) or "")
    told = job.fit.moving_crs is not None or job.source_crs is not None  # whatever headers say
    text = _SCRIPT.format(
        transform=job.fit.transform.name,
        name=" ".join(os.path.basename(output).split()),
        guard="" if told else _GUARD.format(source=source),
        source=source,
        target=shlex.quote(crs_text(job.crs) or ""),
        operation=operation,
    )
    with prepared(output, text, overwrite=job.overwrite):
        if not exact:
            write_grid(replace(job, output=grid), grid)
    return ""


def _shell(text: str) -> str:
    """Text within double quotes of a shell."""
    for character in '\\"$`':
        text = text.replace(character, "\\" + character)
    return text
