"""The tab that says what came out, and what can be done with it."""

from __future__ import annotations

import os
from typing import Any

from qgis.core import QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QItemSelectionModel, QSortFilterProxyModel, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from ..texts import tr
from .inputs import narrow
from .loading import Result
from .points_table import Header, PointsModel
from .sentences import advice, colour, headline, meaning, numbers


class Results(QWidget):
    """Verdict, numbers, tie points, and buttons."""

    refit = pyqtSignal(object)  # Result
    page = pyqtSignal(object)
    send = pyqtSignal(object)
    swipe = pyqtSignal(object, bool)
    flicker = pyqtSignal(object, bool)

    def __init__(self, canvas: Any) -> None:
        """Nothing to show yet."""
        super().__init__()
        self._canvas = canvas
        self.results: list[Result] = []
        self.choice = QComboBox()
        narrow(self.choice)
        self.choice.setToolTip(tr("Results of this session"))
        self.banner, self.headline = QFrame(), QLabel()
        self.advice = QLabel()
        self.caution = QLabel(tr("Numbers of the fit that was refused: they can't be trusted."))
        self.caution.setWordWrap(True)
        self._numbers = QGridLayout()
        self.model = PointsModel(self)
        self.table = QTableView()
        self.count = QLabel()
        self.zoom = QPushButton(tr("Zoom to"))
        self.disable = QPushButton(tr("Leave out"))
        self.enable = QPushButton(tr("Use"))
        self.refit_button = QPushButton(tr("Refit and warp again"))
        self.refit_button.setToolTip(
            tr("Fit the points in use, and write the raster anew. Nothing is matched again.")
        )
        self.page_button = QPushButton(tr("Report"))
        self.page_button.setToolTip(tr("Open the report in the browser"))
        self.send_button = QPushButton(tr("To Georeferencer…"))
        self.send_button.setToolTip(tr("Write the tie points as .points for QGIS' Georeferencer"))
        self.swipe_button = QPushButton(tr("Swipe"))
        self.flicker_button = QPushButton(tr("Flicker"))
        for button in (self.swipe_button, self.flicker_button):
            button.setCheckable(True)
        self.swipe_button.setToolTip(tr("Move the mouse over the map: before left, after right"))
        self.flicker_button.setToolTip(tr("Show before and after in turns"))
        self._lay_out()
        self._connect()
        self.show_result(None)

    def _lay_out(self) -> None:
        box = QVBoxLayout(self)
        box.addWidget(self.choice)
        self.banner.setObjectName("banner")
        inside = QVBoxLayout(self.banner)
        for label in (self.headline, self.advice):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            inside.addWidget(label)
        font = self.headline.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.15)
        self.headline.setFont(font)
        box.addWidget(self.banner)
        box.addWidget(self.caution)
        self._numbers.setHorizontalSpacing(14)
        self._numbers.setColumnStretch(1, 1)
        box.addLayout(self._numbers)
        buttons = QGridLayout()
        for place, button in enumerate((
            self.swipe_button, self.flicker_button, self.page_button, self.send_button,
        )):  # fmt: skip
            buttons.addWidget(button, *divmod(place, 2))
        box.addLayout(buttons)
        proxy = QSortFilterProxyModel(self)
        proxy.setSourceModel(self.model)
        proxy.setSortRole(Qt.ItemDataRole.EditRole)
        header = Header(self.table)
        self.table.setHorizontalHeader(header)
        self.table.setModel(proxy)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setAlternatingRowColors(True)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.setMinimumHeight(6 * (self.fontMetrics().height() + 8))
        box.addWidget(self.table, 1)
        row = QHBoxLayout()
        for widget in (self.zoom, self.disable, self.enable):
            row.addWidget(widget)
        row.addStretch(1)
        box.addLayout(row)
        box.addWidget(self.count)
        box.addWidget(self.refit_button)
        box.addStretch()  # takes what is left where there is no table

    def _connect(self) -> None:
        self.choice.currentIndexChanged.connect(self._chosen)
        self.zoom.clicked.connect(self.zoom_to_selected)
        self.disable.clicked.connect(lambda: self._set_selected(False))
        self.enable.clicked.connect(lambda: self._set_selected(True))
        self.model.dataChanged.connect(lambda *_: self._counted())
        self.table.doubleClicked.connect(lambda *_: self.zoom_to_selected())
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._highlight())
        QgsProject.instance().layersRemoved.connect(self._layers_removed)
        for button, signal in (
            (self.refit_button, self.refit), (self.page_button, self.page),
            (self.send_button, self.send),
        ):  # fmt: skip
            button.clicked.connect(lambda *_, s=signal: s.emit(self.current))
        for button, signal in (
            (self.swipe_button, self.swipe), (self.flicker_button, self.flicker),
        ):  # fmt: skip
            button.clicked.connect(lambda on, s=signal: s.emit(self.current, on))

    @property
    def current(self) -> Result | None:
        """The one that is shown."""
        index = self.choice.currentIndex()
        return self.results[index] if 0 <= index < len(self.results) else None

    def add(self, result: Result) -> None:
        """A new result, shown at once."""
        self.results.append(result)
        self.choice.addItem(result.title)
        self.choice.setCurrentIndex(len(self.results) - 1)
        self._chosen()

    def remove(self, result: Result) -> None:
        """It is no more."""
        index = self.results.index(result)
        del self.results[index]
        self.choice.removeItem(index)

    def points(self) -> QgsVectorLayer | None:
        """The layer of tie points, if it is still in the project."""
        result = self.current
        layer = QgsProject.instance().mapLayer(result.points_id) if result else None
        return layer if isinstance(layer, QgsVectorLayer) and layer.isValid() else None

    def _chosen(self, *_: Any) -> None:
        self.show_result(self.current)

    def _layers_removed(self, ids: list[str]) -> None:
        """Without their layer there are no tie points to choose from."""
        if self.current is not None and self.current.points_id in ids:
            self.show_result(self.current)

    def show_result(self, result: Result | None) -> None:
        """Show one, or that there is none yet."""
        self.choice.setVisible(len(self.results) > 1)
        report: dict[str, Any] = result.report if result else {}
        self.headline.setText(headline(report) if result else tr("Nothing was aligned yet."))
        told = advice(report) if result else tr("Choose two layers under 'Align' and press Align.")
        self.advice.setText(told)
        self.advice.setVisible(bool(told))
        shade, edge = colour(report)
        self.banner.setStyleSheet(
            f"#banner {{ background: {shade}; border-left: 5px solid {edge}; border-radius: 3px; }}"
            "#banner QLabel { color: #1d2429; }"
        )
        rows = numbers(report) if result else []
        self._fill_numbers(rows)
        self.caution.setVisible(bool(rows) and not report["verdict"]["ok"])
        self.model.show(self.points())
        some = self.model.rowCount() > 0
        for widget in (self.table, self.zoom, self.disable, self.enable, self.refit_button):
            widget.setVisible(some)
        self.count.setVisible(some)
        self.page_button.setVisible(bool(result and result.files.get("PAGE")))
        self.send_button.setVisible(some)
        for button in (self.swipe_button, self.flicker_button):
            button.setVisible(bool(result and result.ok))
        self._counted()

    def _fill_numbers(self, rows: list[Any]) -> None:
        while self._numbers.count():
            old = self._numbers.takeAt(0).widget()
            old.hide()  # it goes later, and would be drawn over the new ones until then
            old.deleteLater()
        for row, (name, value) in enumerate(rows):
            label, shown = QLabel(name), QLabel(f"<b>{value}</b>")
            shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            shown.setWordWrap(True)
            for widget in (label, shown):
                widget.setToolTip(meaning(name))
            self._numbers.addWidget(label, row, 0)
            self._numbers.addWidget(shown, row, 1)

    def selected(self) -> list[int]:
        """Rows of the model."""
        proxy = self.table.model()
        return [proxy.mapToSource(i).row() for i in self.table.selectionModel().selectedRows()]

    def select(self, rows: list[int]) -> None:
        """Select rows of the model."""
        proxy, chosen = self.table.model(), self.table.selectionModel()
        chosen.clearSelection()
        flag = QItemSelectionModel.SelectionFlag
        for row in rows:
            index = proxy.mapFromSource(self.model.index(row, 0))
            chosen.select(index, flag.Select | flag.Rows)

    def _set_selected(self, enabled: bool) -> None:
        self.model.set_enabled(self.selected(), enabled)

    def _counted(self) -> None:
        out = self.model.disabled()
        self.count.setText(
            tr("{used} in use, {out} left out").format(used=self.model.rowCount() - out, out=out)
        )

    def _highlight(self) -> None:
        layer = self.points()
        if layer is not None:
            layer.selectByIds([self.model.fid(row) for row in self.selected()])

    def zoom_to_selected(self) -> None:
        """Show the selected points on the map, with some ground around."""
        layer, rows = self.points(), self.selected()
        if layer is None or not rows:
            return
        fids = [self.model.fid(row) for row in rows]
        self._canvas.zoomToFeatureIds(layer, fids)
        if len(fids) == 1:  # QGIS only pans to one point
            raster = QgsProject.instance().mapLayer(self.current.raster_id)
            pixel = raster.rasterUnitsPerPixelX() if raster is not None else 0
            to_map = self._canvas.mapSettings()
            if pixel > 0 and raster.crs() == to_map.destinationCrs():
                half = 120 * pixel
                box = self._canvas.extent()
                middle = box.center()
                box.set(middle.x() - half, middle.y() - half, middle.x() + half, middle.y() + half)
                self._canvas.setExtent(box)
        self._canvas.refresh()

    def report_path(self) -> str:
        """Of the page, if it is there."""
        path = self.current.files.get("PAGE", "") if self.current else ""
        return path if os.path.isfile(path) else ""
