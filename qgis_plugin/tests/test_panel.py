"""The panel on real layers, without a screen: run, cancel, refuse, crash, refit, compare."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import engines
import pytest
from georeg_qgis.engine import discovery, running
from panels import align, click, layers
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QApplication, QMessageBox
from test_engine import alive
from waiting import Heartbeat, until


def test_run_refit_and_compare(panel: Any, plugin: Any, tmp_path: Path) -> None:
    stages: list[str] = []
    with Heartbeat() as heart:
        click(panel.run_button)
        panel.job.stage.connect(stages.append)
        assert not panel.run_button.isEnabled()
        until(lambda: panel.job is None)
        print(f"GUI thread: longest pause {heart.worst * 1e3:.0f} ms, work {heart.work * 1e3:.0f}")
    result = panel.results.current
    assert result is not None, panel.log.toPlainText()
    assert "Looking for tie points" in stages
    # The header was wrong by 60 m, 12 pixels.
    assert result.report["verdict"]["displacement_px"] == pytest.approx(12, abs=0.5)
    assert "moved by 12" in panel.results.headline.text()
    assert {"out/aligned.tif", "out/aligned.gpkg", "out/aligned.fit.json", "out/aligned.html"} <= {
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")
    }
    # Points on top of the raster, in one group, styled.
    group = QgsProject.instance().layerTreeRoot().findGroup(result.group)
    names = [node.name() for node in group.findLayers()]
    assert names[0] == "Tie points and residual arrows"
    assert names[-1] == "aligned"
    assert panel.results.points().renderer().type() == "RuleRenderer"
    assert not panel.results.points().source().startswith("memory")
    for part in (panel, panel.inputs.widget()):
        assert part.minimumSizeHint().width() <= 480  # or the map has to make room
    count = panel.results.model.rowCount()
    assert count == result.report["tie_points"]["count"] > 50

    # A point with the largest residual is left out; the rest is fitted, nothing matched.
    panel.results.table.selectRow(0)
    (row,) = panel.results.selected()
    residuals = [panel.results.model._rows[i][2] for i in range(count)]
    assert residuals[row] == max(r for r in residuals if r is not None)
    click(panel.results.zoom)
    click(panel.results.disable)
    assert "1 left out" in panel.results.count.text()
    with sqlite3.connect(result.files["POINTS"]) as base:
        assert base.execute("select count(*) from points where enabled = 0").fetchone() == (1,)
    stages.clear()
    click(panel.results.refit_button)
    panel.job.stage.connect(stages.append)
    until(lambda: panel.job is None)
    again = panel.results.current
    assert again is not result, panel.log.toPlainText()
    assert "Looking for tie points" not in stages
    assert os.path.isfile(again.files["OUTPUT"])
    assert again.files["OUTPUT"] != result.files["OUTPUT"]
    assert panel.results.model.disabled() == 1
    assert not group.isVisible()
    assert again.report["tie_points"]["count"] == count - 1
    moved = again.report["verdict"]["displacement_px"]
    assert moved == pytest.approx(result.report["verdict"]["displacement_px"], abs=0.1)

    # Before and after.
    canvas = plugin.iface.canvas
    canvas.setLayers([n.layer() for n in QgsProject.instance().layerTreeRoot().findLayers()])
    click(panel.results.swipe_button)
    until(lambda: panel.compare.curtain.picture is not None)
    assert panel.compare.active
    assert not panel.compare.curtain.picture.isNull()
    click(panel.results.swipe_button)
    assert not panel.compare.active
    click(panel.results.flicker_button)
    until(lambda: not panel.compare.curtain.isVisible())
    click(panel.results.flicker_button)
    assert not panel.compare.active
    click(panel.results.swipe_button)
    panel.results.choice.setCurrentIndex(0)
    assert not panel.compare.active
    panel.results.choice.setCurrentIndex(1)

    # For the Georeferencer.
    target = str(tmp_path / "for QGIS.points")
    until(lambda: not panel.waiting)
    panel.write_points(again, target)
    until(lambda: not panel.waiting)
    assert Path(target).read_text().startswith("#CRS")

    # The layer of tie points goes, and with it what can be done with them.
    assert panel.results.disable.isVisible()
    QgsProject.instance().removeMapLayer(again.points_id)
    assert not panel.results.disable.isVisible()
    panel.results.disable.click()
    assert again.points_id not in QgsProject.instance().mapLayers()


def answer(button: QMessageBox.StandardButton) -> list[str]:
    """Answer the next question; its text comes into the list."""
    asked: list[str] = []

    def look() -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            asked.append(box.text())
            click(box.button(button))
        else:
            QTimer.singleShot(20, look)

    QTimer.singleShot(0, look)
    return asked


def test_it_asks_before_it_replaces_files(panel: Any, tmp_path: Path) -> None:
    """Only the raster was named by the user; a GeoPackage beside it may be somebody's work."""
    precious = tmp_path / "out" / "aligned.gpkg"
    precious.write_text("years of work")
    asked = answer(QMessageBox.StandardButton.No)
    click(panel.run_button)
    assert panel.job is None
    assert str(precious) in asked[0]
    assert precious.read_text() == "years of work"

    answer(QMessageBox.StandardButton.Yes)
    first = align(panel)
    assert first.ok, panel.log.toPlainText()
    # What was replaced is shown once, by its last result.
    asked = answer(QMessageBox.StandardButton.Yes)
    second = align(panel)
    assert all(str(path) in asked[0] for path in first.files.values())
    assert panel.results.results == [second]
    assert panel.results.choice.count() == 1
    project = QgsProject.instance()
    sources = [layer.source() for layer in project.mapLayers().values()]
    assert len([source for source in sources if "out/aligned" in source]) == 5
    assert len(project.layerTreeRoot().findGroups()) == 1

    # A run that is cancelled leaves the report of the raster that is there.
    answer(QMessageBox.StandardButton.Yes)
    click(panel.run_button)
    until(lambda: panel.bar.value() > 0)
    click(panel.cancel_button)
    until(lambda: panel.job is None)
    assert (tmp_path / "out" / "aligned.report.json").exists()

    # A refit of an earlier session isn't replaced either.
    (tmp_path / "out" / "aligned_refit1.gpkg").write_text("years of work")
    before = set((tmp_path / "out").iterdir())
    click(panel.results.refit_button)
    until((tmp_path / "out" / "aligned_refit2.fit.json").exists)
    click(panel.cancel_button)
    until(lambda: panel.job is None)
    assert "nothing was written" in panel.stage.text()
    assert set((tmp_path / "out").iterdir()) == before


def test_gui_thread_is_free_while_running(panel: Any) -> None:
    """No longer away than 100 ms, beyond what other programs take from an idle one, too."""
    until(lambda: not panel.waiting)
    with Heartbeat() as idle:
        end = time.monotonic() + 4
        until(lambda: time.monotonic() > end)
    with Heartbeat() as heart:
        click(panel.run_button)
        until(lambda: panel.bar.value() > 15)
        click(panel.cancel_button)
        until(lambda: panel.job is None)
    print(f"longest pause {heart.worst:.3f} s (idle {idle.worst:.3f}), own work {heart.work:.3f} s")
    assert heart.work < 0.1
    assert heart.worst < 0.1 + 2 * idle.worst


def test_cancel(panel: Any, tmp_path: Path) -> None:
    click(panel.run_button)
    until(lambda: panel.bar.value() > 0)
    (run,) = running._running
    click(panel.cancel_button)
    until(lambda: panel.job is None)
    assert "Cancelled" in panel.stage.text()
    assert panel.results.current is None
    assert panel.run_button.isEnabled()
    assert not alive(run.pid)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_plugin_goes_while_it_runs(panel: Any, plugin: Any) -> None:
    """As on QGIS' exit; the fixture unloads it once more."""
    click(panel.run_button)
    until(lambda: len(running._running) == 1)
    (run,) = running._running
    running.stop_all()
    assert not alive(run.pid)
    until(lambda: panel.job is None)


def test_crashing_engine(panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(discovery.VARIABLE, engines.engine(tmp_path, engines.CRASH))
    align(panel)
    assert "crashed (SIGSEGV)" in panel.stage.text()
    assert "invalid pointer" in panel.log.toPlainText()
    assert panel.run_button.isEnabled()


def test_refused(panel: Any, tmp_path: Path) -> None:
    """Another place on the same ground: nothing to be found."""
    from osgeo import gdal

    source = gdal.Open(panel.inputs.moving.layer.source())
    upside = str(tmp_path / "upside down.tif")
    copy = gdal.Translate(upside, source)
    for band in range(1, copy.RasterCount + 1):
        data = copy.GetRasterBand(band).ReadRaster()
        copy.GetRasterBand(band).WriteRaster(0, 0, copy.RasterXSize, copy.RasterYSize, data[::-1])
    del copy
    (layer,) = layers(upside)
    panel.inputs.moving.set_layer(layer)
    result = align(panel)
    assert result is not None, panel.log.toPlainText()
    assert not result.ok
    assert "No trustworthy alignment" in panel.results.headline.text()
    assert panel.results.advice.text()
    assert "Refused" in panel.stage.text()
    assert not (tmp_path / "out" / "aligned.tif").exists()
    # It is no mistake of the program, and what can be tried is called as in the panel.
    assert "Traceback" not in panel.log.toPlainText()
    assert "--" not in panel.results.advice.text()
    # Without a table nothing is torn apart.
    shown = [panel.results._numbers.itemAt(i).widget() for i in range(4)]
    assert all(0 < label.height() < 3 * label.fontMetrics().height() for label in shown)


def test_a_low_panel_scrolls(panel: Any, tmp_path: Path) -> None:
    """On a small screen, docked above another one."""
    result = align(panel)
    assert result.ok, panel.log.toPlainText()
    panel.setFloating(True)
    panel.resize(400, 420)
    until(lambda: panel.height() < 430)
    results = panel.results
    numbers = [results._numbers.itemAt(i).widget() for i in range(results._numbers.count())]
    assert all(label.height() >= label.fontMetrics().height() for label in numbers)
    assert results.table.height() > 4 * results.fontMetrics().height()
    assert all(label.toolTip() for label in numbers)


def test_layers_that_go_while_they_are_compared(panel: Any, plugin: Any) -> None:
    """Moving the map afterwards fails no more, and what is compared is over."""
    result = align(panel)
    click(panel.results.swipe_button)
    assert panel.compare.active
    QgsProject.instance().removeMapLayer(result.before_id)
    plugin.iface.canvas.zoomByFactor(0.5)
    QApplication.processEvents()
    assert not panel.compare.active
    assert not panel.results.swipe_button.isChecked()
