"""What the panel is told of the layers: which ones, their CRSs, no-data values, an area."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from panels import align, click, layers
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
from waiting import until


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
