"""`georeg plot`: the pictures of a report as files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click

from georeg.errors import InputError, OutputError, SettingsError
from georeg.textfile import write_bytes

from .command import Command, Session
from .console import RESULT, say
from .options import TALK, argument, options, required


@click.command("plot", cls=Command)
@argument("report")
@required("-o", "--output", metavar="FOLDER", help="Where the pictures go.")
@click.option(
    "--format", "kind", type=click.Choice(("png", "svg")), default="png", show_default=True,
    help="png needs: pip install 'georeg[plot]'.",
)  # fmt: skip
@click.option("--moving", metavar="MOVING", help="Where the moving raster is now, if it moved.")
@click.option("--reference", metavar="REF", help="The same of the reference.")
@options("overwrite", *TALK)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Draw the plots of a REPORT of align, check or fit as files.

    REPORT is its JSON or its page (.html). What a run found is in its report; the rasters are
    looked at again for what is behind it. Where they can't be read, the plots have no background.
    Names of the files go to stdout.
    """
    from georeg.report.files import check_format
    from georeg.report.rereading import draw_again, look_again, read_report

    kind = params["kind"]
    check_format(kind)
    report = read_report(params["report"])
    pictures = None
    try:
        pictures = look_again(report, params["moving"] or "", params["reference"] or "")
    except InputError as error:
        if params["moving"] or params["reference"]:
            raise
        session.console.event(30, "log", f"plots without a background: {error}")
    try:
        plots = draw_again(report, pictures, kind)
    except InputError as error:
        raise InputError(f"{params['report']}: {error}") from None
    written = _write(plots, kind, params)
    for path in written:
        say(path)
    session.console.event(
        RESULT, "result", f"{len(written)} plots: {params['output']}", plots=written
    )


def _write(plots: Mapping[str, bytes], kind: str, params: Mapping[str, Any]) -> list[str]:
    """Into the folder, each whole or not at all.

    Raises:
        OutputError: they can't be written.
        SettingsError: one exists and may not be overwritten.
    """
    folder = params["output"]
    paths = {os.path.join(folder, f"{name}.{kind}"): data for name, data in plots.items()}
    for path in paths:
        if os.path.lexists(path) and not params["overwrite"]:
            raise SettingsError(f"{path} exists: give another folder, or --overwrite")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error.strerror}") from None
    for path, data in paths.items():
        write_bytes(path, data, overwrite=params["overwrite"])
    return list(paths)
