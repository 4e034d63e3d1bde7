"""`georeg align`: align a raster to a reference and write it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from georeg.errors import RefusedError, SettingsError

from .command import Command, Session
from .console import RESULT, say
from .explaining import explained
from .options import (
    GROUND,
    INPUTS,
    MATCHING,
    OUTPUT,
    RESOURCES,
    TALK,
    argument,
    options,
    ortho_settings_of,
    output_settings_of,
    required,
    settings_of,
)
from .repeating import command_line
from .tie_points import store_points

if TYPE_CHECKING:
    from georeg.alignment import Alignment
    from georeg.settings import OrthoSettings, OutputSettings, Settings


@click.command("align", cls=Command)
@argument("moving")
@required("--reference", metavar="REF", help="The raster that MOVING is aligned to.")
@required("-o", "--output", metavar="OUT", help="The aligned raster.")
@options("fit", "report", "points", "rpc-output", "image-output")
@options(*MATCHING, "force", *INPUTS, *GROUND, *OUTPUT, *RESOURCES)
@click.option("--dry-run", is_flag=True, help="Print the plan as JSON, and write nothing.")
@options("explain", *TALK)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Align MOVING to a reference, of whatever modality, and write it.

    MOVING is never changed. The report is always written; where no trustworthy alignment is
    found (exit code 3), nothing else is. `--report out.html` makes it a page to look at. With a
    --dem, a MOVING that has RPCs is orthorectified, and its RPCs are refined.
    """
    moving, reference, output = params["moving"], params["reference"], params["output"]
    settings, wanted = settings_of(params), output_settings_of(params)
    ortho = ortho_settings_of(params)
    if ortho is None:
        given = [n for n in ("rpc", "geoid", "max_stretch", "rpc_output", "image_output")
                 if params[n] is not None]  # fmt: skip
        if given:
            raise SettingsError(f"--{given[0].replace('_', '-')} goes with --dem or --height")
    else:
        from georeg.align import has_rpc

        if has_rpc(moving, ortho, settings):
            _by_sensor(session, params, ortho, settings, wanted)
            return
    from georeg import align as engine

    from .outputs import check_outputs, check_points, report_paths, saying_what_stays

    reports = report_paths(output, params["report"])
    texts = {"--fit": params["fit"]} | {f"--report {path}": path for path in reports}
    texts |= {f"--points {path}": path for path in params["points"]}
    check_points(params["points"])
    check_outputs(output, texts, (moving, reference), overwrite=wanted.overwrite)
    if params["dry_run"]:
        from georeg.planning import plan_alignment

        plan = plan_alignment(moving, reference, settings)
        say(json.dumps({**plan, "output": output, "report": reports[0]}, indent=1))
        return
    with saying_what_stays([output, *texts.values()]):
        result = engine(
            moving,
            reference,
            output,
            settings,
            wanted,
            fit_path=params["fit"],
            report_path=reports,
            progress=session.tell,
            command=command_line(click.get_current_context()),
        )
        explained(session, result.decisions, wanted=params["explain"])
        told = " and ".join(reports)
        judged(session, result, f"nothing was written but the report {told}", settings)
        for path in params["points"]:
            store_points(
                path, result, (moving, reference), settings,
                fit=result.fit, tiles=result.tiles, overwrite=wanted.overwrite,
            )  # fmt: skip
    session.console.event(
        RESULT,
        "result",
        f"{result.verdict.sentence()}: {output}",
        output=output,
        report=reports[0],
        reports=list(reports),
        fit=params["fit"],
        points=list(params["points"]),
        verdict=result.verdict.to_dict(),
    )


def _by_sensor(
    session: Session,
    params: dict[str, Any],
    ortho: OrthoSettings,
    settings: Settings,
    wanted: OutputSettings,
) -> None:
    """MOVING has RPCs.

    Raises:
        SettingsError: an option makes no sense for them.
    """
    from .ortho import Run

    if params["fit"] is not None:
        raise SettingsError(
            "--fit: RPCs aren't corrected by a transform of the map; the refined RPCs "
            "(--rpc-output) serve 'georeg ortho --rpc'"
        )
    if params["explain"]:
        raise SettingsError("--explain: RPCs are refined without a record of decisions; see -v")
    run = Run(session, params, ortho, settings, wanted)
    if params["dry_run"]:
        say(json.dumps(run.plan(params["moving"], params["output"]), indent=1))
        return
    run.one(params["moving"], params["output"], None)


def judged(session: Session, result: Alignment, nothing: str, settings: Settings) -> None:
    """Say what must be kept in mind.

    Args:
        session: to tell it to.
        result: the alignment.
        nothing: what was (not) written on a refusal.
        settings: whether to go on with --force.

    Raises:
        RefusedError: the alignment isn't trustworthy.
    """
    for warning in result.verdict.warnings:
        session.console.event(30, "log", warning)
    if result.verdict.ok:
        return
    sentence = result.verdict.sentence()
    if result.fit is None or not settings.force:
        raise RefusedError(f"{result.report['moving']}: {sentence}; {nothing}")
    session.console.event(30, "log", f"written because of --force, but {sentence}")
