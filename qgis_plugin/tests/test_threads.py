"""Algorithms at work beside the GUI thread leave layers and the project to it.

QGIS 3.22 looks layers up by `QgsProject.layerStore()`, which throws away what the GUI thread may be
building for the map just then: such a look from another thread ended QGIS with a crash now and
then. What was looked at in time needs no layer any more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import engines
import pytest
from georeg_qgis.engine import discovery
from georeg_qgis.gui.tasks import Job
from qgis.core import QgsCoordinateReferenceSystem, QgsProject, QgsRasterLayer, QgsRasterRange
from waiting import until

HELLO = (
    '{"georeg": "9.9", "protocol": 2,'
    ' "commands": ["align", "match", "fit", "warp", "check", "ortho", "batch"]}'
)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("align", {"OUTPUT": "a.tif"}),
        ("match", {"POINTS": "p.gpkg"}),
        ("check", {}),
        ("warp", {"POINTS": "p.gpkg", "OUTPUT": "a.tif", "FIT_OUTPUT": "f.json"}),
        ("ortho", {"OUTPUT": "a.tif"}),
        ("batch", {"FOLDER": "rasters", "OUTPUT": "results"}),
    ],
)
def test_layers_are_looked_at_before(
    name: str,
    more: dict[str, Any],
    plugin: Any,
    sample: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    until(lambda: not plugin.panel.waiting)
    monkeypatch.setenv(discovery.VARIABLE, engines.engine(tmp_path, engines.ECHO, HELLO))
    project = QgsProject.instance()
    moving, reference = (QgsRasterLayer(path, Path(path).stem) for path in sample)
    moving.setCrs(QgsCoordinateReferenceSystem("EPSG:32633"))  # not the file's
    for band in range(1, moving.bandCount() + 1):
        moving.dataProvider().setUserNoDataValue(band, [QgsRasterRange(0, 0)])
    project.addMapLayers([moving, reference])
    values: dict[str, Any] = {
        "INPUT": moving.id(), "MOVING": moving.id(), "REFERENCE": reference.id(),
        "DEM": reference.id(), "AREA": reference.extent(),
        **{key: str(tmp_path / path) for key, path in more.items()},
    }  # fmt: skip
    if name == "batch":
        del values["MOVING"]
    told: list[str] = []

    def run(job: Job) -> None:
        count = len(told)
        job.ended.connect(lambda _, error, __: told.append(error))
        job.start()
        until(lambda: len(told) > count)

    run(Job(f"georeg:{name}", values))
    waits = Job(f"georeg:{name}", values)
    project.removeAllMapLayers()
    run(waits)
    with_layers, without = told
    assert sample[1] in with_layers
    assert without == with_layers
    if name in ("align", "match", "check"):
        assert sample[0] in with_layers
        assert "--area" in with_layers
        assert "EPSG:32633" in with_layers
        assert '"--moving-nodata", "0.0"' in with_layers
        assert "--reference-nodata" not in with_layers
    if name == "ortho":  # which takes no CRS of an image with RPCs
        assert '"--moving-nodata", "0.0"' in with_layers
        assert "--moving-crs" not in with_layers
