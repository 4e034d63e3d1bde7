"""One run of the engine: events as they come, cooperative cancel, and no orphans.

Cancelling closes the engine's standard input, which ends it in order (`--stop-with-stdin`). If it
doesn't listen, its whole process group is killed. When QGIS dies, its end of the pipe closes too.
"""

from __future__ import annotations

import collections
import os
import queue
import signal
import subprocess  # nosec B404 - the engine is another program; arguments are lists, no shell
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from .discovery import Engine
from .environment import clean
from .errors import N_, EngineError
from .protocol import Event, parse

GRACE = 20.0  # seconds to end in order; killed, it can't clear up
_HURRY = 5.0  # the same while QGIS ends
_TICK = 0.05
_LAST = 12  # lines to tell after a crash
REFUSED = 3  # exit code: no trustworthy alignment, a normal outcome
PARTLY = 5  # exit code: some jobs of a batch failed
STOPPED = 143  # exit code: it was asked to end

_running: set[Run] = set()
_lock = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        code: exit code; negative where a signal ended it.
        cancelled: whether it ended because it was asked to. If it had done its work by then, what
            it wrote is there, and that is what counts.
        result: details of the last result event.
        results: of all of them.
        message: of the error, or of the result.
        warnings: messages that were told on the way.
        stdout: what it printed.
    """

    code: int
    cancelled: bool
    message: str
    result: Mapping[str, Any] = field(default_factory=dict)
    results: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()
    stdout: str = ""

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.code == 0 and not self.cancelled

    @property
    def refused(self) -> bool:
        """Whether no trustworthy alignment was found."""
        return self.code == REFUSED and not self.cancelled


class Run:
    """The engine at work on one command."""

    def __init__(self, engine: Engine, arguments: Sequence[str], proxy: str = "") -> None:
        """Start it.

        Raises:
            EngineError: it can't be started.
        """
        self._events: queue.Queue[Event] = queue.Queue()
        self._stdout: list[str] = []
        self._tail: collections.deque[str] = collections.deque(maxlen=_LAST)
        self.cancelled = False
        self._deadline = float("inf")
        self._ended = 0.0
        command = engine.command(*arguments, "--log-format", "json", "--stop-with-stdin")
        new_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        try:
            self._process = subprocess.Popen(  # nosec B603 - list of arguments, no shell
                command,
                env=clean(proxy=proxy),
                cwd=_folder(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=sys.platform != "win32",
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0) | new_group,
            )
        except OSError as error:
            raise EngineError(
                N_("{python} can't be started: {why}."), python=engine.python, why=error
            ) from None
        self._threads = [
            threading.Thread(target=self._listen, args=(pipe, take), daemon=True)
            for pipe, take in (
                (self._process.stdout, self._stdout.append),
                (self._process.stderr, self._hear),
            )
        ]
        for thread in self._threads:
            thread.start()
        with _lock:
            _running.add(self)

    @property
    def pid(self) -> int:
        """Of the engine's process."""
        return self._process.pid

    def _listen(self, pipe: IO[bytes] | None, take: Callable[[str], None]) -> None:
        if pipe is not None:
            with pipe:
                for line in pipe:
                    take(line.decode("utf-8", "replace"))

    def _hear(self, line: str) -> None:
        if line.strip():
            event = parse(line)
            if event.kind in ("log", "error"):
                self._tail.append(event.message)
            self._events.put(event)

    def cancel(self) -> None:
        """Ask it to end; may be called from any thread, and several times."""
        if self.cancelled:
            return
        self.cancelled = True
        self._deadline = time.monotonic() + GRACE
        self._close_stdin()

    def kill(self) -> None:
        """End it and all that it started, at once."""
        kill_all(self._process)

    def wait(
        self,
        on_event: Callable[[Event], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> Outcome:
        """Pass events on until it ends.

        Args:
            on_event: called in this thread.
            is_cancelled: asked often.
        """
        heard: list[Event] = []
        try:
            while not self._over():
                if not self.cancelled and is_cancelled is not None and is_cancelled():
                    self.cancel()
                if time.monotonic() > self._deadline:
                    self.kill()
                try:
                    event = self._events.get(timeout=_TICK)
                except queue.Empty:
                    continue
                if event.kind in ("result", "error") or event.level == "warning":
                    heard.append(event)
                if on_event is not None:
                    on_event(event)
        except BaseException:
            self.kill()
            raise
        finally:
            self._close_stdin()
            code = self._process.wait()
            with _lock:
                _running.discard(self)
        return self._outcome(code, heard)

    def _over(self) -> bool:
        """Whether there is nothing more to hear."""
        if self._process.poll() is None:
            return False
        if any(thread.is_alive() for thread in self._threads):
            # Something that it started may hold the pipes.
            self._ended = self._ended or time.monotonic()
            return time.monotonic() > self._ended + GRACE
        return self._events.empty()

    def _outcome(self, code: int, heard: Sequence[Event]) -> Outcome:
        results = [event.details for event in heard if event.kind == "result"]
        last = [event for event in heard if event.kind in ("result", "error")]
        message = last[-1].message if last else ""
        cancelled = self.cancelled and code not in (0, REFUSED, PARTLY)
        explained = any(event.kind == "error" for event in heard) or (code == PARTLY and results)
        if code and not cancelled and not explained:
            message = crashed(code, list(self._tail))
        return Outcome(
            code,
            cancelled,
            message,
            results[-1] if results else {},
            results,
            [event.message for event in heard if event.level == "warning"],
            "".join(self._stdout),
        )

    def _close_stdin(self) -> None:
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
        except OSError:
            pass  # nosec B110 - it has ended already


def _folder() -> str:
    """Where the engine works: as QGIS does, so that both take relative names for the same."""
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return tempfile.gettempdir()


def crashed(code: int, tail: Sequence[str]) -> str:
    """One line about an engine that ended without an error of its own."""
    how = f"exit code {code}"
    if code < 0:
        try:
            how = signal.Signals(-code).name
        except ValueError:
            how = f"signal {-code}"
    last = f" Its last words: {' | '.join(tail)}" if tail else ""
    return f"The engine crashed ({how}); nothing was written.{last}"


def kill_all(process: subprocess.Popen[Any]) -> None:
    """End a process that leads its group, and all that it started, at once."""
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        tree = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(tree, check=False)  # nosec B603 B607 - a part of Windows
    else:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            process.kill()


def stop_all(patience: float = _HURRY) -> None:
    """End all runs, as QGIS is about to end: in order if they listen, else by force."""
    with _lock:
        left = list(_running)
    for run in left:
        run.cancel()
    end = time.monotonic() + patience
    while time.monotonic() < end and any(run._process.poll() is None for run in left):
        time.sleep(_TICK)
    for run in left:
        run.kill()
