"""What the user is told on stderr: log lines, progress, results and errors, as text or as JSON.

With `--log-format json` every line is one object: time (UTC, ISO 8601), level, event, message,
and what belongs to the event. Events are start, log, progress (step, share), decision, result and
error; of a batch also plan and job.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any, TextIO

import click

from georeg.errors import OutputError
from georeg.textfile import finite

from .bars import Bars

RESULT = 25  # between info and warning: shown unless -q
_LEVELS = {10: "debug", 20: "info", RESULT: "info", 30: "warning", 40: "error", 50: "error"}
_STEP = 0.01  # share between two progress events
_PAUSE = 0.2  # seconds between them


class Console:
    """Where all messages of one command go."""

    def __init__(
        self,
        style: str = "text",
        verbosity: int = 0,
        progress: bool | None = None,
        log_file: TextIO | None = None,
    ) -> None:
        """Configure.

        Args:
            style: text or json.
            verbosity: number of -v less number of -q.
            progress: whether to show progress; None for JSON and on a terminal only.
            log_file: receives everything from level info on, too.
        """
        self.style, self.verbosity, self.log_file = style, verbosity, log_file
        default = 20 if style == "json" else RESULT
        steps = {1: 20, -1: 30, -2: 40}
        level = 10 if verbosity > 1 else 50 if verbosity < -2 else steps.get(verbosity, default)
        self.threshold = level
        if progress is None:
            progress = verbosity >= 0 and (style == "json" or _on_terminal())
        self.bars = Bars() if progress and style == "text" else None
        self.progress_events = progress and style == "json"
        self._last = ("", -1.0, 0.0)
        self._bound: dict[str, Any] = {}

    def bind(self, **details: Any) -> None:
        """From now on all lines of JSON have these details, too: the id of a run, for instance."""
        self._bound |= details

    def event(self, level: int, event: str, message: str, **details: Any) -> None:
        """Tell something; `details` are for JSON."""
        message = one_line(message)
        if level >= self.threshold:
            self._write(self._format(level, event, message, details))
        if self.log_file is not None and level >= min(20, self.threshold):
            line = self._format(level, event, message, details, stamped=True)
            self._log(line)

    def error(self, message: str, exit_code: int, kind: str) -> None:
        """The one line about what went wrong."""
        self.event(40, "error", message, exit_code=exit_code, kind=kind)

    def progress(self, step: str, share: float, message: str = "", **details: Any) -> None:
        """Show how far a step is (0..1); `message` says it in words, `details` are for JSON."""
        if self.bars is not None:
            self.bars.show(step, share, message)
        if not self.progress_events:
            return
        last_step, last_share, last_time = self._last
        now = time.monotonic()
        due = share - last_share >= _STEP and now - last_time >= _PAUSE
        if step != last_step or due or (share >= 1.0 and last_share < 1.0):
            self._last = (step, share, now)
            known = {"step": step, "share": round(share, 4), **details}
            line = self._format(20, "progress", message or step, known)
            self._write(line)

    def _format(
        self,
        level: int,
        event: str,
        message: str,
        details: Mapping[str, Any],
        *,
        stamped: bool = False,
    ) -> str:
        name = _LEVELS.get(level, "info")
        details = {**self._bound, **details}
        if self.style == "json":
            head = {"time": _now(), "level": name, "event": event, "message": message}
            return json.dumps({**head, **finite(details)}, ensure_ascii=False, default=str)
        said = message if name == "info" else f"{name}: {message}"
        return f"{_now()} georeg: {said}" if stamped else f"georeg: {said}"

    def _log(self, line: str) -> None:
        """To the log file, as long as it takes it: a full disk of logs is no reason to stop."""
        file = self.log_file
        if file is None:
            return
        try:
            file.write(line + "\n")
            file.flush()
        except OSError as error:
            self.log_file = None
            with suppress(OSError):
                file.close()  # what it couldn't take, it would try again at the end
            self.event(30, "log", f"{file.name} can't be written any more: {error.strerror}")

    def _write(self, line: str) -> None:
        # A name that isn't valid UTF-8 must not turn a message into a failure.
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        shown = _sayable(line, encoding)
        if shown != line and self.style == "json":
            shown = json.dumps(json.loads(line))  # whose escapes are others than Python's
        line = shown
        try:
            if self.bars is not None and self.bars.live:
                self.bars.write(line)
            else:
                click.echo(line, err=True)
        except BrokenPipeError:
            raise  # nobody wants to know any more
        except OSError:
            # A full disk of logs. The work is what counts, and the exit code tells. What is left in
            # the buffer would be tried again at the end, and change that.
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 2)


def say(text: str, *, nl: bool = True) -> None:
    """Print what was asked for.

    Args:
        text: for standard output.
        nl: whether the line ends.

    Raises:
        OutputError: it can't be written; a pipe that nobody reads any more is no error of ours.
    """
    try:
        try:
            click.echo(text, nl=nl)
        except UnicodeEncodeError as error:
            click.echo(_sayable(text, error.encoding), nl=nl)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output can't be written: {error.strerror}") from None


def _sayable(text: str, encoding: str) -> str:
    """The text, with escapes for what the encoding lacks."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def one_line(text: str) -> str:
    """The text without line breaks."""
    return " ".join(text.split())


def _now() -> str:
    stamp = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")


class _Handler(logging.Handler):
    """georeg's log records to the console; those of libraries only with -vv."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        own = record.name.split(".")[0] in ("georeg", "georeg_cli")
        if own or self.console.verbosity > 1:
            message = record.getMessage() if own else f"{record.name}: {record.getMessage()}"
            level = max(10, min(50, record.levelno // 10 * 10))
            self.console.event(level, "log", message)


@contextmanager
def logged(console: Console) -> Iterator[None]:
    """Send log records and warnings to the console; put everything back afterwards."""
    root, own = logging.getLogger(), logging.getLogger("georeg")
    handler = _Handler(console)
    before = root.level, own.level
    root.addHandler(handler)
    own.setLevel(min(20, console.threshold))
    if console.verbosity > 1:
        root.setLevel(logging.DEBUG)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        root.setLevel(before[0])
        own.setLevel(before[1])
        if console.bars is not None:
            console.bars.close()


def open_log(path: str | None) -> TextIO | None:
    """The log file, to be appended to.

    Raises:
        OutputError: it can't be opened.
    """
    if path is None:
        return None
    try:
        return open(path, "a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror}") from None
