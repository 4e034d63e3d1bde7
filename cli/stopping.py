"""SIGINT, SIGTERM and SIGHUP end the program in order: nothing half-written stays behind.

A signal becomes an exception in the main thread, so that every `with` and `finally` on the way
out does its work. Python can't raise it while GDAL is inside a long call: then, after a moment, a
watching thread removes what is unfinished and ends the process (GDAL's calls release the GIL).

A program that started this one can also close its standard input. That works where signals don't,
and happens by itself when that program dies.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_HEARD = 2.0  # seconds until the main thread must have noticed the signal
_DONE = 20.0  # seconds that it then has for clearing up


class Stopped(BaseException):
    """A signal asked the program to end; like KeyboardInterrupt, no error to be handled."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells have it."""
        return 128 + self.number

    def __str__(self) -> str:
        """One line for people."""
        what = "interrupted" if self.number == signal.SIGINT else "terminated"
        return f"{what} by {signal.Signals(self.number).name}: nothing half-written was left"


class Stopping:
    """What is known about signals so far."""

    def __init__(self, last_words: Callable[[Stopped], None]) -> None:
        """Take what is to be done before a process that doesn't listen is ended."""
        self.last_words = last_words
        self.received: int | None = None
        self.heard = threading.Event()
        self.done = threading.Event()

    def check(self) -> None:
        """Raise again what a library may have swallowed (callbacks from C do that).

        Raises:
            Stopped: a signal came.
        """
        if self.received is not None and not self.done.is_set():
            raise Stopped(self.received)

    def handle(self, number: int, _: FrameType | None) -> None:
        """The signal handler: only the first signal counts, clearing up must not be disturbed."""
        self.heard.set()
        if self.received is None:
            self.received = number
            raise Stopped(number)

    def watch(self, source: int) -> None:
        """Wait for signals beside the main thread, and end the process if it can't do so itself."""
        known = {int(getattr(signal, name)) for name in _NAMES}
        number = 0
        while number not in known:
            data = os.read(source, 1)
            if not data:
                return
            number = data[0]
        if self.heard.wait(_HEARD) and self.done.wait(_DONE):
            return
        self.last_words(Stopped(number))
        abandon()
        os._exit(128 + number)


def abandon() -> None:
    """Remove unfinished outputs, if any were begun."""
    place = sys.modules.get("georeg.writers.place")
    if place is not None:
        place.abandon()


def _follow_stdin() -> None:
    """Wait for the end of standard input; then the main thread gets SIGTERM."""
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass  # there is none: as good as ended
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGTERM)
    else:
        _thread.interrupt_main(signal.SIGTERM)


@contextmanager
def stoppable(
    last_words: Callable[[Stopped], None], *, with_stdin: bool = False
) -> Iterator[Stopping]:
    """Let signals end the block by an exception; outside the main thread nothing is changed.

    Args:
        last_words: what to do before a process that doesn't listen is ended.
        with_stdin: whether the end of standard input counts as SIGTERM.

    Raises:
        Stopped: a signal came.
    """
    state = Stopping(last_words)
    if threading.current_thread() is not threading.main_thread():
        yield state
        return
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    watcher = threading.Thread(target=state.watch, args=(source,), name="georeg-stop", daemon=True)
    watcher.start()
    wakeup = signal.set_wakeup_fd(sink, warn_on_full_buffer=False)
    before = {}
    try:
        for name in _NAMES:
            number = getattr(signal, name)
            # nohup and shells' background jobs ignore some signals on purpose.
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, state.handle)
        if with_stdin:
            threading.Thread(target=_follow_stdin, name="georeg-stdin", daemon=True).start()
        yield state
    except Stopped:
        abandon()
        raise
    finally:
        state.done.set()
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(sink)
        watcher.join(1.0)
        os.close(source)
