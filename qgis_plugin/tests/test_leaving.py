"""The plugin goes while something is at work: nothing is left behind, and QGIS doesn't crash."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import engines
import pytest
from georeg_qgis.engine import discovery, running
from georeg_qgis.gui import tasks
from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QCoreApplication, QObject
from test_engine import alive
from waiting import until


def at_work() -> list[threading.Thread]:
    """The panel's threads."""
    return [thread for thread in threading.enumerate() if thread.name == "georeg"]


def settled() -> bool:
    gc.collect()
    QCoreApplication.sendPostedEvents(None, 52)
    return not tasks._at_work and not QgsApplication.taskManager().countActiveTasks()


def test_it_goes_during_a_run(plugin: Any, sample: tuple[str, str], tmp_path: Path) -> None:
    layers = [QgsRasterLayer(path, Path(path).stem) for path in sample]
    QgsProject.instance().addMapLayers(layers)
    inputs = plugin.panel.inputs
    for side, layer in zip((inputs.moving, inputs.reference), layers, strict=True):
        side.set_layer(layer)
    inputs.output.setFilePath(str(tmp_path / "aligned.tif"))
    plugin.panel.run()
    until(lambda: len(running._running) == 1)
    (run,) = running._running
    plugin.unload()
    assert not alive(run.pid)
    until(settled, 60)
    assert list(tmp_path.iterdir()) == []


def test_it_goes_while_it_looks_for_the_engine(
    plugin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice, the second time before the first one is done."""
    until(lambda: not plugin.panel.waiting)
    monkeypatch.setenv(discovery.VARIABLE, engines.silent(tmp_path, 600, "1.0"))
    for count in (1, 2):
        plugin.panel.ask_engine()
        until(lambda count=count: len(list(tmp_path.glob("*.pid"))) == count)
    plugin.unload()
    until(lambda: not at_work(), 30)
    assert not any(alive(int(path.stem)) for path in tmp_path.glob("*.pid"))
    until(settled)


def test_the_latest_answer_counts(
    plugin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = plugin.panel
    until(lambda: not panel.waiting)
    monkeypatch.setenv(discovery.VARIABLE, engines.silent(tmp_path, 2, "1.0"))
    panel.ask_engine()
    until(lambda: list(tmp_path.glob("*.pid")))
    monkeypatch.setenv(discovery.VARIABLE, engines.silent(tmp_path, 0, "2.0"))
    panel.ask_engine()
    until(lambda: not at_work() and not panel.waiting)
    assert panel.engine_label.text() == "georeg 2.0"


def test_python_has_nothing_of_qt_to_clear_up(plugin: Any, sample: tuple[str, str]) -> None:
    """What only circles hold is cleared up by any thread that runs Python: not an object of Qt."""
    QgsProject.instance().addMapLayer(QgsRasterLayer(sample[0], "layer"))
    plugin.panel.open_models()
    until(lambda: plugin.panel.models.rows and not plugin.panel.waiting)
    until(settled)
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        plugin.unload()
        QCoreApplication.sendPostedEvents(None, 52)
        gc.collect()
        left = [o for o in gc.garbage if isinstance(o, QObject) and not sip.isdeleted(o)]
        assert not [type(o).__name__ for o in left if sip.ispyowned(o)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
