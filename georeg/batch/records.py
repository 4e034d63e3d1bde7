"""A job's record: what was done with which inputs and settings, and what came of it.

A JSON file beside the output, replaced in one step and flushed to the disk: after a power loss
there is the old one or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from georeg.batch.job import Job
from georeg.errors import InputError, OutputError
from georeg.textfile import beside, finite, read_json

FORMAT = "georeg-job"
VERSION = 1

STARTED, DONE, REFUSED, FAILED, NOT_RUN = "started", "done", "refused", "failed", "not run"
BAD = (REFUSED, FAILED)
# Settings that say how fast a result is there, and where it is made, but not what is wanted.
_PACE = ("threads", "memory", "device")


@dataclass(frozen=True)
class Record:
    """What is known about a job.

    Attributes:
        id, action, moving, reference, output: of the job.
        status: started, done, refused (no trustworthy alignment), failed, or not run.
        owns: whether the output is ours to replace.
        inputs: fingerprints by name; None for an input that couldn't be read.
        settings: of the alignment and, under `output`, of the output.
        versions: of the software.
        result: verdict, files written with their sizes, footprint (longitude and latitude).
        error: kind, message and exit code of what went wrong.
        facts: what was known of the moving raster from elsewhere.
        run: what differs from run to run: id, host, start, seconds, attempts.
    """

    id: str
    action: str
    moving: str
    reference: str
    output: str
    status: str
    owns: bool = False
    inputs: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """What came of it, in one line."""
        if self.error is not None:
            return str(self.error.get("message", ""))
        if self.result is not None:
            return str(self.result.get("sentence", ""))
        return self.status

    @property
    def attempts(self) -> int:
        """How often the job was tried with the same inputs and settings."""
        return int(self.run.get("attempts", 0))

    @property
    def rmse_px(self) -> float | None:
        """Error at left-out tie points in reference pixels."""
        accuracy = ((self.result or {}).get("verdict") or {}).get("accuracy") or {}
        value = accuracy.get("rmse_px")
        return None if value is None else float(value)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        data = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return dict(finite(data))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """What `to_dict` made.

        Raises:
            KeyError, TypeError: something is missing.
        """
        return cls(**{f.name: data[f.name] for f in fields(cls)})


def record_of(job: Job, status: str, **more: Any) -> Record:
    """A record of a job."""
    return Record(
        job.id, job.action, job.moving, job.reference, job.output, status,
        settings=settings_of(job), facts=dict(job.facts), **more,
    )  # fmt: skip


def settings_of(job: Job) -> dict[str, Any]:
    """All settings as JSON has them, but for those that only change the pace."""
    found = {k: v for k, v in job.settings.to_dict().items() if k not in _PACE}
    wanted = asdict(job.output_settings)
    wanted.pop("overwrite")
    data = {**found, "output": wanted, "item": job.item}
    if job.problem:  # a row without it is another one, though its settings are the defaults again
        data["problem"] = job.problem
    return dict(json.loads(json.dumps(finite(data))))


def load_record(path: str) -> Record | None:
    """The record at a path; None if there is none, or nothing that this version understands."""
    try:
        data = read_json(path, "a record of a job")
        if data.get("format") != FORMAT or int(data["version"]) > VERSION:
            return None
        return Record.from_dict(data)
    except (InputError, KeyError, TypeError, ValueError):
        return None


def store_record(path: str, record: Record) -> None:
    """Write a record, whole or not at all, and make sure that it is on the disk.

    Raises:
        OutputError: it can't be written.
    """
    text = json.dumps(record.to_dict(), indent=1, ensure_ascii=False) + "\n"
    write_durably(path, text)


def write_durably(path: str, text: str) -> None:
    """A small text file, whole or not at all, on the disk before this returns.

    Raises:
        OutputError: it can't be written.
    """
    temporary = beside(path, f".georeg-{os.getpid()}")
    try:
        try:
            # Names that are not UTF-8 become escapes, the same as JSON has for them.
            with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror}") from None
