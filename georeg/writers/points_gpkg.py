"""Tie points as a GeoPackage, styled for QGIS: `.gpkg`.

Layers, all in the CRS of the map positions (the reference's):

- points: the true positions, with everything that CSV has. moving_x, moving_y, reference_x,
  reference_y are pixels, (0, 0) being the outer corner of the first one, rows counted downwards.
  `enabled` false leaves a point out. A point that was moved on the map counts where it is now.
  `height`, of the tie points of RPCs, is in metres above the ellipsoid.
- displacements: lines from where the moving raster's georeference puts a point to where it is.
- tiles: the windows that were matched, and how many points came of them.
- footprints: what the rasters cover, the moving one before and after.

The last three are there where the rasters, and the fit, are known; only `points` is read.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyogrio
import pyogrio.errors
import pyogrio.raw
import shapely
from pyproj import CRS

from georeg.errors import InputError, OutputError, PointsError
from georeg.writers.ground import Ground, on_the_ground
from georeg.writers.place import placed
from georeg.writers.points import PointTable
from georeg.writers.records import from_records, plain_name
from georeg.writers.sides import Sides
from georeg.writers.styles import style_rows

Array = npt.NDArray[np.float64]
Fields = Mapping[str, npt.NDArray[Any]]

POINTS = "points"
_DOTS = (0, 4)  # shapely's numbers of Point and MultiPoint
GPKG_ERRORS = (
    pyogrio.errors.DataSourceError,
    pyogrio.errors.DataLayerError,
    pyogrio.errors.GeometryError,
    pyogrio.errors.FieldError,
    pyogrio.errors.FeatureError,
    pyogrio.errors.CRSError,
)
_ODD = re.compile(r"[;!:?]")
# GDAL writes the time into GeoPackages; without it the same points give the same bytes.
_NO_TIME = "2000-01-01T00:00:00Z"
_TIME = Lock()  # the option is the process's


def write(path: str, table: PointTable, sides: Sides, *, overwrite: bool = True) -> None:
    """Write a GeoPackage; reading it again gives the same numbers to the last bit.

    Raises:
        SettingsError: the file exists and may not be overwritten.
        OutputError: it can't be written.
    """
    if sides.reference is not None or not np.isfinite(table.reference_xy).all():
        table = table.on_map(sides.reference, path)
    ground = on_the_ground(table, sides)
    with placed(path, overwrite=overwrite) as (_, temporary), without_time():
        try:
            for layer, kind, geometry, fields in _layers(table, ground):
                write_layer(temporary, layer, kind, geometry, fields, ground.crs)
            write_layer(temporary, "layer_styles", None, None, style_rows(), None)
        except GPKG_ERRORS as error:
            raise OutputError(f"{path} can't be written: {reason(error)}") from None


def _layers(
    table: PointTable, ground: Ground
) -> Iterator[tuple[str, str, npt.NDArray[np.object_], Fields]]:
    """Name, geometry type, WKB and fields of every layer that has something to show."""
    known = np.asarray(np.isfinite(ground.true).all(axis=1))
    dots = _objects(shapely.to_wkb(shapely.points(np.nan_to_num(ground.true))), known)
    yield POINTS, "Point", dots, _point_fields(table, ground)
    lines = np.stack([ground.claimed, ground.true], axis=1)
    known = np.asarray(np.isfinite(lines).all(axis=(1, 2)))
    if known.any():
        wkb = _objects(shapely.to_wkb(shapely.linestrings(lines[known])))
        yield "displacements", "LineString", wkb, _line_fields(table.select(known), ground, known)
    if len(ground.tiles):
        shapes = shapely.polygons(ground.tiles)
        yield "tiles", "Polygon", _objects(shapely.to_wkb(shapes)), _tile_fields(shapes, table)
    if ground.footprints:
        shapes = np.array([shapely.polygons(xy) for _, xy in ground.footprints])
        names = np.array([name for name, _ in ground.footprints], object)
        yield "footprints", "Polygon", _objects(shapely.to_wkb(shapes)), {"raster": names}


def _point_fields(table: PointTable, ground: Ground) -> Fields:
    names = [plain_name(name) or str(i + 1) for i, name in enumerate(table.ids)]
    return {
        "id": np.array(names, object),
        "moving_x": table.moving_xy[:, 0],
        "moving_y": table.moving_xy[:, 1],
        "reference_x": table.reference_xy[:, 0],
        "reference_y": table.reference_xy[:, 1],
        "map_x": table.map_xy[:, 0],
        "map_y": table.map_xy[:, 1],
        "score": table.score,
        "sigma_px": table.sigma,
        "residual_x_px": table.residual_xy[:, 0],
        "residual_y_px": table.residual_xy[:, 1],
        "residual_px": np.hypot(*table.residual_xy.T),
        "residual_azimuth": ground.azimuth,
        "inlier": table.inlier,
        "enabled": table.enabled,
        **({} if table.height is None else {"height": table.height}),
        **({"apart_px": np.full(len(table), table.apart)} if table.apart > 0 else {}),
    }


def _line_fields(table: PointTable, ground: Ground, known: npt.NDArray[np.bool_]) -> Fields:
    step = (ground.true - ground.claimed)[known]
    return {
        "id": np.array([plain_name(name) for name in table.ids], object),
        "dx": step[:, 0],
        "dy": step[:, 1],
        "length_m": ground.metres[known],
        "inlier": table.inlier,
        "enabled": table.enabled,
    }


def _tile_fields(shapes: Any, table: PointTable) -> Fields:
    tree = shapely.STRtree(shapely.points(table.map_xy[np.isfinite(table.map_xy).all(axis=1)]))
    tile, point = tree.query(shapes, predicate="intersects")
    inlier = table.inlier[np.isfinite(table.map_xy).all(axis=1)]
    count = len(shapes)
    return {
        "points": np.bincount(tile, minlength=count).astype(np.int32),
        "inliers": np.bincount(tile[inlier[point]], minlength=count).astype(np.int32),
    }


def _objects(wkb: Any, known: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.object_]:
    values = np.array(wkb, object)
    if known is not None:
        values[~known] = None
    return values


def write_layer(
    path: str,
    layer: str,
    kind: str | None,
    geometry: npt.NDArray[np.object_] | None,
    fields: Fields,
    crs: CRS | None,
) -> None:
    """One layer, or table without geometry, of a GeoPackage that is made step by step.

    Args:
        path: of the GeoPackage; made if it isn't there.
        layer: name.
        kind: of geometry; None for a table.
        geometry: WKB, None where there is none.
        fields: columns by name.
        crs: of the geometry.
    """
    exists = os.path.exists(path)
    with _plain(path) as name:
        pyogrio.raw.write(
            name,
            geometry,
            list(fields.values()),
            list(fields),
            layer=layer,
            driver="GPKG",
            geometry_type=kind,
            crs=None if crs is None else crs.to_wkt(),
            append=False,
            layer_options={"FID": "id"} if kind is None else None,  # as QGIS makes its own
            **({} if exists else {"dataset_options": {"VERSION": "1.3"}}),
        )


def reason(error: Exception) -> str:
    """Why a GeoPackage can't be written, without the statement of SQL that failed."""
    text = str(error)
    if "disk is full" in text:
        return os.strerror(errno.ENOSPC)
    first = (text.strip() or type(error).__name__).splitlines()[0]
    return re.sub(r"^.*\b(?:SQL|sqlite3_\w+)\b.*\)(?: failed)?: ", "SQLite: ", first)


@contextmanager
def without_time() -> Iterator[None]:
    """GeoPackages that don't say when they were made. One thread at a time: GDAL is told once."""
    with _TIME:
        before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _NO_TIME})
        try:
            yield
        finally:
            pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def read(path: str, sides: Sides) -> PointTable:
    """Read a GeoPackage, ours or one whose points have moving_x and moving_y.

    Raises:
        InputError: the file is missing or unreadable.
        PointsError: a value is missing or makes no sense; names the feature.
    """
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file")
    try:
        with _plain(path) as name:
            layers = [str(v) for v in pyogrio.list_layers(name)[:, 0] if v != "layer_styles"]
            if not layers:
                raise PointsError(f"{path} holds no tie points")
            layer = POINTS if POINTS in layers else layers[0]
            meta, ids, wkb, columns = pyogrio.raw.read(name, layer=layer, return_fids=True)
    except GPKG_ERRORS as error:
        reason = str(error).splitlines()[0].removeprefix(f"{name}: ")
        raise InputError(f"{path} is not a GeoPackage that can be read: {reason}") from None
    names = [str(name).lower() for name in meta["fields"]]
    if "moving_x" not in names or "moving_y" not in names:
        raise PointsError(
            f"{path}, layer {layer}: there are no fields moving_x and moving_y for the pixels"
        )
    places = _places(wkb, len(ids))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    records = [
        (f"layer {layer}, feature {feature}", _placed(_known(names, row), place))
        for feature, row, place in zip(ids.tolist(), rows, places.tolist(), strict=True)
    ]
    return from_records(records, path, _crs_text(meta["crs"]))


@contextmanager
def _plain(path: str) -> Iterator[str]:
    """A name that pyogrio takes for a file's: it has its own ideas of `a;b`, `a!b` and `gpkg:a`."""
    whole = os.path.abspath(path)
    if sys.platform == "win32" or not _ODD.search(whole):
        yield whole  # on Windows those ideas end where a drive is named
        return
    with tempfile.TemporaryDirectory(prefix="georeg-") as folder:
        link = os.path.join(folder, "points.gpkg")
        os.symlink(whole, link)  # SQLite follows it, also to what was edited and lies beside it
        yield link


def _places(wkb: Any, count: int) -> Array:
    """(N, 2) positions of points, also such as other programs made multipoints; NaN without one."""
    places = np.full((count, 2), np.nan)
    if wkb is None:
        return places
    shapes = shapely.from_wkb(wkb)
    kind = shapely.get_type_id(shapes)
    dots = np.isin(kind, _DOTS) & (shapely.get_num_coordinates(shapes) == 1)
    places[dots] = shapely.get_coordinates(shapes[dots])
    return places


def _known(names: list[str], row: tuple[Any, ...]) -> dict[str, Any]:
    """A feature's values without those that are NULL."""
    return {n: v for n, v in zip(names, row, strict=True) if not (v is None or v != v)}


def _placed(values: dict[str, Any], place: list[float]) -> dict[str, Any]:
    """The values with the place on the map; the reference's pixel only if that is where it was."""
    if place[0] != place[0]:
        return values
    moved = [values.get("map_x"), values.get("map_y")] != place
    dropped = ("reference_x", "reference_y") if moved else ()
    kept = {name: value for name, value in values.items() if name not in dropped}
    return {**kept, "map_x": place[0], "map_y": place[1]}


def _crs_text(text: str | None) -> str | None:
    """The layer's CRS; None for what GeoPackages call undefined."""
    return None if not text or "undefined" in text.lower() else text
