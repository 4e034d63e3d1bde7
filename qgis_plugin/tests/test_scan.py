"""A scan without coordinates, from the panel and from the toolbox."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsProject, QgsRasterLayer
from waiting import until


@pytest.fixture
def scan(naip: tuple[str, str], tmp_path: Path) -> str:
    """The aerial image as a scanner would give it."""
    from osgeo import gdal

    path = str(tmp_path / "scan.png")
    gdal.Translate(path, gdal.Open(naip[0]), format="PNG", bandList=[1, 2, 3])
    (tmp_path / "scan.png.aux.xml").unlink(missing_ok=True)
    assert gdal.Open(path).GetGeoTransform(can_return_null=True) is None
    return path


def test_a_scan_finds_its_place(
    plugin: Any, scan: str, naip: tuple[str, str], tmp_path: Path
) -> None:
    panel, project = plugin.panel, QgsProject.instance()
    layers = [QgsRasterLayer(path, Path(path).stem) for path in (scan, naip[1])]
    project.addMapLayers(layers)
    inputs = panel.inputs
    inputs.moving.set_layer(layers[1])
    assert not inputs.moving.lost.isChecked()
    inputs.moving.set_layer(layers[0])
    assert inputs.moving.lost.isChecked()
    inputs.reference.set_layer(layers[1])
    inputs.output.setFilePath(str(tmp_path / "placed.tif"))
    panel.run_button.click()
    until(lambda: panel.job is None)
    result = panel.results.current
    assert result is not None, panel.log.toPlainText()
    assert result.ok
    assert "placed by what it shows" in panel.results.headline.text()
    # The header of the original was 60 m wrong; what is found is where the reference shows it.
    placed = project.mapLayer(result.raster_id)
    assert placed.crs() == layers[1].crs()
    assert abs(placed.extent().center().x() - layers[1].extent().center().x()) < 30
    assert result.report["verdict"]["accuracy"]["rmse_px"] < 2
    # A refit knows it, too.
    panel.results.refit_button.click()
    until(lambda: panel.job is None)
    again = panel.results.current
    assert again is not result, panel.log.toPlainText()
    assert abs(again.report["verdict"]["accuracy"]["rmse_px"]) < 2

    # Without the tick the panel says what to tick.
    inputs.moving.lost.setChecked(False)
    inputs.output.setFilePath(str(tmp_path / "again.tif"))
    panel.run_button.click()
    until(lambda: panel.job is None)
    assert "No coordinates: look everywhere" in panel.stage.text()
    assert "--no-georef" not in panel.stage.text()


def test_a_fit_applied_to_a_layer_whose_crs_was_set_in_qgis(
    plugin: Any, naip: tuple[str, str], tmp_path: Path, python: str
) -> None:
    """As a band that came without one."""
    from osgeo import gdal
    from qgis.core import (
        QgsApplication,
        QgsCoordinateReferenceSystem,
        QgsProcessingContext,
        QgsProcessingFeedback,
    )

    fit, band = tmp_path / "fit.json", str(tmp_path / "band.tif")
    done = subprocess.run(
        [python, "-I", "-m", "georeg", "align", naip[0], "--reference", naip[1], "-o",
         str(tmp_path / "a.tif"), "--fit", str(fit), "--max-tiles", "4"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    copy = gdal.Translate(band, gdal.Open(naip[0]))
    copy.SetProjection("")
    del copy
    layer = QgsRasterLayer(band, "band")
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:26914"))
    QgsProject.instance().addMapLayer(layer)
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    values = {"INPUT": layer, "FIT": str(fit), "OUTPUT": str(tmp_path / "w.tif")}
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("georeg:warp")
    feedback = QgsProcessingFeedback()
    _, ok = algorithm.run(values, context, feedback)
    assert ok, feedback.textLog()
    one, other = gdal.Open(str(tmp_path / "w.tif")), gdal.Open(str(tmp_path / "a.tif"))
    assert one.GetGeoTransform() == other.GetGeoTransform()
    assert one.ReadRaster() == other.ReadRaster()
