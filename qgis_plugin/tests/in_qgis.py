"""Runs inside the QGIS application (`qgis --code`): install the zip, click, align, take pictures.

The zip, the rasters and the folder for pictures come from the environment; what happened goes to
a JSON file, as QGIS has no exit code of ours.
"""

import json
import os
import time
import traceback

from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QEventLoop, Qt, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QDialog, QDockWidget, QMessageBox, QToolBar
from qgis.utils import iface, plugins

ZIP, MOVING, REFERENCE, OUT = (
    os.environ[f"GEOREG_TEST_{name}"] for name in ("ZIP", "MOVING", "REFERENCE", "OUT")
)
PICTURES = bool(os.environ.get("GEOREG_PICTURES"))  # all of them, not only the one of the result
found = {"steps": []}


def note(step, **more):
    """Remember, and say how far it came."""
    found["steps"].append(step)
    found.update(more)
    with open(os.path.join(OUT, "found.json"), "w", encoding="utf-8") as file:
        json.dump(found, file)


def until(condition, seconds=600.0):
    """Let Qt work until a condition holds."""
    loop, end = QEventLoop(), time.monotonic() + seconds
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > end else None)
    timer.start(50)
    loop.exec()
    timer.stop()
    if not condition():
        raise RuntimeError(f"waited {seconds:.0f} s in vain after {found['steps'][-1:]}")


def pause(seconds):
    """Let Qt work for a while."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end)


def picture(name):
    """Of the screen."""
    pause(1.0)
    QApplication.primaryScreen().grabWindow(0).save(os.path.join(OUT, name))


def click(widget):
    """As a mouse does."""
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def close_dialogs():
    """QGIS asks whether it may install, and whether to save what changed since the project was
    cleared: a test has nobody to answer.
    """  # fmt: skip
    kinds = (QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.Discard)
    for widget in QApplication.topLevelWidgets():
        if isinstance(widget, QMessageBox) and widget.isVisible():
            meant = [button for button in map(widget.button, kinds) if button is not None]
            (meant or widget.buttons())[0].click()
        elif isinstance(widget, QDialog) and widget.isVisible() and widget.isModal():
            widget.accept()


def install():
    """The packed plugin, as 'Install from ZIP' does it."""
    import pyplugin_installer

    answers = QTimer()
    answers.timeout.connect(close_dialogs)
    answers.start(300)
    pyplugin_installer.instance().installFromZipFile(ZIP)
    answers.stop()
    until(lambda: "georeg_qgis" in plugins, 30)
    registry = QgsApplication.processingRegistry()
    note(
        "installed", algorithms=sorted(a.id() for a in registry.providerById("georeg").algorithms())
    )


def toolbar_button():
    """The plugin's button."""
    action = plugins["georeg_qgis"].action
    for bar in iface.mainWindow().findChildren(QToolBar):
        widget = bar.widgetForAction(action)
        if widget is not None:
            bar.show()
            return widget
    raise RuntimeError("no toolbar has the button")


def work():
    """All of it."""
    install()
    for bar in iface.mainWindow().findChildren(QToolBar):
        bar.setVisible(bar.objectName() in ("mFileToolBar", "mMapNavToolBar", "mRasterToolBar"))
    window, screen = iface.mainWindow(), QApplication.primaryScreen().availableGeometry()
    window.showNormal()
    window.setGeometry(screen)
    window.findChild(QDockWidget, "Browser").hide()
    layers = [QgsRasterLayer(MOVING, "NAIP 2014"), QgsRasterLayer(REFERENCE, "NAIP 2010")]
    for layer in reversed(layers):
        QgsProject.instance().addMapLayer(layer)
    iface.mapCanvas().setExtent(layers[1].extent())
    pause(1)
    panel = plugins["georeg_qgis"].panel
    note("before", hidden=not panel.isVisible())
    click(toolbar_button())
    until(panel.isVisible, 10)
    window.resizeDocks([panel], [470], Qt.Orientation.Horizontal)
    window.resizeDocks([window.findChild(QDockWidget, "Layers")], [300], Qt.Orientation.Horizontal)
    note("clicked")
    panel.inputs.moving.set_layer(layers[0])
    panel.inputs.reference.set_layer(layers[1])
    until(lambda: not panel.waiting)
    note("engine", engine=panel.engine_label.text())
    if PICTURES:
        picture("panel_inputs.png")
    click(panel.run_button)
    if PICTURES:
        until(lambda: panel.bar.value() > 20 or panel.job is None)
        picture("panel_running.png")
    until(lambda: panel.job is None)
    note("ran", said=panel.results.headline.text(), log=panel.log.toPlainText())
    pause(2)
    picture("panel_result.png")
    if PICTURES:
        pictures(panel, layers)
    # QGIS is left while the engine works.
    click(panel.run_button)
    until(lambda: panel.bar.value() > 0)
    from georeg_qgis.engine import running

    note("done", pids=[run.pid for run in running._running])


def pictures(panel, layers):
    """All that there is to see."""
    panel.results.table.selectRow(0)
    click(panel.results.zoom)
    click(panel.results.disable)
    pause(3)
    picture("panel_points.png")
    iface.mapCanvas().setExtent(layers[1].extent())
    iface.mapCanvas().zoomByFactor(0.35)
    click(panel.results.swipe_button)
    until(lambda: panel.compare.curtain.picture is not None, 60)
    pause(2)
    picture("panel_swipe.png")
    click(panel.results.swipe_button)
    panel.open_setup()
    picture("setup.png")
    panel.setup.close()
    panel.open_models()
    until(lambda: panel.models._task is None and panel.models.rows)
    picture("models.png")
    panel.models.close()


def main():
    """Work, then leave QGIS as a user does."""
    try:
        work()
    except BaseException:
        note("failed", error=traceback.format_exc())
    QgsProject.instance().clear()
    # Where something runs, QGIS asks whether it may end that, and wants to be told again to exit.
    global answers, exits
    answers, exits = QTimer(), QTimer()
    answers.timeout.connect(close_dialogs)
    answers.start(300)
    exits.timeout.connect(iface.actionExit().trigger)
    exits.start(1000)


QTimer.singleShot(2000, main)
