"""A worker process, started by child.py. Jobs come in on stdin, what is said goes out.

One JSON object per line, both ways. In: `{"job": {...}}`. Out: `{"event": "log" | "progress" |
"record", ...}`. When stdin ends the process ends, too, at once and without leftovers: whoever
started it doesn't need it any more, or is dead.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import queue
import signal
import sys
import threading
from typing import Any, TextIO

from georeg.batch.job import Job
from georeg.environment import prepare

_PR_SET_PDEATHSIG = 1
_PAUSE = 0.02  # share between two progress events


class _Out:
    """Where events go; threads take turns."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.lock = stream, threading.Lock()
        self._last = ("", -1.0)

    def event(self, event: str, **details: Any) -> None:
        line = json.dumps({"event": event, **details}, default=str) + "\n"
        with self.lock:
            self.stream.write(line)
            self.stream.flush()

    def progress(self, step: str, share: float) -> None:
        if step != self._last[0] or share - self._last[1] >= _PAUSE or share >= 1:
            self._last = (step, share)
            self.event("progress", step=step, share=round(share, 4))


class _Handler(logging.Handler):
    def __init__(self, out: _Out) -> None:
        super().__init__(logging.INFO)
        self.out = out

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] == "georeg" or record.levelno >= logging.ERROR:
            message = " ".join(record.getMessage().split())
            self.out.event("log", level=record.levelno, message=message)


def main() -> None:
    """Do jobs until stdin ends."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    prepare()
    # What libraries print must not get between the events.
    out = _Out(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    logging.getLogger("georeg").setLevel(logging.INFO)
    logging.getLogger().addHandler(_Handler(out))
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), name="georeg-jobs", daemon=True).start()
    from georeg.batch.doing import do  # heavy: only once the parent can be heard

    out.event("ready")
    while True:
        job = jobs.get()
        out.event("record", record=do(job, out.progress).to_dict())


def _listen(jobs: queue.SimpleQueue[Job]) -> None:
    for line in sys.stdin:
        jobs.put(Job.from_dict(json.loads(line)["job"]))
    place = sys.modules.get("georeg.writers.place")
    if place is not None:
        place.abandon()
    os._exit(0)


def die_with_parent() -> None:
    """Where the system can do it (Linux): a killed parent takes this process along."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died just before
            os._exit(1)


if __name__ == "__main__":
    main()
