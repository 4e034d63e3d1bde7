"""The Processing provider."""

from __future__ import annotations

import os

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithms.align import AlignAlgorithm
from .algorithms.batch import BatchAlgorithm
from .algorithms.check import CheckAlgorithm
from .algorithms.match import MatchAlgorithm
from .algorithms.ortho import OrthoAlgorithm
from .algorithms.warp import WarpAlgorithm

ALGORITHMS = (
    AlignAlgorithm, MatchAlgorithm, WarpAlgorithm, CheckAlgorithm, OrthoAlgorithm, BatchAlgorithm,
)  # fmt: skip


class GeoregProvider(QgsProcessingProvider):
    """All algorithms of georeg."""

    def id(self) -> str:
        """Of the algorithms' names: georeg:align."""
        return "georeg"

    def name(self) -> str:
        """For people."""
        return "georeg"

    def longName(self) -> str:
        """For people with time."""
        return "georeg (raster alignment)"

    def icon(self) -> QIcon:
        """As in the toolbar."""
        return QIcon(os.path.join(os.path.dirname(__file__), "icons", "georeg.svg"))

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        """What the engine writes; not all that GDAL could."""
        return ["tif", "tiff"]

    def loadAlgorithms(self) -> None:
        """Offer them."""
        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())
