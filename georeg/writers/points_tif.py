"""Tie points as GCPs in a GeoTIFF: the moving raster's own pixels, with GCPs instead of its
georeference.

Pixel and line are GDAL's: (0, 0) is the outer corner of the upper-left pixel, rows count downwards.
A GeoTIFF keeps neither names nor scores nor flags: only what is enabled and agrees with the fit is
in it; the tag apart_px of the domain GEOREG says how far apart they must lie to be independent.
GDAL interpolates between the points themselves, so it sees their noise; `--embed-gcps` of
`georeg align` and `georeg warp` gives GCPs of the fit instead.
"""

from __future__ import annotations

from typing import Any

from georeg.crs import parse_crs
from georeg.errors import PointsError
from georeg.inputs.header import crs_of
from georeg.inputs.opening import open_dataset
from georeg.raster import Raster
from georeg.writers.gcps import MOST, Gcps
from georeg.writers.geotiff import WriteOptions, embed_gcps
from georeg.writers.points import PointTable, crs_text
from georeg.writers.records import from_records, number_text
from georeg.writers.sides import Sides, needed

_APART = "apart_px"


def write(path: str, table: PointTable, sides: Sides, *, overwrite: bool = True) -> None:
    """Write a copy of the moving raster with the usable points: positions to the last bit.

    Raises:
        SettingsError: the moving raster, or a reference for map positions, is missing; the file
            exists and may not be overwritten.
        PointsError: no point is usable, or there are more than a GeoTIFF can hold.
        InputError, OutputError: the moving raster can't be read, or the file not be written.
    """
    moving = needed(sides.moving, path, "--moving", "a GeoTIFF needs pixels")
    table = table.usable_only(path).on_map(sides.reference, path)
    if len(table) > MOST:
        raise PointsError(
            f"{path}: a GeoTIFF holds at most {MOST} GCPs, and these are {len(table)}: use a .gpkg"
        )
    crs = None if table.crs is None else parse_crs(table.crs)
    with Raster(moving.name) as raster:
        embed_gcps(
            raster,
            path,
            Gcps(table.moving_xy, table.map_xy, crs, table.ids),
            WriteOptions(overwrite=overwrite),
            provenance={_APART: number_text(table.apart)} if table.apart > 0 else None,
        )


def read(path: str, sides: Sides) -> PointTable:
    """Read the GCPs of a raster, also such as can't be its georeference.

    Raises:
        InputError: the file is missing or unreadable.
        PointsError: it holds no GCPs.
    """
    with open_dataset(path) as dataset:
        gcps, crs = dataset.gcps
        apart = dataset.tags(ns="GEOREG").get(_APART)
        records: list[tuple[str, dict[str, Any]]] = [
            (
                f"GCP {number}",
                {
                    "id": g.id,
                    "moving_x": g.col,
                    "moving_y": g.row,
                    "map_x": g.x,
                    "map_y": g.y,
                    _APART: apart,
                },
            )
            for number, g in enumerate(gcps, start=1)
        ]
        if not records:
            raise PointsError(f"{path} holds no GCPs")
        text = crs_text(crs_of(path, dataset)) if crs else None
    return from_records(records, path, text)
