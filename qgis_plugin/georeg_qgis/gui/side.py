"""One of the two layers: which it is, what it shows, and the bands to look at."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsMapLayer, QgsMapLayerProxyModel, QgsRasterLayer
from qgis.gui import QgsCheckableComboBox, QgsMapLayerComboBox
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QCheckBox, QComboBox, QFormLayout, QGroupBox, QLabel

from ..choices import MODALITIES, TIPS
from ..layers import (
    LayerError,
    crs_set_in_qgis,
    nodata_left_out,
    nodata_set_in_qgis,
    source_of,
    without_place,
)
from ..texts import tr
from .shades import shade


class Side(QGroupBox):
    """The layer that moves, or the reference."""

    changed = pyqtSignal()

    def __init__(self, name: str, title: str, tip: str, *, can_be_lost: bool = False) -> None:
        """Build it; `name` is that of the parameters: MOVING or REFERENCE."""
        super().__init__(title)
        self.name, self.title_text = name, title
        self.setToolTip(tip)
        self.layers = QgsMapLayerComboBox()
        self.layers.setObjectName(f"{name.lower()}Layer")
        self.layers.setFilters(QgsMapLayerProxyModel.Filter.RasterLayer)
        self.layers.setAllowEmptyLayer(True)
        self.modality = choices(MODALITIES)
        self.bands = QgsCheckableComboBox()
        self.bands.setDefaultText(tr("Decide by the data"))
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setVisible(False)
        self.note.setStyleSheet(f"color: {shade('warning')};")
        form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(tr("Layer"), self.layers)
        form.addRow(self.note)
        self.lost: QCheckBox | None = None
        if can_be_lost:
            self.lost = QCheckBox(tr("No coordinates: look everywhere"))
            self.lost.setToolTip(tr(TIPS["NO_GEOREF"]))
            form.addRow("", self.lost)
        add_row(form, tr("Shows"), self.modality, tr(TIPS["MODALITY"]))
        add_row(form, tr("Bands"), self.bands, tr(TIPS["BANDS"]))
        self.layers.layerChanged.connect(self._layer_changed)

    @property
    def layer(self) -> QgsMapLayer | None:
        """The one that was chosen."""
        return self.layers.currentLayer()

    def set_layer(self, layer: QgsMapLayer | None) -> None:
        """Choose one."""
        self.layers.setLayer(layer)

    def state(self) -> dict[str, Any]:
        """To swap the sides."""
        return {
            "layer": self.layer,
            "modality": self.modality.currentData(),
            "bands": list(self.bands.checkedItemsData()),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """What `state` said of the other side."""
        self.set_layer(state["layer"])
        self.modality.setCurrentIndex(self.modality.findData(state["modality"]))
        for row in range(self.bands.count()):
            checked = self.bands.itemData(row) in state["bands"]
            on, off = Qt.CheckState.Checked, Qt.CheckState.Unchecked
            self.bands.setItemCheckState(row, on if checked else off)

    def values(self) -> dict[str, Any]:
        """Parameters of the algorithm.

        Raises:
            LayerError: the layer can't be used.
        """
        found: dict[str, Any] = {
            self.name: source_of(self.layer, self.title_text),
            f"{self.name}_CRS": crs_set_in_qgis(self.layer),
            f"{self.name}_NODATA": nodata_set_in_qgis(self.layer),
            f"{self.name}_MODALITY": self.modality.currentData(),
        }
        if self.lost is not None and self.lost.isChecked():
            found["NO_GEOREF"] = True
        bands = [int(band) for band in self.bands.checkedItemsData()]
        if bands:
            found[f"{self.name}_BANDS"] = bands
        return found

    def _layer_changed(self, layer: QgsMapLayer | None) -> None:
        self.bands.clear()
        if isinstance(layer, QgsRasterLayer) and layer.isValid():
            for band in range(1, layer.bandCount() + 1):
                self.bands.addItemWithCheckState(
                    layer.bandName(band), Qt.CheckState.Unchecked, band
                )
        if self.lost is not None:
            self.lost.setChecked(without_place(layer))
        self.look()
        self.changed.emit()

    def look(self) -> str:
        """Say what is to be known of the layer, as its properties are now; returns the words."""
        told = nodata_left_out(self.layer)
        if self.layer is not None:
            try:
                source_of(self.layer, self.title_text)
            except LayerError as error:
                told = str(error)
        self.note.setText(told)
        self.note.setVisible(bool(told))
        return told


def add_row(form: QFormLayout, text: str, field: Any, tip: str) -> None:
    """A row that says what it means, on its label, too."""
    label = QLabel(text)
    label.setBuddy(field)
    for widget in (label, field):
        widget.setToolTip(tip)
    form.addRow(label, field)


def choices(words: dict[str, str]) -> QComboBox:
    """One of `georeg_qgis.choices` to choose from; the data are the values."""
    combo = QComboBox()
    for value, text in words.items():
        combo.addItem(tr(text), value)
    return combo
