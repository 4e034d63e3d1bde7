"""The plugin: toolbar button, Raster menu, panel and Processing provider."""

from __future__ import annotations

import os
from typing import Any

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QCoreApplication, Qt
from qgis.PyQt.QtGui import QIcon

from .compat import QAction
from .engine import running
from .provider import GeoregProvider
from .texts import tr, translator


class GeoregPlugin:
    """What QGIS loads."""

    def __init__(self, iface: Any) -> None:
        """Store; nothing is shown yet. `iface` is None in qgis_process."""
        self.iface = iface
        self.provider: Any = None
        self.panel: Any = None
        self.action: Any = None
        self.menu = "&georeg"
        self.translator = translator()
        if self.translator is not None:
            QCoreApplication.installTranslator(self.translator)

    def initProcessing(self) -> None:
        """Offer the algorithms."""
        if self.provider is None:
            self.provider = GeoregProvider()
            QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:
        """Offer the panel."""
        from .gui.panel import Panel

        self.initProcessing()
        window = self.iface.mainWindow()
        icon = QIcon(os.path.join(os.path.dirname(__file__), "icons", "georeg.svg"))
        self.panel = Panel(self.iface, window)
        self.iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.panel)
        self.panel.hide()
        self.action = QAction(icon, tr("Align raster layers (georeg)"), window)
        self.action.setObjectName("georegPanel")
        self.action.setCheckable(True)
        self.action.triggered.connect(self.panel.setUserVisible)
        self.panel.visibilityChanged.connect(self.action.setChecked)
        self.iface.addRasterToolBarIcon(self.action)
        self.iface.addPluginToRasterMenu(self.menu, self.action)
        QCoreApplication.instance().aboutToQuit.connect(running.stop_all)

    def unload(self) -> None:
        """Take everything away, and end what runs."""
        if self.panel is not None:
            self.panel.shut()
        running.stop_all()
        if self.action is not None:
            QCoreApplication.instance().aboutToQuit.disconnect(running.stop_all)
            self.iface.removeRasterToolBarIcon(self.action)
            self.iface.removePluginRasterMenu(self.menu, self.action)
            self.action.deleteLater()
            self.iface.removeDockWidget(self.panel)
            self.panel.deleteLater()
            self.action = self.panel = None
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
        if self.translator is not None:
            QCoreApplication.removeTranslator(self.translator)
            self.translator = None
