"""Footprints of the jobs of a batch, with what came of each, as a GeoPackage styled for QGIS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS

from georeg.errors import OutputError
from georeg.writers.place import placed
from georeg.writers.points_gpkg import GPKG_ERRORS, reason, without_time, write_layer
from georeg.writers.styles import batch_style

LAYER = "jobs"
Ring = Sequence[Sequence[float]]


def write_footprints(
    path: str,
    rings: Sequence[Ring | None],
    texts: Mapping[str, Sequence[str | None]],
    numbers: Mapping[str, Sequence[float | None]],
) -> None:
    """Write one feature for each job; jobs whose footprint is unknown have no geometry.

    Args:
        path: of the GeoPackage; replaced.
        rings: (longitude, latitude) of the corners in degrees, WGS 84; closed.
        texts: values by name, None where there is none.
        numbers: the same.

    Raises:
        OutputError: it can't be written.
    """
    shapes = np.array([None if ring is None else shapely.polygons(ring) for ring in rings], object)
    geometry = np.array([None if s is None else shapely.to_wkb(s) for s in shapes], object)
    fields: dict[str, npt.NDArray[Any]] = {
        name: np.array(list(values), object) for name, values in texts.items()
    }
    for name, found in numbers.items():
        fields[name] = np.array([np.nan if n is None else n for n in found], np.float64)
    with placed(path, overwrite=True) as (_, temporary), without_time():
        try:
            write_layer(temporary, LAYER, "Polygon", geometry, fields, CRS.from_epsg(4326))
            write_layer(temporary, "layer_styles", None, None, batch_style(LAYER), None)
        except GPKG_ERRORS as error:
            raise OutputError(f"{path} can't be written: {reason(error)}") from None
