"""From a layer of the project to a name that the engine can open, or words why there is none."""

from __future__ import annotations

import os

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsMapLayer,
    QgsProviderRegistry,
    QgsRasterLayer,
)

from .texts import tr


class LayerError(Exception):
    """The engine can't work with this layer; the message says why and what to do."""


def source_of(layer: QgsMapLayer | None, what: str) -> str:
    """The name under which GDAL opens a layer. The engine never gets what QGIS renders.

    Args:
        layer: of the project.
        what: it is for, for messages: 'The layer that moves'.

    Raises:
        LayerError: there is no layer, it is no raster, or its data are where the engine can't go.
    """
    if layer is None:
        raise LayerError(tr("{what}: choose a raster layer.").format(what=what))
    name = f"{what}, '{layer.name()}'"
    if not isinstance(layer, QgsRasterLayer):
        raise LayerError(tr("{name} is no raster layer.").format(name=name))
    if not layer.isValid():
        raise LayerError(
            tr("{name}: its data source can't be opened. Repair the layer first.").format(name=name)
        )
    kind = layer.providerType()
    save = tr("Save it as a GeoTIFF first (Layer > Save As...), and use that.")
    if kind == "virtualraster":
        raise LayerError(
            tr("{name} is a virtual raster that only QGIS knows.").format(name=name) + " " + save
        )
    if kind in ("postgresraster",):
        raise LayerError(tr("{name} lies in a database.").format(name=name) + " " + save)
    if kind != "gdal":
        told = tr(
            "{name} comes from a web service ({kind}): it has pictures, but no pixels to work with."
        )
        raise LayerError(told.format(name=name, kind=kind) + " " + save)
    source = _plain(layer.source())
    if source.startswith(("MEM:", "/vsimem/")) or source.lstrip().startswith("<"):  # XML of a VRT
        raise LayerError(tr("{name} exists in QGIS' memory only.").format(name=name) + " " + save)
    local = not source.startswith(("/vsi", "http://", "https://")) and ":" not in source[2:]
    if local and not os.path.exists(source):
        raise LayerError(tr("{name}: the file {file} is gone.").format(name=name, file=source))
    return source


def crs_set_in_qgis(layer: QgsMapLayer | None) -> str:
    """The CRS that the user gave a layer, as the engine takes it; empty where it is the file's."""
    if not isinstance(layer, QgsRasterLayer) or not layer.isValid() or not layer.crs().isValid():
        return ""
    crs = layer.crs()
    if crs == layer.dataProvider().crs():
        return ""
    known = crs.authid()  # USER: is known to this profile only
    preferred = QgsCoordinateReferenceSystem.WktVariant.WKT_PREFERRED
    return crs.toWkt(preferred) if not known or known.startswith("USER:") else known


def nodata_set_in_qgis(layer: QgsMapLayer | None) -> str:
    """The value that the user told QGIS to take for no data, as the engine takes it: instead of the
    file's own. Empty where the file's counts, or not one value counts for all bands.
    """
    if not isinstance(layer, QgsRasterLayer) or not layer.isValid():
        return ""
    found = {() if _own_nodata(layer, band) else _nodata(layer, band) for band in _bands(layer)}
    only = found.pop() if len(found) == 1 else ()
    return repr(only[0][0]) if len(only) == 1 and only[0][0] == only[0][1] else ""


def nodata_left_out(layer: QgsMapLayer | None) -> str:
    """Words on values that QGIS takes for no data and the engine doesn't; empty without such."""
    if not isinstance(layer, QgsRasterLayer) or not layer.isValid() or nodata_set_in_qgis(layer):
        return ""
    if not any(set(_nodata(layer, b)) - set(_own_nodata(layer, b)) for b in _bands(layer)):
        return ""
    text = tr(
        "{name}: its additional no data values don't count. The engine takes one value, the same "
        "for all bands, where the file has none of its own. If they matter, save it as a GeoTIFF "
        "with them first (Layer > Save As...)."
    )
    return text.format(name=f"'{layer.name()}'")


def _bands(layer: QgsRasterLayer) -> range:
    return range(1, layer.bandCount() + 1)


def _nodata(layer: QgsRasterLayer, band: int) -> tuple[tuple[float, float], ...]:
    """Ranges of values that the user calls no data."""
    ranges = layer.dataProvider().userNoDataValues(band)
    return tuple((one.min(), one.max()) for one in ranges)


def _own_nodata(layer: QgsRasterLayer, band: int) -> tuple[tuple[float, float], ...]:
    """The same of the file, if it has a nodata value and that counts."""
    provider = layer.dataProvider()
    if not provider.sourceHasNoDataValue(band) or not provider.useSourceNoDataValue(band):
        return ()
    value = provider.sourceNoDataValue(band)
    return ((value, value),)


def crs_of(layer: QgsRasterLayer, given: str) -> QgsCoordinateReferenceSystem:
    """The CRS that the engine counts in: the one it is given (`crs_set_in_qgis`), or the file's."""
    if not given:
        return layer.dataProvider().crs()
    crs = QgsCoordinateReferenceSystem()
    crs.createFromUserInput(given)
    return crs


def without_place(layer: QgsMapLayer | None) -> bool:
    """Whether a raster has nothing but its pixels for coordinates, as scans and photographs."""
    if not isinstance(layer, QgsRasterLayer) or not layer.isValid():
        return False
    box, size = layer.extent(), (layer.width(), layer.height())
    at_zero = box.xMinimum() == 0 and 0 in (box.yMinimum(), box.yMaximum())
    return at_zero and (box.width(), box.height()) == size


def _plain(source: str) -> str:
    """A GDAL source without QGIS' additions."""
    parts = QgsProviderRegistry.instance().decodeUri("gdal", source)
    if parts.get("path") and "|" in source:
        return f"{parts.get('vsiPrefix') or ''}{parts['path']}{parts.get('vsiSuffix') or ''}"
    return source
