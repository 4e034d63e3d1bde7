"""A fit as a file: all that is needed to apply it to other files of the same scene.

The transform lives in the pixels of a frame. Any other band, product or resolution of the moving
scene finds its way there by its own georeference; a scan without one by its own pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError

from georeg import transforms
from georeg.crs import CrsPath, crs_name
from georeg.errors import GeoregError, InputError, SettingsError
from georeg.grid import Grid
from georeg.inputs.georef import AffineGeoref, Georef
from georeg.inputs.header import no_crs
from georeg.raster import Header
from georeg.textfile import Name, name_of, read_json
from georeg.textfile import write_json as write_json
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]

FORMAT = "georeg-fit"
VERSION = 1

# What comes of values that a fit file can't have.
_DAMAGE = (
    KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, CRSError,
    GeoregError,
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class FitFile:
    """A transform, its frame, and where it comes from.

    Attributes:
        transform: claimed -> true frame pixels.
        frame: grid of the frame.
        reference: grid of the reference raster; None where that has no geotransform.
        placement: pixel -> map of a moving raster without (trusted) georeference, else None.
        moving_shape: (rows, columns) of the moving raster that was aligned.
        moving_crs: CRS that was taken for the moving raster instead of its own, else None.
        info: settings, statistics and versions, for people.
    """

    transform: Transform
    frame: Grid
    reference: Grid | None
    placement: Affine | None
    moving_shape: tuple[int, int]
    moving_crs: CRS | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """One line, without the numbers."""
        rows, columns = self.frame.shape
        where = f"{columns} x {rows} px in {crs_name(self.frame.crs)}"
        return f"<FitFile: {self.transform.name}, in a frame of {where}>"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "frame": _grid_dict(self.frame),
            "reference": None if self.reference is None else _grid_dict(self.reference),
            "moving": {
                "shape": list(self.moving_shape),
                "placement": None if self.placement is None else list(self.placement)[:6],
                "crs": None if self.moving_crs is None else self.moving_crs.to_wkt(),
            },
            "transform": self.transform.to_dict(),
            "info": dict(self.info),
        }

    def save(self, path: str, *, overwrite: bool = True) -> None:
        """Write the file, whole or not at all.

        Raises:
            OutputError: it can't be written.
        """
        write_json(path, self.to_dict(), overwrite=overwrite)

    def georef_of(self, header: Header, name: str) -> tuple[Georef, CRS | None]:
        """Where a raster of the same scene claims to be.

        Raises:
            InputError: it has no georeference that the fit could start from.
        """
        if self.placement is not None:
            rows, columns = header.shape
            scale = Affine.scale(self.moving_shape[1] / columns, self.moving_shape[0] / rows)
            return AffineGeoref(self.placement @ scale), self.frame.crs
        crs = self.moving_crs or header.crs
        if header.georef is None:
            raise InputError(
                f"{name} has no georeference, but the fit belongs to a georeferenced raster"
            )
        if crs is None:
            raise no_crs(name, "--moving-crs")
        return header.georef, crs

    @property
    def crs(self) -> CRS | None:
        """The frame's, which is the reference's."""
        return self.frame.crs

    def pixel_size(self, header: Header, name: str, crs: CRS | None) -> tuple[float, float]:
        """A raster's own pixel size (x, y), in units of `crs`.

        Raises:
            InputError: it can't be expressed there.
        """
        grid = header.grid
        if self.placement is None and grid is not None and grid.crs == crs:
            t = grid.transform
            if t.b == 0 and t.d == 0:
                return abs(t.a), abs(t.e)
        rows, columns = header.shape
        middle = np.array([columns / 2, rows / 2])
        steps = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        at = self.corrected(header, name, middle + steps, crs)
        edges = at[1:] - at[0]
        size = math.sqrt(abs(float(np.linalg.det(edges))))
        if not 0 < size < math.inf:
            raise InputError(f"{name}: its pixel size can't be expressed in the output's CRS")
        return size, size

    def mapping(self, header: Header, name: str, grid: Grid) -> Any:
        """(N, 2) pixels of an output grid -> (N, 2) pixels of a raster of the scene.

        Raises:
            InputError: the raster has no georeference that the fit could start from.
        """
        georef, crs = self.georef_of(header, name)
        rows, columns = header.shape
        source_x = float(georef.to_map(np.array([[columns / 2, rows / 2]]))[0, 0])
        frame_x = float(self.frame.center[0])
        to_frame = CrsPath(grid.crs, self.frame.crs, float(grid.center[0]), frame_x)
        to_source = CrsPath(crs, self.frame.crs, source_x, frame_x)

        def mapping(xy: Array) -> Array:
            true = self.frame.to_pixel(to_frame.forward(grid.to_map(xy)))
            claimed = self.frame.to_map(self.transform.inverse(true))
            return georef.to_pixel(to_source.inverse(claimed))

        return mapping

    def claimed(self, header: Header, name: str, xy: Array) -> Array:
        """(N, 2) pixels of a raster of the scene -> (N, 2) frame pixels by its own georeference.

        Raises:
            InputError: the raster has no georeference that the fit could start from.
        """
        georef, own = self.georef_of(header, name)
        to_frame = CrsPath(own, self.frame.crs, None, float(self.frame.center[0]))
        return self.frame.to_pixel(to_frame.forward(georef.to_map(xy)))

    def corrected(self, header: Header, name: str, xy: Array, crs: CRS | None) -> Array:
        """(N, 2) pixels of a raster of the scene -> (N, 2) corrected map positions in `crs`.

        Raises:
            InputError: the raster has no georeference that the fit could start from.
        """
        true = self.frame.to_map(self.transform.forward(self.claimed(header, name, xy)))
        return CrsPath(self.frame.crs, crs, float(self.frame.center[0]), None).forward(true)

    def shifted(self, header: Header, name: str) -> Grid:
        """The pixel grid of a raster of the scene under its corrected geotransform.

        Raises:
            SettingsError: the fit is more than a shift, or the raster has no geotransform.
            InputError: the raster has no georeference that the fit could start from.
        """
        georef, crs = self.georef_of(header, name)
        if not isinstance(georef, AffineGeoref):
            raise SettingsError(no_geotransform(name))
        if self.transform.name != "shift":
            raise SettingsError(
                f"--shift-only needs a shift, but the fit is '{self.transform.name}': align with "
                "--transform shift"
            )
        rows, columns = header.shape
        middle = np.array([[columns / 2, rows / 2]])
        step = self.corrected(header, name, middle, crs)[0] - georef.to_map(middle)[0]
        return Grid(header.shape, Affine.translation(*step) @ georef.transform, crs)


def no_geotransform(name: str) -> str:
    """Why a raster can't be aligned by its header alone."""
    return (
        f"--shift-only: {name} has GCPs and no geotransform that could be shifted: leave it out, "
        "or give --embed-gcps"
    )


def load_fit(path: Name) -> FitFile:
    """Read a fit file.

    Raises:
        InputError: it is missing or is no fit file.
    """
    path = name_of(path, "fit file")
    data = read_json(path, "a fit file")
    if data.get("format") != FORMAT:
        raise InputError(f"{path} is not a fit file of georeg: make one with --fit")
    try:
        if int(data["version"]) <= VERSION:
            moving = data["moving"]
            return FitFile(
                transforms.from_dict(data["transform"]),
                _grid(data["frame"]),
                None if data["reference"] is None else _grid(data["reference"]),
                None if moving["placement"] is None else _affine(moving["placement"]),
                _shape(moving["shape"]),
                None if moving["crs"] is None else CRS.from_wkt(moving["crs"]),
                dict(data.get("info") or {}),
            )
    except _DAMAGE as error:
        raise InputError(f"{path} is damaged: {error}") from None
    raise InputError(f"{path} was written by a newer georeg: upgrade to read it")


def _grid_dict(grid: Grid) -> dict[str, Any]:
    return {
        "shape": list(grid.shape),
        "transform": list(grid.transform)[:6],
        "crs": None if grid.crs is None else grid.crs.to_wkt(),
        "crs_name": crs_name(grid.crs),
    }


def _grid(data: dict[str, Any]) -> Grid:
    crs = None if data["crs"] is None else CRS.from_wkt(data["crs"])
    return Grid(_shape(data["shape"]), _affine(data["transform"]), crs)


def _shape(data: Any) -> tuple[int, int]:
    rows, columns = (int(n) for n in data)
    if rows < 1 or columns < 1:
        raise ValueError(f"a raster of {columns} x {rows} pixels")
    return rows, columns


def _affine(data: Any) -> Affine:
    a, b, c, d, e, f = (float(v) for v in data)
    if not all(map(math.isfinite, (a, b, c, d, e, f))) or a * e == b * d:
        raise ValueError(f"a geotransform of {data}")
    return Affine(a, b, c, d, e, f)
