"""Which grid an output gets."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from georeg.crs import parse_crs
from georeg.errors import InputError, SettingsError
from georeg.fitfile import FitFile
from georeg.grid import Grid, outline
from georeg.raster import Header, Raster

Array = npt.NDArray[np.float64]

_MOST = 2_000_000  # pixels along a side: beyond that something is wrong


@dataclass(frozen=True)
class OutputSettings:
    """What the output looks like; the command line's options have the same names.

    Attributes:
        grid: 'auto' (the moving raster's resolution in the reference's CRS, the corrected
            footprint, on whole pixels), 'reference', 'moving', or the name of a raster.
        resolution: pixel size instead, in units of the output's CRS: one or (x, y).
        bounds: (left, bottom, right, top) instead, in the output's CRS.
        dst_crs: CRS instead.
        resampling: nearest, bilinear, cubic, lanczos, average, mode; auto is cubic, or nearest
            for palettes.
        driver: COG or GTiff.
        creation: GDAL creation options.
        overwrite: whether an existing output may be replaced.
        dst_nodata: nodata value of the output; the input's own if None.
        shift_only: correct the geotransform and touch no pixel; only for a shift.
    """

    grid: str = "auto"
    resolution: tuple[float, ...] = ()
    bounds: tuple[float, float, float, float] | None = None
    dst_crs: str | None = None
    resampling: str = "auto"
    driver: str = "COG"
    creation: dict[str, str] = field(default_factory=dict)
    overwrite: bool = False
    dst_nodata: float | None = None
    shift_only: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked without the rasters.

        Raises:
            SettingsError: a value makes no sense.
        """
        if len(self.resolution) > 2 or any(not 0 < r < math.inf for r in self.resolution):
            raise SettingsError("--resolution must be one or two numbers above 0")
        if self.bounds is not None:
            left, bottom, right, top = self.bounds
            if not (left < right and bottom < top and all(map(math.isfinite, self.bounds))):
                raise SettingsError("--bounds must be LEFT BOTTOM RIGHT TOP, with LEFT < RIGHT")
        if self.shift_only and (self.resolution or self.bounds or self.dst_crs):
            raise SettingsError("--shift-only keeps the pixel grid: give no resolution or bounds")


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
    if base is not None and crs == base.crs and not settings.resolution:
        if settings.bounds is None:
            return base
        size = (
            math.hypot(base.transform.a, base.transform.d),
            math.hypot(base.transform.b, base.transform.e),
        )
        return _checked(Grid.from_bounds(settings.bounds, size, crs), name)
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
