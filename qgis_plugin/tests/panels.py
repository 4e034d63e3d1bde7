"""What tests of the panel do with it: layers into the project, clicks, a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest
from waiting import until


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


def align(panel: Any) -> Any:
    click(panel.run_button)
    assert panel.job is not None
    until(lambda: panel.job is None)
    return panel.results.current
