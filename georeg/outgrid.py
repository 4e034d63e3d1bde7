"""Which grid an output gets."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt
from pyproj import CRS
from shapely import MultiPoint, box, intersects_xy

from georeg.crs import crs_name, parse_crs, turn, wrap_longitude
from georeg.errors import InputError, NoOverlapError, SettingsError
from georeg.grid import MOST, Grid
from georeg.pairing.footprint import all_over
from georeg.raster import Header, Raster
from georeg.settings import OutputSettings as OutputSettings

Array = npt.NDArray[np.float64]

_TORN = 0.9  # of its width, in which an outline has no point: it is torn apart there
_CLOSER = 5  # times that the farthest place inside a raster is looked at more closely
_LOCAL = np.stack(np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)), -1).reshape(-1, 2)
_FEW = 4096  # pixels: a raster that covers more of them is seen in some


class Placement(Protocol):
    """How a raster is aligned: by a fit, or by a sensor model."""

    @property
    def crs(self) -> CRS | None:
        """The CRS that an output has unless another one is wanted."""
        ...

    @property
    def reference(self) -> Grid | None:
        """Grid of the reference raster, where that has one."""
        ...

    def corrected(self, header: Header, name: str, xy: Array, crs: CRS | None) -> Array:
        """(N, 2) pixels of the raster -> (N, 2) corrected map positions in `crs`."""
        ...

    def pixel_size(self, header: Header, name: str, crs: CRS | None) -> tuple[float, float]:
        """The raster's own pixel size (x, y), in units of `crs`."""
        ...


def output_grid(fit: Placement, header: Header, name: str, settings: OutputSettings) -> Grid:
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
    base = named_grid(settings.grid, header, fit.reference, fit.crs)
    crs = (
        parse_crs(settings.dst_crs)
        if settings.dst_crs
        else (base.crs if base is not None else fit.crs)
    )
    if base is not None and crs == base.crs:
        if settings.bounds is None and not settings.resolution:
            return base
        t = base.transform
        resolution = settings.resolution or (math.hypot(t.a, t.d), math.hypot(t.b, t.e))
        size = (resolution[0], resolution[-1])
        return _checked(Grid.from_bounds(settings.bounds or base.bounds(), size, crs), name)
    footprint = _footprint(fit, header, name, crs)
    resolution = settings.resolution or fit.pixel_size(header, name, crs)
    size = (resolution[0], resolution[-1])
    low, high = footprint.min(axis=0), footprint.max(axis=0)
    bounds = settings.bounds or (low[0], low[1], high[0], high[1])
    align = settings.bounds is None
    if settings.bounds is None and _torn(footprint):
        raise SettingsError(
            f"{name} lies across the edge of {crs_name(crs)}, half of it at either end: give "
            "another --dst-crs, or the --bounds of one part"
        )
    return _checked(Grid.from_bounds(bounds, size, crs, align=align), name)


def _torn(footprint: Array) -> bool:
    """Whether an outline lies at both ends of what it spans, with nothing between."""
    x = np.sort(footprint[:, 0])
    return bool(np.diff(x).max() > _TORN * (x[-1] - x[0]))


def check_shown(fit: Placement, header: Header, name: str, grid: Grid) -> None:
    """See that not all of an output would be empty; what can't be told passes.

    Raises:
        NoOverlapError: nothing of the raster lies on the grid.
        SettingsError: the grid's pixels are so large that none has its centre in the raster.
    """
    xy = fit.corrected(header, name, all_over(header.shape), grid.crs)
    full = turn(grid.crs)
    if full is not None:
        xy[:, 0] = wrap_longitude(xy[:, 0], float(grid.center[0]), full)
    if not meets(grid.to_pixel(xy), grid):
        raise NoOverlapError(
            f"{name}: nothing of it lies on the output's grid: check --grid and --bounds, and that "
            "the fit belongs to this raster"
        )
    check_fine_enough(grid.to_pixel(xy), grid, name)


def check_fine_enough(xy: Array, grid: Grid, name: str) -> None:
    """See that some pixel of a grid has its centre among these (N, 2) places in its pixels.

    Raises:
        SettingsError: none has, so that all would be empty.
    """
    if not np.isfinite(xy).all():
        return
    first = np.maximum(np.ceil(xy.min(axis=0) - 0.5), 0)
    last = np.minimum(np.floor(xy.max(axis=0) - 0.5), [grid.width - 1, grid.height - 1])
    count = np.maximum(last - first + 1, 0)
    if count.prod() > _FEW:
        return
    x, y = np.meshgrid(first[0] + np.arange(count[0]), first[1] + np.arange(count[1]))
    if not intersects_xy(MultiPoint(xy).convex_hull, x + 0.5, y + 0.5).any():
        t = grid.transform
        size = f"{math.hypot(t.a, t.d):g} x {math.hypot(t.b, t.e):g}"
        raise SettingsError(
            f"{name} would vanish between the pixels of the output, which are {size} units of its "
            "CRS large: check --resolution, --bounds and --grid"
        )


def meets(xy: Array, grid: Grid) -> bool:
    """Whether something with these (N, 2) places in pixels of a grid lies on it, or may do so."""
    if not np.isfinite(xy).all():
        return True
    return bool(MultiPoint(xy).convex_hull.intersects(box(0, 0, grid.width, grid.height)))


def named_grid(grid: str, moving: Header, reference: Grid | None, crs: CRS | None) -> Grid | None:
    """The grid that was named, None for the automatic one.

    Args:
        grid: auto, reference, moving, or the name of a raster.
        moving: header of the moving raster.
        reference: grid of the reference; None where that has none.
        crs: of the aligned raster; None if unknown.

    Raises:
        InputError: the raster that was named can't be read.
        SettingsError: what was named has no pixel grid, or no CRS.
    """
    if grid == "auto":
        return None
    if grid == "reference":
        if reference is None:
            raise SettingsError("--grid reference: the reference has no pixel grid (GCPs only)")
        return reference
    if grid == "moving":
        if moving.grid is None or moving.grid.crs is None:
            raise SettingsError("--grid moving: the moving raster has no pixel grid of its own")
        return moving.grid
    with Raster(grid) as like:
        found = like.header.grid
    if found is None:
        raise SettingsError(f"--grid {grid}: that raster has no pixel grid")
    if found.crs is None and crs is not None:
        raise SettingsError(f"--grid {grid}: that raster has no CRS")
    return found


def _footprint(fit: Placement, header: Header, name: str, crs: CRS | None) -> Array:
    rows, columns = header.shape
    full = turn(crs)
    middle = np.array([[columns / 2, rows / 2]])
    around = None if full is None else float(fit.corrected(header, name, middle, crs)[0, 0])

    def seen(at: Array) -> Array:
        xy = fit.corrected(header, name, at, crs)
        if full is not None and around is not None:  # it need not end at the antimeridian
            xy[:, 0] = wrap_longitude(xy[:, 0], around, full)
        return np.where(np.isfinite(xy), xy, np.nan)

    at = all_over(header.shape)
    xy = seen(at)
    # Where a raster goes around the Earth or over a pole, its inside reaches beyond its outline.
    size = np.array([columns, rows], np.float64)
    step = size / 32
    for _ in range(_CLOSER):
        known = np.isfinite(xy).all(axis=1)
        if not known.any():
            break
        ends = np.where(known, xy.T, np.nan)
        far = at[[*np.nanargmin(ends, axis=1), *np.nanargmax(ends, axis=1)]]
        far = far[((far > 0) & (far < size)).all(axis=1)]
        if not len(far):
            break
        near = np.clip((far[:, None] + _LOCAL * step).reshape(-1, 2), 0, size)
        at, xy = np.concatenate([at, near]), np.concatenate([xy, seen(near)])
        step = step / 4
    xy = xy[np.isfinite(xy).all(axis=1)]
    if len(xy) < 8:
        raise InputError(f"{name}: its corrected outline can't be expressed in the output's CRS")
    return xy


def _checked(grid: Grid, name: str) -> Grid:
    if max(grid.shape) > MOST:
        raise SettingsError(
            f"the output for {name} would have {grid.width:.9g} x {grid.height:.9g} pixels: "
            "check --resolution (it is in units of the output's CRS)"
        )
    return grid
