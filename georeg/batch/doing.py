"""The job function: one job done and recorded. The same for all executors."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
from pyproj import CRS

from georeg.align import Alignment, align, measure
from georeg.applying import Progress, apply_fit
from georeg.batch.ending import caught, conclude, failure, fenced
from georeg.batch.fingerprints import fingerprint
from georeg.batch.items import write_item
from georeg.batch.job import ALIGN, APPLY, PAIR, Job
from georeg.batch.records import (
    DONE,
    FAILED,
    REFUSED,
    STARTED,
    Record,
    load_record,
    record_of,
    store_record,
)
from georeg.crs import CrsPath
from georeg.errors import EXIT_REFUSED, GeoregError, OutputError, SettingsError
from georeg.fitfile import load_fit
from georeg.grid import outline
from georeg.inputs.georef import AffineGeoref
from georeg.pairing.scene import reference_georef
from georeg.provenance import versions
from georeg.raster import Raster
from georeg.settings import OutputSettings
from georeg.writers.place import exists, is_virtual
from georeg.writers.points import PointTable, write_points

log = logging.getLogger(__name__)


def do(job: Job, tell: Progress | None = None) -> Record:
    """Do a job; whatever goes wrong is in the record, which is stored beside the output.

    Args:
        job: the job.
        tell: told what is being done.
    """
    tell = tell or (lambda step, share: None)
    began, since = time.perf_counter(), datetime.now(timezone.utc)
    before = load_record(job.record_path)
    inputs: Mapping[str, Any] = {}
    owns = before is not None and before.owns and before.output == job.output

    def record(status: str, **more: Any) -> Record:
        same = before is not None and before.inputs == inputs
        tried = before.attempts if same and before is not None else 0
        run = {
            "id": job.run,
            "host": socket.gethostname(),
            "started": since.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - began, 2),
            "attempts": tried + (status != STARTED),
        }
        return record_of(
            job, status, owns=owns, inputs=inputs, versions=versions(), run=run, **more
        )

    try:
        inputs = {name: fingerprint(name) for name in job.inputs()}
        if job.problem:
            raise SettingsError(job.problem)
        owns = owns or job.output_settings.overwrite or not exists(job.output)
        if not owns:
            raise SettingsError(
                f"{job.output} exists, and no record says that it came of this job: "
                "give another name, or --overwrite"
            )
        _ready(job)
        fenced(job)
        store_record(job.record_path, record(STARTED))
        result = _ACTIONS[job.action](job, tell)
        status = DONE if result["files"] else REFUSED
        error = None
        if status == REFUSED:
            error = failure("RefusedError", f"{job.moving}: {result['sentence']}", EXIT_REFUSED)
        done = record(status, result=result, error=error)
    except Exception as error:
        done = record(FAILED, error=caught(error))
    return conclude(job, done)


def _ready(job: Job) -> None:
    """Make the output's folder."""
    for name in (job.output, job.base):
        if not is_virtual(name):
            try:
                os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
            except OSError as error:
                raise OutputError(f"{name} can't be written: {error.strerror}") from None


def _align(job: Job, tell: Progress) -> dict[str, Any]:
    wanted = _ours(job.output_settings)
    fit, report = job.beside(".fit.json"), job.beside(".report.json")
    found = align(
        job.moving, job.reference, job.output, job.settings, wanted,
        fit_path=fit, report_path=report, progress=tell,
    )  # fmt: skip
    result = _result(job, found, (job.output, fit) if found.output else ())
    if found.output and job.item:
        path = job.beside(".item.json")
        write_item(path, job, result)
        result["files"][path] = os.path.getsize(path)
    return result


def _pair(job: Job, tell: Progress) -> dict[str, Any]:
    found = measure(job.moving, job.reference, job.settings, tell)
    if not found.verdict.ok or found.fit is None:
        return _result(job, found, ())
    georef, crs = reference_georef(job.reference, job.settings)
    table = PointTable.of(found.matches, found.inlier, found.residuals, georef, crs)
    write_points(job.output, table, overwrite=True)
    return _result(job, found, (job.output,))


def _apply(job: Job, tell: Progress) -> dict[str, Any]:
    fit = load_fit(job.reference)
    apply_fit(
        fit, job.moving, job.output, _ours(job.output_settings),
        settings=job.settings, inputs=(job.reference,), progress=tell,
    )  # fmt: skip
    verdict = dict(fit.info.get("verdict") or {})
    result: dict[str, Any] = {
        "sentence": str(fit.info.get("sentence") or "resampled by a stored fit"),
        "verdict": verdict,
        "files": _sizes((job.output,)),
        "footprint": footprint_of(job.output),
    }
    if job.item:
        path = job.beside(".item.json")
        write_item(path, job, result)
        result["files"][path] = os.path.getsize(path)
    return result


_ACTIONS: Mapping[str, Callable[[Job, Progress], dict[str, Any]]] = {
    ALIGN: _align,
    PAIR: _pair,
    APPLY: _apply,
}


def _ours(wanted: OutputSettings) -> OutputSettings:
    """The output is ours by now."""
    return replace(wanted, overwrite=True)


def _result(job: Job, found: Alignment, files: tuple[str, ...]) -> dict[str, Any]:
    return {
        "sentence": found.verdict.sentence(),
        "verdict": found.verdict.to_dict(),
        "matcher": found.report.get("matcher"),
        "weights": found.report.get("weights"),
        "transform": found.report.get("transform"),
        "warnings": list(found.report.get("warnings") or ()),
        "files": _sizes(files),
        "footprint": footprint_of(job.output if files and job.action == ALIGN else job.moving),
    }


def _sizes(files: tuple[str, ...]) -> dict[str, int | None]:
    """Sizes of files in bytes; None where only GDAL can look."""
    return {name: None if is_virtual(name) else os.path.getsize(name) for name in files}


def footprint_of(name: str) -> list[list[float]] | None:
    """A raster's outline as longitude and latitude (degrees, WGS 84), as far as it is known."""
    try:
        with Raster(name) as raster:
            header = raster.header
    except GeoregError:
        return None
    if header.crs is None or header.georef is None:
        return None
    rows, columns = header.shape
    sides = 2 if isinstance(header.georef, AffineGeoref) else 5
    edge = header.georef.to_map(outline(columns, rows, sides))
    lonlat = CrsPath(header.crs, CRS.from_epsg(4326)).forward(edge)
    if not np.isfinite(lonlat).all():
        return None
    ring = [[round(float(x), 8), round(float(y), 8)] for x, y in lonlat]
    kept = [p for i, p in enumerate(ring) if i == 0 or p != ring[i - 1]]
    return kept if kept[0] == kept[-1] else [*kept, kept[0]]
