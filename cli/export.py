"""`georeg export`: a fit for GDAL, QGIS, PROJ and PDAL, which then need no georeg."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from .command import Command, Session
from .console import RESULT, say
from .options import FILES, TALK, argument, optional, options
from .values import NameType


def formats() -> Sequence[str]:
    """Values of --format."""
    from georeg.writers.fits import formats

    return formats()


@click.command("export", cls=Command)
@argument("fit")
@optional(
    "--format",
    "form",
    type=NameType(formats),
    required=True,
    section=FILES,
    help="gdalwarp: a script. geoloc: a virtual raster with geolocation arrays. grid: a "
    "displacement grid. matrix: JSON or .txt. proj: a pipeline.",
)
@optional(
    "-o",
    "--output",
    metavar="FILE",
    section=FILES,
    help="The file to write.  [default: text goes to stdout]",
)
@optional(
    "--moving",
    metavar="RASTER",
    section=FILES,
    help="A raster of the scene, for what is about its pixels, its CRS or its extent.",
)
@options("moving-crs", "overwrite", *TALK)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Export FIT for other tools to apply.

    FIT comes from 'georeg align --fit' or 'georeg fit'. A grid, a pipeline and a script take
    coordinates as --moving, or --moving-crs, has them, and as the reference has them without. See
    the documentation on file formats for their conventions.
    """
    fit, output, moving = params["fit"], params["output"], params["moving"]
    from georeg.crs import parse_crs
    from georeg.fitfile import load_fit
    from georeg.writers.fits import FitExport, export_fit
    from georeg.writers.sides import open_side

    from .outputs import check_outputs

    inputs = (fit,) if moving is None else (fit, moving)
    check_outputs(None, {"--output": output}, inputs, overwrite=params["overwrite"])
    crs = params["moving_crs"]
    job = FitExport(
        load_fit(fit),
        fit,
        None if moving is None else open_side(moving, crs),
        None if crs is None else parse_crs(crs),
        output,
        params["overwrite"],
    )
    text = export_fit(params["form"], job)
    if text:
        say(text, nl=False)
    if output is not None:
        session.console.event(RESULT, "result", f"written: {output}", output=output)
