"""`georeg convert`: tie points from one format into another."""

from __future__ import annotations

from typing import Any

import click

from .command import Command, Session
from .console import RESULT
from .options import FILES, TALK, argument, optional, options


@click.command("convert", cls=Command)
@argument("points")
@argument("output")
@optional(
    "--moving",
    metavar="RASTER",
    section=FILES,
    help="The raster whose pixels the points are; .points, .txt and .tif need it.",
)
@optional(
    "--reference",
    metavar="REF",
    section=FILES,
    help="The raster that says where they are, for points without map positions.",
)
@optional("--fit", metavar="FIT.json", section=FILES, help="For the aligned footprint in a .gpkg.")
@options("moving-crs", "reference-crs", "overwrite", *TALK)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Convert tie points or GCPs from one format to another.

    The suffixes of POINTS and OUTPUT say which. .csv, .geojson and .gpkg hold all that is known.
    .points (QGIS), .txt (ArcGIS), .sh (gdal_translate) and .tif (GCPs in a copy of the moving
    raster) hold positions; only points that are enabled and agree with the fit are enabled in them.
    """
    points, output = params["points"], params["output"]
    from georeg.fitfile import load_fit
    from georeg.writers.points import check_suffix, read_points, write_points
    from georeg.writers.sides import Sides, open_side

    from .outputs import check_outputs

    check_suffix(points)
    check_suffix(output)
    names = [params[name] for name in ("moving", "reference", "fit") if params[name]]
    check_outputs(None, {"OUTPUT": output}, (points, *names), overwrite=params["overwrite"])
    sides = Sides(
        open_side(params["moving"], params["moving_crs"]) if params["moving"] else None,
        open_side(params["reference"], params["reference_crs"]) if params["reference"] else None,
        load_fit(params["fit"]) if params["fit"] else None,
    )
    table = read_points(points, sides)
    write_points(output, table, sides, overwrite=params["overwrite"])
    session.console.event(
        RESULT,
        "result",
        f"{len(table)} tie points, {int(table.usable.sum())} agree and are enabled: {output}",
        output=output,
        points=len(table),
        enabled=int(table.enabled.sum()),
        usable=int(table.usable.sum()),
    )
