"""A fit as matrices: JSON, or plain numbers in a .txt file.

All matrices multiply columns (x, y, 1) from the left; projective ones need a division by the third
component. Pixels are columns and rows with (0, 0) at the outer corner of the upper-left pixel, rows
counted downwards; map coordinates are easting or longitude, then northing or latitude.

- map: claimed -> true position, both in the reference's CRS.
- pixel_to_map: pixel of the moving raster -> true position in the reference's CRS.
- pixel_to_pixel: pixel of the moving raster -> pixel of the reference.
- geotransform: pixel_to_map in GDAL's order, for `gdal_edit.py -a_gt` and world files.
- pdal: map as the 4 x 4 matrix of PDAL's filters.transformation.

The last four are there where they exist: pixel matrices need a raster with a geotransform in the
reference's CRS (--moving), geotransform and pdal an affine fit. A .txt file has the map matrix.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.crs import crs_name
from georeg.errors import InputError
from georeg.inputs.georef import AffineGeoref
from georeg.textfile import write_text
from georeg.writers.fits import FitExport, is_affine, map_matrix, scaled, square

Array = npt.NDArray[np.float64]

_CONVENTION = (
    "matrix @ (x, y, 1), divided by the third component. Pixels: x is the column, y the row, "
    "(0, 0) the outer corner of the upper-left pixel. Map: x is easting or longitude, y northing "
    "or latitude."
)


def export(job: FitExport) -> str:
    """The matrices as JSON; in the file instead, if one is named.

    Raises:
        InputError: the fit is no matrix.
        SettingsError, OutputError: as `georeg.textfile.write_text`.
    """
    found = matrices(job)
    if job.output is not None and os.path.splitext(job.output)[1].lower() == ".txt":
        crs = found["crs_name"]
        head = f"# claimed -> true position in {crs}: {_CONVENTION}\n"
        rows = [" ".join(map(repr, row)) + "\n" for row in found["map"]]
        text = head + "".join(rows)
    else:
        text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    if job.output is None:
        return text
    write_text(job.output, text, overwrite=job.overwrite)
    return ""


def matrices(job: FitExport) -> dict[str, Any]:
    """What the module's docstring lists, as plain JSON.

    Raises:
        InputError: the fit is no matrix.
    """
    fit, matrix = job.fit, map_matrix(job.fit)
    if matrix is None:
        raise InputError(
            f"{job.name}: a '{fit.transform.name}' is no matrix: use --format grid or geoloc, or "
            "fit with --transform affine or projective"
        )
    crs = fit.frame.crs
    found: dict[str, Any] = {
        "format": "georeg-matrix",
        "transform": fit.transform.name,
        "convention": _CONVENTION,
        "crs": None if crs is None else crs.to_wkt(),
        "crs_name": crs_name(crs),
        "map": matrix.tolist(),
    }
    if is_affine(matrix):
        found["pdal"] = _four(matrix).ravel().tolist()
    pixels = _moving(job)
    if pixels is not None:
        to_map = scaled(matrix @ pixels)
        found["pixel_to_map"] = to_map.tolist()
        if is_affine(matrix):
            (a, b, c), (d, e, f) = to_map[:2].tolist()
            found["geotransform"] = [c, a, b, f, d, e]
        if fit.reference is not None and fit.reference.crs == crs:
            back = square(~fit.reference.transform)
            found["pixel_to_pixel"] = scaled(back @ to_map).tolist()
    return found


def _moving(job: FitExport) -> Array | None:
    """Pixel -> claimed position in the reference's CRS, where that is a matrix."""
    fit = job.fit
    if job.moving is None:
        return None if fit.placement is None else square(fit.placement)
    georef, crs = fit.georef_of(job.moving.header, job.moving.name)
    if not isinstance(georef, AffineGeoref) or crs != fit.frame.crs:
        return None
    return square(georef.transform)


def _four(matrix: Array) -> Array:
    """The same for x, y, z, 1."""
    four = np.eye(4)
    four[:2, :2], four[:2, 3] = matrix[:2, :2], matrix[:2, 2]
    return four
