"""GCPs of a GeoTIFF, and the GCPs that stand for a fit.

Pixel and line as GDAL has them: (0, 0) is the outer corner of the upper-left pixel, rows count
downwards.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import CRS
from rasterio.control import GroundControlPoint

from georeg import transforms
from georeg.errors import InputError, PointsError
from georeg.fitfile import FitFile
from georeg.inputs.georef import GcpGeoref
from georeg.raster import Header

log = logging.getLogger(__name__)

Array = npt.NDArray[np.float64]

MOST = 10_922
"""GCPs that a GeoTIFF can hold: six numbers each, and libgeotiff counts to 65535."""

CLOSE = 0.02  # pixels: as good as exact
_SIDES = (
    3,
    5,
    9,
    17,
    29,
)  # GCPs along the longer side of the raster; gdalwarp -tps takes N^3 steps
_CHECKS = 23  # places along a side where GDAL's interpolation is looked at


@dataclass(frozen=True, eq=False)
class Gcps:
    """Ground control points.

    Attributes:
        pixel_xy: (N, 2) column and row.
        map_xy: (N, 2) map positions.
        crs: of the map positions.
        ids: their names; numbers if empty.
    """

    pixel_xy: Array
    map_xy: Array
    crs: CRS | None
    ids: tuple[str, ...] = ()

    def to_rasterio(self) -> list[Any]:
        """For rasterio's `gcps`."""
        ids = self.ids or tuple(str(i + 1) for i in range(len(self.pixel_xy)))
        return [
            GroundControlPoint(row=float(p[1]), col=float(p[0]), x=float(m[0]), y=float(m[1]), id=i)
            for p, m, i in zip(self.pixel_xy, self.map_xy, ids, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Sampled:
    """GCPs that stand for a fit, and how GDAL has to take them.

    Attributes:
        gcps: on an even lattice over the raster.
        method: option of gdalwarp: empty for its default, or -tps.
        error: largest error in pixels that gdalwarp makes with them.
    """

    gcps: Gcps
    method: str
    error: float

    def summary(self) -> tuple[int, str, float]:
        """How many there are, for which command, and its error in pixels."""
        return len(self.gcps.pixel_xy), f"gdalwarp {self.method}".strip(), self.error

    def tags(self) -> dict[str, str]:
        """For the domain GEOREG."""
        _, command, error = self.summary()
        return {"GCPS_FOR": command, "GCPS_ERROR_PX": f"{error:.4f}"}


def fit_gcps(fit: FitFile, header: Header, name: str, crs: CRS | None) -> Sampled:
    """As few GCPs as will do for gdalwarp to resample a raster as the fit does.

    Where its default polynomial follows the fit that is enough; else its thin plate spline, which
    goes through all of them, with more and more GCPs.

    Args:
        fit: how the raster is aligned.
        header: of a raster of the fitted scene.
        name: of that raster.
        crs: of the map positions.

    Raises:
        InputError: the raster has no georeference that the fit could start from, or the fit isn't
            defined all over it.
    """
    shape = header.shape
    checks = _lattice(shape, _CHECKS)
    expected = fit.corrected(header, name, checks, crs)
    best: Sampled | None = None
    for count in _SIDES:
        pixels = _lattice(shape, count)
        ground = fit.corrected(header, name, pixels, crs)
        if not (np.isfinite(ground).all() and np.isfinite(expected).all()):
            raise InputError(
                f"{name}: the fit isn't defined all over it, and GCPs can't say so: resample it"
            )
        gcps = Gcps(pixels, ground, crs)
        for method, back in _interpolations(gcps):
            error = float(np.hypot(*(back(expected) - checks).T).max())
            if best is None or error < best.error:
                best = Sampled(gcps, method, error)
            if error <= CLOSE:
                log.info("%d GCPs for %s, exact to %.3f px", *best.summary())
                return best
    if best is None:
        raise InputError(f"{name}: GDAL can't interpolate between GCPs of its fit: resample it")
    log.warning("%d GCPs for %s are exact to %.2f px only", *best.summary())
    return best


def _interpolations(gcps: Gcps) -> Iterator[tuple[str, Callable[[Array], Array]]]:
    """What gdalwarp makes of GCPs: its option, and map -> pixel."""
    yield "", GcpGeoref.from_gcps(gcps.pixel_xy, gcps.map_xy).to_pixel
    try:
        spline = transforms.load("tps").from_points(gcps.pixel_xy, gcps.map_xy, smoothing=0.0)
    except PointsError:
        return
    yield "-tps", spline.inverse


def _lattice(shape: tuple[int, int], longest: int) -> Array:
    """(N, 2) even pixel positions from edge to edge, about square cells, at least 3 x 3."""
    rows, columns = shape
    step = max(rows, columns) / (longest - 1)
    across, down = (max(3, round(size / step) + 1) for size in (columns, rows))
    xy = np.meshgrid(np.linspace(0, columns, across), np.linspace(0, rows, down))
    return np.stack(xy, axis=-1).reshape(-1, 2)
