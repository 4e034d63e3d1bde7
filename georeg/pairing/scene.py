"""Two rasters brought together: opened, placed in a common frame, and ready to be looked at."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import CRS
from shapely import Polygon

from georeg.crs import ballpark_warning, parse_crs, to_lonlat
from georeg.errors import InputError, NoOverlapError, SettingsError
from georeg.grid import Window, outline
from georeg.imagery.compression import STRONG, blockiness
from georeg.inputs.georef import AffineGeoref, Georef
from georeg.pairing.frame import Frame, build_frame
from georeg.pairing.placing import SensorPlace, place, place_reference
from georeg.pairing.views import View
from georeg.radiometry import Radiometry, bands_of, fit_radiometry
from georeg.raster import Raster
from georeg.settings import Settings
from georeg.tiling import FARTHEST, SIDE, coarsest
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]

log = logging.getLogger(__name__)

_TURNED = 0.1  # of the frame's side: what rotation and scale may bring in from beyond
_COARSER = 0.9  # of level 0's pixels: the search also looks at moving rasters 10 % larger
_AVERAGED = 1.5  # pixels of a raster along a working pixel from which on blocks are averaged away
_PATCH = 512  # pixels a side that tell whether there are blocks
_LEAST = 16  # pixels a side; features alone need some


@dataclass(frozen=True, eq=False)
class Scene:
    """Both rasters, how to look at them, and where they lie.

    Attributes:
        moving: the raster to be aligned.
        reference: the raster that it is aligned to.
        moving_look: radiometry of the moving raster.
        reference_look: radiometry of the reference.
        frame: the common working grid.
        max_shift: largest shift to look for, in frame pixels.
        warnings: what the user should know about the inputs.
        area: (left, bottom, right, top) in the reference's CRS that is looked at; None for all.
        blocky: whether both show blocks of strong compression on these pixels.
    """

    moving: Raster
    reference: Raster
    moving_look: Radiometry
    reference_look: Radiometry
    frame: Frame
    max_shift: float
    warnings: tuple[str, ...]
    area: tuple[float, float, float, float] | None = None
    blocky: bool = False

    @property
    def modalities(self) -> tuple[str, str]:
        """Of the moving raster and of the reference."""
        return self.moving_look.modality, self.reference_look.modality

    @property
    def shared(self) -> tuple[float, float]:
        """Width and height of what both rasters claim to cover, in frame pixels."""
        rows, columns = self.moving.header.shape
        grid = self.frame.grid
        edge = self.frame.claim(outline(columns, rows, 9))
        edge = edge[np.isfinite(edge).all(axis=1)]
        if not len(edge):
            return float(grid.width), float(grid.height)
        width, height = np.ptp(np.clip(edge, 0, [grid.width, grid.height]), axis=0).tolist()
        return width, height

    def reference_view(self) -> View:
        """The reference on the frame."""
        return View(self.reference, self.reference_look, self.frame.to_reference)

    def moving_view(self, transform: Transform | None = None) -> View:
        """The moving raster on the frame, pre-warped by a transform where there is one."""
        frame = self.frame

        def to_source(xy: Array) -> Array:
            return frame.unclaim(xy if transform is None else transform.inverse(xy))

        return View(self.moving, self.moving_look, to_source)

    def placed(self, matrix: Array) -> Scene:
        """The scene with a similarity of the frame taken into the moving raster's georeference.

        For rasters placed only roughly (no georeference): the new frame has the right GSD.

        Args:
            matrix: (3, 3) claimed -> true frame pixels.
        """
        georef = self.frame.moving
        if not isinstance(georef, AffineGeoref):
            return self
        grid = self.frame.grid.transform
        (a, b, c), (d, e, f), _ = matrix.tolist()
        better = grid @ Affine(a, b, c, d, e, f) @ ~grid @ georef.transform
        return self.with_georef(AffineGeoref(better))

    def with_georef(
        self, georef: Georef, resolution: float | None = None, max_shift: float | None = None
    ) -> Scene:
        """The scene with another georeference of the moving raster, on a frame that suits it.

        Args:
            georef: in the same CRS.
            resolution: as for `build_frame`.
            max_shift: as for `build_frame`.

        Raises:
            InputError, NoOverlapError: as `build_frame`.
        """
        frame, max_shift = build_frame(
            (georef, self.moving.header.shape),
            (self.frame.reference, self.reference.header.shape),
            self.frame.path,
            resolution=resolution,
            max_shift=max_shift,
            area=self.area,
        )
        return replace(self, frame=frame, max_shift=max_shift)

    @property
    def own_pixel(self) -> float:
        """Side of a pixel of the finer raster in frame pixels: smaller ones show nothing more."""
        return self.frame.finest(self.moving.header.shape, self.reference.header.shape)

    def zoomed(self, times: float) -> Scene:
        """The scene on pixels so many times as fine."""
        grid = self.frame.grid.zoom(1 / times)
        frame = replace(self.frame, grid=grid)
        return replace(self, frame=frame, max_shift=times * self.max_shift)


@contextmanager
def open_scene(
    moving: str, reference: str, settings: Settings, sensor: SensorPlace | None = None
) -> Iterator[Scene]:
    """Open both rasters and place them.

    Args:
        moving: name of the raster to be aligned.
        reference: name of the raster that it is aligned to.
        settings: how.
        sensor: places a moving raster that isn't placed by its header, see `SensorPlace`.

    Raises:
        InputError: a raster can't be used, or was changed meanwhile; NoOverlapError where the two
            don't meet.
        SettingsError: a setting doesn't suit the rasters.
    """
    with ExitStack() as stack:
        pair = []
        for name, nodata, crs in (
            (moving, settings.moving_nodata, settings.moving_crs),
            (reference, settings.reference_nodata, settings.reference_crs),
        ):
            own = None if crs is None else parse_crs(crs)
            raster = stack.enter_context(Raster(name, nodata=nodata, crs=own))
            rows, columns = raster.header.shape
            if min(rows, columns) < _LEAST:
                raise InputError(
                    f"{name} has only {columns} x {rows} pixels: there is nothing to match in "
                    f"less than {_LEAST} x {_LEAST}"
                )
            pair.append(raster)
        yield _place(pair[0], pair[1], settings, sensor)
        for raster in pair:
            raster.check_unchanged()


def reference_georef(name: str, settings: Settings) -> tuple[Georef, CRS | None]:
    """Where a reference raster lies, as `open_scene` would take it.

    Raises:
        InputError, SettingsError: as `open_scene`.
    """
    own = None if settings.reference_crs is None else parse_crs(settings.reference_crs)
    with Raster(name, nodata=settings.reference_nodata, crs=own) as raster:
        return place_reference(raster, settings), raster.header.crs


def _place(
    moving: Raster, reference: Raster, settings: Settings, sensor: SensorPlace | None
) -> Scene:
    places = place(moving, reference, settings, sensor)
    pair = ((places.moving, moving.header.shape), (places.reference, reference.header.shape))
    build = partial(
        build_frame, *pair, places.path, resolution=settings.working_resolution, area=settings.area
    )
    with _naming(moving, reference):
        try:
            frame, max_shift = build()
        except NoOverlapError:
            if settings.max_shift is None:
                raise
            frame, max_shift = build(max_shift=math.inf)  # only tells how long the wanted one is
        if settings.max_shift is not None:
            most = _frame_pixels(settings.max_shift, settings.max_shift_unit, frame)
            frame, max_shift = build(max_shift=most)
    target = places.path.target
    corners = to_lonlat(target, frame.grid.to_map(frame.grid.outline(2)))
    ballpark = ballpark_warning(places.path.source, target, corners, frame.metres)
    bands = (
        bands_of(moving, settings.moving_bands),
        bands_of(reference, settings.reference_bands),
    )
    areas = _keep_overviews(frame, max_shift, (moving, reference), bands)
    blocky = _blocky(frame, (moving, reference), bands)
    warnings = tuple(message for message in (ballpark, blocky) if message is not None)
    for message in warnings:
        log.warning(message)
    return Scene(
        moving,
        reference,
        fit_radiometry(moving, settings.moving_modality, bands[0], areas[0]),
        fit_radiometry(reference, settings.reference_modality, bands[1], areas[1]),
        frame,
        max_shift,
        warnings,
        settings.area,
        blocky is not None,
    )


def _blocky(
    frame: Frame, pair: tuple[Raster, Raster], bands: tuple[tuple[int, ...], tuple[int, ...]]
) -> str | None:
    """Warns where both rasters are matched in full resolution and show blocks of compression."""
    middle = np.array([[frame.grid.width / 2, frame.grid.height / 2]])
    steps = middle + [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    places = frame.unclaim(steps), frame.to_reference(steps)
    for raster, xy, looked_at in zip(pair, places, bands, strict=True):
        if not np.isfinite(xy).all():
            return None
        if abs(float(np.linalg.det(xy[1:] - xy[0]))) > _AVERAGED**2:
            return None
        rows, columns = raster.header.shape
        x, y = np.floor(xy[0]).astype(int).tolist()
        window = Window(x, y, 1, 1).pad(_PATCH // 2).intersect(Window(0, 0, columns, rows))
        if window.empty:
            return None
        pixels = raster.read(window, None, looked_at)
        if blockiness(pixels.data.mean(axis=0), pixels.mask) < STRONG:
            return None
    coarser = 2 * abs(frame.grid.transform.a)
    return (
        "both rasters show the blocks of strong compression (JPEG), and tie points hold to them "
        "instead of the ground: the error may be larger than is stated; --working-resolution "
        f"{coarser:.6g} (twice as large) looks past them"
    )


def _keep_overviews(
    frame: Frame,
    max_shift: float,
    pair: tuple[Raster, Raster],
    bands: tuple[tuple[int, ...], tuple[int, ...]],
) -> list[Window | None]:
    """Read what level 0 and the statistics need of both rasters, once.

    Returns:
        The part of the moving raster and of the reference that matters; None for all of it.
    """
    level = min(max(frame.grid.shape) / SIDE, coarsest(frame.grid.shape, SIDE))
    level = max(level, max_shift / FARTHEST)
    area = frame.grid.window.pad(math.ceil(max_shift + _TURNED * max(frame.grid.shape)))
    edge = outline(area.width, area.height, 9) + [area.x, area.y]
    jobs = []
    areas: list[Window | None] = []
    places = frame.unclaim(edge), frame.to_reference(edge)
    for raster, xy, looked_at in zip(pair, places, bands, strict=True):
        rows, columns = raster.header.shape
        whole = Window(0, 0, columns, rows)
        areas.append(None)
        if not np.isfinite(xy).all():
            continue
        window = Window.around(xy).intersect(whole)
        if window.empty:
            continue
        if 2 * window.width * window.height > rows * columns:
            window = whole
        else:
            areas[-1] = window
        wide = math.sqrt(Polygon(xy).area / (area.width * area.height))
        factor = math.floor(_COARSER * level * wide)
        jobs.append(partial(raster.keep, window, factor, looked_at))
    with ThreadPoolExecutor(len(pair), "georeg-overview") as pool:
        for future in [pool.submit(job) for job in jobs]:
            future.result()
    return areas


@contextmanager
def _naming(moving: Raster, reference: Raster) -> Iterator[None]:
    """Name the rasters in errors about both of them."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{moving.name} and {reference.name}: {error}") from None


def _frame_pixels(length: float, unit: str, frame: Frame) -> float:
    """A length in reference pixels or metres as frame pixels."""
    if unit == "px":
        return length / frame.reference_pixels
    if frame.metres is None:
        raise SettingsError(
            f"--max-shift {length:g}m: without a CRS there are no metres, give pixels instead"
        )
    return length / frame.metres
