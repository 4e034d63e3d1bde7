"""'Set up engine': says what it would do, and does it when told to."""

from __future__ import annotations

import html
import shlex
from typing import Any

from qgis.gui import QgsFileWidget
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtGui import QFontDatabase
from qgis.PyQt.QtWidgets import (
    QButtonGroup,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
)

from .. import settings
from ..engine import discovery, installing
from ..engine.words import N_
from ..texts import filled, help_page, tr
from .tasks import Function


class SetupDialog(QDialog):
    """Existing Python or a new environment."""

    ready = pyqtSignal(object)  # Engine

    def __init__(self, parent: Any) -> None:
        """Build it; nothing is looked for or fetched yet."""
        super().__init__(parent)
        self.setWindowTitle(tr("Set up the georeg engine"))
        self.resize(640, 640)
        self._task: Any = None
        self.status = QLabel(
            tr(
                "georeg computes in a Python of its own, beside QGIS. Nothing is downloaded or "
                "installed before you press Install."
            )
        )
        self.status.setWordWrap(True)
        self.existing = QgsFileWidget()
        self.existing.setFilePath(settings.chosen_python())
        self.existing.lineEdit().setPlaceholderText("/path/to/venv/bin/python")
        self.use = QPushButton(tr("Use it"))
        self.folder = QgsFileWidget()
        self.folder.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        self.folder.setFilePath(discovery.managed_folder())
        self.base = QLineEdit((discovery.base_pythons() or [""])[0])
        self.uv, self.venv = QRadioButton("uv"), QRadioButton("venv + pip")
        has_uv = bool(installing.uv_program())
        self.uv.setEnabled(has_uv)
        self.uv.setToolTip("" if has_uv else tr("uv is not installed on this computer"))
        (self.uv if has_uv else self.venv).setChecked(True)
        sizes = installing.SIZES
        self.cpu = QRadioButton(filled(N_("CPU ({gb:.1f} GB)"), gb=sizes["cpu"][1]))
        text = N_("NVIDIA GPU, CUDA ({gb:.1f} GB)")
        self.cuda = QRadioButton(filled(text, gb=sizes["cuda"][1]))
        self.cpu.setChecked(True)
        self.wheels = QgsFileWidget()
        self.wheels.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        self.wheels.lineEdit().setPlaceholderText(tr("only for sites without network"))
        self.package = QLineEdit("georeg")
        self.package.setToolTip(tr("A name, a wheel, or a folder of georeg's source"))
        self.plan = QPlainTextEdit()
        self.plan.setReadOnly(True)
        self.plan.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.install = QPushButton(tr("Install"))
        self.cancel = QPushButton(tr("Cancel"))
        self.cancel.setEnabled(False)
        self._lay_out()
        self._connect()
        self.replan()

    def _lay_out(self) -> None:
        box = QVBoxLayout(self)
        box.addWidget(self.status)
        group = QGroupBox(tr("A Python that has georeg already"))
        row = QHBoxLayout(group)
        row.addWidget(self.existing, 1)
        row.addWidget(self.use)
        box.addWidget(group)
        group = QGroupBox(tr("Or a new environment"))
        form = QFormLayout(group)
        form.addRow(tr("Folder"), self.folder)
        form.addRow(tr("Made by"), self._row(self.uv, self.venv))
        form.addRow(tr("Base Python"), self.base)
        form.addRow(tr("PyTorch for"), self._row(self.cpu, self.cuda))
        form.addRow(tr("Folder of wheels"), self.wheels)
        form.addRow(tr("Package"), self.package)
        form.addRow(QLabel(tr("What would be done:")))
        form.addRow(self.plan)
        form.addRow(self._row(self.install, self.cancel))
        box.addWidget(group, 1)
        standard = QDialogButtonBox.StandardButton
        buttons = QDialogButtonBox(standard.Close | standard.Help)
        buttons.rejected.connect(self.reject)
        buttons.helpRequested.connect(self._help)
        box.addWidget(buttons)

    def _row(self, *widgets: Any) -> QHBoxLayout:
        row = QHBoxLayout()
        if isinstance(widgets[0], QRadioButton):
            group = QButtonGroup(self)
            for widget in widgets:
                group.addButton(widget)
        for widget in widgets:
            row.addWidget(widget)
        row.addStretch(1)
        return row

    def _connect(self) -> None:
        for widget in (self.folder, self.wheels):
            widget.fileChanged.connect(lambda *_: self.replan())
        for widget in (self.base, self.package):
            widget.textChanged.connect(lambda *_: self.replan())
        for widget in (self.uv, self.cpu):
            widget.toggled.connect(lambda *_: self.replan())
        self.use.clicked.connect(self.use_existing)
        self.install.clicked.connect(self.run_plan)
        self.cancel.clicked.connect(self.stop)

    def _help(self) -> None:
        from qgis.PyQt.QtCore import QUrl
        from qgis.PyQt.QtGui import QDesktopServices

        QDesktopServices.openUrl(QUrl(help_page("engine")))

    def choice(self) -> installing.Choice:
        """What is filled in."""
        return installing.Choice(
            self.folder.filePath(),
            self.base.text().strip(),
            "uv" if self.uv.isChecked() else "venv",
            "cpu" if self.cpu.isChecked() else "cuda",
            self.wheels.filePath(),
            self.package.text().strip() or "georeg",
        )

    def replan(self) -> None:
        """Show what would be done."""
        found = installing.plan(self.choice(), settings.proxy())
        lines = [f"$ {shlex.join(step)}" for step in found.steps]
        problem = filled(found.problem[0], **found.problem[1]) if found.problem[0] else ""
        if problem:
            lines = [tr("Not possible: {why}").format(why=problem), "", *lines]
        notes = [filled(template, **values) for template, values in found.notes]
        self.plan.setPlainText("\n".join([*notes, "", *lines]))
        self.install.setEnabled(not problem)

    def use_existing(self) -> None:
        """Ask the Python that was named."""
        path = self.existing.filePath()
        self._start(
            tr("Asking {path}").format(path=path),
            lambda say, is_cancelled: discovery.ask(path, is_cancelled),
            path,
        )

    def run_plan(self) -> None:
        """Do what is shown."""
        choice, proxy = self.choice(), settings.proxy()
        self.plan.clear()
        self._start(
            tr("Installing the georeg engine"),
            lambda say, is_cancelled: installing.install(choice, say, is_cancelled, proxy),
            discovery.python_in(choice.folder),
        )

    def _start(self, title: str, function: Any, python: str) -> None:
        self.status.setText(title + "…")
        self._idle(False)
        self._task = Function(function)
        self._task.said.connect(self.plan.appendPlainText)
        self._task.ended.connect(lambda engine, error: self._ended(engine, error, python))
        self._task.start()

    def _ended(self, engine: Any, error: str, python: str) -> None:
        self._task = None
        self._idle(True)
        if error:
            told = html.escape(error).replace("\n", "<br>")
            self.status.setText(f"<b>{tr('That did not work:')}</b> {told}")
            return
        settings.choose_python(python)
        self.status.setText(
            "<b>"
            + tr("The engine is ready: georeg {version}.").format(version=engine.version)
            + "</b>"
        )
        self.ready.emit(engine)

    def _idle(self, idle: bool) -> None:
        """Whether it can be chosen what is done: not meanwhile, or another one would be begun."""
        for widget in (
            self.install, self.use, self.folder, self.base, self.venv, self.cpu, self.cuda,
            self.wheels, self.package,
        ):  # fmt: skip
            widget.setEnabled(idle)
        self.uv.setEnabled(idle and bool(installing.uv_program()))
        self.cancel.setEnabled(not idle)

    def stop(self) -> None:
        """Cancel what runs."""
        if self._task is not None:
            self._task.cancel()

    def shut(self) -> None:
        """Before the plugin goes: end what runs."""
        if self._task is not None:
            self._task.drop()
            self._task = None
