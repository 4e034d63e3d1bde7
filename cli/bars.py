"""Progress bars on a terminal. rich is imported only where there is one."""

from __future__ import annotations

import sys
from typing import Any

_LABELS = {
    "locate": "Locating",
    "match": "Matching",
    "fit": "Fitting",
    "check": "Checking",
    "write": "Writing",
    "jobs": "Jobs",
}


class Bars:
    """One bar for each step, in the order in which they come."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._progress: Any = None
        self._tasks: dict[str, Any] = {}

    @property
    def live(self) -> bool:
        """Whether bars are on the screen."""
        return self._progress is not None

    def show(self, step: str, share: float, message: str = "") -> None:
        """Draw how far a step is (0..1), and say more about it."""
        if self._progress is None:
            self._progress = _start()
        if step not in self._tasks:
            label = _LABELS.get(step, step.capitalize())
            self._tasks[step] = self._progress.add_task(label, total=1.0, more="")
        self._progress.update(self._tasks[step], completed=min(max(share, 0.0), 1.0), more=message)

    def write(self, line: str) -> None:
        """A line above the bars."""
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bars off the screen."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _start() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    progress = Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[more]}"),
        console=Console(file=sys.stderr, force_terminal=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    progress.start()
    return progress
