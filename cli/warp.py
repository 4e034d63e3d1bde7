"""`georeg warp`: one fit applied to any file of its scene. Never imports torch."""

from __future__ import annotations

from typing import Any

import click

from .command import Command, Session
from .console import RESULT
from .options import (
    OUTPUT,
    TALK,
    argument,
    options,
    output_settings_of,
    required,
    settings_of,
)


@click.command("warp", cls=Command)
@argument("raster")
@required("--fit", metavar="FIT.json", help="From 'georeg align --fit' or 'georeg fit'.")
@required("-o", "--output", metavar="OUT", help="The aligned raster.")
@options(*OUTPUT, "moving-nodata", "moving-crs", "threads", "memory", *TALK)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Apply a fit to RASTER, a band or product of the aligned scene.

    It may be the raster that was aligned, or one of another pixel size, extent and CRS: what counts
    is its own georeference.
    """
    settings, wanted = settings_of(params), output_settings_of(params)
    from georeg import apply_fit, load_fit
    from georeg.writers.place import check_lasting

    output, fit = params["output"], load_fit(params["fit"])
    check_lasting(output)
    grid = apply_fit(
        fit,
        params["raster"],
        output,
        wanted,
        settings=settings,
        inputs=(params["fit"],),
        progress=session.tell,
    )
    session.console.event(
        RESULT,
        "result",
        f"written: {output} ({grid.width} x {grid.height} pixels)",
        output=output,
        shape=list(grid.shape),
        transform=list(grid.transform)[:6],
    )
