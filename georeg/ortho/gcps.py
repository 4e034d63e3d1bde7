"""Ground control points that an image's file brings along, with heights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from georeg.crs import CrsPath
from georeg.errors import InputError
from georeg.ortho.ground import Ground, Terrain
from georeg.ortho.sensor import Sensor
from georeg.ortho.vertical import WGS84
from georeg.raster import Raster

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gcps:
    """N control points.

    Attributes:
        ids: their names.
        pixel: (N, 2) where they are in the image.
        lonlat: (N, 2) degrees on WGS 84.
        height: (N,) metres above the ellipsoid.
        heights_from: where the heights come from, for people.
    """

    ids: tuple[str, ...]
    pixel: Array
    lonlat: Array
    height: Array
    heights_from: str

    def __len__(self) -> int:
        """Number of points."""
        return len(self.ids)

    def predicted(self, sensor: Sensor) -> Array:
        """(N, 2) pixels by the RPCs alone."""
        return sensor.rpc.project(self.lonlat, self.height)


def read_gcps(raster: Raster, ground: Ground) -> Gcps | None:
    """The GCPs in a file; None if it has none.

    Heights of 0 throughout mean that nobody gave any: then the ground's count. Other heights are
    taken as counted from where the DEM's are.

    Raises:
        InputError: they have no CRS, or the ground has no height for any of them.
    """
    gcps, crs = raster.dataset().gcps
    if not gcps:
        return None
    if not crs:
        raise InputError(
            f"{raster.name} has {len(gcps)} GCPs without a CRS: --gcps ignore does without them"
        )
    source = CRS.from_wkt(crs.to_wkt()).to_2d()
    place = np.array([[g.x, g.y] for g in gcps], np.float64)
    z = np.array([g.z or 0.0 for g in gcps], np.float64)
    on_ground = place if ground.crs is None else CrsPath(source, ground.crs).forward(place)
    if np.any(z != 0):
        height = z
        said = "the GCPs"
        if isinstance(ground, Terrain):
            height = z + ground.dem.vertical.separation(on_ground)
            said = f"the GCPs, above {ground.dem.vertical.name}"
    else:
        height, said = ground.heights(on_ground).height, "the DEM"
    lonlat = CrsPath(source, WGS84).forward(place)
    pixel = np.array([[g.col, g.row] for g in gcps], np.float64)
    known = np.isfinite(height) & np.isfinite(lonlat).all(axis=1)
    if not known.any():
        raise InputError(
            f"{raster.name}: none of its {len(gcps)} GCPs lies on the DEM: --gcps ignore does "
            "without them"
        )
    ids = [str(g.id or k + 1) for k, g in enumerate(gcps)]
    return Gcps(
        tuple(name for name, good in zip(ids, known, strict=True) if good),
        pixel[known],
        lonlat[known],
        height[known],
        said,
    )
