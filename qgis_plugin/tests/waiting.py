"""Qt's event loop in tests, and a look at how long the GUI thread is away from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qgis.PyQt.QtCore import QEventLoop, QTimer


def until(condition: Callable[[], Any], seconds: float = 600.0) -> None:
    """Let Qt work until a condition holds."""
    loop, end = QEventLoop(), time.monotonic() + seconds
    timer = QTimer()

    def look() -> None:
        if condition() or time.monotonic() > end:
            loop.quit()

    timer.timeout.connect(look)
    timer.start(20)
    loop.exec()
    timer.stop()
    assert condition(), f"waited {seconds:.0f} s in vain"


class Heartbeat:
    """Beats every 10 ms in the GUI thread while it can.

    Attributes:
        worst: longest pause in seconds.
        work: longest time that the thread itself computed in between: what others on the machine
            do doesn't count.
    """

    def __init__(self) -> None:
        self.worst = self.work = 0.0
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)

    def __enter__(self) -> Heartbeat:
        self._last = time.monotonic(), time.thread_time()
        self._timer.start(10)
        return self

    def _beat(self) -> None:
        now = time.monotonic(), time.thread_time()
        self.worst = max(self.worst, now[0] - self._last[0])
        self.work = max(self.work, now[1] - self._last[1])
        self._last = now

    def __exit__(self, *_: Any) -> None:
        self._timer.stop()
