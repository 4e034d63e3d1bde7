"""The area of interest: all, what the map shows, or a rectangle that is drawn on it."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsCoordinateReferenceSystem, QgsRectangle, QgsReferencedRectangle
from qgis.gui import QgsMapToolExtent, QgsRubberBand
from qgis.PyQt.QtCore import QLocale
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from ..texts import tr

_COLOUR = QColor(0, 114, 178)


class Area(QWidget):
    """Chooses it."""

    def __init__(self, canvas: Any) -> None:
        """Build it for a map canvas."""
        super().__init__()
        self._canvas = canvas
        self._tool: Any = None
        self._before: Any = None
        self._band: Any = None
        self.extent = QgsRectangle()
        self.crs = QgsCoordinateReferenceSystem()
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.view = QPushButton(tr("Map view"))
        self.view.setToolTip(tr("Look for tie points only in what the map shows now"))
        self.draw = QPushButton(tr("Draw"))
        self.draw.setToolTip(tr("Draw a rectangle on the map"))
        self.clear = QToolButton()
        self.clear.setText("✕")
        self.clear.setToolTip(tr("Everything that both layers cover"))
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.view, self.draw, self.clear):
            row.addWidget(widget)
        row.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.label)
        box.addLayout(row)
        self.view.clicked.connect(self._take_view)
        self.draw.clicked.connect(self._start)
        self.clear.clicked.connect(self.reset)
        self._show()

    def value(self) -> Any:
        """As Processing takes extents; empty for everything."""
        box = self.extent
        if box.isEmpty():
            return ""
        if not self.crs.authid():
            return QgsReferencedRectangle(box, self.crs)
        edges = (box.xMinimum(), box.xMaximum(), box.yMinimum(), box.yMaximum())
        return f"{','.join(map(repr, edges))} [{self.crs.authid()}]"

    def take(self, extent: QgsRectangle) -> None:
        """An extent in the map's CRS."""
        self.extent = QgsRectangle(extent)
        self.crs = self._canvas.mapSettings().destinationCrs()
        self._show()

    def reset(self) -> None:
        """Everything again."""
        self.extent = QgsRectangle()
        self._show()

    def shut(self) -> None:
        """Take what is on the map away."""
        self._end_tool()
        self.reset()

    def _take_view(self) -> None:
        self.take(self._canvas.extent())

    def _start(self) -> None:
        self._end_tool()
        self._before = self._canvas.mapTool()
        self._tool = QgsMapToolExtent(self._canvas)
        self._tool.extentChanged.connect(self._drawn)
        self._canvas.setMapTool(self._tool)

    def _drawn(self, extent: QgsRectangle) -> None:
        self.take(extent)
        self._end_tool()

    def _end_tool(self) -> None:
        if self._tool is not None:
            self._tool.clearRubberBand()
            if self._canvas.mapTool() is self._tool:  # the user hasn't taken another one
                self._canvas.unsetMapTool(self._tool)
                if self._before is not None:
                    self._canvas.setMapTool(self._before)
            self._tool.deleteLater()
            self._tool = self._before = None

    def _show(self) -> None:
        if self._band is not None:
            self._canvas.scene().removeItem(self._band)
            self._band = None
        self.clear.setEnabled(not self.extent.isEmpty())
        if self.extent.isEmpty():
            self.label.setText(tr("Everything that both layers cover"))
            return
        self._band = QgsRubberBand(self._canvas)
        self._band.setColor(_COLOUR)
        self._band.setFillColor(QColor(0, 114, 178, 20))
        self._band.setWidth(2)
        from qgis.core import QgsGeometry

        self._band.setToGeometry(QgsGeometry.fromRect(self.extent), self.crs)
        sides = (self.extent.width(), self.extent.height())
        size = " × ".join(QLocale().toString(side, "g", 6) for side in sides)
        self.label.setText(tr("A part of {size} map units").format(size=size))
