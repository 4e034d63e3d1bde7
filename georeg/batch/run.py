"""The story of a batch: lock, look at what is done, do the rest, sum up."""

from __future__ import annotations

import importlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from georeg.batch import lock as locking
from georeg.batch.child import Limits
from georeg.batch.deciding import Decision, decide
from georeg.batch.executors.protocol import Executor, Lost
from georeg.batch.job import Job
from georeg.batch.notices import metrics_text, notify
from georeg.batch.options import BatchOptions
from georeg.batch.records import (
    BAD,
    DONE,
    NOT_RUN,
    Record,
    load_record,
    record_of,
    write_durably,
)
from georeg.batch.result import BatchResult
from georeg.batch.summary import NAMES, write_summary
from georeg.errors import OutputError, SettingsError
from georeg.textfile import LONGEST
from georeg.writers.place import check_output, clear_leftovers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """Something to tell: level (as in logging), what kind, in words, of which job, details."""

    level: int
    event: str
    message: str
    job: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


Tell = Callable[[Event], None]
"""Called with what happens, in any thread; may raise in the thread that runs the batch."""
Check = Callable[[], None]
"""Called from time to time in the thread that runs the batch; may raise."""


def run_batch(
    jobs: Sequence[Job],
    folder: str,
    options: BatchOptions | None = None,
    *,
    tell: Tell | None = None,
    check: Check | None = None,
    then: Callable[[Sequence[Record]], tuple[Sequence[Job], Mapping[str, Any]]] | None = None,
) -> BatchResult:
    """Do all jobs that aren't done yet.

    Args:
        jobs: what is to be done; ids and outputs must be unique.
        folder: local folder for the lock and the summary; made if it isn't there.
        options: how.
        tell: told what happens.
        check: called from time to time; may raise to end the batch.
        then: called with the records of the jobs; gives further jobs that follow from them, and
            facts for the summary.

    Raises:
        SettingsError: two jobs have the same id or output, or an output is an input.
        OutputError: another run works in the folder, or it or that of the metrics isn't writable.
    """
    run = _Run(folder, options or BatchOptions(), tell or (lambda event: None), check)
    run.tell(Event(10, "run", f"run {run.id} in {folder}", details={"run": run.id}))
    check_jobs(jobs)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error.strerror}") from None
    if run.options.metrics is not None:
        check_output(run.options.metrics, overwrite=True)
    with locking.locked(folder, run.id, wait=run.options.wait, check=check) as lock:
        run.lock = lock
        locking.clear_leftovers(folder)
        clear_temporary(jobs, folder)
        with run.executor() as executor:
            records = run.do(executor, jobs)
            facts: Mapping[str, Any] = {}
            if then is not None and not run.over:
                more, facts = then(records)
                check_jobs(more)
                clear_temporary(more, folder)
                records += run.do(executor, more)
        result = BatchResult(
            run.id, folder, tuple(records), frozenset(run.skipped),
            time.monotonic() - run.began, facts,
        )  # fmt: skip
        result = _told(result, run.options)
    if run.options.notify is not None:
        notify(run.options.notify, result)
    return result


def _told(result: BatchResult, options: BatchOptions) -> BatchResult:
    """Write summary and metrics; a full disk must not hide what came of the jobs."""
    metrics = options.metrics
    try:
        write_summary(result.folder, result)
        if metrics is not None:
            write_durably(metrics, metrics_text(result, metrics))
    except OutputError as error:
        log.warning("%s", error)
        return replace(result, trouble=str(error))
    return result


class _Run:
    """One run: what it knows while it goes on."""

    def __init__(self, folder: str, options: BatchOptions, tell: Tell, check: Check | None) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.folder, self.options, self.tell, self.check = folder, options, tell, check
        self.began = time.monotonic()
        self.lock: locking.Lock | None = None
        self.skipped: set[str] = set()
        self.failures = 0
        self.over = False

    def executor(self) -> Executor:
        """As the options want it."""
        options = self.options
        module = importlib.import_module(f"georeg.batch.executors.{options.executor}")
        limits = Limits(options.timeout, options.memory_limit)
        if options.executor == "dask":
            made: Executor = module.Dask(limits, self.hear, options.scheduler, options.workers)
        else:
            made = module.Local(limits, self.hear, options.workers)
        return made

    def hear(self, job: Job, event: Mapping[str, Any]) -> None:
        """Pass on what a worker says."""
        if event.get("event") == "log":
            level = int(event.get("level", 20))
            # Warnings and results of a single job are news of the batch at level info.
            self.tell(Event(min(level, 20), "log", f"{job.id}: {event.get('message')}", job.id))

    def do(self, executor: Executor, jobs: Sequence[Job]) -> list[Record]:
        """Records of all jobs, in their order."""
        found: dict[str, Record] = {}
        todo: list[Job] = []
        for job in jobs:
            self._look()
            decision = decide(job, retry=self.options.retry, redo=self.options.redo)
            if decision.todo:
                todo.append(replace(job, run=self.id, lock=os.path.join(self.folder, locking.NAME)))
            else:
                self._skip(decision, found)
        self.tell(Event(20, "plan", f"{len(todo)} of {len(jobs)} jobs to do", details={
            "jobs": len(jobs), "todo": len(todo),
        }))  # fmt: skip
        try:
            if not self.over:
                self._work(executor, todo, found, len(jobs))
        except Lost as error:
            self.over = True
            self.tell(Event(40, "log", str(error)))
            found |= self._kept(todo)
        return [found.get(job.id) or record_of(job, NOT_RUN) for job in jobs]

    def _work(
        self, executor: Executor, todo: Sequence[Job], found: dict[str, Record], total: int
    ) -> None:
        """Have jobs done, and put their records to those that are found."""
        began, done = time.monotonic(), 0
        for record in executor.records(todo):
            self._look()
            if record is None:
                continue
            if not done:
                self.tell(Event(20, "log", f"at work: {executor.workers()}"))
            found[record.id] = record
            done += 1
            self._report(record, len(found), total, _eta(began, done, len(todo)))
            if self._enough(record):
                break

    def _kept(self, todo: Sequence[Job]) -> dict[str, Record]:
        """Records that lie on the disk, of jobs that ended while nobody could say so."""
        records = {job.id: load_record(job.record_path) for job in todo}
        return {
            name: record for name, record in records.items()
            if record is not None and record.run.get("id") == self.id
            and record.status in (DONE, *BAD)
        }  # fmt: skip

    def _skip(self, decision: Decision, found: dict[str, Record]) -> None:
        record = decision.record
        if record is None:
            return
        job = decision.job
        found[job.id] = record if record.id == job.id else replace(record, id=job.id)
        self.skipped.add(job.id)
        bad = record.status in BAD
        text = f"{job.id}: {decision.why}" + (f" ({record.message})" if bad else "")
        self.tell(Event(25 if bad else 20, "skipped", text, job.id, {"status": record.status}))

    def _report(self, record: Record, known: int, total: int, eta: float | None) -> None:
        left = "" if eta is None or known == total else f"; about {duration(eta)} left"
        level = 30 if record.status in BAD else 20
        error = record.error or {}
        self.tell(Event(level, "job", f"{record.id}: {record.message}", record.id, {
            "status": record.status, "kind": error.get("kind"), "rmse_px": record.rmse_px,
            "seconds": record.run.get("seconds"),
        }))  # fmt: skip
        self.tell(Event(20, "progress", f"{known} of {total}{left}", "", {
            "share": known / total, "done": known, "total": total, "eta_seconds": eta,
        }))  # fmt: skip

    def _enough(self, record: Record) -> bool:
        if record.status not in BAD:
            return False
        self.failures += 1
        limit = 0 if self.options.fail_fast else self.options.max_failures
        if limit is None or self.failures <= limit:
            return False
        self.over = True
        why = "--fail-fast" if self.options.fail_fast else f"--max-failures {limit}"
        self.tell(Event(30, "log", f"stopped after {self.failures} failed jobs by {why}"))
        return True

    def _look(self) -> None:
        if self.check is not None:
            self.check()
        if self.lock is not None:
            self.lock.check()


def _eta(began: float, done: int, todo: int) -> float | None:
    """Seconds until all are done, by the pace so far."""
    return None if not done else (time.monotonic() - began) / done * (todo - done)


def duration(seconds: float) -> str:
    """In words: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def check_jobs(jobs: Sequence[Job]) -> None:
    """Find out early what can't go well.

    Raises:
        SettingsError: two jobs have the same id, output or record, or an output is an input.
    """
    seen: dict[tuple[str, str], Job] = {}
    for job in jobs:
        for kind, value in (("id", job.id), ("output", job.output), ("record", job.record_path)):
            other = seen.setdefault((kind, value), job)
            if other is not job:
                places = " and ".join(j.source or j.id for j in (other, job))
                raise SettingsError(f"{places} have the same {kind} {value}: give them different")
    inputs = {name: job for job in jobs for name in job.inputs()}
    for job in jobs:
        if job.output in inputs:
            raise SettingsError(
                f"{job.source or job.id}: the output {job.output} is an input of "
                f"{inputs[job.output].source or inputs[job.output].id}"
            )


def clear_temporary(jobs: Sequence[Job], folder: str) -> None:
    """Remove what runs that were killed left half-written; only for the lock's holder."""
    places = {path for job in jobs for path in job.places}
    places |= {os.path.join(folder, name) for name in NAMES}
    clear_leftovers(tuple(places))
    by_folder: dict[str, set[str]] = {}
    for path in places:
        by_folder.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))
    for parent, names in by_folder.items():
        if not os.path.isdir(parent):
            continue
        for name in os.listdir(parent):
            if _is_temporary(name, names):
                with suppress(OSError):
                    os.unlink(os.path.join(parent, name))


def _is_temporary(name: str, names: set[str]) -> bool:
    """Whether a file was to become one of those names; see `write_durably`."""
    stem, found, _ = name.partition(".georeg-")
    if not found or stem in names:
        return bool(found)
    cut = os.fsencode(stem)  # of a name so long that there was no room for all of it
    full = len(os.fsencode(name)) >= LONGEST
    return full and any(os.fsencode(known).startswith(cut) for known in names)
