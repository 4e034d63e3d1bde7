"""`georeg ortho`: images with RPCs laid over a DEM, refined by a reference."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from georeg.errors import BatchError, GeoregError, OutputError, RefusedError, SettingsError

from .command import Command, Session
from .console import RESULT, say
from .options import (
    FILES,
    GROUND,
    INPUTS,
    MATCHING,
    OUTPUT,
    RESOURCES,
    TALK,
    argument,
    optional,
    options,
    ortho_settings_of,
    output_settings_of,
    required,
    settings_of,
)
from .repeating import command_line
from .tie_points import store_points

if TYPE_CHECKING:
    from georeg.ortho.ground import Ground
    from georeg.ortho.orthorectify import Ortho
    from georeg.settings import OrthoSettings, OutputSettings, Settings

# What makes no sense for RPCs.
_LEFT_OUT = {"georef", "shift-only", "embed-gcps", "moving-crs", "transform"}
_ONE_ONLY = ("rpc", "report", "points", "rpc_output", "image_output")


@click.command("ortho", cls=Command)
@argument("moving", many=True)
@options(*GROUND)
@optional(
    "--reference",
    section=FILES,
    metavar="REF",
    help="A raster that is in place: refine RPCs by it.",
)
@required(
    "-o",
    "--output",
    metavar="OUT",
    help="The orthoimage; for several MOVING a folder: FOLDER/ is made.",
)
@options("report", "points", "rpc-output", "image-output")
@options(*(n for n in (*MATCHING, "force", *INPUTS, *OUTPUT) if n not in _LEFT_OUT), *RESOURCES)
@click.option("--dry-run", is_flag=True, help="Print the plan as JSON, and write nothing.")
@options(*TALK)
@click.pass_obj
def command(session: Session, /, **params: Any) -> None:
    """Orthorectify MOVING, an image with RPCs, by a DEM.

    With a --reference the RPCs are refined first. Without, they are taken as they are, or corrected
    by the file's own GCPs (--gcps use). MOVING is never changed. The report is always written;
    where no trustworthy correction is found (exit code 3), nothing else is. Several MOVING share
    the DEM; then --output is a folder, and exit code 5 says that some of them failed.
    """
    settings, wanted = settings_of(params), output_settings_of(params)
    ortho = ortho_settings_of(params)
    if ortho is None:
        raise SettingsError(
            "an orthoimage needs the ground: give a --dem, or a constant --height in metres above "
            "the ellipsoid"
        )
    names, output = params["moving"], params["output"]
    if len(names) == 1 and not _is_folder(output):
        jobs = [(names[0], output)]
    else:
        jobs = _into_folder(names, output, params)
    run = Run(session, params, ortho, settings, wanted)
    if params["dry_run"]:
        plans = [run.plan(moving, target) for moving, target in jobs]
        say(json.dumps(plans if len(plans) > 1 else plans[0], indent=1))
        return
    from georeg.ortho.outputs import open_ground

    if _is_folder(output):
        _make(output)
    if len(jobs) == 1:
        with open_ground(ortho, settings.memory) as ground:
            run.one(*jobs[0], ground)
        return
    failed = []
    with open_ground(ortho, settings.memory) as ground:
        for moving, target in jobs:
            try:
                run.one(moving, target, ground)
            except GeoregError as error:
                session.console.event(40, "log", str(error))
                failed.append(moving)
    if failed:
        raise BatchError(f"{len(failed)} of {len(jobs)} images failed: {', '.join(failed)}")


def _into_folder(
    names: tuple[str, ...], folder: str, params: dict[str, Any]
) -> list[tuple[str, str]]:
    """Images and their outputs.

    Raises:
        SettingsError: the folder is none, or names clash.
    """
    if not _is_folder(folder):
        raise SettingsError(
            f"--output {folder} must be a folder that exists, or end with /, for {len(names)} "
            "images"
        )
    given = [key for key in _ONE_ONLY if params[key]]
    if given and len(names) > 1:
        option = given[0].replace("_", "-")
        raise SettingsError(f"--{option} names one file, but there are {len(names)} images")
    stems = [os.path.splitext(os.path.basename(name))[0] for name in names]
    twice = {stem for stem in stems if stems.count(stem) > 1}
    if twice:
        raise SettingsError(f"several images are called {sorted(twice)[0]}: run them one by one")
    return [
        (name, os.path.join(folder, f"{stem}_ortho.tif"))
        for name, stem in zip(names, stems, strict=True)
    ]


def _is_folder(output: str) -> bool:
    return output.endswith("/") or os.path.isdir(output)


def _make(folder: str) -> None:
    """Make a folder if it isn't there.

    Raises:
        OutputError: that can't be done.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} can't be made: {error.strerror}") from None


class Run:
    """What is common to all images of one run."""

    def __init__(
        self,
        session: Session,
        params: dict[str, Any],
        ortho: OrthoSettings,
        settings: Settings,
        wanted: OutputSettings,
    ) -> None:
        """Store."""
        self.session, self.params, self.ortho = session, params, ortho
        self.settings, self.wanted = settings, wanted
        self.reference = params["reference"]

    def plan(self, moving: str, output: str) -> dict[str, Any]:
        """What would be looked at."""
        from georeg.ortho.planning import plan_ortho

        plan = plan_ortho(moving, self.reference, self.ortho, self.settings)
        return {**plan, "output": output}

    def one(self, moving: str, output: str, ground: Ground | None) -> None:
        """One image from begin to end.

        Raises:
            RefusedError: the refinement isn't trustworthy.
            InputError, SettingsError, OutputError: as `orthorectify`.
        """
        from georeg.ortho.orthorectify import orthorectify

        from .outputs import (
            check_outputs,
            check_points,
            report_paths,
            rpc_path,
            saying_what_stays,
        )

        params = self.params
        reports = report_paths(output, params["report"])
        refines = self.reference is not None or self.ortho.gcps == "use"
        rpc = rpc_path(output, params["rpc_output"]) if refines else None
        if not refines and (params["rpc_output"] or params["image_output"]):
            raise SettingsError(
                "--rpc-output and --image-output are for refined RPCs: give a --reference, or "
                "--gcps use"
            )
        if params["points"] and self.reference is None:
            raise SettingsError("--points: there are tie points with a --reference only")
        texts = {"--rpc-output": rpc, "--image-output": params["image_output"]}
        texts |= {f"--report {path}": path for path in reports}
        texts |= {f"--points {path}": path for path in params["points"]}
        ortho = self.ortho
        names = (moving, self.reference, ortho.dem, ortho.rpc, ortho.geoid)
        inputs = tuple(name for name in names if name)
        check_points(params["points"])
        check_outputs(output, texts, inputs, overwrite=self.wanted.overwrite)
        with saying_what_stays([output, *texts.values()]):
            result = orthorectify(
                moving,
                output,
                self.ortho,
                reference=self.reference,
                settings=self.settings,
                output_settings=self.wanted,
                ground=ground,
                report_path=reports,
                rpc_path=rpc,
                image_path=params["image_output"],
                progress=self.session.tell,
                command=command_line(click.get_current_context()),
            )
            self.tell(result, moving, output, reports[0], rpc)

    def tell(self, result: Ortho, moving: str, output: str, report: str, rpc: str | None) -> None:
        """Say what came of it; write the tie points.

        Raises:
            RefusedError: the refinement isn't trustworthy.
        """
        told(self.session, result, self.settings, moving, report)
        points = list(self.params["points"]) if len(result.matches) else []
        for path in points:
            pair = moving, self.reference
            store_points(
                path, result, pair, self.settings,
                height=result.height, overwrite=self.wanted.overwrite,
            )  # fmt: skip
        refined = "orthorectified by its RPCs as they are"
        if result.verdict is not None:
            refined = result.verdict.sentence()
        self.session.console.event(
            RESULT,
            "result",
            f"{refined}: {output}",
            output=output,
            report=report,
            rpc=rpc if result.report["rpc"]["refined"] else None,
            points=points,
            verdict=None if result.verdict is None else result.verdict.to_dict(),
        )


def told(session: Session, result: Ortho, settings: Settings, moving: str, report: str) -> None:
    """Say what must be kept in mind.

    Raises:
        RefusedError: the refinement isn't trustworthy.
    """
    for warning in result.report["warnings"]:
        session.console.event(30, "log", warning)
    if result.verdict is None or result.verdict.ok:
        return
    sentence = result.verdict.sentence()
    if not settings.force:
        raise RefusedError(f"{moving}: {sentence}; nothing was written but the report {report}")
    session.console.event(30, "log", f"written because of --force, but {sentence}")
