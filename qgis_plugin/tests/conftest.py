"""Where things are: the plugin, an engine, real rasters; QGIS in this process, without a screen."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PLUGINS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PLUGINS))


def shared() -> Path | None:
    """The folder of real rasters, if this machine has it."""
    named = os.environ.get("GEOREG_SHARED")
    return Path(named) if named else None


@pytest.fixture(scope="session")
def python() -> str:
    """The engine's interpreter, which whoever runs these tests has to name."""
    named = os.environ.get("GEOREG_PYTHON")
    assert named, "GEOREG_PYTHON must name a Python that has georeg"
    return named


@pytest.fixture(scope="session")
def sample(python: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The pair that comes with georeg, as copies: QGIS puts statistics beside what it opens."""
    folder = tmp_path_factory.mktemp("sample")
    for name in ("moving.tif", "reference.tif"):
        shutil.copy(PLUGINS.parent / "sample_data" / name, folder)
    return str(folder / "moving.tif"), str(folder / "reference.tif")


@pytest.fixture(scope="session")
def naip(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Aerial images of two years; the moving one's header says 60 m too far east.

    Skipped where the data aren't.
    """
    found = shared()
    if found is None:
        pytest.skip("GEOREG_SHARED names no folder of real rasters")
    folder = found / "data" / "pairs" / "naip"
    from osgeo import gdal

    gdal.UseExceptions()
    out = tmp_path_factory.mktemp("naip")
    # A part of them; all for pictures.
    part = {} if os.environ.get("GEOREG_PICTURES") else {"srcWin": [200, 100, 480, 480]}
    names = []
    for year, source, east in (
        ("2014, moved", "naip_20140720", 60.0),
        ("2010", "naip_20100629", 0),
    ):
        names.append(str(out / f"naip {year}.tif"))
        copy = gdal.Translate(names[-1], gdal.Open(str(folder / f"{source}.tif")), **part)
        a, b, c, d, e, f = copy.GetGeoTransform()
        copy.SetGeoTransform((a + east, b, c, d, e, f))
        del copy
    return names[0], names[1]


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """QGIS in this process, with an empty profile."""
    import gc

    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["QGIS_CUSTOM_CONFIG_PATH"] = str(tmp_path_factory.mktemp("profile"))
    from qgis.core import QgsApplication, QgsProject
    from qgis.PyQt.QtCore import QCoreApplication, QSettings

    QSettings.setPath(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, os.environ["QGIS_CUSTOM_CONFIG_PATH"]
    )
    app = QgsApplication([], True, os.environ["QGIS_CUSTOM_CONFIG_PATH"])
    app.initQgis()
    yield app
    # Layers and windows that outlive QGIS end it with a crash.
    QgsProject.instance().clear()
    gc.collect()
    QCoreApplication.sendPostedEvents(None, 52)
    app.exitQgis()


class Interface:
    """What the plugin asks of QGIS' main window."""

    def __init__(self) -> None:
        from qgis.gui import QgsMapCanvas
        from qgis.PyQt.QtWidgets import QMainWindow

        self.window = QMainWindow()
        self.canvas = QgsMapCanvas(self.window)
        self.window.setCentralWidget(self.canvas)
        self.window.resize(1100, 700)
        self.actions: list[Any] = []

    def mainWindow(self) -> Any:
        return self.window

    def mapCanvas(self) -> Any:
        return self.canvas

    def addDockWidget(self, area: Any, dock: Any) -> None:
        self.window.addDockWidget(area, dock)

    def removeDockWidget(self, dock: Any) -> None:
        self.window.removeDockWidget(dock)

    def addRasterToolBarIcon(self, action: Any) -> None:
        self.actions.append(action)

    def removeRasterToolBarIcon(self, action: Any) -> None:
        self.actions.remove(action)

    def addPluginToRasterMenu(self, menu: str, action: Any) -> None:
        self.actions.append(action)

    def removePluginRasterMenu(self, menu: str, action: Any) -> None:
        self.actions.remove(action)


@pytest.fixture
def plugin(application: Any, monkeypatch: pytest.MonkeyPatch, python: str) -> Iterator[Any]:
    """The plugin, loaded, its panel open. An exception in a slot fails the test."""
    wrong: list[str] = []
    monkeypatch.setattr(
        sys, "excepthook", lambda *error: wrong.append("".join(traceback.format_exception(*error)))
    )
    from georeg_qgis import classFactory
    from qgis.core import QgsProject
    from qgis.PyQt.QtCore import QCoreApplication

    interface = Interface()
    interface.window.show()
    made = classFactory(interface)
    made.initGui()
    made.action.trigger()
    yield made
    made.unload()
    assert not wrong, "\n".join(wrong)
    assert interface.actions == []
    # QGIS' own canvas lives as long as QGIS: this one mustn't go while threads render for it.
    interface.canvas.waitWhileRendering()
    interface.canvas.freeze()
    QgsProject.instance().clear()
    interface.window.close()
    interface.window.deleteLater()
    QCoreApplication.sendPostedEvents(None, 52)
    QCoreApplication.processEvents()


@pytest.fixture
def panel(plugin: Any, naip: tuple[str, str], tmp_path: Path) -> Any:
    """The panel with both rasters in it, and on the map."""
    from panels import layers

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
