"""What formats of tie points must know about the two rasters: who has which coordinates."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import CRS

from georeg.crs import parse_crs
from georeg.errors import SettingsError
from georeg.fitfile import FitFile
from georeg.grid import outline
from georeg.inputs.georef import AffineGeoref, Georef
from georeg.raster import Header, Raster
from georeg.textfile import Name, name_of

Array = npt.NDArray[np.float64]

log = logging.getLogger(__name__)

_SLACK = 0.1  # of a raster's sides: hands also click a bit beyond an edge

UNREFERENCED = AffineGeoref(Affine(1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
"""Layer coordinates of a raster without georeference in a GIS: x = column, y = -row, (0, 0) the
outer corner of the first pixel (measured in QGIS 3.22)."""


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two rasters.

    Attributes:
        name: as it is opened.
        header: what the raster says about itself; its CRS may be overridden.
    """

    name: str
    header: Header

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.header.shape

    @property
    def crs(self) -> CRS | None:
        """Of the raster's own coordinates."""
        return self.header.crs

    @property
    def georef(self) -> Georef | None:
        """From pixels to the raster's own coordinates, where the raster has them."""
        return self.header.georef

    @property
    def layer(self) -> Georef:
        """From pixels to the coordinates in which a GIS shows the raster."""
        return self.header.georef or UNREFERENCED

    def holds(self, pixel_xy: Array, margin: float = 0.0) -> npt.NDArray[np.bool_]:
        """(N,) whether pixel positions lie in the raster, or up to a share of its sides beyond."""
        size = np.array(self.shape[::-1], np.float64)
        reach = margin * size
        return np.asarray(((pixel_xy >= -reach) & (pixel_xy <= size + reach)).all(axis=1))

    def pixels(self, xy: Array, conventions: Sequence[tuple[str, Georef]], path: str) -> Array:
        """Pixels from a file's own coordinates, which don't always keep to its convention.

        Args:
            xy: (N, 2) coordinates in the file.
            conventions: what they may be and how to get there from pixels, the usual one first.
                Another one is taken where no point of the usual one lies in the raster, but all
                of the other one do.
            path: of the file, for messages.

        Returns:
            (N, 2) pixels.
        """
        usual = conventions[0][1].to_pixel(xy)
        if self.holds(usual, _SLACK).any():
            return usual
        for name, georef in conventions[1:]:
            pixels = georef.to_pixel(xy)
            if self.holds(pixels).all():
                log.warning("%s: source coordinates are taken as %s of %s", path, name, self.name)
                return pixels
        return usual

    def outline(self, per_side: int = 21) -> Array:
        """(4 * per_side, 2) pixel positions along the edge."""
        rows, columns = self.shape
        return outline(columns, rows, per_side)


@dataclass(frozen=True, eq=False)
class Sides:
    """Both rasters, as far as they are known.

    Attributes:
        moving: the raster whose pixels were measured.
        reference: the raster that says where they are.
        fit: how the one is aligned to the other.
        tiles: (T, 4) x, y, width, height of the windows that were matched, in frame pixels of
            the fit.
    """

    moving: Side | None = None
    reference: Side | None = None
    fit: FitFile | None = None
    tiles: Array | None = None


def open_side(name: Name, crs: str | None = None) -> Side:
    """What a raster's header says.

    Args:
        name: of the raster.
        crs: taken instead of its own.

    Raises:
        InputError: it can't be opened.
        SettingsError: that isn't a CRS.
    """
    name = name_of(name, "raster")
    with Raster(name, crs=None if crs is None else parse_crs(crs)) as raster:
        return Side(name, raster.header)


def needed(side: Side | None, path: str, option: str, why: str) -> Side:
    """The side, if it is there.

    Raises:
        SettingsError: it isn't; says what for it is needed and with which option it is given.
    """
    if side is None:
        raise SettingsError(f"{path}: {why}: name the raster with {option}")
    return side
