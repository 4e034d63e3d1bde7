"""Where a raster claims that its pixels are: by geotransform or by GCPs in its header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from affine import Affine

from georeg import transforms
from georeg.errors import InputError, PointsError
from georeg.grid import apply_affine
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]


class Georef(Protocol):
    """Pixel coordinates (edge convention) to the raster's own map coordinates, and back."""

    def to_map(self, xy: Array) -> Array:
        """(N, 2) pixel -> (N, 2) map."""
        ...

    def to_pixel(self, xy: Array) -> Array:
        """(N, 2) map -> (N, 2) pixel."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings (JSON)."""
        ...


@dataclass(frozen=True)
class AffineGeoref:
    """A geotransform, rotated or south-up as it may be."""

    transform: Affine

    def to_map(self, xy: Array) -> Array:
        """(N, 2) pixel -> (N, 2) map."""
        return apply_affine(self.transform, xy)

    def to_pixel(self, xy: Array) -> Array:
        """(N, 2) map -> (N, 2) pixel."""
        return apply_affine(~self.transform, xy)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings (JSON)."""
        return {"kind": "geotransform", "transform": list(self.transform)[:6]}


@dataclass(frozen=True, eq=False)
class GcpGeoref:
    """GCPs, interpolated as gdalwarp does by default: a polynomial from map to pixel.

    First order, second order from 6 points on (GDALCreateGCPTransformer with order 0); beyond
    the GCPs it goes on linearly.
    """

    model: Transform
    count: int

    @classmethod
    def from_gcps(cls, pixel_xy: Array, map_xy: Array) -> GcpGeoref:
        """Fit to (N, 2) pixel and map positions.

        Raises:
            InputError: fewer than three usable GCPs.
        """
        name = "polynomial2" if len(pixel_xy) >= 6 else "affine"
        try:
            model = transforms.load(name).from_points(pixel_xy, map_xy)
        except PointsError:
            try:
                model = transforms.load("affine").from_points(pixel_xy, map_xy)
            except PointsError as error:
                raise InputError(f"its GCPs can't be used as georeference: {error}") from None
        return cls(model, len(pixel_xy))

    def to_map(self, xy: Array) -> Array:
        """(N, 2) pixel -> (N, 2) map."""
        return self.model.forward(xy)

    def to_pixel(self, xy: Array) -> Array:
        """(N, 2) map -> (N, 2) pixel."""
        return self.model.inverse(xy)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings (JSON)."""
        return {"kind": "gcps", "count": self.count, "model": self.model.to_dict()}
