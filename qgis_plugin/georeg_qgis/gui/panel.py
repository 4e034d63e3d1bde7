"""The panel: inputs, results and log above, Align, Cancel and progress below."""

from __future__ import annotations

import html
import json
import os
import time
from typing import Any

from qgis.core import QgsProject, QgsRasterLayer
from qgis.gui import QgsDockWidget
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QDesktopServices, QFontDatabase
from qgis.PyQt.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QTextEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .. import settings
from ..algorithms.base import report_beside, same_twice, stamp
from ..engine.running import Outcome, Run
from ..layers import LayerError
from ..texts import help_page, tr
from .compare import Compare
from .inputs import Inputs, files_beside
from .loading import Result, group_of, load, take_away
from .models_dialog import ModelsDialog
from .results import Results
from .sentences import in_panel
from .setup_dialog import SetupDialog
from .shades import SHADES, shade
from .tasks import Function, Job


class Panel(QgsDockWidget):
    """What the toolbar button opens."""

    def __init__(self, iface: Any, parent: Any) -> None:
        """Build it; the engine is looked for when it is first shown."""
        super().__init__(tr("georeg: align raster layers"), parent)
        self.setObjectName("georegPanel")
        self.iface = iface
        self.job: Job | None = None
        self._look: Function | None = None  # at the engine
        self._helper: Function | None = None
        self._asked = False
        self._title = ""
        self._before: Any = None  # stamp of the report that was there before
        self.setup: Any = None
        self.models: Any = None
        canvas = iface.mapCanvas()
        self.inputs, self.results = Inputs(canvas), Results(canvas)
        self.compare = Compare(canvas, self)
        self.log = QTextEdit()
        self.log.setReadOnly(True)
        self.log.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.tabs = QTabWidget()
        self.tabs.addTab(self.inputs, tr("Align"))
        self._results_page = QScrollArea()  # a low panel scrolls, rather than squeeze the numbers
        self._results_page.setWidget(self.results)
        self._results_page.setWidgetResizable(True)
        self._results_page.setFrameShape(QFrame.Shape.NoFrame)
        self.tabs.addTab(self._results_page, tr("Result"))
        self.tabs.addTab(self.log, tr("Log"))
        self.notice, self.notice_text = QFrame(), QLabel()
        self.setup_button = QPushButton(tr("Set up engine…"))
        self.run_button = QPushButton(tr("Align"))
        self.cancel_button = QPushButton(tr("Cancel"))
        self.bar, self.stage = QProgressBar(), QLabel()
        self.engine_label = QLabel()
        self.help_button = QToolButton()
        self._lay_out()
        self._connect()
        self._busy(False)

    def _lay_out(self) -> None:
        inside = QWidget()
        box = QVBoxLayout(inside)
        box.setContentsMargins(6, 6, 6, 6)
        self.notice.setObjectName("notice")
        self.notice.setStyleSheet(
            "#notice { background: #fcf1dc; border-left: 5px solid #e69f00; border-radius: 3px; }"
            "#notice QLabel { color: #1d2429; }"
        )
        row = QHBoxLayout(self.notice)
        self.notice_text.setWordWrap(True)
        row.addWidget(self.notice_text, 1)
        row.addWidget(self.setup_button)
        self.notice.hide()
        box.addWidget(self.notice)
        box.addWidget(self.tabs, 1)
        self.stage.setWordWrap(True)
        box.addWidget(self.stage)
        self.bar.setRange(0, 100)
        box.addWidget(self.bar)
        row = QHBoxLayout()
        self.run_button.setDefault(True)
        self.run_button.setMinimumHeight(32)
        font = self.run_button.font()
        font.setBold(True)
        self.run_button.setFont(font)
        self.cancel_button.setMinimumHeight(32)
        row.addWidget(self.run_button, 1)
        row.addWidget(self.cancel_button)
        box.addLayout(row)
        row = QHBoxLayout()
        self.help_button.setText("?")
        self.help_button.setToolTip(tr("Help"))
        row.addWidget(self.engine_label, 1)
        row.addWidget(self.help_button)
        box.addLayout(row)
        self.setWidget(inside)

    def _connect(self) -> None:
        self.run_button.clicked.connect(self.run)
        self.cancel_button.clicked.connect(self.cancel)
        self.setup_button.clicked.connect(self.open_setup)
        self.inputs.models.clicked.connect(self.open_models)
        self.help_button.clicked.connect(lambda: _open(help_page()))
        self.results.model.failed.connect(self._trouble)
        self.results.refit.connect(self.refit)
        self.results.page.connect(self._open_report)
        self.results.send.connect(self._send_points)
        self.results.swipe.connect(lambda result, on: self._compare(result, on, False))
        self.results.flicker.connect(lambda result, on: self._compare(result, on, True))
        self.results.choice.currentIndexChanged.connect(lambda *_: self.compare.stop())
        self.compare.stopped.connect(self._compared)
        self.opened.connect(self.first_look)

    # The engine

    def first_look(self) -> None:
        """Ask the engine once, beside the GUI thread."""
        if not self._asked:
            self._asked = True
            self.ask_engine()

    def ask_engine(self) -> None:
        """What it is and what it offers."""
        self.engine_label.setText(tr("Looking for the engine…"))
        if self._look is not None:
            self._look.drop()  # it may be another one by now
        self._look = Function(_ask)
        self._look.ended.connect(self._answered)
        self._look.start()

    @property
    def waiting(self) -> bool:
        """Whether something is done beside the GUI thread that is no run."""
        return self._look is not None or self._helper is not None

    def _answered(self, found: Any, error: str) -> None:
        self._look = None
        self.notice.setVisible(bool(error))
        if error:
            self.notice_text.setText(error)
            self.engine_label.setText(tr("No engine"))
            return
        engine, offers = found
        self.engine_label.setText(f"georeg {engine.version}")
        self.engine_label.setToolTip(engine.python)
        self.inputs.offer(offers.get("matchers", []), offers.get("devices", []))

    def open_setup(self) -> None:
        """The assistant."""
        if self.setup is None:
            self.setup = SetupDialog(self.iface.mainWindow())
            self.setup.ready.connect(lambda *_: self.ask_engine())
        self.setup.show()
        self.setup.raise_()

    def open_models(self) -> None:
        """The model manager."""
        if self.models is None:
            self.models = ModelsDialog(self.iface.mainWindow())
            self.models.changed.connect(self.ask_engine)
        self.models.show()
        self.models.raise_()
        self.models.refresh()

    # Runs

    def run(self) -> None:
        """Align the two layers."""
        if self.job is not None:
            return
        try:
            values = self.inputs.values()
        except LayerError as error:
            self._trouble(str(error))
            return
        for side in (self.inputs.moving, self.inputs.reference):
            told = side.look()
            if told:
                self._line("warning", told)
        same = same_twice(values["MOVING"], values["REFERENCE"], values)
        if same:
            self._trouble(same)
            return
        if not self._may_replace(values["OUTPUT"]):
            return
        moving, reference = self.inputs.moving.layer, self.inputs.reference.layer
        title = tr("{moving} aligned to {reference}").format(
            moving=moving.name(), reference=reference.name()
        )
        stem = os.path.splitext(values["OUTPUT"])[0]
        start = {"scene": stem, "scene_title": title}
        self._start("georeg:align", values, title, moving.id(), start)

    def _may_replace(self, output: str) -> bool:
        """Ask about files that are there: those beside the raster the user never named."""
        there = [path for path in _written(output) if os.path.exists(path)]
        if not there:
            return True
        asked = tr("These files exist and would be replaced:\n\n{files}\n\nReplace them?")
        button = QMessageBox.StandardButton
        given = QMessageBox.question(self, tr("Align"), asked.format(files="\n".join(there)))
        return given == button.Yes

    def refit(self, result: Result | None) -> None:
        """Fit the points in use, and warp again; nothing is matched."""
        layer = self.results.points()
        if self.job is not None or result is None or layer is None:
            return
        if layer.isEditable():
            self._trouble(tr("The tie points are being edited: save or discard the edits first."))
            return
        number = 1 + max(r.refit for r in self.results.results if r.scene == result.scene)
        while any(map(os.path.exists, _written(f"{result.scene}_refit{number}.tif"))):
            number += 1  # of an earlier session
        files = files_beside(f"{result.scene}_refit{number}.tif")
        sides = (("INPUT", "MOVING"), ("MOVING", "MOVING"), ("REFERENCE", "REFERENCE"))
        values = {
            f"{name}{what}": result.values[f"{side}{what}"]
            for name, side in sides
            for what in ("", "_CRS", "_NODATA")
        }
        values |= {
            "POINTS": result.files["POINTS"],
            "TRANSFORM": self.inputs.transform.currentData(),
            "NO_GEOREF": result.values.get("NO_GEOREF", False),
            "GRID": result.values.get("GRID", "auto"),
            "RESAMPLING": result.values.get("RESAMPLING", "auto"),
            "OUTPUT": files["OUTPUT"],
            "POINTS_OUTPUT": files["POINTS"],
            "FIT_OUTPUT": files["FIT"],
            "PAGE": files["PAGE"],
            "SHOW": False,
        }
        title = tr("{title}, refit {number}").format(title=result.scene_title, number=number)
        start = {"scene": result.scene, "scene_title": result.scene_title, "refit": number}
        self._start("georeg:warp", values, title, result.before_id, start)

    def _start(
        self,
        algorithm: str,
        values: dict[str, Any],
        title: str,
        before: str,
        known: dict[str, Any],
    ) -> None:
        self.compare.stop()
        self._before = stamp(report_beside(values["OUTPUT"]))
        self._title, self._began = title, time.monotonic()
        self._line("stage", title)
        self.job = Job(algorithm, values)
        self.job.stage.connect(self.stage.setText)
        self.job.progress.connect(lambda share: self.bar.setValue(int(share)))
        self.job.line.connect(self._line)
        self.job.ended.connect(
            lambda found, error, cancelled: self._ended(
                values, error, cancelled, {"before_id": before, **known}
            )
        )
        self._busy(True)
        self.stage.setText(tr("Starting the engine"))
        self.job.start()

    def cancel(self) -> None:
        """End the run in order."""
        if self.job is not None:
            self.stage.setText(tr("Cancelling…"))
            self.cancel_button.setEnabled(False)
            self.job.cancel()

    def _ended(
        self, values: dict[str, Any], error: str, cancelled: bool, known: dict[str, Any]
    ) -> None:
        self.job = None
        self._busy(False)
        if cancelled:
            self.stage.setText(tr("Cancelled: nothing was written."))
            self._line("warning", tr("Cancelled: nothing was written."))
            return
        path = report_beside(values["OUTPUT"])
        report = _read(path) if stamp(path) != self._before else {}  # of this run
        refused = bool(report) and not report["verdict"]["ok"]
        if error and not refused:
            self._trouble(error)
            self._asked = False
            self.first_look()  # is it the engine?
            return
        seconds = time.monotonic() - self._began
        self.stage.setText(tr("Done in {seconds:.0f} s.").format(seconds=seconds))
        names = {"OUTPUT": "OUTPUT", "POINTS": "POINTS", "FIT": "FIT", "PAGE": "PAGE"}
        if "INPUT" in values:
            names.update(POINTS="POINTS_OUTPUT", FIT="FIT_OUTPUT")
        files = {name: values[key] for name, key in names.items()}
        layers: dict[str, str] = {}
        if not error:
            old = QgsProject.instance().mapLayer(known["before_id"])
            self._forget(values["OUTPUT"])
            self._hide_group(known["scene"])
            layers = load(self._title, files, old if isinstance(old, QgsRasterLayer) else None)
        files = {name: path for name, path in files.items() if os.path.isfile(path)}
        self.results.add(Result(self._title, values, files, report, **known, **layers))
        self.tabs.setCurrentWidget(self._results_page)
        if error:
            self.stage.setText(tr("Refused: the result says why, and what can be tried."))

    def _hide_group(self, scene: str) -> None:
        """Earlier results of the scene stay in the project, but out of sight."""
        for result in self.results.results:
            group = group_of(result)
            if group is not None and result.scene == scene:
                group.setItemVisibilityChecked(False)

    def _forget(self, output: str) -> None:
        """Results whose files were replaced: their layers would show others under the old name."""
        for result in list(self.results.results):
            if result.ok and result.files["OUTPUT"] == output:
                take_away(result)
                self.results.remove(result)

    def _busy(self, busy: bool) -> None:
        self.run_button.setEnabled(not busy)
        self.results.refit_button.setEnabled(not busy)
        self.cancel_button.setEnabled(busy)
        self.cancel_button.setVisible(busy)
        self.bar.setVisible(busy)
        self.bar.setValue(0)

    def _trouble(self, text: str) -> None:
        told = html.escape(in_panel(text))
        self.stage.setText(f"<span style='color:{shade('error')}'>{told}</span>")
        self._line("error", text)

    def _line(self, level: str, text: str) -> None:
        colour = shade(level) if level in SHADES else "palette(text)"  # the theme's own
        weight = "bold" if level == "stage" else "normal"
        now = time.strftime("%H:%M:%S")
        self.log.append(
            f"<span style='color:{shade('debug')}'>{now}</span> "
            f"<span style='color:{colour}; font-weight:{weight}'>{html.escape(text)}</span>"
        )

    # Results

    def _open_report(self, _: Any) -> None:
        path = self.results.report_path()
        if path:
            QDesktopServices.openUrl(QUrl.fromLocalFile(path))

    def _send_points(self, result: Result | None) -> None:
        if result is None or self._helper is not None:
            return
        stem = os.path.splitext(result.files["POINTS"])[0]
        path, _ = QFileDialog.getSaveFileName(
            self, tr("Tie points for the Georeferencer"), f"{stem}.points", "GCP (*.points)"
        )
        if path:
            self.write_points(result, path)

    def write_points(self, result: Result, path: str) -> None:
        """The tie points in use as .points, beside the GUI thread."""
        arguments = ["convert", result.files["POINTS"], path, "--overwrite"]
        arguments += ["--moving", result.values["MOVING"]]
        crs = result.values["MOVING_CRS"]
        arguments += ["--moving-crs", crs] if crs else []
        self._helper = Function(
            lambda say, is_cancelled: Run(settings.find_engine(is_cancelled), arguments).wait(
                lambda event: say(event.message), is_cancelled
            )
        )
        self._helper.ended.connect(
            lambda outcome, error: self._points_written(path, outcome, error)
        )
        self._helper.start()

    def _points_written(self, path: str, outcome: Outcome | None, error: str) -> None:
        self._helper = None
        if error or outcome is None or not outcome.ok:
            self._trouble(error or (outcome.message if outcome else ""))
            return
        self.stage.setText(
            tr(
                "Written: {path}. In Layer > Georeferencer open the layer that moved, then "
                "File > Load GCP Points."
            ).format(path=path)
        )

    def _compare(self, result: Result | None, on: bool, flicker: bool) -> None:
        self.compare.stop()
        if not on or result is None:
            return
        project = QgsProject.instance()
        before = project.mapLayer(result.before_id)
        if before is None:
            self._trouble(tr("The layer as it was is no longer in the project."))
            self._compared()
            return
        button = self.results.flicker_button if flicker else self.results.swipe_button
        button.setChecked(True)
        # What lies under the aligned raster stays under the old one.
        shown = [layer for layer in self.iface.mapCanvas().layers() if layer is not before]
        ours = {result.raster_id}
        layers = [before if layer.id() in ours else layer for layer in shown]
        if before not in layers:
            layers.insert(0, before)
        self.compare.start(layers, flicker=flicker)

    def _compared(self) -> None:
        for button in (self.results.swipe_button, self.results.flicker_button):
            button.setChecked(False)

    def shut(self) -> None:
        """Before the plugin goes: end what runs, take what is on the map away."""
        for work in (self.job, self._look, self._helper):
            if work is not None:
                work.drop()
        self.job = self._look = self._helper = None
        self.compare.shut()
        self.inputs.area.shut()
        for dialog in (self.setup, self.models):
            if dialog is not None:
                dialog.shut()
                dialog.close()
                dialog.deleteLater()


def _ask(_: Any, is_cancelled: Any) -> Any:
    """The engine and what it offers."""
    engine = settings.find_engine(is_cancelled)
    return engine, engine.offers(is_cancelled)


def _written(output: str) -> list[str]:
    """All files of a run."""
    return [*files_beside(output).values(), report_beside(output)]


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def _open(url: str) -> None:
    QDesktopServices.openUrl(QUrl(url))
