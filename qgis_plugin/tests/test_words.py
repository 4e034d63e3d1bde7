"""What the panel says, in the words and numbers of the language that QGIS speaks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from georeg_qgis.gui import sentences
from georeg_qgis.gui.inputs import Inputs
from georeg_qgis.gui.loading import Result
from georeg_qgis.gui.points_table import _COLUMNS, PointsModel
from georeg_qgis.gui.results import Results
from georeg_qgis.gui.setup_dialog import SetupDialog
from georeg_qgis.gui.shades import SHADES, shade
from qgis.core import QgsVectorLayer
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QCoreApplication, QLocale, Qt
from qgis.PyQt.QtGui import QColor, QPalette
from qgis.PyQt.QtWidgets import QApplication, QLabel, QMainWindow

REPORT = {
    "transform": "similarity",
    "tie_points": {"count": 9, "inliers": 8, "offset_before": {"rmse_px": 12.34}},
    "verdict": {
        "ok": True, "status": "aligned", "displacement_px": 4.2, "coverage": 0.5,
        "accuracy": {"rmse_px": 0.456, "rmse_m": 0.5, "ce90_px": 0.7, "ce90_m": 1.0},
    },
}  # fmt: skip


@pytest.fixture
def canvas(application: Any) -> Iterator[QgsMapCanvas]:
    """Of a window that takes along what is put into it."""
    window = QMainWindow()
    yield QgsMapCanvas(window)
    window.deleteLater()
    QCoreApplication.sendPostedEvents(None, 52)


def put(widget: Any, canvas: QgsMapCanvas) -> Any:
    widget.setParent(canvas.parent())
    return widget


@pytest.fixture
def german(application: Any) -> Iterator[None]:
    before = QLocale()
    QLocale.setDefault(QLocale("de_DE"))
    yield
    QLocale.setDefault(before)


def test_numbers_have_the_comma_of_the_language(german: None) -> None:
    """QGIS writes lengths so; one line mustn't have both."""
    told = dict(sentences.numbers(REPORT))
    assert told["RMSE"] == "0,46 px (0,50 m)"
    assert told["Off before"] == "12,3 px"
    assert "4,2" in sentences.headline(REPORT)


def test_sizes_of_the_set_up_have_it_too(german: None, canvas: QgsMapCanvas) -> None:
    setup = SetupDialog(canvas.parent())
    told = [setup.cpu.text(), setup.cuda.text(), setup.plan.toPlainText()]
    assert "1,6 GB" in told[0]
    assert "7,0 GB" in told[1]
    assert "0,4 GB" in told[2]
    assert not re.search(r"\d\.\d+ GB", "".join(told))


@pytest.mark.parametrize(
    ("metres", "words"), [(0.0042, "4.20 mm"), (0.319, "0.32 m"), (1300.0, "1.30 km")]
)
def test_lengths_have_the_units_of_qgis(metres: float, words: str) -> None:
    report = {"verdict": {"ok": True, "accuracy": {"rmse_px": 0.5, "rmse_m": metres}}}
    assert ("RMSE", f"0.50 px ({words})") in sentences.numbers(report)


def test_every_number_says_what_it_means(application: Any) -> None:
    for name, _ in sentences.numbers(REPORT):
        assert len(sentences.meaning(name)) > 20, name
    assert dict(sentences.numbers(REPORT))["Transform"] == "Similarity (shift, rotation, scale)"
    assert all(tip for name, _, tip in _COLUMNS if name != "id")


def test_long_words_leave_the_panel_narrow(canvas: QgsMapCanvas) -> None:
    results = put(Results(canvas), canvas)
    results.add(Result("a" * 200, {}, {}, REPORT))
    assert results.minimumSizeHint().width() <= 340


def test_numbers_of_a_refused_fit_are_said_to_be_such(canvas: QgsMapCanvas) -> None:
    """They stood there like those of a good one."""
    canvas.parent().setCentralWidget(results := Results(canvas))
    canvas.parent().show()
    told = []
    for ok in (False, True):
        verdict = {**REPORT["verdict"], "ok": ok, "status": "refused" if not ok else "aligned"}
        results.add(Result("a", {}, {}, {**REPORT, "verdict": verdict}))
        told.append([label.text() for label in results.findChildren(QLabel) if label.isVisible()])
    caution = "Numbers of the fit that was refused: they can't be trusted."
    assert [caution in texts for texts in told] == [True, False]


@pytest.fixture
def large_font(application: Any) -> Iterator[None]:
    before = QApplication.font()
    large = QApplication.font()
    large.setPointSizeF(1.6 * before.pointSizeF())
    QApplication.setFont(large)
    yield
    QApplication.setFont(before)


def test_large_fonts_widen_the_panel(large_font: None, canvas: QgsMapCanvas) -> None:
    """It had 380 pixels whatever the font, and fields and buttons ended beyond its edge."""
    canvas.parent().setCentralWidget(inputs := Inputs(canvas))
    canvas.parent().show()
    canvas.parent().resize(1, 400)
    QApplication.processEvents()
    assert inputs.horizontalScrollBar().maximum() == 0


def test_all_columns_of_the_points_are_seen(canvas: QgsMapCanvas, tmp_path: Path) -> None:
    """Beside a map: 'Agrees' was cut off, as wide as it had been without points."""
    results = Results(canvas)
    canvas.parent().setCentralWidget(results)
    canvas.parent().show()
    results.model.show(points_from_text(tmp_path, "1,100,5.88,3.55,-4.69,0.47,0\n" * 50))
    results.table.show()
    canvas.parent().resize(int(62 * results.fontMetrics().averageCharWidth()), 700)
    QApplication.processEvents()
    header = results.table.horizontalHeader()
    assert header.length() <= results.table.viewport().width()
    for column in range(header.count()):
        text = results.model.headerData(column, Qt.Orientation.Horizontal)
        assert header.sectionSize(column) > header.fontMetrics().horizontalAdvance(text)


def test_what_had_no_place_was_not_off(application: Any) -> None:
    placed = {**REPORT, "verdict": {**REPORT["verdict"], "placed": True}}
    assert "Off before" not in dict(sentences.numbers(placed))
    assert sentences.headline(placed) == "Aligned: placed by what it shows."


def test_options_are_called_as_in_the_panel(canvas: QgsMapCanvas) -> None:
    text = "A larger --max-shift or --search wide may find it; --working-resolution 2, --area 1 2"
    assert sentences.in_panel(text) == (
        "A larger 'Largest shift' or 'Search range' wide may find it; --working-resolution 2, "
        "'Area' 1 2"
    )
    inputs = put(Inputs(canvas), canvas)
    labels = {label.text() for label in inputs.findChildren(QLabel)}
    labels |= {inputs.moving.lost.text()}
    labels |= {"Set Layer CRS", "Additional no data value"}  # QGIS' own
    assert set(sentences._HERE.values()) <= labels


def test_every_choice_says_what_it_means(canvas: QgsMapCanvas) -> None:
    inputs = put(Inputs(canvas), canvas)
    sides = (inputs.moving, inputs.reference)
    for field in (
        inputs.transform, inputs.matcher, inputs.device, inputs.search, inputs.max_shift,
        inputs.max_rmse, inputs.grid, inputs.resampling, inputs.moving.lost,
        *(side.modality for side in sides), *(side.bands for side in sides),
    ):  # fmt: skip
        assert field.toolTip()


def points_from_text(folder: Path, rows: str) -> QgsVectorLayer:
    table = folder / "points.csv"
    table.write_text(",".join(name for name, _, _ in _COLUMNS) + "\n" + rows)
    layer = QgsVectorLayer(f"file://{table}?type=csv", "points", "delimitedtext")
    assert layer.isValid()
    return layer


def test_points_that_cant_be_changed_are_said(application: Any, tmp_path: Path) -> None:
    """The tick stayed where it was, without a word."""
    layer = points_from_text(tmp_path, "1,1,0.5,0.3,0.4,0.9,1\n")
    model, told = PointsModel(layer), []
    model.failed.connect(told.append)
    model.show(layer)
    assert not model.set_enabled([0], False)
    assert "can't be changed" in told[0]


def contrast(one: QColor, other: QColor) -> float:
    """As the Web Content Accessibility Guidelines 2.1 define it: 1 to 21."""

    def light(colour: QColor) -> float:
        parts = (colour.redF(), colour.greenF(), colour.blueF())
        red, green, blue = (
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("base", "window"), [("#ffffff", "#efefef"), ("#1e1e1e", "#2d2d2d"), ("#323232", "#3c3c3c")]
)
def test_texts_can_be_read_in_every_theme(application: Any, base: str, window: str) -> None:
    """4.5 is what the guidelines want; blue on dark grey had 2.7."""
    before = QApplication.palette()
    theme = QPalette(before)
    theme.setColor(QPalette.ColorRole.Base, QColor(base))
    theme.setColor(QPalette.ColorRole.Window, QColor(window))
    QApplication.setPalette(theme)
    try:
        for name in SHADES:
            for ground in (base, window):
                assert contrast(QColor(shade(name)), QColor(ground)) >= 4.5, (name, ground)
    finally:
        QApplication.setPalette(before)


def test_errors_of_the_set_up_are_shown_whole(canvas: QgsMapCanvas) -> None:
    """What looks like a tag was swallowed, and lines ran together."""
    setup = SetupDialog(canvas.parent())
    setup._ended(None, "ImportError: <module 'torch'>\nno space left", "")
    assert "&lt;module 'torch'&gt;" in setup.status.text().replace("&#x27;", "'")
    assert "<br>no space left" in setup.status.text()
