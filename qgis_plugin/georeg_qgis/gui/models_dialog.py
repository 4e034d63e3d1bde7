"""The model manager: weights of trained matchers, as `georeg models` has them."""

from __future__ import annotations

import json
from typing import Any

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMessageBox,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
)

from .. import settings
from ..compat import number
from ..engine.protocol import Event
from ..engine.running import Outcome, Run
from ..texts import shown, tr
from .tasks import Function


class ModelsDialog(QDialog):
    """Lists, fetches, imports and removes weights."""

    changed = pyqtSignal()

    def __init__(self, parent: Any) -> None:
        """Build it; `refresh` asks the engine."""
        super().__init__(parent)
        self.setWindowTitle(tr("Weights of trained matchers"))
        self.resize(820, 480)
        self._task: Any = None
        self.rows: list[dict[str, Any]] = []
        about = QLabel(
            tr(
                "georeg needs no weights: its built-in matcher works without. Trained matchers "
                "want a GPU. Fetching is the only thing here that uses the network."
            )
        )
        about.setWordWrap(True)
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels([tr("Weights"), tr("Here"), tr("Size"), tr("Licence")])
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.pull = QPushButton(tr("Fetch…"))
        self.import_file = QPushButton(tr("Import file…"))
        self.remove = QPushButton(tr("Remove…"))
        self.cancel = QPushButton(tr("Cancel"))
        self.bar = QProgressBar()
        self.said = QPlainTextEdit()
        self.said.setReadOnly(True)
        self.said.setMaximumHeight(90)
        box = QVBoxLayout(self)
        box.addWidget(about)
        box.addWidget(self.table, 1)
        row = QHBoxLayout()
        for widget in (self.pull, self.import_file, self.remove):
            row.addWidget(widget)
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        box.addLayout(row)
        box.addWidget(self.said)
        self.pull.clicked.connect(self._pull)
        self.import_file.clicked.connect(self._import)
        self.remove.clicked.connect(self._remove)
        self.cancel.clicked.connect(self.stop)
        self.table.itemSelectionChanged.connect(self._enable)
        self._enable()

    def refresh(self) -> None:
        """Ask the engine what there is; what is under way does so when it has ended."""
        if self._task is None:
            self._run(["models", "list", "--json"], self._listed)

    def _listed(self, outcome: Outcome) -> None:
        self.rows = json.loads(outcome.stdout)
        self.table.setRowCount(len(self.rows))
        for place, row in enumerate(self.rows):
            size = f"{shown(row['bytes'] / 1e6, 0 if row['bytes'] > 1e7 else 1)} MB"
            here = tr("yes") if row["present"] else tr("no")
            for column, text in enumerate((row["name"], here, size, row["licence"])):
                item = QTableWidgetItem(text)
                item.setToolTip(row.get("note") or row["licence"])
                if column == 2:
                    end, middle = Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignVCenter
                    item.setTextAlignment(number(end | middle))
                self.table.setItem(place, column, item)
        self._enable()

    def _selected(self) -> dict[str, Any]:
        row = self.table.currentRow()
        return self.rows[row] if 0 <= row < len(self.rows) and self.table.selectedItems() else {}

    def _enable(self) -> None:
        row, idle = self._selected(), self._task is None
        self.pull.setEnabled(idle and bool(row) and not row["present"] and bool(row["urls"]))
        self.remove.setEnabled(idle and bool(row) and row["present"])
        self.import_file.setEnabled(idle)
        self.cancel.setVisible(not idle)
        self.bar.setVisible(not idle)

    def _pull(self) -> None:
        row = self._selected()
        asked = tr("Fetch {name} ({size:.0f} MB) from {url}?\n\nLicence: {licence}").format(
            name=row["name"], size=row["bytes"] / 1e6, url=row["urls"][0], licence=row["licence"]
        )
        if self._agreed(asked):
            self._run(["models", "pull", row["name"], "--accept-licence"], self._done)

    def _import(self) -> None:
        kinds = (
            tr("Checkpoints") + " (*.ckpt *.pth *.pt *.safetensors);;" + tr("All files") + " (*)"
        )
        path, _ = QFileDialog.getOpenFileName(self, tr("Import weights"), "", kinds)
        if path:
            asked = tr("Import {path}?\n\nYou are responsible for having it under its licence.")
            if self._agreed(asked.format(path=path)):
                self._run(["models", "import", path, "--accept-licence"], self._done)

    def _remove(self) -> None:
        name = self._selected()["name"]
        if self._agreed(tr("Delete the weights {name} from this computer?").format(name=name)):
            self._run(["models", "remove", name], self._done)

    def _agreed(self, text: str) -> bool:
        button = QMessageBox.StandardButton
        return QMessageBox.question(self, self.windowTitle(), text) == button.Yes

    def _done(self, outcome: Outcome) -> None:
        self.said.appendPlainText(outcome.message)
        self.refresh()
        self.changed.emit()

    def _run(self, arguments: list[str], then: Any) -> None:
        proxy = settings.proxy()

        def work(say: Any, is_cancelled: Any) -> Outcome:
            def hear(event: Event) -> None:
                if event.kind == "progress":
                    task.percent.emit(int(100 * event.share))
                elif event.kind in ("log", "result", "error"):
                    say(event.message)

            engine = settings.find_engine(is_cancelled)
            return Run(engine, arguments, proxy).wait(hear, is_cancelled)

        task = self._task = Function(work)
        task.percent.connect(self.bar.setValue)
        self._task.said.connect(self.said.appendPlainText)
        self._task.ended.connect(lambda outcome, error: self._ended(outcome, error, then))
        self._task.start()
        self._enable()

    def _ended(self, outcome: Any, error: str, then: Any) -> None:
        self._task = None
        self._enable()
        if error or not outcome.ok:
            cancelled = not error and outcome.cancelled
            told = tr("Cancelled.") if cancelled else error or outcome.message
            self.said.appendPlainText(told)
            return
        then(outcome)

    def stop(self) -> None:
        """Cancel what runs."""
        if self._task is not None:
            self._task.cancel()

    def shut(self) -> None:
        """Before the plugin goes: end what runs."""
        if self._task is not None:
            self._task.drop()
            self._task = None
