"""Work beside the GUI thread: Processing algorithms with what they say, and plain functions.

Whoever starts work may be gone before it ends: QGIS closes, the plugin is unloaded or updated. What
a thread uses must not go with a panel, so that work has no parent: it is kept here until it has
ended, and taken apart by the GUI thread.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
)
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from ..texts import said, tr

_at_work: set[QObject] = set()


def _release(work: QObject) -> None:
    """Let go of it when those who were told of its end have heard."""
    QTimer.singleShot(0, lambda: _at_work.discard(work))


class Feedback(QgsProcessingFeedback):
    """What an algorithm says, as signals: they cross from its thread to the GUI's."""

    stage = pyqtSignal(str)
    line = pyqtSignal(str, str)  # level, text
    failed = pyqtSignal(str)

    def setProgressText(self, text: str) -> None:
        """What is being done."""
        self.stage.emit(text)
        self.line.emit("stage", text)

    def reportError(self, error: str, fatalError: bool = False) -> None:
        """What went wrong."""
        self.failed.emit(error)
        self.line.emit("error", error)

    def pushWarning(self, warning: str) -> None:
        """What must be kept in mind."""
        self.line.emit("warning", warning)

    def pushInfo(self, info: str) -> None:
        """A message."""
        self.line.emit("info", info)

    def pushCommandInfo(self, info: str) -> None:
        """The command line."""
        self.line.emit("command", info)

    def pushDebugInfo(self, info: str) -> None:
        """Details."""
        self.line.emit("debug", info)


class Job(QObject):
    """A Processing algorithm at work in the background."""

    stage = pyqtSignal(str)
    progress = pyqtSignal(float)
    line = pyqtSignal(str, str)
    ended = pyqtSignal(dict, str, bool)  # results, error, cancelled

    def __init__(self, algorithm: str, values: dict[str, Any]) -> None:
        """Prepare it; `start` runs it."""
        super().__init__()
        self.values = values
        self._errors: list[str] = []
        # Python keeps these alive; the task doesn't.
        self._context = QgsProcessingContext()
        self._context.setProject(QgsProject.instance())
        self._feedback = Feedback()
        self._feedback.stage.connect(self.stage)
        self._feedback.line.connect(self.line)
        self._feedback.failed.connect(self._errors.append)
        self._feedback.progressChanged.connect(self.progress)
        registry = QgsApplication.processingRegistry()
        self._algorithm = registry.createAlgorithmById(algorithm)
        self._task = QgsProcessingAlgRunnerTask(
            self._algorithm, values, self._context, self._feedback
        )
        self._task.executed.connect(self._executed)

    def start(self) -> None:
        """Queue it."""
        _at_work.add(self)
        QgsApplication.taskManager().addTask(self._task)

    def cancel(self) -> None:
        """Ask it to end."""
        self._feedback.cancel()

    def drop(self) -> None:
        """Ask it to end; nobody wants to hear of it any more."""
        for signal in (self.stage, self.progress, self.line, self.ended):
            _silence(signal)
        self.cancel()

    def _executed(self, _: bool, results: dict[str, Any]) -> None:
        # What had ended before it was cancelled counts: it has been written.
        cancelled = self._feedback.isCanceled() and not results and not self._errors
        error = "" if cancelled or results else "\n".join(self._errors)
        if not results and not cancelled and not error:
            error = tr("The algorithm ended without a result.")
        self.ended.emit(dict(results), error, cancelled)
        _release(self)


class Function(QObject):
    """A function in a thread. It gets a `say` for lines and an `is_cancelled`.

    Not a task of QGIS' task manager, which would announce every look at the engine.
    """

    said = pyqtSignal(str)
    percent = pyqtSignal(int)  # for functions that can tell
    ended = pyqtSignal(object, str)  # what it returned, or an error
    _done = pyqtSignal()

    def __init__(self, function: Callable[..., Any]) -> None:
        """Store; `start` runs it."""
        super().__init__()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(function,), name="georeg", daemon=True
        )
        self._done.connect(self._is_done)

    def start(self) -> None:
        """Begin."""
        _at_work.add(self)
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to end."""
        self._cancelled.set()

    def drop(self) -> None:
        """Ask it to end; nobody wants to hear of it any more."""
        for signal in (self.said, self.percent, self.ended):
            _silence(signal)
        self.cancel()

    def _run(self, function: Callable[..., Any]) -> None:
        result, error = None, ""
        try:
            result = function(self.said.emit, self._cancelled.is_set)
        except Exception as caught:  # told to the user; a thread must not end QGIS
            error = said(caught)
        self.ended.emit(result, error)
        self._done.emit()

    def _is_done(self) -> None:
        self._thread.join()  # it has us and the function until it ends: we mustn't go with it
        _release(self)


def _silence(signal: Any) -> None:
    with contextlib.suppress(TypeError):  # nothing is connected
        signal.disconnect()
