"""Tie points as GeoJSON (RFC 7946): points in longitude and latitude, for maps.

Properties row, col, x, y, z, id, info are those of `rio gcps`: row and col are pixels of the
moving raster, (0, 0) being the outer corner of the first pixel and rows counted downwards, x and y
the map position in the reference's CRS. The others are georeg's own. A point that was moved on the
map counts where it is now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.crs import CrsPath, beside, parse_crs
from georeg.errors import GeoregError, PointsError
from georeg.textfile import finite, read_json, write_text
from georeg.writers.points import PointTable
from georeg.writers.records import from_records
from georeg.writers.sides import Sides

_LONLAT = "OGC:CRS84"
_DECIMALS = 9  # of a degree: a tenth of a millimetre
_MOVED = 1.5e-7  # degrees: programs that keep to RFC 7946 round to seven decimals
_CRS, _NOTE = "georeg_crs", "georeg_note"
_PIXELS = (
    "col, row: moving pixels; reference_x, reference_y: reference pixels; (0, 0) is the outer "
    "corner of the first pixel. x, y: map position in georeg_crs; z: metres above the ellipsoid. "
    "enabled false leaves a point out. apart_px: nearer points aren't independent."
)
# Our names of what rio gcps calls otherwise.
_NAMES = {"col": "moving_x", "row": "moving_y", "x": "map_x", "y": "map_y", "z": "height"}


def write(path: str, table: PointTable, sides: Sides, *, overwrite: bool = True) -> None:
    """Write a table; reading it again gives the same numbers to the last bit.

    Raises:
        SettingsError, OutputError: as `georeg.textfile.write_text`.
    """
    lonlat = _lonlat(table)
    features = [
        json.dumps(finite(_feature(table, i, lonlat[i])), ensure_ascii=False)
        for i in range(len(table))
    ]
    head = {"type": "FeatureCollection", _NOTE: _PIXELS, _CRS: table.crs}
    text = json.dumps(head, ensure_ascii=False)[:-1]
    body = ",\n".join(features)
    write_text(path, f'{text}, "features": [\n{body}\n]}}\n', overwrite=overwrite)


def _feature(table: PointTable, i: int, lonlat: npt.NDArray[np.float64]) -> dict[str, Any]:
    geometry = None
    if np.isfinite(lonlat).all():
        at = [round(float(value), _DECIMALS) for value in lonlat]
        geometry = {"type": "Point", "coordinates": at}
    return {
        "type": "Feature",
        "id": table.ids[i],
        "geometry": geometry,
        "properties": {
            "id": table.ids[i],
            "info": f"georeg tie point, score {table.score[i]:.2f}",
            "row": table.moving_xy[i, 1],
            "col": table.moving_xy[i, 0],
            "x": table.map_xy[i, 0],
            "y": table.map_xy[i, 1],
            "z": None if table.height is None else table.height[i],
            "reference_x": table.reference_xy[i, 0],
            "reference_y": table.reference_xy[i, 1],
            "score": table.score[i],
            "sigma_px": table.sigma[i],
            "residual_x_px": table.residual_xy[i, 0],
            "residual_y_px": table.residual_xy[i, 1],
            "inlier": bool(table.inlier[i]),
            "enabled": bool(table.enabled[i]),
            **({"apart_px": table.apart} if table.apart > 0 else {}),
        },
    }


def _lonlat(table: PointTable) -> npt.NDArray[np.float64]:
    """(N, 2) WGS 84 degrees, longitudes within +-180; NaN where there is no way to them."""
    if table.crs is None:
        return np.full((len(table), 2), np.nan)
    try:
        path = CrsPath(parse_crs(table.crs), parse_crs(_LONLAT), None, 0.0)
        return path.forward(table.map_xy)
    except GeoregError:  # a local CRS has no place on the globe
        return np.full((len(table), 2), np.nan)


def read(path: str, sides: Sides) -> PointTable:
    """Read a table; own files, those of `rio gcps`, or points with col and row only.

    Raises:
        InputError: the file is missing, unreadable or no JSON.
        PointsError: it is no collection of features, or a value is missing or makes no sense.
    """
    data = read_json(path, "GeoJSON")
    features = data.get("features")
    if data.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise PointsError(f"{path} is not a GeoJSON FeatureCollection")
    records = []
    projected = False
    for number, feature in enumerate(features, start=1):
        where = f"feature {number}"
        properties = feature.get("properties") if isinstance(feature, Mapping) else None
        if not isinstance(properties, Mapping):
            raise PointsError(f"{path}, {where}: it has no properties")
        values = {_NAMES.get(str(k).lower(), str(k).lower()): v for k, v in properties.items()}
        values.setdefault("id", feature.get("id"))
        projected |= values.get("map_x") is not None or values.get("reference_x") is not None
        records.append((where, values, feature.get("geometry")))
    crs = data.get(_CRS)
    if not projected:
        # Points drawn on a map: their geometry is all that says where they are.
        records = [(where, {**v, **_position(g)}, g) for where, v, g in records]
        crs = _LONLAT
    if crs is not None and not isinstance(crs, str):
        raise PointsError(f"{path}: {_CRS} must be text")
    table = from_records([(where, values) for where, values, _ in records], path, crs)
    places = [_position(geometry) for _, _, geometry in records]
    return _moved(table, places) if projected else table


def _moved(table: PointTable, places: Sequence[Mapping[str, Any]]) -> PointTable:
    """Points whose geometry isn't where their properties say lie where their geometry is."""
    try:
        numbers = [[p.get("map_x", np.nan), p.get("map_y", np.nan)] for p in places]
        lonlat = np.array(numbers, np.float64)
        expected = _lonlat(table)
    except (TypeError, ValueError, GeoregError):  # then the properties are all there is
        return table
    step = lonlat - expected
    step[:, 0] = (step[:, 0] + 180.0) % 360.0 - 180.0
    moved = np.asarray((np.abs(step) > _MOVED).any(axis=1))
    if not moved.any() or table.crs is None:
        return table
    map_xy, reference_xy = np.array(table.map_xy), np.array(table.reference_xy)
    crs = parse_crs(table.crs)
    there = CrsPath(parse_crs(_LONLAT), crs).forward(lonlat[moved])
    map_xy[moved], reference_xy[moved] = beside(there, map_xy[moved, 0], crs), np.nan
    return replace(table, map_xy=map_xy, reference_xy=reference_xy)


def _position(geometry: Any) -> dict[str, Any]:
    if not isinstance(geometry, Mapping):
        return {}
    coordinates = geometry.get("coordinates")
    if geometry.get("type") == "MultiPoint" and isinstance(coordinates, list):
        coordinates = coordinates[0] if len(coordinates) == 1 else None
    elif geometry.get("type") != "Point":
        return {}
    if not isinstance(coordinates, list) or len(coordinates) < 2:
        return {}
    return {"map_x": coordinates[0], "map_y": coordinates[1]}
