"""A fit as a displacement grid that PROJ, GDAL and PDAL apply: a GeoTIFF of PROJ's GTG kind.

Specification: PROJ's "Geodetic TIFF grids (GTG)", TYPE=HORIZONTAL_OFFSET, for `+proj=hgridshift` of
PROJ 7 and newer. Band 1 is latitude_offset, band 2 longitude_offset, both in arc-seconds, positive
to the north and to the east: true minus claimed position, at the claimed position, in geographic
coordinates on the reference's datum. Nodes are pixel centres (AREA_OR_POINT=Point); between them
PROJ interpolates bilinearly, and they are so close that this is exact to `CLOSE` pixels.

The text is the pipeline around the grid: see `fit_proj` for what goes in and comes out.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio.crs
from affine import Affine
from pyproj import CRS
from scipy.ndimage import distance_transform_edt

from georeg.crs import CrsPath, metres_per_unit
from georeg.errors import InputError
from georeg.grid import Window, apply_affine, outline
from georeg.resampling.nodes import Nodes, sample_nodes
from georeg.writers.arrays import write_arrays
from georeg.writers.fits import FitExport
from georeg.writers.pipelines import conversion, pipeline, quoted, to_reference

Array = npt.NDArray[np.float64]

CLOSE = 0.01  # reference pixels
_STEPS = (16, 1024)  # pixels between nodes to begin with, by the raster's size
_CELLS = 16  # to begin with, along the longer side
_MOST = 40e6  # nodes: beyond that a grid is no use
_MARGIN = 2  # cells around all that is claimed or true: PROJ's inverse takes steps outside
_SECONDS = 3600.0
_POLAR = 89.9  # degrees of latitude from which on longitudes mean little
_SEEN = 33  # places along a side of the raster where the fit must be defined


def export(job: FitExport) -> str:
    """Write the grid.

    Returns:
        The pipeline that applies it, with the grid's full path.

    Raises:
        SettingsError: no output is named, or it exists and may not be overwritten.
        InputError: the fit can't be expressed as such a grid.
        OutputError: it can't be written.
    """
    output = job.needed_output()
    name = quoted(os.path.abspath(output))
    write_grid(job, output)
    return pipeline(grid_steps(job, name)) + "\n"


def grid_steps(job: FitExport, name: str) -> list[str]:
    """Steps of the pipeline around a grid.

    Args:
        job: what is exported.
        name: of the grid, as PROJ has to find it.
    """
    crs, geographic = job.crs, _geographic(job)
    at = job.fit.frame.center
    lonlat = CrsPath(crs, geographic).forward(at[None])[0]
    return [
        *to_reference(job),
        *conversion(crs, geographic, at),
        "+proj=unitconvert +xy_in=deg +xy_out=rad",
        f"+proj=hgridshift +grids={name}",
        "+proj=unitconvert +xy_in=rad +xy_out=deg",
        *conversion(geographic, crs, lonlat),
    ]


def write_grid(job: FitExport, output: str) -> None:
    """Write the grid file.

    Raises:
        SettingsError, InputError, OutputError: as `export`.
    """
    sheet = _sheet(job)
    nodes = _nodes(job, sheet)
    rows, columns = nodes.xy.shape[:2]
    at = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1) * nodes.step
    offset = (nodes.xy - (at + [nodes.x, nodes.y])) * [sheet.degrees[0], -sheet.degrees[1]]
    seconds = _filled(offset * _SECONDS).astype(np.float32)
    first = sheet.transform @ Affine.translation(nodes.x - nodes.step / 2, nodes.y - nodes.step / 2)
    profile = {
        "crs": rasterio.crs.CRS.from_wkt(sheet.crs.to_wkt()),
        "transform": first @ Affine.scale(nodes.step),
        "compress": "deflate", "predictor": 3, "tiled": True, "blockxsize": 256, "blockysize": 256,
        "interleave": "band",
    }  # fmt: skip
    north_east = np.moveaxis(seconds[..., ::-1], -1, 0)
    write_arrays(
        output, north_east, profile, (job.name,), overwrite=job.overwrite, describe=_describe
    )


def _describe(file: Any) -> None:
    """What PROJ has to know about a grid."""
    file.update_tags(TYPE="HORIZONTAL_OFFSET", AREA_OR_POINT="Point")
    file.update_tags(2, positive_value="east")
    for band, name in enumerate(("latitude", "longitude"), start=1):
        file.set_band_description(band, f"{name}_offset")
        file.set_band_unit(band, "arc-second")


@dataclass(frozen=True, eq=False)
class _Sheet:
    """Pixels in longitude and latitude, as large as the frame's; the grid's nodes lie on them."""

    transform: Affine
    degrees: tuple[float, float]  # of longitude and latitude for a pixel
    crs: CRS
    window: Window
    step: int


def _geographic(job: FitExport) -> CRS:
    """Longitude and latitude in degrees on the reference's datum."""
    geographic = job.crs.to_2d().geodetic_crs
    if geographic is None:
        raise InputError(
            f"{job.name}: the reference's CRS has no datum, PROJ can't shift in it: use "
            "--format geoloc"
        )
    units = [axis.unit_conversion_factor for axis in geographic.axis_info]
    if all(math.isclose(unit, math.radians(1), rel_tol=1e-9) for unit in units[:2]):
        return geographic.to_2d()
    return CRS.from_dict({"proj": "longlat", **_shape(geographic), "no_defs": True})


def _shape(crs: CRS) -> dict[str, float]:
    ellipsoid = crs.ellipsoid
    meridian = crs.prime_meridian
    if ellipsoid is None or meridian is None:
        raise InputError("the reference's CRS has no ellipsoid")
    west = meridian.longitude * math.degrees(float(meridian.unit_conversion_factor))
    return {"a": ellipsoid.semi_major_metre, "b": ellipsoid.semi_minor_metre, "pm": west}


def _sheet(job: FitExport) -> _Sheet:
    fit, geographic = job.fit, _geographic(job)
    claimed = _claimed_outline(job)
    true = fit.transform.forward(claimed)
    path = CrsPath(job.crs, geographic)
    lonlat = path.forward(fit.frame.to_map(np.concatenate([claimed, true])))
    if not np.isfinite(lonlat).all():
        raise InputError(f"{job.name}: the fit isn't defined all around the raster")
    west, south = lonlat.min(axis=0)
    east, north = lonlat.max(axis=0)
    if max(abs(south), abs(north)) > _POLAR or west < -180 or east > 180 or east - west > 180:
        raise InputError(
            f"{job.name}: PROJ's grids can't hold a pole or the antimeridian: use --format geoloc"
        )
    middle = (lonlat.min(axis=0) + lonlat.max(axis=0)) / 2
    scale = metres_per_unit(geographic, middle)
    if scale is None or fit.frame.metres_per_pixel() is None:
        raise InputError(f"{job.name}: the reference's CRS has no ground: use --format geoloc")
    side = math.sqrt(math.prod(fit.frame.metres_per_pixel() or (1.0, 1.0)))
    degrees = (side / scale[0], side / scale[1])
    transform = Affine(degrees[0], 0.0, float(west), 0.0, -degrees[1], float(north))
    size = np.ceil((lonlat.max(axis=0) - lonlat.min(axis=0)) / degrees).astype(int)
    step = 2 ** round(math.log2(max(size.max() / _CELLS, 1.0)))
    step = min(max(step, _STEPS[0]), _STEPS[1])
    window = Window(0, 0, int(size[0]), int(size[1])).pad(_MARGIN * step)
    return _Sheet(transform, degrees, geographic, window, step)


def _claimed_outline(job: FitExport) -> Array:
    """(N, 2) frame pixels around what the moving raster claims, or around the frame."""
    fit, moving = job.fit, job.moving
    if moving is None:
        return outline(fit.frame.width, fit.frame.height, _SEEN)
    georef, crs = fit.georef_of(moving.header, moving.name)
    rows, columns = moving.shape
    inside = np.stack(np.meshgrid(np.linspace(0, columns, _SEEN), np.linspace(0, rows, _SEEN)), -1)
    path = CrsPath(crs, fit.frame.crs, None, float(fit.frame.center[0]))
    return fit.frame.to_pixel(path.forward(georef.to_map(inside.reshape(-1, 2))))


def _nodes(job: FitExport, sheet: _Sheet) -> Nodes:
    frame, transform = job.fit.frame, job.fit.transform
    path = CrsPath(sheet.crs, job.crs)

    def mapping(xy: Array) -> Array:
        claimed = frame.to_pixel(path.forward(apply_affine(sheet.transform, xy)))
        true = path.inverse(frame.to_map(transform.forward(claimed)))
        return apply_affine(~sheet.transform, true)

    nodes = sample_nodes(mapping, sheet.window, CLOSE, sheet.step)
    if nodes.xy[..., 0].size > _MOST:
        raise InputError(f"{job.name}: a grid of this fit would be too large: use 'georeg warp'")
    return nodes


def _filled(offset: Array) -> Array:
    """The nearest known offset where there is none, far from the raster."""
    unknown = np.asarray(~np.isfinite(offset).all(axis=2))
    if not unknown.any():
        return offset
    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return np.asarray(offset[tuple(nearest)])
