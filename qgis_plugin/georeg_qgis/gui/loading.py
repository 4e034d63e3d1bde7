"""Results as layers of the project: one group, points on top, the raster below."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from qgis.core import (
    QgsLayerTreeGroup,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)

from ..engine.words import N_
from ..texts import tr

# Layers of the GeoPackage from the top downwards, and whether they are shown at first.
_VECTORS = (
    ("points", N_("Tie points and residual arrows"), True),
    ("displacements", N_("Displacements"), False),
    ("footprints", N_("Footprints"), True),
    ("tiles", N_("Tiles that were matched"), False),
)


@dataclass(frozen=True)
class Result:
    """One alignment.

    Attributes:
        title: for people.
        values: the parameters that gave it, MOVING and REFERENCE among them.
        files: OUTPUT, POINTS, FIT, PAGE and REPORT, as far as they are there.
        report: what the engine found.
        points_id: id of the layer of tie points in the project; empty if there is none.
        raster_id: the same of the aligned raster.
        before_id: the same of the layer that moved.
        group: name of the group.
        scene: path of the first output without suffix; refits have the same.
        scene_title: title of the first one.
        refit: number of the refit; 0 for an alignment.
    """

    title: str
    values: dict[str, Any]
    files: dict[str, str]
    report: dict[str, Any]
    points_id: str = ""
    raster_id: str = ""
    before_id: str = ""
    group: str = ""
    scene: str = ""
    scene_title: str = ""
    refit: int = 0

    @property
    def ok(self) -> bool:
        """Whether there is an aligned raster."""
        return bool(self.raster_id)


def load(title: str, files: dict[str, str], before: QgsRasterLayer | None) -> dict[str, str]:
    """Add the layers of a result to the project.

    Args:
        title: of the group.
        files: OUTPUT and POINTS.
        before: the layer that moved; the aligned one looks like it.

    Returns:
        points_id, raster_id and group for `Result`.
    """
    project = QgsProject.instance()
    root = project.layerTreeRoot()
    group = root.insertGroup(0, title)
    found = {"group": title, "points_id": "", "raster_id": ""}
    for layer, shown in _vectors(files.get("POINTS", "")):
        _add(project, group, layer, shown)
        if layer.source().endswith("layername=points"):
            found["points_id"] = layer.id()
    name = os.path.splitext(os.path.basename(files["OUTPUT"]))[0]
    raster = QgsRasterLayer(files["OUTPUT"], name)
    if raster.isValid():
        _look_alike(raster, before)
        _add(project, group, raster, True)
        found["raster_id"] = raster.id()
    return found


def group_of(result: Result) -> QgsLayerTreeGroup | None:
    """Where its raster is in the layer tree; None where it is no longer in a group."""
    root = QgsProject.instance().layerTreeRoot()
    node = root.findLayer(result.raster_id) if result.raster_id else None
    return node.parent() if node is not None and node.parent() is not root else None


def take_away(result: Result) -> None:
    """Take the layers of a result from the project, and their group if nothing else is in it."""
    group = group_of(result)
    if group is None:
        return
    ours = tuple(result.files.values())
    gone = [n.layerId() for n in group.findLayers() if n.layer().source().startswith(ours)]
    QgsProject.instance().removeMapLayers(gone)
    if not group.children():
        group.parent().removeChildNode(group)


def _vectors(path: str) -> list[Any]:
    if not path.endswith(".gpkg") or not os.path.isfile(path):
        return []
    found = []
    for name, text, shown in _VECTORS:
        layer = QgsVectorLayer(f"{path}|layername={name}", tr(text), "ogr")
        if layer.isValid():
            found.append((layer, shown))
    return found


def _add(project: QgsProject, group: QgsLayerTreeGroup, layer: Any, shown: bool) -> None:
    project.addMapLayer(layer, False)
    node = group.addLayer(layer)
    node.setItemVisibilityChecked(shown)
    node.setExpanded(False)


def _look_alike(raster: QgsRasterLayer, before: QgsRasterLayer | None) -> None:
    """The style of the layer that moved, where it suits."""
    same = before is not None and before.isValid() and before.bandCount() == raster.bandCount()
    if same and before is not None and before.renderer() is not None:
        raster.setRenderer(before.renderer().clone())
