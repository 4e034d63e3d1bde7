"""A worker process, seen from the process that started it: jobs, limits, and what it says."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from georeg.batch.ending import give_up
from georeg.batch.job import Job
from georeg.batch.records import Record

_TICK = 0.1  # seconds between two looks at limits
_GRACE = 2.0  # seconds that a worker has to end by itself

_WORK = "from georeg.batch.worker import main; main()"

Tell = Callable[[Mapping[str, Any]], None]
"""Called with events of a worker: log (level, message), progress (step, share)."""


@dataclass(frozen=True)
class Limits:
    """What a job may take.

    Attributes:
        timeout: seconds; no limit if None.
        memory: megabytes of resident memory of its process; no limit if None.
    """

    timeout: float | None = None
    memory: float | None = None


class Child:
    """One worker process; started when it is needed, and again after it died. For one thread.

    The thread that calls `run` must live as long as the worker: Linux ends a worker with it.
    """

    def __init__(self, threads: int | None = None, env: Mapping[str, str] | None = None) -> None:
        """Start nothing yet.

        Args:
            threads: that libraries in it may use; as many as they like if None.
            env: further environment.
        """
        self._env = {**os.environ, **(env or {})}
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            if threads is not None:
                self._env.setdefault(name, str(threads))
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._rest = b""
        self._stopped = False

    def run(self, job: Job, limits: Limits, tell: Tell) -> Record | None:
        """Do a job in the worker; whatever happens to it, there is a record.

        None if `stop` was called meanwhile: then the job's record says that it was started.
        """
        process = self._ensure()
        began = time.monotonic()
        line = json.dumps({"job": job.to_dict()}) + "\n"
        try:
            self._stdin(process).write(line.encode())
            self._stdin(process).flush()
        except OSError:
            return self._crashed(job)
        for event in self._events(process):
            if event is not None and event["event"] == "ready":
                began = time.monotonic()  # loading libraries isn't the job's time
            elif event is None:
                reason = _beyond(process.pid, limits, time.monotonic() - began)
                if reason is not None:
                    process.kill()
                    process.wait()
                    return give_up(job, *reason)
            elif event["event"] == "record":
                return Record.from_dict(event["record"])
            else:
                tell(event)
        return self._crashed(job)

    def stop(self) -> None:
        """End the worker; it has a moment to clear up. May be called from another thread."""
        process = self._process
        self._stopped = True
        if process is None:
            return
        with suppress(OSError, ValueError):
            self._stdin(process).close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        if process.poll() is None:
            process.kill()
        process.wait()

    def _ensure(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self._rest = b""
        self._stopped = False
        # Python would look for -m's modules, and all that they import, in the working folder first.
        start = f"import sys; sys.path[:] = {[str(path) for path in sys.path]!r}; {_WORK}"
        self._process = subprocess.Popen(
            [sys.executable, "-c", start],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, env=self._env,
            start_new_session=True,
        )  # fmt: skip
        return self._process

    @staticmethod
    def _stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
        if process.stdin is None:
            raise OSError("no pipe")
        return process.stdin

    def _events(self, process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any] | None]:
        """What the worker says, and None from time to time; ends with the worker."""
        if process.stdout is None:
            return
        source = process.stdout.fileno()
        looked = time.monotonic()
        while True:
            ready, _, _ = select.select([source], [], [], _TICK)
            if ready:
                data = os.read(source, 1 << 16)
                if not data:
                    return
                *lines, self._rest = (self._rest + data).split(b"\n")
                for line in lines:
                    with suppress(ValueError):
                        yield json.loads(line)
            now = time.monotonic()
            if not ready or now - looked > _TICK:
                looked = now
                yield None

    def _crashed(self, job: Job) -> Record | None:
        if self._stopped:
            return None
        process = self._process
        code = process.wait() if process is not None else 0
        last = self._last_words()
        what = f"the worker ended with code {code}"
        if code < 0:
            what = f"the worker was killed by {signal.Signals(-code).name}"
            if -code == signal.SIGKILL:
                what += ", perhaps by the system for lack of memory"
        return give_up(job, "Crash", f"{job.moving}: {what}{f': {last}' if last else ''}")

    def _last_words(self) -> str:
        if self._said is None:
            return ""
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - 2000))
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def _beyond(pid: int, limits: Limits, seconds: float) -> tuple[str, str] | None:
    """Kind and message if a job takes more than it may."""
    if limits.timeout is not None and seconds > limits.timeout:
        return "Timeout", f"took more than the --timeout of {limits.timeout:g} s"
    if limits.memory is not None:
        used = resident(pid)
        if used is not None and used > limits.memory:
            limit = f"{limits.memory:g} MB"
            return "MemoryLimit", f"took {used:.0f} MB, more than the --memory-limit of {limit}"
    return None


def resident(pid: int) -> float | None:
    """Megabytes of memory of a process; None where the system doesn't tell."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, IndexError, ValueError):
        return None
