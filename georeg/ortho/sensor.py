"""A sensor's image as a georeferenced raster: through its RPCs, its bias and the ground.

From the ground to the image is a formula: look up the height, project, correct the bias. From the
image to the ground is a search along the ray for the place where the ray meets the DEM. What
hides behind a ridge is not known to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from georeg.crs import CrsPath
from georeg.ortho.ground import Ground
from georeg.ortho.rpc import Rpc
from georeg.ortho.vertical import WGS84
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]

_ROUNDS = 30  # of the search along a ray
_HALVINGS = 45
_MET = 1e-3  # metres between ray and ground
_STEEPEST = 0.8  # how much the ground may rise along the ray per metre of height, in one step


@dataclass(frozen=True, eq=False)
class Sensor:
    """Where pixels of a sensor's image lie on the map, and back. A `georeg.inputs.georef.Georef`.

    Attributes:
        rpc: the vendor's model.
        ground: heights.
        crs: of the map.
        bias: from the pixel by the RPCs to the true one; None for none.
        beyond: height where the ground has none, to find out roughly where things are; None
            where positions must be right: then there are none.
    """

    rpc: Rpc
    ground: Ground
    crs: CRS
    bias: Transform | None = None
    beyond: float | None = None

    def corrected(self, bias: Transform | None) -> Sensor:
        """The same with another bias."""
        return replace(self, bias=bias)

    def strict(self) -> Sensor:
        """The same without heights where the ground has none."""
        return replace(self, beyond=None)

    def on(self, crs: CRS) -> Sensor:
        """The same for another map."""
        return replace(self, crs=crs)

    @cached_property
    def _on_map(self) -> CrsPath:
        """Degrees on WGS 84 -> map, in one piece also where the image meets the antimeridian."""
        middle = np.array([[self.rpc.long_off, self.rpc.lat_off]])
        x = float(CrsPath(WGS84, self.crs).forward(middle)[0, 0])
        return CrsPath(WGS84, self.crs, None, x if np.isfinite(x) else None)

    def height(self, map_xy: Array) -> Array:
        """(N,) metres above the ellipsoid at (N, 2) map positions; NaN where unknown."""
        target = self.ground.crs
        at = map_xy if target is None else CrsPath(self.crs, target).forward(map_xy)
        height = self.ground.heights(at).height
        if self.beyond is not None:
            height = np.where(np.isfinite(height), height, self.beyond)
        return height

    def lonlat(self, map_xy: Array) -> Array:
        """(N, 2) degrees on WGS 84 of map positions."""
        return CrsPath(self.crs, WGS84).forward(map_xy)

    def project(self, map_xy: Array, height: Array) -> Array:
        """(N, 2) pixels by the RPCs alone of map positions at given heights."""
        return self.rpc.project(self.lonlat(map_xy), height)

    def to_pixel(self, xy: Array) -> Array:
        """(N, 2) map -> (N, 2) pixel; NaN where the ground is unknown."""
        pixel = self.project(xy, self.height(xy))
        return pixel if self.bias is None else self.bias.forward(pixel)

    def to_map(self, xy: Array) -> Array:
        """(N, 2) pixel -> (N, 2) map; NaN where the ray meets no known ground."""
        raw = np.asarray(xy if self.bias is None else self.bias.inverse(xy), np.float64)
        typical = self.ground.typical if self.beyond is None else self.beyond
        height = np.full(len(raw), typical)
        last, rise = np.full((2, len(raw)), np.nan)
        low, high = np.full(len(raw), np.inf), np.full(len(raw), -np.inf)
        todo = np.arange(len(raw))
        for _ in range(_ROUNDS):
            there = self._along(raw[todo], height[todo], typical)
            low[todo] = np.fmin(low[todo], there)
            high[todo] = np.fmax(high[todo], there)
            gap = there - height[todo]
            with np.errstate(invalid="ignore", divide="ignore"):
                slope = (there - rise[todo]) / (height[todo] - last[todo])
            slope = np.where(np.isfinite(slope), np.clip(slope, -4.0, _STEEPEST), 0.0)
            last[todo], rise[todo] = height[todo], there
            going = np.abs(gap) > _MET
            height[todo] = np.where(going, height[todo] + gap / (1 - slope), there)
            todo = todo[going]
            if not len(todo):
                break
        if len(todo):  # cliffs: halve the range of heights instead
            height[todo] = self._between(raw[todo], low[todo] - 1, high[todo] + 1, typical)
        found = self._on_map.forward(self.rpc.locate(raw, height))
        found[~np.isfinite(self.height(found))] = np.nan
        return found

    def _along(self, raw: Array, height: Array, typical: float) -> Array:
        """Height of the ground where rays pass the given heights; a typical one where unknown."""
        at = self._on_map.forward(self.rpc.locate(raw, height))
        there = self.height(at)
        return np.where(np.isfinite(there), there, typical)

    def _between(self, raw: Array, low: Array, high: Array, typical: float) -> Array:
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            above = self._along(raw, middle, typical) > middle
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return (low + high) / 2

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings (JSON)."""
        bias = None if self.bias is None else self.bias.to_dict()
        return {"kind": "rpc", "rpc": self.rpc.to_tags(), "bias": bias}
