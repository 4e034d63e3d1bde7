"""The whole story: two rasters in, one aligned raster out, or a refusal that says why."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from georeg.applying import Progress as Progress
from georeg.applying import apply_fit as apply_fit
from georeg.applying import check_wanted
from georeg.checking import check_alignment
from georeg.choosing import (
    Choice,
    choice_for,
    devices_of,
    fingerprint,
    judges_of,
    team_of,
)
from georeg.errors import SettingsError
from georeg.fitfile import FitFile, write_json
from georeg.fitting import Fit
from georeg.georef import AffineGeoref
from georeg.locating import Start, from_matrix, locate, survey
from georeg.matches import Matches
from georeg.ortho.orthorectify import orthorectify
from georeg.ortho.rpcfiles import find_rpc
from georeg.provenance import versions
from georeg.raster import Raster
from georeg.scene import Scene, open_scene
from georeg.settings import OrthoSettings, OutputSettings, Settings
from georeg.tracking import TiePoints, fit_points, track
from georeg.verdict import Verdict, judge, no_verdict
from georeg.warping import gdal_env
from georeg.writers.place import check_output

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Alignment:
    """What came out.

    Attributes:
        verdict: whether to trust it, and how good it is.
        fit: to be applied to any file of the scene; None if nothing could be fitted.
        matches: the tie points.
        inlier: (N,) which of them the fit explains.
        residuals: (N, 2) errors of the tie points in reference pixels.
        output: name of the aligned raster, None if none was written.
        report: everything that is known, as plain JSON.
        tiles: (T, 4) x, y, width, height in frame pixels of the windows that were matched.
    """

    verdict: Verdict
    fit: FitFile | None
    matches: Matches
    inlier: np.ndarray[Any, np.dtype[np.bool_]]
    residuals: np.ndarray[Any, np.dtype[np.float64]]
    output: str | None
    report: dict[str, Any] = field(default_factory=dict)
    tiles: np.ndarray[Any, np.dtype[np.float64]] | None = None


def align(
    moving: str,
    reference: str,
    output: str | None = None,
    settings: Settings | None = None,
    output_settings: OutputSettings | None = None,
    *,
    fit_path: str | None = None,
    report_path: str | None = None,
    ortho: OrthoSettings | None = None,
    rpc_path: str | None = None,
    image_path: str | None = None,
    progress: Progress | None = None,
) -> Alignment:
    """Align a raster to a reference.

    Args:
        moving: the raster to be aligned; never changed.
        reference: the raster that it is aligned to.
        output: name of the aligned raster; None only measures.
        settings: how to find the alignment.
        output_settings: what the output looks like.
        fit_path: where to store the fit, to be applied to other files of the scene.
        report_path: where to store the report.
        ortho: the ground; where the moving raster has RPCs, it is orthorectified, and there is
            no fit.
        rpc_path: where to store refined RPCs.
        image_path: where to store a copy of the moving raster with refined RPCs.
        progress: told what is being done.

    Returns:
        The alignment. Where `verdict.ok` is False nothing was written but the report, unless
        `settings.force` was set.

    Raises:
        InputError: a raster can't be used, or the two don't meet.
        SettingsError: a setting makes no sense or doesn't suit the rasters.
        OutputError: an output can't be written; nothing is left behind.
    """
    settings = settings or Settings()
    output_settings = output_settings or OutputSettings()
    tell = progress or (lambda step, share: None)
    if ortho is not None and has_rpc(moving, ortho, settings):
        if fit_path is not None:
            raise SettingsError("RPCs aren't corrected by a fit of the map: there is none to store")
        made = orthorectify(
            moving, output, ortho,
            reference=reference, settings=settings, output_settings=output_settings,
            report_path=report_path, rpc_path=rpc_path, image_path=image_path, progress=progress,
        )  # fmt: skip
        verdict = made.verdict or no_verdict("nothing was looked at")
        return Alignment(
            verdict, None, made.matches, made.inlier, made.residuals, made.output, made.report
        )
    if output is not None:
        check_output(output, (moving, reference), overwrite=output_settings.overwrite)
        check_wanted(moving, output_settings, settings)
        settings = _for_shift_only(settings, output_settings)
    began = time.perf_counter()
    with gdal_env(settings.threads):
        result = measure(moving, reference, settings, tell)
        measured = time.perf_counter()
        deliver = result.fit is not None and (result.verdict.ok or settings.force)
        if deliver and result.fit is not None:
            if output is not None:
                apply_fit(
                    result.fit, moving, output, output_settings,
                    settings=settings, inputs=(reference,), progress=tell,
                )  # fmt: skip
            if fit_path is not None:
                result.fit.save(fit_path)
    report = dict(result.report)
    report["output"] = output if deliver else None
    report["seconds"] = {
        "measure": round(measured - began, 2),
        "write": round(time.perf_counter() - measured, 2),
    }
    if report_path is not None:
        write_json(report_path, report)
    return Alignment(
        result.verdict,
        result.fit,
        result.matches,
        result.inlier,
        result.residuals,
        output if deliver else None,
        report,
        result.tiles,
    )


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
    moving: str, reference: str, settings: Settings, progress: Progress | None = None
) -> Alignment:
    """Find the alignment and judge it; writes nothing.

    Raises:
        InputError, SettingsError: as `align`.
    """
    tell = progress or (lambda step, share: None)
    devices = devices_of(settings)
    with gdal_env(settings.threads), open_scene(moving, reference, settings) as scene:
        tell("locate", 0.0)
        choice = choice_for(scene.modalities, devices, settings)
        with team_of(choice, devices, settings) as team:
            start = locate(scene, team, settings)
            tell("locate", 1.0)
            if start is not None and not settings.georef:
                scene, start = _settle(scene, start)
            if start is None:
                verdict = no_verdict(
                    "nothing to go by: the overlap is too small, too flat or mostly invalid"
                )
                return _result(scene, settings, choice, verdict, None, None)
            points, fit = track(scene, team, start, settings, lambda share: tell("match", share))
        if fit is None:
            verdict = no_verdict(
                f"only {len(points)} tie points, and they agree on nothing: name the --modality "
                "of each side, or try --search wide or another --matcher",
                start.margin,
                len(points),
            )
            return _result(scene, settings, choice, verdict, points, None)
        with judges_of(devices, settings) as judges:
            check = check_alignment(
                scene, judges, start, fit.transform, fit.fold_models, fit.folding.fold
            )
        tell("check", 1.0)
        verdict = judge(scene.frame, start, points, fit, check, settings)
        log.info("%s", verdict.sentence())
        return _result(scene, settings, choice, verdict, points, fit)


def fit_matches(
    moving: str,
    reference: str,
    matches: Matches,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Alignment:
    """Fit tie points that come from elsewhere (a file, a person), and judge the fit.

    Raises:
        InputError, SettingsError: as `align`.
        PointsError: the points are too few, degenerate, or agree on nothing.
    """
    settings = settings or Settings()
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
            0.0,
        )
        fit = fit_points(points, settings)
        tell("fit", 1.0)
        # Nobody had to search for these points, so there is no rival estimate to beat.
        start = survey(scene, fit.transform, math.inf)
        with judges_of(devices_of(settings), settings) as judges:
            check = check_alignment(
                scene, judges, start, fit.transform, fit.fold_models, fit.folding.fold
            )
        tell("check", 1.0)
        verdict = judge(frame, start, points, fit, check, settings)
        return _result(scene, settings, Choice("points", "", ""), verdict, points, fit)


def _settle(scene: Scene, start: Start) -> tuple[Scene, Start | None]:
    """A raster without georeference gets the one that was found for it."""
    matrix = np.array(start.transform.to_dict()["matrix"])
    placed = scene.placed(matrix)
    return placed, survey(placed, from_matrix(np.eye(3)), start.margin)


def _result(
    scene: Scene,
    settings: Settings,
    choice: Choice,
    verdict: Verdict,
    points: TiePoints | None,
    fit: Fit | None,
) -> Alignment:
    frame = scene.frame
    info = {
        "moving": scene.moving.name,
        "reference": scene.reference.name,
        "matcher": choice.name,
        "weights": fingerprint(choice),
        "transform": None if fit is None else fit.transform.name,
        "seed": settings.seed,
        "versions": versions(),
        "verdict": verdict.to_dict(),
    }
    report = {
        **info,
        "settings": settings.to_dict(),
        "warnings": [*scene.warnings, *verdict.warnings],
        "modality": dict(zip(("moving", "reference"), scene.modalities, strict=True)),
        "frame": {**frame.to_dict(), "metres_per_pixel": frame.metres},
        "ladder": []
        if fit is None
        else [
            {"transform": r.name, "held_out_rmse_px": r.error * frame.reference_pixels,
             "note": r.note}
            for r in fit.ladder
        ],
    }  # fmt: skip
    matches, inlier, residuals = Matches.none(), np.zeros(0, np.bool_), np.zeros((0, 2))
    if points is not None and len(points):
        pixels = frame.reference_pixels
        matches = Matches(
            frame.unclaim(points.claimed),
            frame.to_reference(points.true),
            points.score,
            points.sigma * pixels,
        )
        inlier = np.zeros(len(points), np.bool_) if fit is None else fit.inlier
        residuals = (
            np.full((len(points), 2), np.nan)
            if fit is None
            else frame.to_reference(fit.transform.forward(points.claimed)) - matches.reference_xy
        )
        report["tie_points"] = _statistics(points, inlier, pixels, frame.metres)
    stored = None
    if fit is not None:
        georef = frame.moving
        header = scene.reference.header
        stored = FitFile(
            fit.transform,
            frame.grid,
            header.grid,
            georef.transform if not settings.georef and isinstance(georef, AffineGeoref) else None,
            scene.moving.header.shape,
            frame.path.source if settings.moving_crs else None,
            info,
        )
    tiles = None if points is None else points.tiles
    return Alignment(verdict, stored, matches, inlier, residuals, None, report, tiles)


def _statistics(
    points: TiePoints,
    inlier: np.ndarray[Any, np.dtype[np.bool_]],
    pixels: float,
    metres: float | None,
) -> dict[str, Any]:
    """How far the moving raster was off, before any correction, by the tie points."""
    used = inlier if inlier.any() else np.ones(len(points), np.bool_)
    offset = (points.true - points.claimed)[used] * pixels
    length = np.hypot(*offset.T)
    mean = offset.mean(axis=0)
    rmse = float(np.sqrt((length**2).mean()))
    return {
        "count": len(points),
        "inliers": int(inlier.sum()),
        "templates": points.templates,
        "offset_before": {
            "mean_x_px": float(mean[0]),
            "mean_y_px": float(mean[1]),
            "median_px": float(np.median(length)),
            "rmse_px": rmse,
            "rmse_m": None if metres is None else rmse / pixels * metres,
            "ce90_px": float(np.percentile(length, 90)),
        },
    }
