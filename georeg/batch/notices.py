"""What others are told at the end of a run: Prometheus, and a command of the user's."""

from __future__ import annotations

import json
import logging
import os
import re
import statistics
import subprocess
import time
from collections.abc import Iterator

from georeg.batch.result import BatchResult

log = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds for the user's command
_SUCCESS = "georeg_batch_last_success_timestamp_seconds"


def metrics_text(result: BatchResult, path: str) -> str:
    """For Prometheus' textfile collector; every series has the folder as its label.

    Args:
        result: of the run.
        path: of the file as it is, from which the last success is kept if this run is none.
    """
    label = result.folder.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    errors = [r.rmse_px for r in result.records if r.rmse_px is not None]
    now = time.time()
    lines: list[str] = []

    def gauge(name: str, text: str, *values: tuple[str, float]) -> None:
        lines.extend((f"# HELP {name} {text}", f"# TYPE {name} gauge"))
        lines.extend(f'{name}{{folder="{label}"{more}}} {value:.10g}' for more, value in values)

    counts = [(f',status="{status}"', float(n)) for status, n in result.counts.items()]
    gauge("georeg_batch_jobs", "Jobs by status.", *counts)
    gauge("georeg_batch_skipped", "Jobs that had been done before.", ("", len(result.skipped)))
    gauge("georeg_batch_duration_seconds", "Duration of the last run.", ("", result.seconds))
    gauge("georeg_batch_exit_code", "Exit code of the last run.", ("", result.exit_code))
    gauge("georeg_batch_last_run_timestamp_seconds", "When the last run ended.", ("", now))
    success = _last_success(path) if result.exit_code else now
    if success is not None:
        gauge(_SUCCESS, "When the last run ended that left no job undone.", ("", success))
    if errors:
        gauge(
            "georeg_batch_rmse_pixels", "Errors at left-out tie points, in reference pixels.",
            (',quantile="0.5"', statistics.median(errors)), (',quantile="1"', max(errors)),
        )  # fmt: skip
    return "\n".join(lines) + "\n"


def _last_success(path: str) -> float | None:
    try:
        with open(path, encoding="utf-8") as file:
            found = re.search(rf"^{_SUCCESS}{{.*}} (\S+)$", file.read(), re.MULTILINE)
        return float(found[1]) if found else None
    except (OSError, ValueError):
        return None


def notify(command: str, result: BatchResult) -> None:
    """Run the user's command by the shell: the result is JSON on stdin and in GEOREG_* variables.

    Its failure is logged, and changes nothing.
    """
    known = dict(_known(result))
    variables = {f"GEOREG_{name.upper()}": str(value) for name, value in known.items()}
    try:
        run = subprocess.run(
            command, shell=True, input=json.dumps(known), text=True, errors="replace",
            timeout=_PATIENCE, env={**os.environ, **variables}, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("--notify: %s", error)
        return
    if run.returncode:
        last = (run.stderr.strip().splitlines() or [""])[-1]
        log.warning("--notify: the command ended with code %d: %s", run.returncode, last)


def _known(result: BatchResult) -> Iterator[tuple[str, object]]:
    yield "run", result.run
    yield "folder", result.folder
    yield "exit_code", result.exit_code
    yield "message", result.sentence()
    yield "total", len(result.records)
    yield from ((status.replace(" ", "_"), n) for status, n in result.counts.items())
    yield "skipped", len(result.skipped)
    yield "seconds", round(result.seconds, 1)
    yield "summary", os.path.join(result.folder, "summary.html")
