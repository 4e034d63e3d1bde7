"""Tie points of the toolbox on the map, in the style that their GeoPackage holds."""

from __future__ import annotations

from qgis.core import (
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsVectorLayer,
)
from qgis.PyQt import sip

from ..texts import tr

_LAYER = "|layername=points"
_kept: list[_Style] = []  # until the context that they were given to goes, and takes them along


class _Style(QgsProcessingLayerPostProcessorInterface):
    """Processing loads layers without the style that is stored with them."""

    def postProcessLayer(
        self, layer: QgsMapLayer, _: QgsProcessingContext, __: QgsProcessingFeedback
    ) -> None:
        """Load it."""
        if isinstance(layer, QgsVectorLayer):
            layer.loadDefaultStyle()
            layer.triggerRepaint()


def show(path: str, context: QgsProcessingContext) -> None:
    """Have tie points loaded when the algorithm is done; nothing happens without a project.

    Args:
        path: of their file; others than GeoPackages are no layers.
        context: of the run.
    """
    if not path.endswith(".gpkg") or context.project() is None:
        return
    style = _Style()
    _kept[:] = [*(one for one in _kept if not sip.isdeleted(one)), style]
    details = QgsProcessingContext.LayerDetails(tr("Tie points"), context.project(), "POINTS")
    details.setPostProcessor(style)
    context.addLayerToLoadOnCompletion(path + _LAYER, details)
