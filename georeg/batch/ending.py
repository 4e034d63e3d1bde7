"""How a job ends: its record, and an output folder that agrees with it. Imports nothing heavy."""

from __future__ import annotations

import logging
import os
import socket
import traceback
from contextlib import suppress
from typing import Any

from georeg.batch.job import Job
from georeg.batch.lock import holds
from georeg.batch.records import DONE, FAILED, Record, load_record, record_of, store_record
from georeg.errors import EXIT_UNEXPECTED, ClusterError, GeoregError, OutputError
from georeg.provenance import versions
from georeg.writers.place import clear_leftovers, is_virtual

log = logging.getLogger(__name__)

# Kinds of failure that tell nothing about the rasters.
_OUTSIDE = ("Timeout", "MemoryLimit", "Crash", "MemoryError")


def give_up(job: Job, kind: str, message: str) -> Record:
    """Record a job whose worker had to be killed, or died; clears up behind it.

    Args:
        job: the job.
        kind: Timeout, MemoryLimit or Crash.
        message: what happened.
    """
    before = load_record(job.record_path)
    mine = before is not None and before.run.get("id") == job.run
    return conclude(
        job,
        record_of(
            job, FAILED,
            owns=before is not None and before.owns,
            inputs=before.inputs if before is not None and mine else {},
            versions=versions(),
            error=failure(kind, message, EXIT_UNEXPECTED),
            run={
                "id": job.run,
                "host": socket.gethostname(),
                "attempts": 1 + (before.attempts if before is not None else 0),
            },
        ),
    )  # fmt: skip


def conclude(job: Job, record: Record) -> Record:
    """Store a record at the end, and see to it that the output is what it says."""
    try:
        fenced(job)
        if record.status == FAILED:
            # Dask may have taken a worker for dead that wasn't, and had the job done by another.
            other = load_record(job.record_path)
            if other is not None and other.status == DONE and other.run.get("id") == job.run:
                return other
        if record.owns and says_no(record):
            _remove_old(job)
        clear_leftovers((job.output,))
        store_record(job.record_path, record)
    except OutputError as error:
        log.warning("%s", error)
        if record.status == DONE:
            return record_of(
                job, FAILED, owns=record.owns, inputs=record.inputs, versions=record.versions,
                error=caught(error), run=record.run,
            )  # fmt: skip
    return record


def says_no(record: Record) -> bool:
    """Whether the rasters themselves are the reason, so that an older output is wrong, too."""
    error = record.error or {}
    outside = error.get("passing") or error.get("kind") in _OUTSIDE
    return record.status != DONE and not outside


def fenced(job: Job) -> None:
    """Nothing is put in place by a job of a run that has lost its lock.

    Raises:
        OutputError: the run is over.
    """
    if job.lock and not holds(job.lock, job.run):
        raise OutputError(f"{job.output}: run {job.run} is over, so nothing of it is kept")


def _remove_old(job: Job) -> None:
    """What an earlier run wrote from other inputs or settings would contradict the record."""
    for path in (job.output, job.beside(".fit.json"), job.beside(".item.json")):
        if not is_virtual(path):
            with suppress(FileNotFoundError):
                os.unlink(path)


def caught(error: Exception) -> dict[str, Any]:
    """What a record says of an exception."""
    if isinstance(error, GeoregError):
        passing = isinstance(error, OutputError | ClusterError)
        return failure(type(error).__name__, str(error), error.exit_code, passing=passing)
    kind = type(error).__name__
    log.info("%s", traceback.format_exc())
    if isinstance(error, MemoryError):
        return failure(kind, "not enough memory: give a smaller --memory", EXIT_UNEXPECTED)
    return failure(kind, f"unexpected {kind}: {error}", EXIT_UNEXPECTED)


def failure(kind: str, message: str, code: int, *, passing: bool = False) -> dict[str, Any]:
    """`passing`: the reason lies outside of the job (a full disk, a lost cluster): try again."""
    found: dict[str, Any] = {"kind": kind, "message": " ".join(message.split()), "exit_code": code}
    return {**found, "passing": True} if passing else found
