"""Before and after on the map: swipe a curtain, or flicker.

The layer as it was is rendered beside the GUI thread into a picture of the map's extent, which an
item of the canvas paints over a part of the map, or over all of it in turns.
"""

from __future__ import annotations

from typing import Any

from qgis.core import QgsMapRendererParallelJob, QgsMapSettings, QgsProject
from qgis.gui import QgsMapCanvasItem, QgsMapTool
from qgis.PyQt.QtCore import QObject, QRectF, Qt, QTimer, pyqtSignal
from qgis.PyQt.QtGui import QColor, QFont, QPainter, QPen

from ..compat import number
from ..texts import tr

_BEAT = 700  # milliseconds of each picture
_GRIP = 14  # pixels of the handle


class Curtain(QgsMapCanvasItem):
    """Paints the picture left of a line."""

    def __init__(self, canvas: Any) -> None:
        """Nothing to paint yet."""
        super().__init__(canvas)
        self._canvas = canvas
        self.picture: Any = None
        self.share = 0.5
        self.line = True
        self.setZValue(5)

    def boundingRect(self) -> QRectF:
        """All of the canvas."""
        return QRectF(0, 0, self._canvas.width(), self._canvas.height())

    def paint(self, painter: QPainter, *_: Any) -> None:
        """The picture, the line, and which side is which."""
        if self.picture is None:
            return
        edge, height = self.share * self._canvas.width(), self._canvas.height()
        painter.save()
        painter.setClipRect(QRectF(0, 0, edge, height))
        painter.drawImage(QRectF(0, 0, self._canvas.width(), height), self.picture)
        painter.restore()
        if not self.line:
            self._label(painter, tr("before"), 10, True)
            return
        for colour, width in ((QColor(255, 255, 255), 4), (QColor(213, 94, 0), 2)):
            painter.setPen(QPen(colour, width))
            painter.drawLine(int(edge), 0, int(edge), height)
        painter.setBrush(QColor(213, 94, 0))
        painter.drawEllipse(int(edge) - _GRIP // 2, height // 2 - _GRIP // 2, _GRIP, _GRIP)
        self._label(painter, tr("before"), int(edge) - 12, False)
        self._label(painter, tr("after"), int(edge) + 12, True)

    def _label(self, painter: QPainter, text: str, x: int, to_right: bool) -> None:
        font = QFont(painter.font())
        font.setBold(True)
        painter.setFont(font)
        box = painter.fontMetrics().boundingRect(text).adjusted(-6, -3, 6, 3)
        box.moveTo(x if to_right else x - box.width(), 10)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 150))
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(box, number(Qt.AlignmentFlag.AlignCenter), text)


class _Hand(QgsMapTool):
    """Drags the curtain."""

    def __init__(self, canvas: Any, curtain: Curtain) -> None:
        super().__init__(canvas)
        self._curtain = curtain
        self.setCursor(Qt.CursorShape.SplitHCursor)

    def canvasMoveEvent(self, event: Any) -> None:
        """Where the mouse is, is the line."""
        self._curtain.share = event.pos().x() / max(self.canvas().width(), 1)
        self._curtain.update()


class Compare(QObject):
    """Swipe and flicker on one canvas."""

    stopped = pyqtSignal()

    def __init__(self, canvas: Any, parent: QObject) -> None:
        """Nothing is shown yet."""
        super().__init__(parent)
        self._canvas = canvas
        self._layers: list[Any] = []
        self._ids: list[str] = []
        self._job: Any = None
        self._old_jobs: list[Any] = []
        self._tool: Any = None
        self._before: Any = None
        self.curtain: Any = None
        self._timer = QTimer(self)
        self._timer.setInterval(_BEAT)
        self._timer.timeout.connect(self._beat)

    @property
    def active(self) -> bool:
        """Whether something is compared now."""
        return self.curtain is not None

    def start(self, layers: list[Any], *, flicker: bool) -> None:
        """Compare the map with these layers instead.

        Args:
            layers: of the project, the top one first.
            flicker: in turns instead of by a curtain.
        """
        self.stop(quiet=True)
        self._layers, self._ids = layers, [layer.id() for layer in layers]
        self.curtain = Curtain(self._canvas)
        self.curtain.line = not flicker
        self.curtain.share = 1.0 if flicker else 0.5
        self._canvas.extentsChanged.connect(self._render)
        self._canvas.mapCanvasRefreshed.connect(self._render_once)
        QgsProject.instance().layersRemoved.connect(self._removed)
        if flicker:
            self._timer.start()
        else:
            self._before = self._canvas.mapTool()
            self._tool = _Hand(self._canvas, self.curtain)
            self._canvas.setMapTool(self._tool)
            self._canvas.mapToolSet.connect(self._tool_changed)
        self._render()

    def stop(self, quiet: bool = False) -> None:
        """Show the map as it is again."""
        self._timer.stop()
        if self.curtain is None:
            return
        self._canvas.extentsChanged.disconnect(self._render)
        self._canvas.mapCanvasRefreshed.disconnect(self._render_once)
        QgsProject.instance().layersRemoved.disconnect(self._removed)
        if self._tool is not None:
            self._canvas.mapToolSet.disconnect(self._tool_changed)
            if self._canvas.mapTool() is self._tool:
                self._canvas.unsetMapTool(self._tool)
                if self._before is not None:
                    self._canvas.setMapTool(self._before)
            self._tool = self._before = None
        self._end_job()
        self._canvas.scene().removeItem(self.curtain)
        self.curtain = None
        self._layers, self._ids = [], []
        if not quiet:
            self.stopped.emit()

    def shut(self) -> None:
        """Before the plugin goes: nothing may be rendered any more either."""
        self.stop(quiet=True)
        for job in self._old_jobs:
            job.cancel()
        self._old_jobs = []

    def _removed(self, ids: list[str]) -> None:
        """Layers that are gone can't be rendered."""
        if not set(self._ids).isdisjoint(ids):
            self.stop()

    def _tool_changed(self, tool: Any, _: Any = None) -> None:
        if tool is not self._tool:
            self.stop()

    def _beat(self) -> None:
        if self.curtain is not None:
            self.curtain.setVisible(not self.curtain.isVisible())

    def _render_once(self) -> None:
        if self.curtain is not None and self.curtain.picture is None and self._job is None:
            self._render()

    def _render(self) -> None:
        """Render for the extent that the map shows now."""
        self._end_job()
        settings = QgsMapSettings(self._canvas.mapSettings())
        settings.setLayers(self._layers)
        settings.setBackgroundColor(self._canvas.canvasColor())
        self.curtain.picture = None
        self._job = QgsMapRendererParallelJob(settings)
        self._job.finished.connect(self._rendered)
        self._job.start()

    def _rendered(self) -> None:
        if self.curtain is not None and self._job is not None:
            self.curtain.picture = self._job.renderedImage()
            self.curtain.update()
        self._put_away()

    def _end_job(self) -> None:
        if self._job is not None:
            self._job.finished.disconnect(self._rendered)
            self._job.cancelWithoutBlocking()
            self._put_away()

    def _put_away(self) -> None:
        """Keep the job: it may not be deleted while it works, or says that it has finished."""
        self._old_jobs = [job for job in self._old_jobs if job.isActive()] + [self._job]
        self._job = None
