"""A scan without coordinates, from the panel and from the toolbox."""

from __future__ import annotations

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
