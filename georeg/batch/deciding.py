"""Which jobs are to be done: nothing twice, nothing forgotten."""

from __future__ import annotations

import os
from dataclasses import dataclass

from georeg.batch.fingerprints import unchanged
from georeg.batch.job import Job
from georeg.batch.records import BAD, DONE, STARTED, Record, load_record, settings_of
from georeg.models import catalogue, store
from georeg.writers.place import exists, is_virtual


@dataclass(frozen=True)
class Decision:
    """Whether to do a job.

    Attributes:
        job: the job.
        todo: whether it is to be done.
        why: in a few words.
        record: of last time, if there is one.
    """

    job: Job
    todo: bool
    why: str
    record: Record | None = None


def decide(job: Job, *, retry: bool = False, redo: bool = False) -> Decision:
    """Look at what the last run left behind.

    Args:
        job: the job.
        retry: do again what failed or was refused.
        redo: do everything again.
    """
    record = load_record(job.record_path)
    if record is None:
        return Decision(job, True, "new")
    if redo:
        return Decision(job, True, "done again, as asked", record)
    if record.status == STARTED:
        return Decision(job, True, "interrupted last time", record)
    changed = what_changed(job, record)
    if changed:
        return Decision(job, True, changed, record)
    if record.status == DONE:
        missing = _missing(record)
        if missing:
            return Decision(job, True, f"{missing} is gone or was changed", record)
        return Decision(job, False, "done", record)
    if record.status in BAD:
        if retry:
            return Decision(job, True, f"{record.status} last time", record)
        if (record.error or {}).get("passing"):
            return Decision(job, True, "failed last time for a reason outside of it", record)
        return Decision(job, False, f"{record.status} last time: --retry tries again", record)
    return Decision(job, True, "new", record)


def what_changed(job: Job, record: Record) -> str:
    """What differs from last time; empty if nothing does."""
    if (job.action, job.moving, job.reference) != (record.action, record.moving, record.reference):
        return "other inputs"
    if job.output != record.output:
        return "another output"
    if settings_of(job) != record.settings:
        return "other settings"
    for name in job.inputs():
        known = record.inputs.get(name)
        if known is None and record.status in BAD and not _readable(name):
            continue  # couldn't be read then, and can't be now
        if not unchanged(name, known):
            return f"{name} changed"
    used = (record.result or {}).get("weights") or {}
    if used and _exchanged(str(used.get("name")), used.get("sha256")):
        return f"the weights {used['name']} changed"
    return ""


def _exchanged(name: str, sha256: str | None) -> bool:
    """Whether other weights lie under a name of the catalogue; files by a path are inputs.

    Where this machine or the worker's knows no checksum, it can't be told.
    """
    if not sha256 or name not in catalogue.names():
        return False
    known = store.record_of(catalogue.get(name))
    return known is not None and known.sha256 != sha256


def _readable(name: str) -> bool:
    """Whether an input that had no fingerprint may have one now."""
    from georeg.batch.fingerprints import fingerprint

    return fingerprint(name) is not None


def _missing(record: Record) -> str:
    """Name of an output that isn't there as it was written; empty if all are."""
    for name, size in ((record.result or {}).get("files") or {}).items():
        if is_virtual(name):
            if not exists(name):
                return str(name)
        elif not os.path.isfile(name) or os.path.getsize(name) != size:
            return str(name)
    return ""
