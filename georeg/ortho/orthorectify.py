"""One image with RPCs, from what it is to an orthoimage: refined by a reference where there is one.

The image is resampled once, from its original pixels, through the refined RPCs and the DEM.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from georeg.applying import Progress, check_wanted, warp_and_write_options
from georeg.choosing import choice_for, devices_of, fingerprint, judges_of, team_of
from georeg.crs import parse_crs
from georeg.errors import SettingsError
from georeg.grid import Grid
from georeg.matches import Matches
from georeg.matching.team import Team
from georeg.ortho import reporting
from georeg.ortho.bias import BiasFit, absorb
from georeg.ortho.control import by_gcps
from georeg.ortho.gcps import Gcps, read_gcps
from georeg.ortho.ground import Ground
from georeg.ortho.judging import judged, mirrored
from georeg.ortho.mapping import OrthoMapping
from georeg.ortho.outputs import (
    SensorPlacement,
    check_covered,
    default_crs,
    detail,
    look,
    open_ground,
)
from georeg.ortho.refine import Lost, Refined, refine
from georeg.ortho.rpc import Rpc
from georeg.ortho.rpcfiles import check_beside, check_sidecar, need_rpc, write_rpc
from georeg.ortho.sensor import Sensor
from georeg.ortho.stretch import limited
from georeg.outgrid import output_grid
from georeg.pairing.scene import Scene, open_scene
from georeg.provenance import raster_tags
from georeg.raster import Raster
from georeg.resampling.nodes import Mapping
from georeg.settings import OrthoSettings, OutputSettings, Settings
from georeg.textfile import Name, name_of, write_json
from georeg.verdict import Verdict, no_verdict
from georeg.warping import gdal_env
from georeg.writers.geotiff import check_format, write_warped
from georeg.writers.place import check_output
from georeg.writers.sensor_copy import copy_with_rpc

Array = npt.NDArray[np.float64]

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Ortho:
    """What came out.

    Attributes:
        verdict: whether to trust the refinement, and how good it is; None if there was none.
        rpc: refined, or as they came.
        matches: the tie points, in the image and in the reference.
        inlier: (N,) which of them the bias explains.
        residuals: (N, 2) their errors in reference pixels.
        height: (N,) their heights in metres above the ellipsoid.
        output: name of the orthoimage, None if none was written.
        report: everything that is known, as plain JSON.
    """

    verdict: Verdict | None
    rpc: Rpc
    matches: Matches
    inlier: npt.NDArray[np.bool_]
    residuals: Array
    height: Array
    output: str | None
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is nothing against it."""
        return self.verdict is None or self.verdict.ok


@dataclass(frozen=True, eq=False)
class _Found:
    """What is known before anything is written."""

    verdict: Verdict | None = None
    fit: BiasFit | None = None
    refined: Refined | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    reference: Grid | None = None
    crs: CRS | None = None


def orthorectify(
    moving: Name,
    output: Name | None,
    ortho: OrthoSettings,
    *,
    reference: Name | None = None,
    settings: Settings | None = None,
    output_settings: OutputSettings | None = None,
    ground: Ground | None = None,
    report_path: Name | Sequence[Name] | None = None,
    rpc_path: Name | None = None,
    image_path: Name | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> Ortho:
    """Lay a sensor's image over the ground.

    Args:
        moving: the image; never changed.
        output: name of the orthoimage; None only measures.
        ortho: ground, RPCs and bias.
        reference: a raster that is where it should be, to refine the RPCs by.
        settings: how to match.
        output_settings: what the output looks like.
        ground: already opened by `open_ground`, to be shared by several images.
        report_path: where to store the report, one or more; JSON.
        rpc_path: where to store refined RPCs (.RPB, _RPC.TXT); only where they were refined.
        image_path: where to store a copy of the image with refined RPCs in its tags.
        progress: told what is being done.
        command: that repeats the run, for the report.

    Returns:
        The result. Where `ok` is False nothing was written but the report, unless
        `settings.force` was set.

    Raises:
        InputError: a file can't be used, the image has no usable RPCs, the DEM doesn't cover it,
            or image and reference don't meet.
        SettingsError: a setting makes no sense or doesn't suit the files.
        OutputError: an output can't be written; nothing half-written is left behind.
    """
    settings = settings or Settings()
    wanted = output_settings or OutputSettings()
    tell = progress or (lambda step, share: None)
    moving = name_of(moving, "raster")
    reference = None if reference is None else name_of(reference, "raster")
    output, rpc_path, image_path = (
        None if path is None else name_of(path, "output") for path in (output, rpc_path, image_path)
    )
    if report_path is None or isinstance(report_path, str | os.PathLike):
        report_path = () if report_path is None else (report_path,)
    reports = tuple(name_of(path, "report") for path in report_path)
    inputs = tuple(n for n in (moving, reference, ortho.dem, ortho.rpc, ortho.geoid) if n)
    _check(moving, output, ortho, settings, wanted, inputs, rpc_path, image_path, reference)
    reporting.check_reports(reports)
    began = time.perf_counter()
    with ExitStack() as stack:
        stack.enter_context(gdal_env(settings.threads))
        raster = stack.enter_context(Raster(moving, nodata=settings.moving_nodata))
        source = need_rpc(raster, ortho.rpc)
        if ground is None:
            ground = stack.enter_context(open_ground(ortho, settings.memory))
        here = Sensor(source.rpc, ground, default_crs(Sensor(source.rpc, ground, CRS("EPSG:4326"))))
        covered = check_covered(raster, here)
        gcps = None if ortho.gcps == "ignore" else read_gcps(raster, ground)
        found = _measured(raster, reference, here, gcps, ortho, settings, tell)
        sensor = here if found.fit is None else here.corrected(found.fit.bias)
        report = reporting.facts(raster, source, ground, ortho, settings, covered)
        said = report["warnings"]
        report |= reporting.measured(
            found.verdict,
            found.fit,
            found.refined,
            gcps,
            ortho.gcps,
            sensor,
            raster.header.shape,
            found.facts,
        )
        report["warnings"] = [*said, *report["warnings"]]
        rpc, error = source.rpc, 0.0
        if found.fit is not None:
            rpc, error = absorb(source.rpc, found.fit.bias)
        deliver = found.verdict is None or found.verdict.ok or settings.force
        refined = found.fit is not None
        report["rpc"]["refined"] = None
        if deliver:
            final = Sensor(rpc, ground, here.crs)
            placement = SensorPlacement(final, found.crs or here.crs, found.reference)
            if output is not None:
                report["output_grid"] = _write(
                    raster, placement, output, ortho, settings, wanted, inputs, report, tell
                )
            if refined:
                report["rpc"]["refined"] = {
                    "file": rpc_path,
                    "copy": image_path,
                    "refit_error_px": error,
                }
                if rpc_path is not None:
                    write_rpc(rpc_path, rpc, overwrite=wanted.overwrite)
                if image_path is not None:
                    copy_with_rpc(
                        raster, image_path, rpc.to_tags(), overwrite=wanted.overwrite, inputs=inputs
                    )
    report["output"] = output if deliver else None
    report["seconds"] = round(time.perf_counter() - began, 2)
    report |= {"task": "ortho", "command": command, "folder": os.getcwd()}
    for path in reports:
        write_json(path, report)
    return _result(found, rpc, output if deliver else None, report)


def _check(
    moving: str,
    output: str | None,
    ortho: OrthoSettings,
    settings: Settings,
    wanted: OutputSettings,
    inputs: tuple[str, ...],
    rpc_path: str | None,
    image_path: str | None,
    reference: str | None,
) -> None:
    """Everything that can be known to be wrong before the work."""
    if wanted.shift_only:
        raise SettingsError("--shift-only touches no pixel: that makes no orthoimage")
    if wanted.embed_gcps:
        raise SettingsError("--embed-gcps resamples nothing: that makes no orthoimage")
    if wanted.grid == "moving":
        raise SettingsError("--grid moving: an image with RPCs has no pixel grid of its own")
    if wanted.grid == "reference" and reference is None:
        raise SettingsError("--grid reference: there is no --reference")
    if not settings.georef:
        raise SettingsError("--no-georef: RPCs are the georeference of this image")
    if settings.transform != "auto":
        raise SettingsError(
            f"--transform {settings.transform}: RPCs are corrected in the image, by --bias"
        )
    if output is not None:
        check_format(output)
        check_output(output, inputs, overwrite=wanted.overwrite)
        check_wanted(moving, wanted, settings, reference)
    if rpc_path is not None:
        check_sidecar(rpc_path)
        check_output(rpc_path, inputs, overwrite=wanted.overwrite)
    check_beside(output, "the orthoimage", None)
    if image_path is not None:
        check_output(image_path, inputs, overwrite=wanted.overwrite)
        check_beside(image_path, "the copy", rpc_path)


def _measured(
    raster: Raster,
    reference: str | None,
    sensor: Sensor,
    gcps: Gcps | None,
    ortho: OrthoSettings,
    settings: Settings,
    tell: Progress,
) -> _Found:
    """The bias, by the reference or by GCPs; nothing where there is neither."""
    control = gcps if ortho.gcps == "use" else None
    if reference is None:
        if control is None:
            return _Found()
        fit, verdict = by_gcps(control, sensor, ortho.bias, settings)
        return _Found(verdict, fit)

    def place(_: Raster, crs: CRS) -> Sensor:
        return replace(sensor.on(crs), beyond=sensor.ground.typical)

    devices = devices_of(settings)
    with open_scene(raster.name, reference, settings, place) as opened:
        crs = opened.frame.grid.crs or sensor.crs
        start = sensor.on(crs)
        scene = replace(opened, frame=replace(opened.frame, moving=start))
        choice = choice_for(scene.modalities, devices, settings)
        facts = {
            "reference": scene.reference.name,
            "matcher": choice.name,
            "weights": fingerprint(choice),
            "modality": dict(zip(("moving", "reference"), scene.modalities, strict=True)),
            "frame": {**scene.frame.to_dict(), "metres_per_pixel": scene.frame.metres},
            "warnings": list(scene.warnings),
        }
        tell("locate", 0.0)
        with team_of(choice, devices, settings) as team:
            found = refine(
                scene, start, team, settings, ortho.bias, control,
                lambda share: tell("match", share),
            )  # fmt: skip
            grid = scene.reference.header.grid
            if isinstance(found, Lost):
                margin = 0.0 if found.start is None else found.start.margin
                verdict = no_verdict(found.reason, found.advice, margin, found.points)
                verdict = _hinted(verdict, scene, start, team, settings)
                return _Found(verdict, facts=facts, reference=grid, crs=crs)
            with judges_of(devices, settings) as judges:
                verdict = judged(found, scene, judges, settings)
            tell("check", 1.0)
            if not verdict.ok:
                verdict = _hinted(verdict, scene, start, team, settings)
        log.info("%s", verdict.sentence())
        return _Found(verdict, found.fit, found, facts, grid, crs)


def _hinted(
    verdict: Verdict, scene: Scene, sensor: Sensor, team: Team, settings: Settings
) -> Verdict:
    """With the likely cause, where one can be seen."""
    hint = mirrored(scene, sensor, team, settings)
    return verdict if hint is None else replace(verdict, reasons=(*verdict.reasons, hint))


def _write(
    raster: Raster,
    placement: SensorPlacement,
    output: str,
    ortho: OrthoSettings,
    settings: Settings,
    wanted: OutputSettings,
    inputs: tuple[str, ...],
    report: dict[str, Any],
    tell: Progress,
) -> dict[str, Any]:
    """Resample; returns what the report says about the grid."""
    if wanted.dst_crs is not None:
        parse_crs(wanted.dst_crs)
    grid = output_grid(placement, raster.header, raster.name, wanted)
    if grid.crs is None:
        raise SettingsError("an orthoimage needs a CRS: name one with --dst-crs")
    sensor = placement.sensor.on(grid.crs).strict()
    seen = look(sensor, grid, raster.header.shape)
    report["relief"] = seen
    report["warnings"] = [*report["warnings"], *reporting.relief_warnings(seen, ortho, sensor)]

    mapping: Mapping = OrthoMapping(sensor, grid)
    if ortho.max_stretch is not None:
        mapping = limited(mapping, sensor, grid, ortho.max_stretch)
    warp, write = warp_and_write_options(wanted, settings)
    write_warped(
        raster, grid, mapping, output, replace(warp, detail=detail(sensor.ground, grid)), write,
        inputs=inputs, provenance=raster_tags(reporting.tags(report)),
        progress=lambda share: tell("write", share),
    )  # fmt: skip
    return {
        "shape": list(grid.shape),
        "transform": list(grid.transform)[:6],
        "crs": grid.crs.to_wkt(),
    }


def _result(found: _Found, rpc: Rpc, output: str | None, report: dict[str, Any]) -> Ortho:
    if found.refined is None:
        none = np.zeros(0)
        return Ortho(
            found.verdict, rpc, Matches.none(), np.zeros(0, np.bool_), np.zeros((0, 2)), none,
            output, report,
        )  # fmt: skip
    refined = found.refined
    ties, frame, n = refined.ties, refined.scene.frame, len(refined.ties)
    on_frame = -ties.on_frame(refined.fit.residuals[:n])
    reference = frame.to_reference(ties.true)
    pixels = frame.reference_pixels
    matches = Matches(
        np.array(ties.seen), reference, np.array(ties.score), ties.sigma * pixels,
        ties.block / ties.unit * pixels,
    )  # fmt: skip
    residuals = frame.to_reference(ties.true + on_frame) - reference
    inlier = refined.fit.inlier[:n]
    return Ortho(found.verdict, rpc, matches, inlier, residuals, ties.height, output, report)
