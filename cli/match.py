"""`georeg match`: tie points only."""

from __future__ import annotations

from typing import Any

import click

from .align import judged
from .command import Command, Session
from .console import RESULT
from .explaining import explained
from .options import (
    INPUTS,
    MATCHING,
    POINTS_HELP,
    RESOURCES,
    TALK,
    argument,
    options,
    required,
    settings_of,
)
from .tie_points import store_points


@click.command("match", cls=Command)
@argument("moving")
@required("--reference", metavar="REF", help="The raster that MOVING is matched with.")
@required("-o", "--output", metavar="POINTS", help=f"Tie points; {POINTS_HELP}")
@options(*MATCHING, "force", "overwrite", *INPUTS, *RESOURCES, "explain", *TALK)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Find tie points between MOVING and a reference.

    They are for 'georeg fit', or for other tools. Tie points that don't add up to a trustworthy
    alignment are written with --force only.
    """
    moving, reference, output = params["moving"], params["reference"], params["output"]
    settings = settings_of(params)
    from .outputs import check_outputs, check_points

    check_points((output,))
    from georeg.align import measure

    check_outputs(None, {"--output": output}, (moving, reference), overwrite=params["overwrite"])
    result = measure(moving, reference, settings, session.tell)
    explained(session, result.decisions, wanted=params["explain"])
    judged(session, result, "nothing was written", settings)
    pair = (moving, reference)
    store_points(
        output, result, pair, settings,
        fit=result.fit, tiles=result.tiles, overwrite=params["overwrite"],
    )  # fmt: skip
    session.console.event(
        RESULT,
        "result",
        f"{len(result.matches)} tie points, {int(result.inlier.sum())} inliers: {output}",
        output=output,
        points=len(result.matches),
        inliers=int(result.inlier.sum()),
        verdict=result.verdict.to_dict(),
    )
