"""The panel on real layers, without a screen: run, cancel, refuse, crash, refit, compare."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import engines
import pytest
from georeg_qgis.engine import discovery, errors, installing, running
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsProcessingContext,
    QgsProject,
    QgsRasterLayer,
    QgsRasterRange,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.gui import QgsMapToolPan
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QMessageBox
from test_engine import alive
from waiting import Heartbeat, until


def layers(*paths: str) -> list[QgsRasterLayer]:
    found = []
    for path in paths:
        layer = QgsRasterLayer(path, Path(path).stem)
        assert layer.isValid(), path
        QgsProject.instance().addMapLayer(layer)
        found.append(layer)
    return found


def click(button: Any) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.fixture
def panel(plugin: Any, naip: tuple[str, str], tmp_path: Path) -> Any:
    moving, reference = layers(*naip)
    found = plugin.panel
    found.inputs.moving.set_layer(moving)
    found.inputs.reference.set_layer(reference)
    found.inputs.output.setFilePath(str(tmp_path / "out" / "aligned.tif"))
    (tmp_path / "out").mkdir()
    plugin.iface.canvas.setDestinationCrs(reference.crs())
    plugin.iface.canvas.setExtent(reference.extent())
    plugin.iface.canvas.setLayers([moving, reference])
    return found


def align(panel: Any) -> Any:
    click(panel.run_button)
    assert panel.job is not None
    until(lambda: panel.job is None)
    return panel.results.current


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


def test_missing_engine(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(discovery.VARIABLE, "/nowhere/python")
    align(panel)
    assert "no such file" in panel.stage.text()
    until(panel.notice.isVisible)
    assert panel.setup_button.isVisible()
    click(panel.setup_button)
    assert panel.setup.isVisible()
    assert panel.results.current is None


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


def test_swap_and_area(panel: Any, plugin: Any, naip: tuple[str, str]) -> None:
    panel.inputs.moving.modality.setCurrentIndex(1)
    click(panel.inputs.swap)
    values = panel.inputs.values()
    assert (values["MOVING"], values["REFERENCE"]) == (naip[1], naip[0])
    assert (values["MOVING_MODALITY"], values["REFERENCE_MODALITY"]) == ("auto", "optical")
    assert "AREA" not in values
    canvas = plugin.iface.canvas
    click(panel.inputs.area.view)
    assert panel.inputs.values()["AREA"].endswith("[EPSG:26914]")
    click(panel.inputs.area.clear)
    click(panel.inputs.area.draw)
    tool = canvas.mapTool()
    tool.extentChanged.emit(QgsRectangle(1, 2, 3, 4))
    assert panel.inputs.values()["AREA"].startswith("1.0,3.0,2.0,4.0")


def test_the_map_has_its_tool_again_when_an_area_was_drawn(panel: Any, plugin: Any) -> None:
    """Also where 'Draw' was pressed twice, and unless the user has taken another one meanwhile."""
    canvas, area = plugin.iface.canvas, panel.inputs.area
    pan, other = QgsMapToolPan(canvas), QgsMapToolPan(canvas)
    canvas.setMapTool(pan)
    click(area.draw)
    click(area.draw)
    canvas.mapTool().extentChanged.emit(QgsRectangle(1, 2, 3, 4))
    assert canvas.mapTool() is pan
    click(area.draw)
    canvas.setMapTool(other)
    area.shut()
    assert canvas.mapTool() is other


def test_area_on_a_map_whose_crs_has_no_name(panel: Any, plugin: Any) -> None:
    """A CRS of the project's own, for which no authority has a code."""
    crs = QgsCoordinateReferenceSystem.fromProj("+proj=tmerc +lat_0=40 +lon_0=-99.5 +datum=NAD83")
    assert crs.isValid()
    assert not crs.authid()
    reference = panel.inputs.reference.layer
    canvas = plugin.iface.canvas
    canvas.setDestinationCrs(crs)
    to_map = QgsCoordinateTransform(reference.crs(), crs, QgsProject.instance())
    panel.inputs.area.take(to_map.transformBoundingBox(reference.extent()))
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("georeg:align")
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    option, *edges = algorithm._area(panel.inputs.values(), context, reference.crs())
    assert option == "--area"
    found = QgsRectangle(*map(float, edges))
    grown = reference.extent().buffered(0.05 * reference.extent().width())
    assert found.contains(reference.extent().buffered(-1))
    assert grown.contains(found)


def test_the_crs_that_the_user_set_in_qgis_counts(panel: Any, tmp_path: Path) -> None:
    """A file without a CRS, as scans have them, and one with a wrong CRS in its header."""
    from osgeo import gdal, osr

    project, sources = QgsProject.instance(), []
    wrong = osr.SpatialReference()
    wrong.ImportFromEPSG(32633)
    for side, projection in (
        (panel.inputs.moving, ""),
        (panel.inputs.reference, wrong.ExportToWkt()),
    ):
        sources.append(str(tmp_path / f"{side.name}.tif"))
        copy = gdal.Translate(sources[-1], gdal.Open(side.layer.source()))
        copy.SetProjection(projection)
        del copy
        (layer,) = layers(sources[-1])
        layer.setCrs(QgsCoordinateReferenceSystem("EPSG:26914"))
        side.set_layer(layer)
    result = align(panel)
    assert result is not None, panel.log.toPlainText()
    assert result.report["verdict"]["displacement_px"] == pytest.approx(12, abs=0.5)
    assert project.mapLayer(result.raster_id).crs().authid() == "EPSG:26914"
    # So does it for a refit, and where the points go to the Georeferencer.
    click(panel.results.refit_button)
    until(lambda: panel.job is None)
    again = panel.results.current
    assert again is not result, panel.log.toPlainText()
    assert project.mapLayer(again.raster_id).crs().authid() == "EPSG:26914"
    until(lambda: not panel.waiting)
    panel.write_points(again, str(tmp_path / "a.points"))
    until(lambda: not panel.waiting)
    assert "Written" in panel.stage.text(), panel.stage.text()


def test_the_layer_that_was_chosen_counts_not_another_one_of_its_file(
    panel: Any, tmp_path: Path
) -> None:
    """The same file once more in the project, with the wrong CRS of its header."""
    from osgeo import gdal, osr

    source = str(tmp_path / "moving.tif")
    wrong = osr.SpatialReference()
    wrong.ImportFromEPSG(32633)
    opened = gdal.Open(panel.inputs.moving.layer.source())
    copy = gdal.Translate(source, opened, noData="none")
    copy.SetProjection(wrong.ExportToWkt())
    del copy
    _, layer = layers(source, source)
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:26914"))
    for band in range(1, layer.bandCount() + 1):
        layer.dataProvider().setUserNoDataValue(band, [QgsRasterRange(0, 0)])
    panel.inputs.moving.set_layer(layer)
    result = align(panel)
    assert result is not None, panel.log.toPlainText()
    assert result.before_id == layer.id()
    # What was set is known to what follows, whatever becomes of the layer.
    QgsProject.instance().removeMapLayer(layer)
    click(panel.results.refit_button)
    until(lambda: panel.job is None)
    again = panel.results.current
    assert again is not result, panel.log.toPlainText()
    assert again.ok
    assert panel.log.toPlainText().count("--moving-nodata 0.0") == 3  # align, fit and warp
    until(lambda: not panel.waiting)
    panel.write_points(again, str(tmp_path / "a.points"))
    until(lambda: not panel.waiting)
    assert "Written" in panel.stage.text(), panel.stage.text()
    assert "26914" in (tmp_path / "a.points").read_text()


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


def test_matchers_that_are_there_are_offered(panel: Any) -> None:
    until(lambda: not panel.waiting)
    combo = panel.inputs.matcher
    values = [combo.itemData(i) for i in range(combo.count())]
    assert values[0] == "auto"
    assert {"structural", "sift"} <= set(values)
    assert panel.engine_label.text().startswith("georeg ")


def test_layers_that_the_engine_cant_open(panel: Any, tmp_path: Path) -> None:
    source = panel.inputs.moving.layer.source()
    gone = str(tmp_path / "gone.tif")
    shutil.copy(source, gone)
    (layer,) = layers(gone)
    os.unlink(gone)
    side = panel.inputs.moving
    side.set_layer(layer)
    assert "is gone" in side.note.text()
    virtual = QgsRasterLayer(
        "?crs=EPSG:26914&extent=0,0,10,10&width=10&height=10&formula=1", "v", "virtualraster"
    )
    QgsProject.instance().addMapLayer(virtual)
    side.set_layer(virtual)
    assert "virtual raster" in side.note.text() or "can't be opened" in side.note.text()
    web = QgsRasterLayer(
        "type=xyz&url=http://127.0.0.1:9/%7Bz%7D/%7Bx%7D/%7By%7D.png&zmax=3&zmin=0", "web", "wms"
    )
    QgsProject.instance().addMapLayer(web)
    side.set_layer(web)
    assert "web service" in side.note.text()
    click(panel.run_button)
    assert panel.job is None
    assert "web service" in panel.stage.text()
    side.set_layer(panel.inputs.reference.layer)
    click(panel.run_button)
    assert "same file" in panel.stage.text()
    assert isinstance(QgsVectorLayer("Point", "p", "memory"), QgsVectorLayer)


def test_models_are_listed(panel: Any) -> None:
    click(panel.inputs.models)
    dialog = panel.models
    until(lambda: dialog._task is None and dialog.rows)
    names = [dialog.table.item(row, 0).text() for row in range(dialog.table.rowCount())]
    assert {"minima_loftr", "minima_roma"} <= set(names)
    dialog.table.selectRow(names.index("minima_loftr"))
    assert dialog.pull.isEnabled() != dialog.remove.isEnabled()


def test_models_dialog_opened_again_leaves_alone_what_is_under_way(panel: Any) -> None:
    """A download could neither be seen nor cancelled any more."""
    panel.open_models()
    dialog = panel.models
    first = dialog._task
    assert first is not None
    panel.open_models()
    assert dialog._task is first
    until(lambda: dialog._task is None and dialog.rows)


def test_nothing_else_is_installed_meanwhile(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of a field let 'Install' be pressed again, which cleared what was being made."""

    def wait(choice: Any, say: Any, is_cancelled: Any, proxy: str) -> None:
        while not is_cancelled():
            time.sleep(0.01)
        raise errors.EngineError("Cancelled.")

    monkeypatch.setattr(installing, "install", wait)
    panel.open_setup()
    setup = panel.setup
    setup.folder.setFilePath(str(tmp_path / "engine"))
    assert setup.install.isEnabled()
    click(setup.install)
    assert not any(w.isEnabled() for w in (setup.install, setup.package, setup.folder, setup.cuda))
    click(setup.cancel)
    until(lambda: setup._task is None)
    assert all(w.isEnabled() for w in (setup.install, setup.package, setup.folder, setup.cuda))


def test_set_up_shows_its_plan_and_does_nothing(panel: Any, tmp_path: Path) -> None:
    panel.open_setup()
    setup = panel.setup
    setup.folder.setFilePath(str(tmp_path / "engine"))
    for button, size in ((setup.cuda, "7.0 GB"), (setup.cpu, "1.6 GB")):
        button.setChecked(True)
        assert size in setup.plan.toPlainText()
    assert f"venv {tmp_path / 'engine'}" in setup.plan.toPlainText()
    setup.folder.setFilePath("/proc")
    assert not setup.install.isEnabled()
    assert not (tmp_path / "engine").exists()
    # A Python without georeg is told apart from one with it.
    setup.existing.setFilePath("/usr/bin/python3")
    click(setup.use)
    until(lambda: setup._task is None)
    assert "has no georeg engine" in setup.status.text()
    setup.existing.setFilePath(os.environ["GEOREG_PYTHON"])
    click(setup.use)
    until(lambda: setup._task is None)
    assert "is ready: georeg" in setup.status.text()
