"""What comes out of a run: the verdict, the fit, the tie points, and the report of it all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from georeg.choosing import fingerprint
from georeg.explaining import Decision, explain
from georeg.fitfile import FitFile
from georeg.fitting import Fit
from georeg.inputs.georef import AffineGeoref
from georeg.matches import Matches
from georeg.outcome import Outcome
from georeg.provenance import versions
from georeg.report.contents import contents
from georeg.report.facts import gather
from georeg.report.pictures import Pictures, take_pictures
from georeg.textfile import Name, is_page, name_of, write_json, write_text
from georeg.verdict import Verdict


@dataclass(frozen=True, eq=False, repr=False)
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
        decisions: what was decided on the way, and why.
        pictures: views of both rasters for a report; None if nobody asked for them.
    """

    verdict: Verdict
    fit: FitFile | None
    matches: Matches
    inlier: np.ndarray[Any, np.dtype[np.bool_]]
    residuals: np.ndarray[Any, np.dtype[np.float64]]
    output: str | None
    report: dict[str, Any] = field(default_factory=dict)
    tiles: np.ndarray[Any, np.dtype[np.float64]] | None = None
    decisions: tuple[Decision, ...] = ()
    pictures: Pictures | None = None

    def __repr__(self) -> str:
        """One line: notebooks and logs would show thousands of numbers."""
        return f"<Alignment: {self.verdict.sentence()}; {len(self.matches)} tie points>"


def alignment_of(outcome: Outcome, *, pictures: bool) -> Alignment:
    """What users get of an outcome.

    Args:
        outcome: of a run, its rasters still open.
        pictures: whether to keep views of both rasters, for a report.
    """
    frame, fit, points = outcome.scene.frame, outcome.fit, outcome.points
    info = {
        "moving": outcome.scene.moving.name,
        "reference": outcome.scene.reference.name,
        "matcher": outcome.choice.name,
        "weights": fingerprint(outcome.choice),
        "transform": None if fit is None else fit.transform.name,
        "seed": outcome.settings.seed,
        "versions": versions(),
        "verdict": outcome.verdict.to_dict(),
    }
    decisions = explain(outcome)
    matches, inlier, residuals = Matches.none(), np.zeros(0, np.bool_), np.zeros((0, 2))
    if points is not None and len(points):
        matches = Matches(
            frame.unclaim(points.claimed),
            frame.to_reference(points.true),
            points.score,
            points.sigma * frame.reference_pixels,
            points.block * frame.reference_pixels,
        )
        inlier = np.zeros(len(points), np.bool_) if fit is None else fit.inlier
        residuals = (
            np.full((len(points), 2), np.nan)
            if fit is None
            else frame.to_reference(fit.transform.forward(points.claimed)) - matches.reference_xy
        )
    report = contents(outcome, info, decisions)
    return Alignment(
        outcome.verdict,
        None if fit is None else _fit_file(outcome, fit, info),
        matches,
        inlier,
        residuals,
        None,
        report,
        None if points is None else points.tiles,
        decisions,
        _pictures(outcome, report) if pictures else None,
    )


def _fit_file(outcome: Outcome, fit: Fit, info: dict[str, Any]) -> FitFile:
    frame, settings = outcome.scene.frame, outcome.settings
    georef = frame.moving
    return FitFile(
        fit.transform,
        frame.grid,
        outcome.scene.reference.header.grid,
        georef.transform if not settings.georef and isinstance(georef, AffineGeoref) else None,
        outcome.scene.moving.header.shape,
        frame.path.source if settings.moving_crs else None,
        info,
    )


def _pictures(outcome: Outcome, report: Mapping[str, Any]) -> Pictures:
    transform = None if outcome.fit is None else outcome.fit.transform
    return take_pictures(outcome.scene, transform, gather(report, None).worth_a_look)


def told(
    result: Alignment,
    task: str,
    command: str,
    *,
    output: str | None = None,
    seconds: Mapping[str, float] | None = None,
    max_error: float | None = None,
) -> Alignment:
    """The same, its report saying who asked for it and what became of it.

    Args:
        result: the alignment.
        task: align, check or fit.
        command: that repeats the run, in the current folder.
        output: name of the aligned raster; None if none was written.
        seconds: what took how long.
        max_error: limit of a check, in reference pixels.
    """
    more = {
        "task": task,
        "command": command,
        "folder": os.getcwd(),
        "output": output,
        "seconds": dict(seconds or {}),
        "max_error": max_error,
    }
    return replace(result, output=output, report={**result.report, **more})


def write_report(path: Name, result: Alignment) -> None:
    """Store a report: a page for people where the name ends in .html, else JSON.

    Raises:
        OutputError: it can't be written; nothing is left behind.
    """
    path = name_of(path, "report")
    if is_page(path):
        from georeg.report.page import page

        write_text(path, page(result.report, result.pictures))
    else:
        write_json(path, result.report)
