"""Tie points as a table; its check boxes enable points in the layer at once."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsFeatureRequest, QgsVectorLayer
from qgis.PyQt.QtCore import QAbstractTableModel, QModelIndex, QObject, QSize, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QHeaderView, QStyle, QWidget

from ..compat import number
from ..engine.words import N_
from ..texts import shown, tr

# Field, heading, and what it means.
_COLUMNS = (
    ("enabled", N_("Use"), N_("Without the tick, 'Refit and warp again' leaves the point out")),
    ("id", N_("Point"), ""),
    ("residual_px", N_("Residual"), N_("How far the fit puts the point beside its place, in pixels "
                                       "of the reference")),
    ("residual_x_px", N_("dx"), N_("To the right, in pixels of the reference")),
    ("residual_y_px", N_("dy"), N_("Downwards, in pixels of the reference")),
    ("score", N_("Score"), N_("How sure the match is, from 0 to 1")),
    ("inlier", N_("Agrees"), N_("Whether the point agrees with those around it")),
)  # fmt: skip
_NUMBERS = ("residual_px", "residual_x_px", "residual_y_px", "score")
_SIGNED = ("residual_x_px", "residual_y_px")
_BOXES = ("enabled",)


class Header(QHeaderView):
    """Headings that take room for the arrow only where it is: all columns fit into the panel."""

    def __init__(self, parent: QWidget) -> None:
        """Of a table's columns, to be clicked."""
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setSectionsClickable(True)

    def sectionSizeFromContents(self, section: int) -> QSize:
        """Qt leaves room for it in every column."""
        size = super().sectionSizeFromContents(section)
        if self.isSortIndicatorShown() and section != self.sortIndicatorSection():
            metric = QStyle.PixelMetric
            arrow = self.style().pixelMetric(metric.PM_HeaderMarkSize, None, self)
            margin = self.style().pixelMetric(metric.PM_HeaderMargin, None, self)
            size.setWidth(size.width() - arrow - margin)
        return size


class PointsModel(QAbstractTableModel):
    """Rows are features of the layer of tie points."""

    failed = pyqtSignal(str)  # to write to the layer

    def __init__(self, parent: QObject) -> None:
        """Empty. It goes with its parent, in the GUI thread: Python clears up in any thread."""
        super().__init__(parent)
        self._layer: QgsVectorLayer | None = None
        self._fids: list[int] = []
        self._rows: list[list[Any]] = []

    def show(self, layer: QgsVectorLayer | None) -> None:
        """Read a layer; None empties the table."""
        self.beginResetModel()
        self._layer, self._fids, self._rows = layer, [], []
        if layer is not None:
            names = [name for name, _, _ in _COLUMNS]
            request = QgsFeatureRequest()
            request.setSubsetOfAttributes(names, layer.fields())
            request.setFlags(QgsFeatureRequest.Flag.NoGeometry)
            for feature in layer.getFeatures(request):
                self._fids.append(feature.id())
                self._rows.append([_plain(feature[name]) for name in names])
        self.endResetModel()

    def fid(self, row: int) -> int:
        """The feature of a row."""
        return self._fids[row]

    def set_enabled(self, rows: list[int], enabled: bool) -> bool:
        """Write to the layer; False where it can't be written."""
        layer = self._layer
        if layer is None:
            return False
        field = layer.fields().indexOf("enabled")
        changes = {self._fids[row]: {field: enabled} for row in rows}
        if not layer.dataProvider().changeAttributeValues(changes):
            self.failed.emit(
                tr(
                    "The points can't be changed: the GeoPackage is read-only, or another program "
                    "holds it."
                )
            )
            return False
        for row in rows:
            self._rows[row][0] = enabled
        if rows:
            self.dataChanged.emit(self.index(min(rows), 0), self.index(max(rows), 0))
        layer.triggerRepaint()
        return True

    def disabled(self) -> int:
        """How many points are left out."""
        return sum(not row[0] for row in self._rows)

    # What Qt asks

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Points."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Fields that are shown."""
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Headings."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return tr(_COLUMNS[section][1])
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return tr(_COLUMNS[section][2]) or None
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """One value; EditRole gives it for sorting."""
        name = _COLUMNS[index.column()][0]
        value = self._rows[index.row()][index.column()]
        if name in _BOXES:
            if role == Qt.ItemDataRole.CheckStateRole:
                return Qt.CheckState.Checked if value else Qt.CheckState.Unchecked
            return bool(value) if role == Qt.ItemDataRole.EditRole else None
        if role == Qt.ItemDataRole.EditRole:
            return _number(value)
        if role == Qt.ItemDataRole.DisplayRole:
            if name == "inlier":
                return tr("yes") if value else tr("no")
            if name in _NUMBERS and isinstance(value, float):
                return shown(value, 2, signed=name in _SIGNED)
            return _text(value)
        if role == Qt.ItemDataRole.TextAlignmentRole and name in _NUMBERS:
            return number(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def flags(self, index: QModelIndex) -> Any:
        """The first column has check boxes."""
        found = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        if _COLUMNS[index.column()][0] in _BOXES:
            found |= Qt.ItemFlag.ItemIsUserCheckable
        return found

    def setData(self, index: QModelIndex, value: Any, role: int = 0) -> bool:
        """A check box was clicked."""
        if role != Qt.ItemDataRole.CheckStateRole:
            return False
        on = Qt.CheckState(value) == Qt.CheckState.Checked
        return self.set_enabled([index.row()], on)


def _plain(value: Any) -> Any:
    """NULL of QGIS is None."""
    return None if value is None or str(value) == "NULL" else value


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: Any) -> Any:
    """For sorting: '10' after '9'."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return _text(value)
