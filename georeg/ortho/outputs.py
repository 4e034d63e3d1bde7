"""Which grid an orthoimage gets, and what of it the DEM and the image can fill."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import CRS
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info

from georeg.crs import CrsPath, beside, turn, wrap_longitude
from georeg.errors import InputError, SettingsError
from georeg.grid import Grid, outline
from georeg.ortho.dem import MEGABYTE, open_dem
from georeg.ortho.ground import Ground, Level, Terrain
from georeg.ortho.sensor import Sensor
from georeg.ortho.stretch import FLAGGED, places, stretch
from georeg.ortho.vertical import WGS84
from georeg.outgrid import check_fine_enough
from georeg.pairing.footprint import lattice
from georeg.raster import Header, Raster
from georeg.settings import OrthoSettings

Array = npt.NDArray[np.float64]

_POLAR = {False: 5042, True: 5041}  # UPS south and north, where there is no UTM


@contextmanager
def open_ground(wanted: OrthoSettings, memory: int = 256) -> Iterator[Ground]:
    """The ground that the settings name; several images of a run share it.

    Args:
        wanted: DEM or height.
        memory: megabytes that a run may take; a DEM's blocks get a quarter of them.

    Raises:
        InputError, SettingsError: as `open_dem`.
    """
    if wanted.dem is None:
        yield Level(float(wanted.height or 0.0))
        return
    share = max(16, memory // 4) * MEGABYTE
    with open_dem(wanted.dem, wanted.dem_datum, wanted.geoid, wanted.dem_voids, share) as dem:
        yield Terrain(dem)


@dataclass(frozen=True, eq=False)
class SensorPlacement:
    """A sensor's image as `outgrid` takes it.

    Attributes:
        sensor: of any map.
        crs: of the output unless another one is wanted.
        reference: grid of the reference raster, where there is one.
    """

    sensor: Sensor
    crs: CRS | None
    reference: Grid | None

    def corrected(self, header: Header, name: str, xy: Array, crs: CRS | None) -> Array:
        """(N, 2) pixels of the image -> (N, 2) map positions, within the bounds of the DEM.

        What lies beyond the DEM would be masked anyway.

        Raises:
            InputError: there is no CRS.
        """
        at = self._lenient(name, crs).to_map(xy)
        ground = self.sensor.ground
        if isinstance(ground, Terrain):
            # By the DEM's pixels: of one with a pole in it, the edge says nothing of its degrees.
            grid = ground.dem.grid
            there = grid.to_pixel(CrsPath(crs, ground.dem.crs, None, grid.center[0]).forward(at))
            within = np.clip(there, 0, [grid.width, grid.height])
            beyond = np.isfinite(there).all(axis=1) & (within != there).any(axis=1)
            ends = CrsPath(ground.dem.crs, crs).forward(grid.to_map(within[beyond]))
            at[beyond] = beside(ends, at[beyond, 0], crs)
        return at

    def pixel_size(self, header: Header, name: str, crs: CRS | None) -> tuple[float, float]:
        """GSD on level ground in the middle, in units of `crs`, to two digits.

        Raises:
            InputError: it can't be expressed there.
        """
        sensor = self._lenient(name, crs)
        rows, columns = header.shape
        middle = np.array([[columns / 2, rows / 2]])
        at = sensor.to_map(middle)
        height = sensor.height(at)
        corners = middle + [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
        raw = corners if sensor.bias is None else sensor.bias.inverse(corners)
        ground = sensor.rpc.locate(raw, np.full(3, height[0]))
        on_map = CrsPath(WGS84, sensor.crs).forward(ground)
        edges = on_map[1:] - on_map[0]
        size = math.sqrt(abs(float(np.linalg.det(edges))))
        if not 0 < size < math.inf:
            raise InputError(f"{name}: its pixel size can't be expressed in the output's CRS")
        digits = 1 - math.floor(math.log10(size))
        return (round(size, digits),) * 2

    def _lenient(self, name: str, crs: CRS | None) -> Sensor:
        if crs is None:
            raise InputError(f"{name}: an orthoimage needs a CRS, name one with --dst-crs")
        return replace(self.sensor.on(crs), beyond=self.sensor.ground.typical)


def check_covered(raster: Raster, sensor: Sensor) -> float:
    """The share of an image that has ground under it.

    Raises:
        InputError: none has.
    """
    at = replace(sensor, beyond=sensor.ground.typical).to_map(lattice(raster.header.shape)[::7])
    known = np.isfinite(sensor.strict().height(at))
    if known.any():
        return float(known.mean())
    seen = at[np.isfinite(at).all(axis=1)]
    if not len(seen):
        raise InputError(f"{raster.name}: its RPCs lead nowhere; are they those of this image?")
    lonlat = sensor.lonlat(seen)
    lon = (wrap_longitude(lonlat[:, 0], sensor.rpc.long_off, 360.0).mean() + 180) % 360 - 180
    lat = lonlat[:, 1].mean()
    text = ""
    if isinstance(sensor.ground, Terrain):
        grid = sensor.ground.dem.grid
        corners = CrsPath(sensor.ground.dem.crs, WGS84).forward(grid.to_map(grid.outline(2)))
        (west, south), (east, north) = corners.min(axis=0), corners.max(axis=0)
        text = (
            f", {sensor.ground.dem.raster.name} covers {west:.3f} to {east:.3f}, "
            f"{south:.3f} to {north:.3f}"
        )
    raise InputError(
        f"the DEM doesn't cover {raster.name}: the image lies around longitude {lon:.3f}, "
        f"latitude {lat:.3f}{text}; choose another DEM, or give a constant --height"
    )


def default_crs(sensor: Sensor) -> CRS:
    """Of an orthoimage that nobody wanted any particular CRS for: the DEM's, UTM, or UPS."""
    own = sensor.ground.crs
    if own is not None and own.is_projected:
        return own
    lon, lat = sensor.rpc.long_off, sensor.rpc.lat_off
    lon = float(wrap_longitude(np.array([lon]), 0.0, 360.0)[0])
    area = AreaOfInterest(lon, lat, lon, lat)
    zones = query_utm_crs_info(datum_name="WGS 84", area_of_interest=area)
    return CRS.from_epsg(int(zones[0].code) if zones else _POLAR[lat > 0])


def detail(ground: Ground, grid: Grid) -> float | None:
    """How many pixels of a grid are one of the DEM, for `WarpOptions`; None for level ground."""
    if not isinstance(ground, Terrain):
        return None
    dem, own = ground.dem.grid.metres_per_pixel(), grid.metres_per_pixel()
    return 1.0 if dem is None or own is None else min(dem) / max(own)


def look(sensor: Sensor, grid: Grid, shape: tuple[int, int]) -> dict[str, Any]:
    """For reports (JSON): what the DEM and the relief do to an orthoimage.

    Args:
        sensor: of the grid's CRS.
        grid: of the orthoimage.
        shape: (rows, columns) of the image.

    Raises:
        SettingsError: the grid shows nothing of the image.
    """
    xy = places(grid)
    at = grid.to_map(xy)
    strict = sensor.strict()
    lenient = replace(sensor, beyond=sensor.ground.typical)
    pixel = lenient.to_pixel(at)
    with np.errstate(invalid="ignore"):
        seen = ((pixel >= 0) & (pixel <= [shape[1], shape[0]])).all(axis=1)
    _check_meets(lenient, grid, shape)
    if not seen.any():
        return {"ground": 0.0, "filled": 0.0, "stretched": 0.0, "heights_m": None}
    xy, at = xy[seen], at[seen]
    target = sensor.ground.crs
    found = sensor.ground.heights(at if target is None else CrsPath(grid.crs, target).forward(at))
    known = np.isfinite(found.height)
    times = stretch(strict, grid, xy[known])
    heights = found.height[known]
    return {
        "ground": float(known.mean()),
        "filled": float(found.filled.mean()),
        "stretched": float((times > FLAGGED).mean()) if known.any() else 0.0,
        "stretched_means_more_than": FLAGGED,
        "heights_m": [float(heights.min()), float(heights.max())] if known.any() else None,
    }


def _check_meets(sensor: Sensor, grid: Grid, shape: tuple[int, int]) -> None:
    """Raise if an image lies wholly beside a grid, or between the centres of its pixels."""
    edge = sensor.to_map(outline(shape[1], shape[0], 21))
    full = turn(grid.crs)
    if full is not None:
        edge[:, 0] = wrap_longitude(edge[:, 0], float(grid.center[0]), full)
    edge = grid.to_pixel(edge)
    edge = edge[np.isfinite(edge).all(axis=1)]
    size = [grid.width, grid.height]
    if len(edge) and ((edge.max(axis=0) < 0) | (edge.min(axis=0) > size)).any():
        raise SettingsError("nothing of the image lies in the output's grid: check its bounds")
    if len(edge):
        check_fine_enough(edge, grid, "the image")
