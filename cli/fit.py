"""`georeg fit`: a transform from tie points in a file, found or made by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from georeg.errors import PointsError

from .align import judged
from .command import Argument, Command, Session
from .console import RESULT, say
from .explaining import explained
from .options import INPUTS, RESOURCES, TALK, options, required, settings_of
from .repeating import command_line


@click.command("fit", cls=Command)
@click.argument("source", metavar="POINTS", cls=Argument)
@required("--moving", metavar="MOVING", help="The raster to be aligned.")
@required("--reference", metavar="REF", help="The raster that it is aligned to.")
@required("-o", "--output", metavar="FIT.json", help="The fit, for 'georeg warp'.")
@options("points", "report")
@options("transform", "max-rmse", "force", "overwrite", "search", "max-shift", *INPUTS, *RESOURCES)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@options("explain", *TALK)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Fit a transform to the tie points in POINTS, and judge it.

    They were found, edited or made by hand. POINTS may be .csv, .geojson, .gpkg, .points (QGIS),
    .txt (ArcGIS links), .sh (gdal_translate) or .tif (GCPs). Points that are not enabled are left
    out. Prints the models that were tried and their errors at left-out points; --points stores the
    points with their new residuals.
    """
    moving, reference, output = params["moving"], params["reference"], params["output"]
    settings = settings_of(params)
    from georeg.align import fit_matches
    from georeg.alignment import told, write_report
    from georeg.pairing.scene import reference_georef
    from georeg.textfile import is_page
    from georeg.writers.plausible import check_plausible
    from georeg.writers.points import read_points, write_points
    from georeg.writers.sides import Sides, open_side

    from .outputs import check_outputs, check_points

    source, stored = params["source"], params["points"]
    check_points((source, *stored))
    texts = {"--output": output} | {f"--points {path}": path for path in stored}
    texts |= {f"--report {path}": path for path in params["report"]}
    check_outputs(None, texts, (source, moving, reference), overwrite=params["overwrite"])
    target = open_side(reference, settings.reference_crs)
    sides = Sides(open_side(moving, settings.moving_crs), target)
    table = read_points(source, sides)
    try:
        check_plausible(table, sides, settings.transform)
        matches = table.matches(*reference_georef(reference, settings), target.shape)
        pictures = any(map(is_page, params["report"]))
        result = fit_matches(moving, reference, matches, settings, pictures=pictures)
    except PointsError as error:
        raise PointsError(f"{source}: {error}") from None
    result = told(result, "fit", command_line(click.get_current_context()))
    for path in params["report"]:
        write_report(path, result)
    explained(session, result.decisions, wanted=params["explain"])
    report = result.report
    say(json.dumps(_numbers(report)) if params["as_json"] else _text(report))
    judged(session, result, "no fit was written", settings)
    if result.fit is not None:
        result.fit.save(output)
        for path in stored:
            judged_table = table.with_fit(result.inlier, result.residuals)
            write_points(path, judged_table, replace(sides, fit=result.fit), overwrite=True)
    session.console.event(
        RESULT,
        "result",
        f"{result.verdict.sentence()}: {output}",
        output=output,
        verdict=result.verdict.to_dict(),
    )


def _numbers(report: Mapping[str, Any]) -> dict[str, Any]:
    from georeg.textfile import finite

    names = ("transform", "ladder", "tie_points", "verdict", "warnings")
    found: dict[str, Any] = finite({name: report[name] for name in names if name in report})
    return found


def _text(report: Mapping[str, Any]) -> str:
    """The ladder, for people."""
    lines = [f"{'transform':<12} {'weighted RMSE (px)':>28}"]
    for rung in report["ladder"]:
        error = rung["held_out_rmse_px"]
        said = f"{error:.3f}" if error is not None and math.isfinite(error) else rung["note"]
        mark = "  <- chosen" if rung["transform"] == report["transform"] else ""
        lines.append(f"{rung['transform']:<12} {said:>28}{mark}")
    points = report.get("tie_points")
    if points:
        lines.append(f"{points['inliers']} of {points['count']} tie points agree")
    return "\n".join(lines)
