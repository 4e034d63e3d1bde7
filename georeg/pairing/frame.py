"""The common frame of two rasters: one working grid, and the way to it from either raster.

All matching and fitting happens in pixels of the working grid. A moving pixel has a *claimed*
position there, by its georeference; the transform takes it to the *true* one, by the reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from shapely import box
from shapely.affinity import scale

from georeg.crs import CrsPath, metres_per_unit
from georeg.errors import InputError, NoOverlapError, SettingsError
from georeg.grid import MOST, Grid, Window
from georeg.inputs.georef import AffineGeoref, Georef
from georeg.pairing.footprint import far_apart, footprint, gap, lattice
from georeg.pairing.misread import misread

Array = npt.NDArray[np.float64]

_SQUARE = 1.05  # pixels within 5 % of square on the ground are left as they are


@dataclass(frozen=True, eq=False)
class Frame:
    """A working grid in the reference's CRS, and both rasters' georeferences."""

    grid: Grid
    moving: Georef
    reference: Georef
    path: CrsPath  # moving CRS -> reference CRS

    def claim(self, moving_xy: Array) -> Array:
        """(N, 2) moving pixels -> (N, 2) frame pixels, by the moving raster's georeference."""
        return self.grid.to_pixel(self.path.forward(self.moving.to_map(moving_xy)))

    def unclaim(self, frame_xy: Array) -> Array:
        """(N, 2) claimed frame pixels -> (N, 2) moving pixels."""
        return self.moving.to_pixel(self.path.inverse(self.grid.to_map(frame_xy)))

    def from_reference(self, reference_xy: Array) -> Array:
        """(N, 2) reference pixels -> (N, 2) frame pixels."""
        return self.grid.to_pixel(self.reference.to_map(reference_xy))

    def to_reference(self, frame_xy: Array) -> Array:
        """(N, 2) frame pixels -> (N, 2) reference pixels."""
        return self.reference.to_pixel(self.grid.to_map(frame_xy))

    @property
    def reference_steps(self) -> Array:
        """(2,) reference pixels along a frame pixel in x and in y, in the middle of the frame."""
        middle = np.array([[self.grid.width / 2, self.grid.height / 2]])
        ends = self.to_reference(middle + [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        return np.asarray(np.hypot(*(ends[1:] - ends[0]).T))

    @property
    def reference_pixels(self) -> float:
        """Reference pixels along a frame pixel, in the middle of the frame.

        Those of a length that may point anywhere: the root mean square over all directions, where
        reference pixels aren't square.
        """
        return math.sqrt(float((self.reference_steps**2).mean()))

    def finest(self, moving: tuple[int, int], reference: tuple[int, int]) -> float:
        """Side of a pixel of the finer raster in frame pixels, in the middle of the frame.

        Of pixels that aren't square the side of a square as large; 1 where nothing is known there.

        Args:
            moving: (rows, columns) of the moving raster, outside of which it has no pixels.
            reference: (rows, columns) of the reference.
        """
        unit = 1 / abs(self.grid.transform.a), 1 / abs(self.grid.transform.e)
        itself = CrsPath(self.path.target, self.path.target)
        sides = (
            _pixel_size(self.moving, moving, self.path, self.grid.center, unit),
            _pixel_size(self.reference, reference, itself, self.grid.center, unit),
        )
        return min((s for s in sides if math.isfinite(s) and s > 0), default=1.0)

    @property
    def metres(self) -> float | None:
        """Ground metres for one frame pixel, in the middle of the frame; None without a CRS."""
        size = self.grid.metres_per_pixel()
        return None if size is None else math.sqrt(size[0] * size[1])

    def to_dict(self) -> dict[str, Any]:
        """What reports say about the grid (JSON)."""
        crs = self.grid.crs
        return {
            "crs": None if crs is None else crs.to_wkt(),
            "transform": list(self.grid.transform)[:6],
            "shape": list(self.grid.shape),
        }


def build_frame(
    moving: tuple[Georef, tuple[int, int]],
    reference: tuple[Georef, tuple[int, int]],
    path: CrsPath,
    *,
    resolution: float | None = None,
    max_shift: float | None = None,
    area: tuple[float, float, float, float] | None = None,
) -> tuple[Frame, float]:
    """The working frame of two rasters, and the largest shift to look for, in frame pixels.

    The grid has the coarser GSD of the two, square on the ground; where that is the reference's
    own and the reference is north-up, it is the reference's own grid, so that those pixels are
    never resampled. It covers what both rasters can share once the moving one is shifted.

    Args:
        moving: georeference and shape (rows, columns).
        reference: the same of the reference.
        path: moving CRS -> reference CRS.
        resolution: working pixel size in reference map units instead of the coarser GSD.
        max_shift: in frame pixels; if None, 5 % of the overlap's diagonal, but not more than a
            strip's width, and at least 64 px.
        area: (left, bottom, right, top) in the reference's CRS; beyond it nothing is looked at.

    Raises:
        NoOverlapError: the rasters lie further apart than the largest shift.
        InputError: the georeferences don't lead anywhere.
        SettingsError: `resolution` is absurd for what there is to see.
    """
    (reference_georef, reference_shape) = reference
    ground = reference_georef.to_map(lattice(reference_shape))
    here = footprint(reference_georef, reference_shape, CrsPath(path.target, path.target))
    if area is not None:
        here = here.intersection(box(*area))
        if here.area <= 0:
            raise NoOverlapError(
                f"the reference doesn't reach into the area {' '.join(f'{v:.12g}' for v in area)}: "
                "give --area in the reference's CRS"
            )
    try:
        there = footprint(*moving, path, ground)
    except NoOverlapError:
        advice = misread(moving, reference, path)
        raise NoOverlapError(far_apart(moving, reference, path, advice)) from None
    meeting = there.intersection(here)
    common = meeting if meeting.area > 0 else here
    middle = np.array(common.representative_point().coords[0])
    rx, ry = _resolution(moving, reference, path, middle, resolution)
    if resolution is not None:
        _check_size(common.bounds, (rx, ry))
    # From here on in working pixels: degrees of longitude and of latitude differ in length.
    unit = {"xfact": 1 / rx, "yfact": 1 / ry, "origin": (0, 0)}
    there, here, common = (scale(shape, **unit) for shape in (there, here, common))
    left, bottom, right, top = common.bounds
    if max_shift is None:
        wide, high = right - left, top - bottom
        reach = max_shift = max(64.0, min(0.05 * math.hypot(wide, high), wide, high))
    else:
        # Shifted by more, they meet nowhere: that would take time and memory, and find nothing.
        lower, upper = np.reshape([*there.bounds, *here.bounds], (2, 2, 2)).transpose(1, 0, 2)
        both = upper.max(axis=0) - lower.min(axis=0)
        reach = min(max_shift, float(np.hypot(*both)))
        max_shift = min(max_shift, float(both.max()))
    meeting = there.buffer(reach, join_style="mitre").intersection(here)
    if meeting.is_empty or meeting.area <= 0:
        advice = misread(moving, reference, path)
        apart = there.distance(here)
        raise NoOverlapError(gap(apart, rx, path.target, middle, max_shift, advice))
    left, bottom, right, top = meeting.bounds
    bounds = (left * rx, bottom * ry, right * rx, top * ry)
    grid = _grid(bounds, (rx, ry), reference_georef, reference_shape, path)
    return Frame(grid, moving[0], reference_georef, path), max_shift


def _resolution(
    moving: tuple[Georef, tuple[int, int]],
    reference: tuple[Georef, tuple[int, int]],
    path: CrsPath,
    middle: Array,
    given: float | None,
) -> tuple[float, float]:
    """Working pixel size (x, y) in reference map units at the map position `middle`."""
    ground = metres_per_unit(path.target, middle) or (1.0, 1.0)
    own = _own(reference[0], ground)
    if given is not None:
        if own is not None and math.isclose(given, own[0], rel_tol=1e-6):
            return own
        return given, given * ground[0] / ground[1]
    itself = CrsPath(path.target, path.target)
    sizes = [_pixel_size(*moving, path, middle, ground)]
    sizes.append(_pixel_size(*reference, itself, middle, ground))
    if not np.isfinite(sizes).all() or min(sizes) <= 0:
        raise InputError(
            "the georeferences don't lead to common ground: check both, or name the right "
            "--moving-crs and --reference-crs"
        )
    if sizes[1] >= sizes[0] * 0.999 and own is not None:
        return own
    size = max(sizes)
    return size / ground[0], size / ground[1]


def _own(reference: Georef, ground: tuple[float, float]) -> tuple[float, float] | None:
    """The reference's own pixel size in map units, if it is north-up and square on the ground."""
    if not isinstance(reference, AffineGeoref):
        return None
    t = reference.transform
    rx, ry = math.hypot(t.a, t.d), math.hypot(t.b, t.e)
    wide, high = rx * ground[0], ry * ground[1]
    square = t.b == t.d == 0 and max(wide, high) < _SQUARE * min(wide, high)
    return (rx, ry) if square else None


def _check_size(bounds: tuple[float, float, float, float], resolution: tuple[float, float]) -> None:
    """See that a resolution that was asked for makes a number of pixels that can be worked with."""
    left, bottom, right, top = bounds
    longest = max((right - left) / resolution[0], (top - bottom) / resolution[1])
    if not 1 <= longest <= MOST:
        raise SettingsError(
            f"--working-resolution {resolution[0]:g} would make {longest:.3g} pixels along what "
            "is compared: give a pixel size in map units of the reference"
        )


def _pixel_size(
    georef: Georef,
    shape: tuple[int, int],
    path: CrsPath,
    middle: Array,
    unit: tuple[float, float],
) -> float:
    """Side of a square as large as the raster's pixel next to a map position.

    In the unit of which there are so many along a map unit in x and in y: metres, frame pixels.
    """
    rows, columns = shape
    pixel = georef.to_pixel(path.inverse(middle[None]))
    if not np.isfinite(pixel).all():
        pixel = np.array([[columns / 2, rows / 2]])
    pixel = np.clip(pixel, 0, [columns, rows])
    corners = path.forward(georef.to_map(pixel + [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    edges = (corners[1:] - corners[0]) * unit
    return math.sqrt(abs(edges[0, 0] * edges[1, 1] - edges[0, 1] * edges[1, 0]))


def _grid(
    bounds: tuple[float, float, float, float],
    resolution: tuple[float, float],
    reference: Georef,
    shape: tuple[int, int],
    path: CrsPath,
) -> Grid:
    """A grid over the bounds; on the reference's own pixels where the resolution is its own."""
    rx, ry = resolution
    if isinstance(reference, AffineGeoref):
        t = reference.transform
        if t.b == 0 and t.d == 0 and t.a > 0 and t.e < 0 and (rx, ry) == (t.a, -t.e):
            own = Grid(shape, t, path.target)
            left, bottom, right, top = bounds
            corners = own.to_pixel(np.array([[left, top], [right, bottom]]))
            window = Window.around(np.round(corners, 6)).intersect(own.window)
            return own.crop(window)
    return Grid.from_bounds(bounds, resolution, path.target, align=True)
