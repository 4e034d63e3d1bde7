"""`georeg check`: how well are two rasters aligned?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from georeg.errors import RefusedError, SettingsError

from .command import Command, Session
from .options import INPUTS, MATCHING, RESOURCES, TALK, argument, options, required, settings_of


@click.command("check", cls=Command)
@argument("moving")
@required("--reference", metavar="REF", help="The raster to compare with.")
@click.option(
    "--max-error", type=float, metavar="PX",
    help="Exit with 3 if the RMSE is larger, in reference pixels.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@options(*MATCHING, *INPUTS, *RESOURCES, *TALK)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Measure how far MOVING is off a reference; nothing is written.

    Numbers go to stdout. Exit code 3 where it can't be measured, or the error is above
    --max-error.
    """
    limit = params["max_error"]
    if limit is not None and not limit > 0:
        raise SettingsError(f"--max-error must be above 0, not {limit:g}")
    settings = settings_of(params)
    from georeg.align import measure

    result = measure(params["moving"], params["reference"], settings, session.tell)
    for warning in result.verdict.warnings:
        session.console.event(30, "log", warning)
    if not result.verdict.ok:
        reasons = "; ".join(result.verdict.reasons)
        raise RefusedError(f"the alignment can't be measured: {reasons}")
    numbers = _numbers(result.report)
    click.echo(json.dumps(numbers, indent=1) if params["as_json"] else _text(numbers))
    error = numbers["error"]["rmse_px"]
    session.console.event(20, "result", f"off by {error:.2f} px RMSE", **numbers)
    if limit is not None and error > limit:
        raise RefusedError(f"the error of {error:.2f} px is above --max-error {limit:g}")


def _numbers(report: Mapping[str, Any]) -> dict[str, Any]:
    from georeg.textfile import finite

    points, verdict = report["tie_points"], report["verdict"]
    numbers: dict[str, Any] = finite(
        {
            "moving": report["moving"],
            "reference": report["reference"],
            "error": points["offset_before"],
            "measured_to_px": (verdict["accuracy"] or {}).get("rmse_px"),
            "tie_points": points["count"],
            "inliers": points["inliers"],
            "coverage": verdict["coverage"],
            "similarity": verdict["check"]["similarity_before"],
            "transform": report["transform"],
            "warnings": report["warnings"],
        }
    )
    return numbers


def _text(numbers: Mapping[str, Any]) -> str:
    error = numbers["error"]
    metres = f" ({error['rmse_m']:.3g} m)" if error.get("rmse_m") is not None else ""
    lines = [
        f"error        {error['rmse_px']:.2f} px RMSE{metres}, CE90 {error['ce90_px']:.2f} px, "
        f"median {error['median_px']:.2f} px",
        f"mean offset  {error['mean_x_px']:+.2f} px in x, {error['mean_y_px']:+.2f} px in y "
        "(MOVING must go right and down where positive)",
        f"tie points   {numbers['inliers']} of {numbers['tie_points']} agree, covering "
        f"{numbers['coverage']:.0%} of the overlap",
    ]
    if numbers["measured_to_px"] is not None:
        lines.append(f"measured to  {numbers['measured_to_px']:.2f} px")
    return "\n".join(lines)
