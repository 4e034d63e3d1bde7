"""`georeg batch`: many alignments, unattended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from georeg.batch.options import EXECUTORS, BatchOptions
from georeg.errors import SettingsError

from .command import Command, Session
from .console import RESULT, say
from .options import (
    INPUTS,
    MATCHING,
    OUTPUT,
    RESOURCES,
    TALK,
    option,
    optional,
    options,
    output_settings_of,
    required,
    settings_of,
)
from .overrides import Overrides
from .values import BBOX

if TYPE_CHECKING:
    from georeg.batch.job import Job
    from georeg.batch.result import BatchResult
    from georeg.batch.run import Event

_JOBS, _STAC, _STACK = "Jobs", "STAC", "Time series"


@click.command("batch", cls=Command)
@click.argument("jobs", nargs=-1, required=True)
@required("-o", "--output-dir", metavar="FOLDER", help="Where outputs, records and summary go.")
@optional(
    "--reference",
    section=_JOBS,
    metavar="REF|auto",
    help="For jobs that name none; auto picks the best raster of the jobs themselves.",
)
@optional(
    "--state",
    section=_JOBS,
    metavar="FOLDER",
    help="Local folder for records, lock and summary; needed where --output-dir is in a cloud.  "
    "[default: --output-dir]",
)
@optional("--retry", section=_JOBS, is_flag=True, help="Do again what failed or was refused.")
@optional("--redo", section=_JOBS, is_flag=True, help="Do everything again.")
@optional("--fail-fast", section=_JOBS, is_flag=True, help="Stop at the first failure.")
@optional("--max-failures", section=_JOBS, type=int, help="Stop when more jobs than that failed.")
@optional("--timeout", section=_JOBS, type=float, metavar="S", help="Seconds for one job.")
@optional(
    "--memory-limit",
    section=_JOBS,
    type=float,
    metavar="MB",
    help="Memory of one worker process; a job that takes more has failed.",
)
@optional(
    "--wait",
    section=_JOBS,
    type=float,
    default=0.0,
    show_default=True,
    metavar="S",
    help="Seconds to wait for another run in the same folder.",
)
@optional(
    "--executor",
    section=_JOBS,
    type=click.Choice(EXECUTORS),
    default="local",
    show_default=True,
    help="local: processes on this machine; dask: a Dask cluster.",
)
@optional(
    "--workers",
    section=_JOBS,
    type=int,
    help="Worker processes.  [default: by cores, memory and GPUs]",
)
@optional(
    "--scheduler",
    section=_JOBS,
    metavar="ADDRESS|FILE",
    help="Of a Dask cluster (tcp://host:8786, or its scheduler file).  [default: one on this "
    "machine]",
)
@optional("--metrics", section=_JOBS, metavar="FILE.prom", help="For Prometheus' node exporter.")
@optional(
    "--notify",
    section=_JOBS,
    metavar="COMMAND",
    help="Run by the shell at the end; told the result in GEOREG_* variables and as JSON on stdin.",
)
@optional(
    "--stac/--no-stac",
    "item",
    section=_STAC,
    default=False,
    help="Write a STAC Item beside every output.",
)
@optional("--asset", section=_STAC, metavar="KEY", help="Asset of the Items to align.")
@optional(
    "--collections",
    section=_STAC,
    multiple=True,
    metavar="ID",
    help="JOBS is a STAC API; look in these collections; repeatable.",
)
@optional("--bbox", section=_STAC, type=BBOX, help="West, south, east, north, in degrees.")
@optional("--datetime", section=_STAC, metavar="START/END", help="When the Items were taken.")
@optional("--max-items", section=_STAC, type=int, help="Most Items to take.")
@optional(
    "--stack/--no-stack",
    section=_STACK,
    default=False,
    help="Register all rasters jointly: in pairs, then by least squares over all of them.",
)
@optional(
    "--neighbours",
    section=_STACK,
    type=int,
    default=2,
    show_default=True,
    help="Pairs of each raster with those next in time, beside those with the reference.",
)
@options(*MATCHING, "force", *INPUTS, *OUTPUT, *RESOURCES)
@option("--dry-run", is_flag=True, help="Print the jobs as JSON lines, and do nothing.")
@options(*TALK)
@click.pass_context
def command(ctx: click.Context, /, **params: Any) -> None:
    """Align many rasters. JOBS are manifests (CSV, TOML, GeoJSON, STAC), folders or patterns.

    A manifest names moving, reference, output and id of each job, and any option of 'georeg align'
    that differs. What is done with the same inputs and settings isn't done again. Exit code 5 if
    some jobs failed or were refused; the summary says which and why.
    """
    session: Session = ctx.obj
    how = BatchOptions(**{
        name: params[name]
        for name in BatchOptions.__dataclass_fields__
    })  # fmt: skip
    from georeg.batch.planning import Sources, plan_jobs

    overrides = Overrides(ctx, settings_of, output_settings_of)
    sources = Sources(
        params["jobs"], params["output_dir"], params["reference"], params["state"],
        asset=params["asset"], collections=params["collections"], bbox=params["bbox"],
        datetime=params["datetime"], most=params["max_items"], item=params["item"],
    )  # fmt: skip
    jobs = plan_jobs(sources, overrides)
    if params["dry_run"] and not params["stack"]:
        _dry_run(jobs, how)
        return
    if params["stack"]:
        from georeg.batch.stack import run_stack

        if params["dry_run"]:
            raise SettingsError("--dry-run doesn't go with --stack: its jobs follow from the pairs")
        result = run_stack(
            jobs, sources.folder, how,
            neighbours=params["neighbours"], tell=_teller(session), check=session.stopping.check,
        )  # fmt: skip
    else:
        from georeg.batch.run import run_batch

        result = run_batch(
            jobs, sources.folder, how, tell=_teller(session), check=session.stopping.check
        )
    _say(session, result)
    if result.exit_code:
        ctx.exit(result.exit_code)


def _teller(session: Session) -> Any:
    """What the batch tells, on the console; every line has the ids of run and job."""

    def tell(event: Event) -> None:
        details: Mapping[str, Any] = event.details
        if event.event == "run":
            session.console.bind(**details)
        if event.event == "progress":
            session.console.progress("jobs", details["share"], event.message, **{
                name: value for name, value in details.items() if name != "share"
            })  # fmt: skip
            return
        more = {"job": event.job} if event.job else {}
        session.console.event(event.level, event.event, event.message, **more, **details)

    return tell


def _say(session: Session, result: BatchResult) -> None:
    session.console.event(
        RESULT,
        "result",
        f"{result.sentence()}: {result.folder}",
        output=result.folder,
        exit_code=result.exit_code,
        counts=result.counts,
        skipped=len(result.skipped),
        seconds=round(result.seconds, 2),
    )


def _dry_run(jobs: list[Job], how: BatchOptions) -> None:
    from georeg.batch.deciding import decide

    for job in jobs:
        decision = decide(job, retry=how.retry, redo=how.redo)
        known = {
            "id": job.id, "moving": job.moving, "reference": job.reference, "output": job.output,
            "todo": decision.todo, "why": job.problem or decision.why,
        }  # fmt: skip
        say(json.dumps(known, ensure_ascii=False))
