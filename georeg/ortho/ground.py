"""What stands for the ground: a DEM, or one height for all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from georeg.ortho.dem import Dem, Heights

Array = npt.NDArray[np.float64]


class Ground(Protocol):
    """Heights by place."""

    @property
    def crs(self) -> CRS | None:
        """Of the coordinates that `heights` takes; None where it takes any."""
        ...

    @property
    def typical(self) -> float:
        """A height to begin with, metres above the ellipsoid."""
        ...

    def heights(self, xy: Array) -> Heights:
        """Heights at (N, 2) coordinates of `crs`."""
        ...


@dataclass(frozen=True)
class Level:
    """The same height everywhere, metres above the ellipsoid."""

    typical: float

    @property
    def crs(self) -> CRS | None:
        """Any will do."""
        return None

    def heights(self, xy: Array) -> Heights:
        """The one height."""
        return Heights(np.full(len(xy), self.typical), np.zeros(len(xy), np.bool_))


class Terrain:
    """A DEM."""

    def __init__(self, dem: Dem) -> None:
        """Look at a few places for a height to begin with."""
        self.dem = dem
        rows, columns = dem.grid.shape
        x, y = np.meshgrid(np.linspace(0.1, 0.9, 5) * columns, np.linspace(0.1, 0.9, 5) * rows)
        at = dem.grid.to_map(np.stack([x.ravel(), y.ravel()], axis=1))
        seen = dem.heights(at).height
        self.typical = float(np.nanmedian(seen)) if np.isfinite(seen).any() else 0.0

    @property
    def crs(self) -> CRS | None:
        """The DEM's."""
        return self.dem.crs

    def heights(self, xy: Array) -> Heights:
        """By the DEM; NaN beyond it."""
        return self.dem.heights(xy)
