"""Which grid an output gets."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from georeg.crs import parse_crs
from georeg.errors import InputError, SettingsError
from georeg.fitfile import FitFile
from georeg.grid import Grid, outline
from georeg.raster import Header, Raster
from georeg.settings import OutputSettings as OutputSettings

Array = npt.NDArray[np.float64]

_MOST = 2_000_000  # pixels along a side: beyond that something is wrong


def output_grid(fit: FitFile, header: Header, name: str, settings: OutputSettings) -> Grid:
    """The grid of an aligned raster.

    Args:
        fit: how the raster is aligned.
        header: of the moving raster.
        name: of the moving raster.
        settings: what the user wants.

    Raises:
        InputError: the raster can't be placed.
        SettingsError: the grid asked for doesn't exist or is absurd.
    """
    base = _base(fit, header, settings)
    crs = (
        parse_crs(settings.dst_crs)
        if settings.dst_crs
        else (base.crs if base is not None else fit.frame.crs)
    )
    if base is not None and crs == base.crs:
        if settings.bounds is None and not settings.resolution:
            return base
        t = base.transform
        resolution = settings.resolution or (math.hypot(t.a, t.d), math.hypot(t.b, t.e))
        size = (resolution[0], resolution[-1])
        return _checked(Grid.from_bounds(settings.bounds or base.bounds(), size, crs), name)
    footprint = _footprint(fit, header, name, crs)
    resolution = settings.resolution or _resolution(fit, header, name, crs)
    size = (resolution[0], resolution[-1])
    low, high = footprint.min(axis=0), footprint.max(axis=0)
    bounds = settings.bounds or (low[0], low[1], high[0], high[1])
    align = settings.bounds is None
    return _checked(Grid.from_bounds(bounds, size, crs, align=align), name)


def _base(fit: FitFile, header: Header, settings: OutputSettings) -> Grid | None:
    """The grid that was named, None for the automatic one."""
    if settings.grid == "auto":
        return None
    if settings.grid == "reference":
        if fit.reference is None:
            raise SettingsError("--grid reference: the reference has no pixel grid (GCPs only)")
        return fit.reference
    if settings.grid == "moving":
        if header.grid is None or header.grid.crs is None:
            raise SettingsError("--grid moving: the moving raster has no pixel grid of its own")
        return header.grid
    with Raster(settings.grid) as like:
        grid = like.header.grid
    if grid is None:
        raise SettingsError(f"--grid {settings.grid}: that raster has no pixel grid")
    return grid


def _footprint(fit: FitFile, header: Header, name: str, crs: CRS | None) -> Array:
    rows, columns = header.shape
    xy = fit.corrected(header, name, outline(columns, rows, 41), crs)
    xy = xy[np.isfinite(xy).all(axis=1)]
    if len(xy) < 8:
        raise InputError(f"{name}: its corrected outline can't be expressed in the output's CRS")
    return xy


def _resolution(fit: FitFile, header: Header, name: str, crs: CRS | None) -> tuple[float, float]:
    """The moving raster's own pixel size, in units of the output's CRS."""
    grid = header.grid
    if fit.placement is None and grid is not None and grid.crs == crs:
        t = grid.transform
        if t.b == 0 and t.d == 0:
            return abs(t.a), abs(t.e)
    rows, columns = header.shape
    middle = np.array([columns / 2, rows / 2])
    steps = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    at = fit.corrected(header, name, middle + steps, crs)
    edges = at[1:] - at[0]
    size = math.sqrt(abs(float(np.linalg.det(edges))))
    if not 0 < size < math.inf:
        raise InputError(f"{name}: its pixel size can't be expressed in the output's CRS")
    return size, size


def _checked(grid: Grid, name: str) -> Grid:
    if max(grid.shape) > _MOST:
        raise SettingsError(
            f"the output for {name} would have {grid.width} x {grid.height} pixels: "
            "check --resolution (it is in units of the output's CRS)"
        )
    return grid
