"""`georeg check`: how well are two rasters aligned, or how far apart are two alignments?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from georeg.errors import RefusedError, SettingsError

from .command import Command, Session
from .console import say
from .explaining import explained
from .options import INPUTS, MATCHING, RESOURCES, TALK, argument, options, required, settings_of
from .repeating import command_line

if TYPE_CHECKING:
    from georeg.alignment import Alignment


@click.command("check", cls=Command)
@argument("moving")
@required("--reference", metavar="REF", help="The raster, or the fit, to compare with.")
@click.option(
    "--max-error", type=float, metavar="PX",
    help="Exit with 3 if the RMSE is larger, in reference pixels.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@options("report", *MATCHING, *INPUTS, *RESOURCES, "explain", *TALK)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Measure how far MOVING is off a reference, or two fits apart.

    Two rasters are matched, and nothing but a --report is written. Two fits of one raster (.json,
    from --fit) are compared at places all over what both cover; what else they differ in is told.
    Numbers go to stdout. Exit code 3 where it can't be measured, or the error is above --max-error.
    """
    limit = params["max_error"]
    if limit is not None and not limit > 0:
        raise SettingsError(f"--max-error must be above 0, not {limit:g}")
    if _are_fits(params):
        numbers = _fits(session, params)
        text, what = _fits_text(numbers), "the two alignments differ by"
        advice = "look at both reports, or align again with the settings of the better one"
    else:
        numbers = _rasters(session, params)
        text, what = _text(numbers), "the rasters are off by"
        advice = "'georeg align' may correct it"
    say(json.dumps(numbers, indent=1) if params["as_json"] else text)
    error = numbers["error"]["rmse_px"]
    session.console.event(20, "result", f"{what} {error:.2f} px RMSE", **numbers)
    if limit is not None and error > limit:
        raise RefusedError(f"{what} {error:.2f} px, more than --max-error {limit:g}: {advice}")


def _are_fits(params: Mapping[str, Any]) -> bool:
    """By the names, of which both must end in .json or none.

    Raises:
        SettingsError: one of them does, or there can't be a report.
    """
    names = params["moving"], params["reference"]
    fits = [name for name in names if name.lower().endswith(".json")]
    if len(fits) == 1:
        raise SettingsError(f"{fits[0]} is no raster: compare two rasters, or two fits (.json)")
    if fits and params["report"]:
        raise SettingsError("--report is for two rasters: there is nothing to see in two fits")
    return bool(fits)


def _fits(session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
    from georeg.comparing import compare_fits
    from georeg.fitfile import load_fit
    from georeg.textfile import finite

    one, other = params["moving"], params["reference"]
    error = compare_fits(load_fit(one), load_fit(other)).to_dict()
    places, warnings = error.pop("places"), error.pop("warnings")
    for warning in warnings:
        session.console.event(30, "log", warning)
    numbers: dict[str, Any] = finite(
        {
            "fit": one,
            "reference_fit": other,
            "error": error,
            "places": places,
            "warnings": warnings,
        }
    )
    return numbers


def _fits_text(numbers: Mapping[str, Any]) -> str:
    error = numbers["error"]
    return "\n".join(
        [
            f"difference   {error['rmse_px']:.3f} px RMSE{_metres(error['rmse_m'])}, CE90 "
            f"{error['ce90_px']:.3f} px, median {error['median_px']:.3f} px",
            f"at most      {error['max_px']:.3f} px{_metres(error['max_m'])}",
            f"mean offset  {error['mean_x_px']:+.3f} px in x, {error['mean_y_px']:+.3f} px in y",
            f"places       {numbers['places']}, all over what both alignments cover",
        ]
    )


def _rasters(session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
    settings = settings_of(params)
    names = params["moving"], params["reference"]
    from georeg.align import measure
    from georeg.alignment import told, write_report
    from georeg.textfile import is_page

    from .outputs import check_outputs

    reports = params["report"]
    texts = {f"--report {path}": path for path in reports}
    check_outputs(None, texts, names, overwrite=True)
    result = measure(*names, settings, session.tell, pictures=any(map(is_page, reports)))
    line = command_line(click.get_current_context())
    result = told(result, "check", line, max_error=params["max_error"])
    for path in reports:
        write_report(path, result)
    explained(session, result.decisions, wanted=params["explain"])
    return _judged(session, result)


def _judged(session: Session, result: Alignment) -> dict[str, Any]:
    for warning in result.verdict.warnings:
        session.console.event(30, "log", warning)
    if not result.verdict.ok:
        reasons = "; ".join(result.verdict.reasons)
        raise RefusedError(f"the alignment can't be measured: {reasons}")
    from georeg.textfile import finite

    report = result.report
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


def _metres(value: float | None) -> str:
    from georeg.crs import in_metres

    return "" if value is None else f" ({in_metres(value)})"


def _text(numbers: Mapping[str, Any]) -> str:
    error = numbers["error"]
    lines = [
        f"error        {error['rmse_px']:.2f} px RMSE{_metres(error['rmse_m'])}, CE90 "
        f"{error['ce90_px']:.2f} px, median {error['median_px']:.2f} px",
        f"mean offset  {error['mean_x_px']:+.2f} px in x, {error['mean_y_px']:+.2f} px in y "
        "(MOVING must go right and down where positive)",
        f"tie points   {numbers['inliers']} of {numbers['tie_points']} agree, covering "
        f"{numbers['coverage']:.0%} of the overlap",
    ]
    if numbers["measured_to_px"] is not None:
        lines.append(f"measured to  {numbers['measured_to_px']:.2f} px")
    return "\n".join(lines)
