"""The tab where an alignment is described."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from qgis.core import QgsProcessingUtils
from qgis.gui import QgsCollapsibleGroupBox, QgsFileWidget
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ..choices import GRIDS, RESAMPLINGS, SEARCHES, TIPS, TRANSFORMS
from ..texts import tr
from .area import Area
from .shades import shade
from .side import Side, add_row, choices


class Inputs(QScrollArea):
    """Layers, area, matching and output."""

    def __init__(self, canvas: Any) -> None:
        """Build it."""
        super().__init__()
        self.moving = Side(
            "MOVING",
            tr("Layer that moves"),
            tr("A copy of it is aligned; it stays as it is."),
            can_be_lost=True,
        )
        self.reference = Side(
            "REFERENCE", tr("Reference (stays)"), tr("The layer that is in place.")
        )
        for side in (self.moving, self.reference):
            colour = shade(side.name.lower())
            side.setStyleSheet(f"QGroupBox::title {{ color: {colour}; font-weight: bold; }}")
        self.swap = QPushButton("⇅  " + tr("Swap"))
        self.swap.setToolTip(tr("Let the other one move"))
        self.area = Area(canvas)
        self.matcher, self.device = QComboBox(), QComboBox()
        self.models = QPushButton(tr("Models…"))
        self.models.setToolTip(tr("Weights of trained matchers: fetch or import them"))
        self.transform = choices(TRANSFORMS)
        self.search = choices(SEARCHES)
        self.max_shift = QLineEdit()
        self.max_shift.setPlaceholderText(tr("by the size (or 80, or 800m)"))
        self.max_rmse = QDoubleSpinBox()
        self.max_rmse.setSpecialValueText(tr("no limit of my own"))
        self.max_rmse.setSuffix(" px")
        self.max_rmse.setMaximum(1000)
        self.max_rmse.setDecimals(2)
        self.output = QgsFileWidget()
        self.output.setStorageMode(QgsFileWidget.StorageMode.SaveFile)
        self.output.setFilter("GeoTIFF (*.tif *.tiff)")
        self.output.lineEdit().setPlaceholderText(tr("Save to temporary file"))
        self.grid = choices(GRIDS)
        self.resampling = choices(RESAMPLINGS)
        self._lay_out()
        self.offer([], [])
        self.swap.clicked.connect(self.swap_sides)

    def _lay_out(self) -> None:
        inside = QWidget()
        box = QVBoxLayout(inside)
        box.addWidget(self.moving)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.swap)
        row.addStretch(1)
        box.addLayout(row)
        box.addWidget(self.reference)
        basics = _form()
        basics.addRow(tr("Area"), self.area)
        add_row(basics, tr("Transform"), self.transform, tr(TIPS["TRANSFORM"]))
        basics.addRow(tr("Output"), self.output)
        box.addLayout(basics)
        more = QgsCollapsibleGroupBox(tr("More choices"))
        more.setCollapsed(True)
        form = _form(more)
        matching = QHBoxLayout()
        matching.addWidget(self.matcher, 1)
        matching.addWidget(self.models)
        self.matcher.setToolTip(tr(TIPS["MATCHER"]))
        form.addRow(tr("Matcher"), matching)
        for text, field, name in (
            (tr("Device"), self.device, "DEVICE"),
            (tr("Search range"), self.search, "SEARCH"),
            (tr("Largest shift"), self.max_shift, "MAX_SHIFT"),
            (tr("Refuse above"), self.max_rmse, "MAX_RMSE"),
            (tr("Pixel grid"), self.grid, "GRID"),
            (tr("Resampling"), self.resampling, "RESAMPLING"),
        ):
            add_row(form, text, field, tr(TIPS[name]))
        box.addWidget(more)
        box.addStretch(1)
        self.more = more
        for combo in inside.findChildren(QComboBox):
            narrow(combo)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)

    def minimumSizeHint(self) -> QSize:
        """As wide as what is inside, whatever the font: it scrolls downwards only."""
        size = super().minimumSizeHint()
        size.setWidth(
            self.widget().minimumSizeHint().width()
            + self.verticalScrollBar().sizeHint().width()
            + 2 * self.frameWidth()
        )
        return size

    def swap_sides(self) -> None:
        """The other one moves."""
        moving, reference = self.moving.state(), self.reference.state()
        self.moving.restore(reference)
        self.reference.restore(moving)

    def offer(self, matchers: Sequence[dict[str, Any]], devices: Sequence[dict[str, str]]) -> None:
        """Matchers and devices of the engine, as it lists them."""
        for combo, rows in (
            (self.matcher, [(tr("Best for these layers"), "auto", "")] + _matchers(matchers)),
            (self.device, [(tr("GPU if there is one"), "auto", "")] + _devices(devices)),
        ):
            chosen = combo.currentData()
            combo.clear()
            for text, value, missing in rows:
                combo.addItem(text, value)
                item = combo.model().item(combo.count() - 1)
                item.setEnabled(not missing)
                item.setToolTip(missing)
            combo.setCurrentIndex(max(combo.findData(chosen), 0))

    def values(self) -> dict[str, Any]:
        """Parameters of georeg:align; all files go beside the output.

        Raises:
            LayerError: a layer can't be used.
        """
        output = self.output.filePath() or QgsProcessingUtils.generateTempFilename("aligned.tif")
        if not os.path.splitext(output)[1]:
            output += ".tif"
        found: dict[str, Any] = {
            **self.moving.values(),
            **self.reference.values(),
            "SHOW": False,  # the panel shows them itself
            "MATCHER": self.matcher.currentData(),
            "DEVICE": self.device.currentData(),
            "TRANSFORM": self.transform.currentData(),
            "SEARCH": self.search.currentData(),
            "GRID": self.grid.currentData(),
            "RESAMPLING": self.resampling.currentData(),
            **files_beside(output),
        }
        if self.area.value():
            found["AREA"] = self.area.value()
        if self.max_shift.text().strip():
            found["MAX_SHIFT"] = self.max_shift.text().strip()
        if self.max_rmse.value() > 0:
            found["MAX_RMSE"] = self.max_rmse.value()
        return found


def files_beside(output: str) -> dict[str, str]:
    """The raster and what goes beside it, by parameters of georeg:align."""
    stem = os.path.splitext(output)[0]
    return {
        "OUTPUT": output,
        "POINTS": f"{stem}.gpkg",
        "FIT": f"{stem}.fit.json",
        "PAGE": f"{stem}.html",
    }


def _matchers(rows: Sequence[dict[str, Any]]) -> list:
    """The ones that are ready first."""
    ordered = sorted(rows, key=lambda row: not row["ready"])
    lacking = tr("weights missing")
    return [
        (row["name"] if row["ready"] else f"{row['name']} ({lacking})", row["name"], row["missing"])
        for row in ordered
    ]


def _devices(rows: Sequence[dict[str, str]]) -> list:
    return [(f"{row['name']}: {row['what']}" if row["name"] != "cpu" else "CPU", row["name"], "")
            for row in rows]  # fmt: skip


def narrow(combo: QComboBox) -> None:
    """Let it be narrower than its longest text, so that the panel leaves room for the map."""
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)


def _form(parent: QWidget | None = None) -> QFormLayout:
    form = QFormLayout() if parent is None else QFormLayout(parent)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    return form
