"""Where two rasters claim to lie, and the way between their CRSs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import CRS

from georeg.crs import CrsPath, crs_name, turn
from georeg.errors import InputError
from georeg.grid import outline
from georeg.inputs.georef import AffineGeoref, Georef
from georeg.inputs.header import no_crs
from georeg.raster import Raster
from georeg.settings import Settings

Array = npt.NDArray[np.float64]

_WIDE = 0.5  # turns of longitude

SensorPlace = Callable[[Raster, CRS], Georef]
"""Where a sensor's image lies, by its sensor model: from the raster and the CRS wanted for it."""


def _corners(raster: Raster) -> Array:
    rows, columns = raster.header.shape
    return outline(columns, rows, 2)


def _check_place(raster: Raster, georef: Georef, crs: CRS | None) -> None:
    """Refuse degrees that are none: mostly metres under a geographic CRS."""
    full = turn(crs) if crs is not None and crs.is_geographic else None
    if full is None:
        return
    corners = georef.to_map(_corners(raster))
    slack = 0.1 * full / 4  # coarse global rasters stick out over the poles
    if np.abs(corners[:, 1]).max() > full / 4 + slack or np.abs(corners[:, 0]).max() > 2 * full:
        raise InputError(
            f"{raster.name} lies at longitude {corners[0, 0]:g}, latitude {corners[0, 1]:g} by its "
            f"header, which is nowhere: its CRS can't be {crs_name(crs)}, name the true one"
        )


@dataclass(frozen=True, eq=False)
class Places:
    """Georeferences of both rasters and the way between their CRSs."""

    moving: Georef
    reference: Georef
    path: CrsPath


def place(
    moving: Raster, reference: Raster, settings: Settings, sensor: SensorPlace | None = None
) -> Places:
    """Where two rasters claim to lie.

    Args:
        moving: the raster to be aligned.
        reference: the raster that it is aligned to.
        settings: CRSs, and whether to trust the moving raster's georeference.
        sensor: places the moving raster, in the reference's CRS, instead of its header.

    Raises:
        InputError: a georeference or CRS is missing, or can't be true.
    """
    reference_georef = place_reference(reference, settings)
    target = reference.header.crs
    if sensor is not None and target is not None:
        moving_georef: Georef = sensor(moving, target)
        source: CRS | None = target
    else:
        moving_georef, source = _moving_georef(moving, reference, reference_georef, settings)
    for raster, georef, crs in (
        (moving, moving_georef, source),
        (reference, reference_georef, target),
    ):
        _check_place(raster, georef, crs)
    path = _path(source, target, moving_georef, moving, reference_georef, reference)
    return Places(moving_georef, reference_georef, path)


def place_reference(reference: Raster, settings: Settings) -> Georef:
    """Where the reference lies; in its own pixels where it has no georeference and needs none.

    Raises:
        InputError: its georeference or CRS is missing.
    """
    header = reference.header
    if header.georef is None:
        if settings.georef:
            raise InputError(
                f"{reference.name} has no georeference"
                f"{_hint(reference, 'lay it over a DEM first (georeg ortho)')}: choose "
                "another reference, or --no-georef to align in its pixels"
            )
        # Rows count downwards, map coordinates upwards: so the frame is the reference itself.
        return AffineGeoref(Affine(1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
    if header.crs is None and settings.georef:
        raise no_crs(reference.name, "--reference-crs")
    return header.georef


def _moving_georef(
    moving: Raster, reference: Raster, reference_georef: Georef, settings: Settings
) -> tuple[Georef, CRS | None]:
    header = moving.header
    if not settings.georef:
        return _placed(moving, reference, reference_georef), reference.header.crs
    if header.georef is None:
        hint = _hint(moving, "give --dem")
        raise InputError(
            f"{moving.name} has no georeference{hint}{', or' if hint else ':'} "
            "use --no-georef to search for it in the reference"
        )
    if header.crs is None:
        raise no_crs(moving.name, "--moving-crs")
    return header.georef, header.crs


def _hint(raster: Raster, then: str) -> str:
    """What it has instead of a georeference, and what can be done with that."""
    if raster.header.located_by_arrays:
        return " but arrays of longitudes and latitudes (lay it on a map with gdalwarp -geoloc)"
    return f" but RPCs, which need the ground: {then}" if raster.header.has_rpcs else ""


def _placed(moving: Raster, reference: Raster, georef: Georef) -> AffineGeoref:
    """A first placement of an image that has none: filling the reference, about its middle."""
    rows, columns = moving.header.shape
    reference_rows, reference_columns = reference.header.shape
    scale = min(reference_rows / rows, reference_columns / columns)
    middle = np.array([[reference_columns / 2, reference_rows / 2]])
    x0, y0 = georef.to_map(middle)[0]
    right, down = (
        georef.to_map(middle + step)[0] - (x0, y0) for step in ([[1.0, 0.0]], [[0.0, 1.0]])
    )
    linear = Affine(right[0], down[0], x0, right[1], down[1], y0)
    center = Affine.translation(-columns / 2, -rows / 2)
    return AffineGeoref(linear @ Affine.scale(scale) @ center)


def _path(
    source: CRS | None,
    target: CRS | None,
    moving_georef: Georef,
    moving: Raster,
    reference_georef: Georef,
    reference: Raster,
) -> CrsPath:
    """The way between the CRSs, with longitudes unwrapped where the two rasters meet.

    That is around either raster's own middle, but for a raster that spans half the globe or
    more around the middle of the other one.
    """
    moving_x, moving_width = _across(moving_georef, moving, source)
    reference_x, reference_width = _across(reference_georef, reference, target)
    if not (math.isfinite(moving_x) and math.isfinite(reference_x)):
        raise InputError(
            f"the georeference of {moving.name} or {reference.name} leads nowhere "
            f"({crs_name(source)}, {crs_name(target)})"
        )
    path = CrsPath(source, target, moving_x, reference_x)
    if reference_width >= _WIDE > moving_width:
        x = path.forward(_middle(moving_georef, moving))[0, 0]
        return replace(path, target_x=float(x)) if math.isfinite(x) else path
    if moving_width >= _WIDE > reference_width:
        x = path.inverse(_middle(reference_georef, reference))[0, 0]
        return replace(path, source_x=float(x)) if math.isfinite(x) else path
    return path


def _middle(georef: Georef, raster: Raster) -> Array:
    """(1, 2) map position of a raster's middle."""
    rows, columns = raster.header.shape
    return georef.to_map(np.array([[columns / 2, rows / 2]]))


def _across(georef: Georef, raster: Raster, crs: CRS | None) -> tuple[float, float]:
    """X of a raster's middle, and its width in turns of longitude (0 where x isn't longitude)."""
    full = turn(crs)
    x = float(_middle(georef, raster)[0, 0])
    if full is None:
        return x, 0.0
    return x, float(np.ptp(georef.to_map(_corners(raster))[:, 0])) / full
