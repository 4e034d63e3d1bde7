"""The whole story: two rasters in, one aligned raster out, or a refusal that says why."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from georeg.alignment import Alignment as Alignment
from georeg.alignment import alignment_of, told, write_report
from georeg.applying import Progress as Progress
from georeg.applying import apply_fit as apply_fit
from georeg.applying import apply_found, check_wanted
from georeg.choosing import Choice, choice_for, devices_of, judges_of, team_of
from georeg.errors import SettingsError
from georeg.finer import (
    as_exact,
    closer,
    convincing,
    finer,
    part_elsewhere,
    promising,
    sharper,
    telling,
)
from georeg.judging.astray import Astray
from georeg.judging.checking import check_alignment
from georeg.matches import Matches
from georeg.matching.protocol import Device
from georeg.matching.team import Team
from georeg.ortho.orthorectify import orthorectify
from georeg.ortho.rpcfiles import find_rpc
from georeg.outcome import Outcome
from georeg.pairing.scene import Scene, open_scene
from georeg.provenance import python_call
from georeg.raster import Raster
from georeg.search.carrying import carried
from georeg.search.locating import Start, from_matrix, locate, survey
from georeg.search.tiepoints import TiePoints
from georeg.search.tracking import Tracked, fit_points, track
from georeg.settings import OrthoSettings, OutputSettings, Settings
from georeg.textfile import Name, is_page, kind_of, name_of
from georeg.undeclared import hinted, naming_zeros, without_zeros
from georeg.verdict import judge, no_verdict, why_nothing
from georeg.warping import gdal_env
from georeg.writers.geotiff import check_format
from georeg.writers.place import check_output

log = logging.getLogger(__name__)


def align(
    moving: Name,
    reference: Name,
    output: Name | None = None,
    settings: Settings | None = None,
    output_settings: OutputSettings | None = None,
    *,
    fit_path: Name | None = None,
    report_path: Name | Sequence[Name] | None = None,
    ortho: OrthoSettings | None = None,
    rpc_path: Name | None = None,
    image_path: Name | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> Alignment:
    """Align a raster to a reference.

    Args:
        moving: the raster to be aligned; never changed.
        reference: the raster that it is aligned to.
        output: name of the aligned raster; None only measures.
        settings: how to find the alignment.
        output_settings: what the output looks like.
        fit_path: where to store the fit, to be applied to other files of the scene.
        report_path: where to store the report, one or more: a page for people where the name ends
            in .html, else JSON.
        ortho: the ground; where the moving raster has RPCs, it is orthorectified, and there is
            no fit.
        rpc_path: where to store refined RPCs.
        image_path: where to store a copy of the moving raster with refined RPCs.
        progress: told what is being done.
        command: that repeats the run, for the report; the call of this function if empty.

    Returns:
        The alignment. Where `verdict.ok` is False nothing was written but the report, unless
        `settings.force` was set.

    Raises:
        InputError: a raster can't be used, or the two don't meet.
        SettingsError: a setting makes no sense or doesn't suit the rasters.
        OutputError: an output can't be written; nothing half-written is left behind.
    """
    settings = settings or Settings()
    output_settings = output_settings or OutputSettings()
    for given, kind in ((settings, Settings), (output_settings, OutputSettings)):
        if not isinstance(given, kind):
            raise SettingsError(f"{kind_of(given)} isn't {kind.__name__}: give one of these")
    moving, reference = name_of(moving, "raster"), name_of(reference, "raster")
    output, fit_path, rpc_path, image_path = (
        None if path is None else name_of(path, "output")
        for path in (output, fit_path, rpc_path, image_path)
    )
    if report_path is None or isinstance(report_path, str | os.PathLike):
        report_path = () if report_path is None else (report_path,)
    reports = tuple(name_of(path, "report") for path in report_path)
    tell = progress or (lambda step, share: None)
    if ortho is not None and has_rpc(moving, ortho, settings):
        if fit_path is not None:
            raise SettingsError("RPCs aren't corrected by a fit of the map: there is none to store")
        made = orthorectify(
            moving, output, ortho,
            reference=reference, settings=settings, output_settings=output_settings,
            report_path=reports, rpc_path=rpc_path, image_path=image_path, progress=progress,
            command=command,
        )  # fmt: skip
        verdict = made.verdict or no_verdict("nothing was looked at", "give a reference")
        return Alignment(
            verdict, None, made.matches, made.inlier, made.residuals, made.output, made.report
        )
    if output is not None:
        check_format(output)
        check_output(output, (moving, reference), overwrite=output_settings.overwrite)
        check_wanted(moving, output_settings, settings, reference)
        settings = _for_shift_only(settings, output_settings)
    began = time.perf_counter()
    with gdal_env(settings.threads):
        result = measure(moving, reference, settings, tell, pictures=any(map(is_page, reports)))
        measured = time.perf_counter()
        deliver = result.fit is not None and (result.verdict.ok or settings.force)
        if deliver and result.fit is not None:
            if output is not None:
                apply_found(
                    result.fit, moving, output, output_settings,
                    settings=settings, inputs=(reference,), tell=tell,
                )  # fmt: skip
            if fit_path is not None:
                result.fit.save(fit_path)
    command = command or python_call(
        "align", (moving, reference, output), settings=settings, output_settings=output_settings
    )
    written = time.perf_counter()
    result = told(
        result,
        "align",
        command,
        output=output if deliver else None,
        seconds={"measure": round(measured - began, 2), "write": round(written - measured, 2)},
    )
    for path in reports:
        write_report(path, result)
    return result


def has_rpc(moving: str, ortho: OrthoSettings, settings: Settings) -> bool:
    """Whether a raster is to be laid over the ground by RPCs, rather than by its header.

    Raises:
        InputError: it can't be read, or its RPCs are malformed.
    """
    with Raster(moving, nodata=settings.moving_nodata) as raster:
        if find_rpc(raster, ortho.rpc) is not None:
            return True
    log.warning("%s has no RPCs: the ground isn't needed, and not looked at", moving)
    return False


def _for_shift_only(settings: Settings, wanted: OutputSettings) -> Settings:
    """Only a shift can be written without touching a pixel."""
    if not wanted.shift_only or settings.transform == "shift":
        return settings
    if settings.transform != "auto":
        raise SettingsError(f"--shift-only needs --transform shift, not {settings.transform}")
    return replace(settings, transform="shift")


def measure(
    moving: Name,
    reference: Name,
    settings: Settings | None = None,
    progress: Progress | None = None,
    *,
    pictures: bool = False,
) -> Alignment:
    """Find the alignment and judge it; writes nothing.

    Args:
        moving: the raster to be aligned.
        reference: the raster that it is aligned to.
        settings: how.
        progress: told what is being done.
        pictures: whether to keep views of both rasters, for a report.

    Raises:
        InputError, SettingsError: as `align`.
    """
    settings = settings or Settings()
    moving, reference = name_of(moving, "raster"), name_of(reference, "raster")
    tell = progress or (lambda step, share: None)
    devices = devices_of(settings)
    with gdal_env(settings.threads), open_scene(moving, reference, settings) as scene:
        tell("locate", 0.0)
        choice = choice_for(scene.modalities, devices, settings)
        outcome = _measured(scene, choice, devices, settings, tell)
        again = finer(outcome)
        if again is not None:
            log.info("too few places to compare: once more on pixels half as wide")
            with open_scene(moving, reference, again) as near:
                second = _measured(
                    near, choice, devices, settings, tell, convincing, outcome.located
                )
                if convincing(second):
                    return alignment_of(replace(second, finer=True), pictures=pictures)
        again = without_zeros(outcome)
        if again is not None:
            log.info("many pixels are exactly 0: once more without them")
            with open_scene(moving, reference, again) as masked:
                second = _measured(masked, choice, devices, settings, tell, convincing)
                if convincing(second) and second.verdict.confidence > outcome.verdict.confidence:
                    return alignment_of(naming_zeros(second, outcome), pictures=pictures)
        hints = hinted(outcome, partial(judges_of, devices, settings))
        return alignment_of(hints, pictures=pictures)


def _measured(
    scene: Scene,
    choice: Choice,
    devices: Sequence[Device],
    settings: Settings,
    tell: Progress,
    trusted: Callable[[Outcome], bool] = lambda outcome: outcome.verdict.ok,
    before: Start | None = None,
) -> Outcome:
    """Find and judge; what is `trusted` is looked at once more, on finer pixels if there are.

    `before` is what was located on other pixels of the scene.
    """
    done = partial(Outcome, settings=settings, choice=choice, device=devices[0].name)
    with team_of(choice, devices, settings) as team:
        located = locate(scene, team, settings, before)
        tell("locate", 1.0)
        start = located
        if start is not None and not settings.georef:
            scene, start = _settle(scene, start)
        if start is None:
            why = why_nothing(
                scene, settings, None,
                "nothing to go by: the overlap is too flat or mostly invalid",
                "look at both with 'georeg info', name the right nodata values and --modality, or "
                "choose other bands",
                enlarged=settings.working_resolution is None,
            )  # fmt: skip
            return done(scene, verdict=no_verdict(*why))
        steps = partial(tell, "match")
        tracked = track(scene, team, start, settings, steps)
        done = partial(done, located=located)
        outcome = _judged(done, scene, start, tracked, devices, settings, tell)
        return _sharpened(outcome, team, done, devices, tell, trusted)


def _judged(
    done: Callable[..., Outcome],
    scene: Scene,
    start: Start,
    tracked: Tracked,
    devices: Sequence[Device],
    settings: Settings,
    tell: Progress,
    unit: float = 1.0,
    part: Astray | None = None,
) -> Outcome:
    """What to think of what was tracked, by a look at pixels that are `unit` frame pixels wide.

    `part` is one that a look at coarser pixels saw elsewhere, in pixels of this frame.
    """
    points, fit = tracked.points, tracked.fit
    done = partial(done, scene, start=start, levels=tracked.levels, points=points, fit=fit)
    if fit is None:
        why = why_nothing(
            scene, settings, start,
            f"only {len(points)} tie points, and they agree on nothing",
            "name the --modality of each side, or try "
            + ("another" if settings.anywhere else "--search wide or another")
            + " --matcher",
            enlarged=settings.working_resolution is None and points.dense,
        )  # fmt: skip
        return done(verdict=no_verdict(*why, start.margin, len(points)))
    with judges_of(devices, settings) as judges:
        check = check_alignment(
            scene, judges, start, fit.transform, fit.fold_models, fit.folding.fold,
            claimed=settings.georef, unit=unit, part=part,
        )  # fmt: skip
    tell("check", 1.0)
    verdict = judge(scene.frame, start, points, fit, check, settings)
    log.info("%s", verdict.sentence())
    return done(verdict=verdict)


def _sharpened(
    outcome: Outcome,
    team: Team,
    done: Callable[..., Outcome],
    devices: Sequence[Device],
    tell: Progress,
    trusted: Callable[[Outcome], bool],
) -> Outcome:
    """What is trusted, once more on finer pixels; as it was if it isn't trusted there."""
    times, settings, scene = sharper(outcome), outcome.settings, outcome.scene
    if times is None or outcome.start is None or outcome.points is None or outcome.fit is None:
        return outcome
    if not trusted(outcome):
        return outcome
    near = closer(scene, times)
    log.info("on pixels %.3g times as fine", times)
    same = replace(settings, transform=outcome.fit.transform.name)
    known = carried(outcome.start, outcome.points, outcome.levels, scene.frame.grid, near, same)
    if known is None:
        return outcome
    start, before = known
    if not promising(outcome, near, start, before, team):
        log.info("smaller templates tell too little in a few tiles: it stays as it was found")
        return outcome
    tracked = track(near, team, start, settings, partial(tell, "match"), before)
    if not telling(tracked, near.own_pixel):
        log.info("smaller templates tell too little there: it stays as it was found")
        return outcome
    if tracked.fit is not None and not as_exact(outcome.fit, tracked.fit, times):
        log.info("smaller templates err too much there: it stays as it was found")
        return outcome
    # What to trust is known of pixels that a raster has.
    unit, part = max(1.0, near.own_pixel), part_elsewhere(outcome, near)
    second = _judged(done, near, start, tracked, devices, settings, tell, unit, part)
    if not trusted(second):
        log.info("not trusted there: it stays as it was found")
        return outcome
    # All that is told is in pixels of this frame.
    return replace(second, located=start if settings.georef else outcome.located, sharper=True)


def fit_matches(
    moving: Name,
    reference: Name,
    matches: Matches,
    settings: Settings | None = None,
    progress: Progress | None = None,
    *,
    pictures: bool = False,
) -> Alignment:
    """Fit tie points that come from elsewhere (a file, a person), and judge the fit.

    Args:
        moving: the raster to be aligned.
        reference: the raster that it is aligned to.
        matches: the tie points.
        settings: how.
        progress: told what is being done.
        pictures: whether to keep views of both rasters, for a report.

    Raises:
        InputError, SettingsError: as `align`.
        PointsError: the points are too few, degenerate, or agree on nothing.
    """
    settings = settings or Settings()
    moving, reference = name_of(moving, "raster"), name_of(reference, "raster")
    tell = progress or (lambda step, share: None)
    with gdal_env(settings.threads), open_scene(moving, reference, settings) as scene:
        tell("fit", 0.0)
        frame = scene.frame
        points = TiePoints(
            frame.claim(matches.moving_xy),
            frame.from_reference(matches.reference_xy),
            matches.score,
            matches.sigma / frame.reference_pixels,
            len(matches),
            matches.apart / frame.reference_pixels,
        )
        fit = fit_points(points, settings)
        tell("fit", 1.0)
        # Nobody had to search for these points, so there is no rival estimate to beat.
        start = survey(scene, fit.transform, math.inf)
        with judges_of(devices_of(settings), settings) as judges:
            check = check_alignment(
                scene, judges, start, fit.transform, fit.fold_models, fit.folding.fold,
                claimed=settings.georef,
            )  # fmt: skip
        tell("check", 1.0)
        verdict = judge(frame, start, points, fit, check, settings)
        outcome = Outcome(
            scene, settings, Choice("points", "", ""), "", verdict,
            start=start, points=points, fit=fit,
        )  # fmt: skip
        return alignment_of(outcome, pictures=pictures)


def _settle(scene: Scene, start: Start) -> tuple[Scene, Start | None]:
    """A raster without georeference gets the one that was found for it."""
    matrix = np.array(start.transform.to_dict()["matrix"])
    placed = scene.placed(matrix)
    return placed, survey(placed, from_matrix(np.eye(3)), start.margin)
