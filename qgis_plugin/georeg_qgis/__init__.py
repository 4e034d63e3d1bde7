"""georeg for QGIS: aligns raster layers by an engine in another process."""

from __future__ import annotations


def classFactory(iface):
    """The plugin, for QGIS."""
    from .plugin import GeoregPlugin

    return GeoregPlugin(iface)
