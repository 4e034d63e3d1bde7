"""A report as plain JSON: all that is known about an alignment, and all that plots need."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.crs import crs_name
from georeg.explaining import Decision
from georeg.inputs.georef import AffineGeoref
from georeg.judging.coverage import coverage
from georeg.outcome import Outcome
from georeg.radiometry import Radiometry
from georeg.raster import Raster

FORMAT = "georeg-report"
VERSION = 1

MOST_POINTS = 2000  # of the tie points that a report lists: more make no plot clearer
COLUMNS = (
    "frame_x", "frame_y", "before_x", "before_y", "residual_x", "residual_y", "left_out_x",
    "left_out_y", "score", "inlier", "counted",
)  # fmt: skip
"""Of the listed tie points: true position in frame pixels; then, in reference pixels (where these
aren't square, in the root mean square of width and height) and x to the right, y downwards: true
less claimed position, error of the fit, error of the fit without the point's block; probability of
being right; whether the fit explains it (1 or 0); whether its error counts as the fit's, as it is
explained or agrees with its neighbours (1 or 0)."""


def contents(
    outcome: Outcome, info: Mapping[str, Any], decisions: Sequence[Decision]
) -> dict[str, Any]:
    """The report of a run.

    Args:
        outcome: what it found out.
        info: what the fit file says, too: names, matcher, versions, verdict.
        decisions: what was decided, and why.
    """
    scene, fit = outcome.scene, outcome.fit
    frame, pixels = scene.frame, scene.frame.reference_pixels
    report = {
        "format": FORMAT,
        "version": VERSION,
        **info,
        "settings": outcome.settings.to_dict(),
        "warnings": [*scene.warnings, *outcome.verdict.warnings],
        "inputs": {
            "moving": _input(scene.moving, scene.moving_look),
            "reference": _input(scene.reference, scene.reference_look),
        },
        "modality": {
            "moving": scene.moving_look.modality,
            "reference": scene.reference_look.modality,
        },
        "frame": {
            **frame.to_dict(),
            "crs_name": crs_name(frame.grid.crs),
            "metres_per_pixel": frame.metres,
            "reference_pixels_per_pixel": pixels,
        },
        "ladder": []
        if fit is None
        else [
            {"transform": r.name, "held_out_rmse_px": r.error * pixels, "note": r.note}
            for r in fit.ladder
        ],
        "levels": [{**asdict(level), "error": level.error * pixels} for level in outcome.levels],
        "decisions": [asdict(decision) for decision in decisions],
        "model": None if fit is None else fit.transform.to_dict(),
        "placement": _placement(outcome),
    }
    if outcome.points is not None and len(outcome.points):
        report["tie_points"] = _statistics(outcome)
        report["points"] = _points(outcome)
        if outcome.start is not None:
            agree = outcome.points.true[_inlier(outcome)]
            report["coverage"] = coverage(agree, outcome.start).to_dict()
    return report


def _input(raster: Raster, look: Radiometry) -> dict[str, Any]:
    header = raster.header
    grid = header.grid
    return {
        "name": raster.name,
        "shape": list(header.shape),
        "bands": header.count,
        "dtype": header.dtypes[0],
        "crs": crs_name(header.crs),
        "metres_per_pixel": None if grid is None else grid.metres_per_pixel(),
        "bytes": os.path.getsize(raster.name) if os.path.isfile(raster.name) else None,
        "modality": look.modality,
        "evidence": look.why,
        "looks_at_bands": list(look.bands),
    }


def _placement(outcome: Outcome) -> list[float] | None:
    """Pixel -> map of a moving raster whose own georeference wasn't used, as it was placed."""
    georef = outcome.scene.frame.moving
    if outcome.settings.georef or not isinstance(georef, AffineGeoref):
        return None
    return list(georef.transform)[:6]


def _inlier(outcome: Outcome) -> npt.NDArray[np.bool_]:
    count = 0 if outcome.points is None else len(outcome.points)
    return np.zeros(count, np.bool_) if outcome.fit is None else outcome.fit.inlier


def _counted(outcome: Outcome) -> npt.NDArray[np.bool_]:
    """Tie points whose errors are the fit's."""
    return _inlier(outcome) if outcome.fit is None else outcome.fit.counted


def _points(outcome: Outcome) -> dict[str, Any]:
    """The tie points, or a random share of them; see `COLUMNS`."""
    points, fit, pixels = outcome.points, outcome.fit, outcome.scene.frame.reference_pixels
    if points is None:
        return {}
    unknown = np.full((len(points), 2), np.nan)
    table = np.column_stack(
        [
            points.true,
            (points.true - points.claimed) * pixels,
            unknown if fit is None else fit.residuals * pixels,
            unknown if fit is None else fit.held_out * pixels,
            points.score,
            _inlier(outcome),
            _counted(outcome),
        ]
    )
    if len(table) > MOST_POINTS:
        drawn = np.random.default_rng(outcome.settings.seed).permutation(len(table))
        table = table[np.sort(drawn[:MOST_POINTS])]
    rows = [[*row[:-2], int(row[-2]), int(row[-1])] for row in np.round(table, 3).tolist()]
    return {"count": len(points), "columns": list(COLUMNS), "rows": rows}


def _statistics(outcome: Outcome) -> dict[str, Any]:
    """How far the moving raster was off, before any correction, by the tie points."""
    points, frame = outcome.points, outcome.scene.frame
    if points is None:
        return {}
    metres, inlier = frame.metres, _inlier(outcome)
    used = _counted(outcome) if inlier.any() else np.ones(len(points), np.bool_)
    step = (points.true - points.claimed)[used]
    offset = step * frame.reference_steps
    length = np.hypot(*offset.T)
    mean = offset.mean(axis=0)
    rejected = None if outcome.fit is None else asdict(outcome.fit.rejected)
    return {
        "count": len(points),
        "inliers": int(inlier.sum()),
        "rejected": rejected,
        "templates": points.templates,
        "offset_before": {
            "mean_x_px": float(mean[0]),
            "mean_y_px": float(mean[1]),
            "median_px": float(np.median(length)),
            "rmse_px": float(np.sqrt((length**2).mean())),
            "rmse_m": None if metres is None else float(np.sqrt((step**2).sum(1).mean())) * metres,
            "ce90_px": float(np.percentile(length, 90)),
        },
    }
