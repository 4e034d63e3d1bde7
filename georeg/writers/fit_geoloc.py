"""A fit as a virtual raster with geolocation arrays: `gdalwarp OUT.vrt aligned.tif` applies it.

The .vrt holds the moving raster's bands, without its georeference, and the domain GEOLOCATION (GDAL
RFC 4); the arrays lie beside it in OUT.xy.tif: true x (band 1) and y (band 2) in the reference's
CRS at every n-th corner of the moving raster's pixels (GEOREFERENCING_CONVENTION=TOP_LEFT_CORNER,
GDAL 3.5 or newer), so close that going straight between them is exact to `CLOSE` pixels.
"""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as Xml

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil

from georeg.crs import CrsPath
from georeg.errors import InputError, OutputError, SettingsError
from georeg.grid import Window
from georeg.inputs.opening import GDAL_ERRORS
from georeg.raster import Raster
from georeg.resampling.nodes import Nodes, sample_nodes
from georeg.textfile import prepared
from georeg.writers.arrays import write_arrays
from georeg.writers.fits import FitExport
from georeg.writers.place import check_output
from georeg.writers.sides import Side

Array = npt.NDArray[np.float64]

CLOSE = 0.01  # reference pixels
_STEP = 64  # pixels between nodes to begin with
_NODATA = -1e300
_PLACES = ("SRS", "GeoTransform", "GCPList")
_DOMAINS = ("GEOLOCATION", "RPC")


def export(job: FitExport) -> str:
    """Write the .vrt and the .xy.tif.

    Raises:
        SettingsError: no output or no moving raster is named, the output has a name that GDAL can't
            read, or a file exists and may not be overwritten.
        InputError: the raster can't be read or placed.
        OutputError: a file can't be written.
    """
    output, moving = job.needed_output(), job.needed_moving()
    if os.sep == "/" and "\\" in os.path.basename(output):
        raise SettingsError(
            f"{output}: GDAL takes the backslash in a .vrt's name for the end of a folder's, and "
            "would look for the raster there: give another name"
        )
    arrays = os.path.splitext(output)[0] + ".xy.tif"
    inputs = (job.name, moving.name)
    for path in (output, arrays):
        check_output(path, inputs, overwrite=job.overwrite)
    nodes = _nodes(job, moving)
    rows, columns = nodes.xy.shape[:2]
    ground = job.fit.frame.to_map(nodes.xy.reshape(-1, 2)).reshape(rows, columns, 2)
    if not np.isfinite(ground).any():
        raise InputError(f"{moving.name}: the fit is defined nowhere on it")
    profile = {"nodata": _NODATA, "compress": "deflate", "predictor": 3, "interleave": "band"}
    known = np.isfinite(ground).all(axis=2, keepdims=True)
    ground = np.where(known, ground, _NODATA)
    text = _vrt(job, moving, output, arrays, nodes)
    with prepared(output, text, overwrite=job.overwrite):
        write_arrays(arrays, np.moveaxis(ground, -1, 0), profile, inputs, overwrite=job.overwrite)
    return ""


def _nodes(job: FitExport, moving: Side) -> Nodes:
    """True positions in frame pixels at corners of the moving raster's pixels."""
    fit = job.fit
    georef, crs = fit.georef_of(moving.header, moving.name)
    path = CrsPath(crs, fit.frame.crs, None, float(fit.frame.center[0]))

    def mapping(xy: Array) -> Array:
        claimed = fit.frame.to_pixel(path.forward(georef.to_map(xy)))
        return fit.transform.forward(claimed)

    rows, columns = moving.shape
    return sample_nodes(mapping, Window(0, 0, columns, rows), CLOSE, _STEP)


def _vrt(job: FitExport, moving: Side, output: str, arrays: str, nodes: Nodes) -> str:
    """The virtual raster's XML."""
    root = _copy_of(moving.name, output)
    for child in list(root):
        if child.tag in _PLACES or child.get("domain") in _DOMAINS:
            root.remove(child)
    crs = job.fit.frame.crs
    items: dict[str, Any] = {
        "X_DATASET": os.path.abspath(arrays),
        "X_BAND": 1,
        "Y_DATASET": os.path.abspath(arrays),
        "Y_BAND": 2,
        "PIXEL_OFFSET": nodes.x,
        "PIXEL_STEP": nodes.step,
        "LINE_OFFSET": nodes.y,
        "LINE_STEP": nodes.step,
        "GEOREFERENCING_CONVENTION": "TOP_LEFT_CORNER",
    }
    if crs is not None:
        items["SRS"] = rasterio.crs.CRS.from_wkt(crs.to_wkt()).to_wkt()
    domain = Xml.Element("Metadata", domain="GEOLOCATION")
    for key, value in items.items():
        Xml.SubElement(domain, "MDI", key=key).text = str(value)
    root.insert(0, domain)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode") + "\n"


def _copy_of(name: str, output: str) -> Xml.Element:
    """GDAL's own virtual copy of a raster, with names as seen from the output's folder."""
    temporary = os.path.join(os.path.dirname(os.path.abspath(output)), f".georeg-{uuid4().hex}.vrt")
    try:
        with Raster(name):  # its errors are ours
            pass
        rasterio.shutil.copy(name, temporary, driver="VRT")
        return Xml.parse(temporary).getroot()
    except GDAL_ERRORS as error:
        raise OutputError(f"{output} can't be written: {error}") from None
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
