"""Two rasters brought together: opened, placed in a common frame, and ready to be looked at."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import CRS

from georeg.crs import CrsPath, ballpark_warning, crs_name, parse_crs, to_lonlat
from georeg.errors import InputError, SettingsError
from georeg.frame import Frame, build_frame
from georeg.georef import AffineGeoref, Georef
from georeg.grid import outline
from georeg.radiometry import MODALITIES, Radiometry, fit_radiometry
from georeg.raster import Raster
from georeg.settings import Settings
from georeg.transforms import Transform
from georeg.views import View

Array = npt.NDArray[np.float64]

log = logging.getLogger(__name__)

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
    """

    moving: Raster
    reference: Raster
    moving_look: Radiometry
    reference_look: Radiometry
    frame: Frame
    max_shift: float
    warnings: tuple[str, ...]

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
        better = grid * Affine(a, b, c, d, e, f) * ~grid * georef.transform
        frame, max_shift = build_frame(
            (AffineGeoref(better), self.moving.header.shape),
            (self.frame.reference, self.reference.header.shape),
            self.frame.path,
        )
        return replace(self, frame=frame, max_shift=max_shift)


@contextmanager
def open_scene(moving: str, reference: str, settings: Settings) -> Iterator[Scene]:
    """Open both rasters and place them.

    Raises:
        InputError: a raster can't be used; NoOverlapError where the two don't meet.
        SettingsError: a setting doesn't suit the rasters.
    """
    for side in (settings.moving_modality, settings.reference_modality):
        if side not in MODALITIES:
            raise SettingsError(f"modality '{side}' is none of {', '.join(MODALITIES)}")
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
        yield _place(pair[0], pair[1], settings)


def _place(moving: Raster, reference: Raster, settings: Settings) -> Scene:
    reference_georef = _reference_georef(reference, settings)
    target = reference.header.crs
    moving_georef, source = _moving_georef(moving, reference, reference_georef, settings)
    warnings = []
    path = _path(source, target, moving_georef, moving, reference_georef, reference)
    corners = to_lonlat(target, reference_georef.to_map(_corners(reference)))
    ballpark = ballpark_warning(source, target, corners)
    if ballpark:
        warnings.append(ballpark)
    pair = (
        (moving_georef, moving.header.shape),
        (reference_georef, reference.header.shape),
        path,
    )
    with _naming(moving, reference):
        frame, max_shift = build_frame(*pair, resolution=settings.working_resolution)
        if settings.max_shift is not None:
            most = _frame_pixels(settings.max_shift, settings.max_shift_unit, frame)
            frame, max_shift = build_frame(
                *pair, resolution=settings.working_resolution, max_shift=most
            )
    for message in warnings:
        log.warning(message)
    return Scene(
        moving,
        reference,
        fit_radiometry(moving, settings.moving_modality, settings.moving_bands),
        fit_radiometry(reference, settings.reference_modality, settings.reference_bands),
        frame,
        max_shift,
        tuple(warnings),
    )


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


def _corners(raster: Raster) -> Array:
    rows, columns = raster.header.shape
    return outline(columns, rows, 2)


def reference_georef(name: str, settings: Settings) -> tuple[Georef, CRS | None]:
    """Where a reference raster lies, as `open_scene` would take it.

    Raises:
        InputError, SettingsError: as `open_scene`.
    """
    own = None if settings.reference_crs is None else parse_crs(settings.reference_crs)
    with Raster(name, nodata=settings.reference_nodata, crs=own) as raster:
        return _reference_georef(raster, settings), raster.header.crs


def _reference_georef(reference: Raster, settings: Settings) -> Georef:
    header = reference.header
    if header.georef is None:
        if settings.georef:
            raise InputError(
                f"{reference.name} has no georeference{_rpc_hint(reference)}: choose another "
                "reference, or --no-georef to align in its pixels"
            )
        # Rows count downwards, map coordinates upwards: so the frame is the reference itself.
        return AffineGeoref(Affine(1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
    if header.crs is None and settings.georef:
        raise InputError(
            f"{reference.name} has no CRS: name it with --reference-crs, e.g. EPSG:32633"
        )
    return header.georef


def _moving_georef(
    moving: Raster, reference: Raster, reference_georef: Georef, settings: Settings
) -> tuple[Georef, CRS | None]:
    header = moving.header
    if not settings.georef:
        return _placed(moving, reference, reference_georef), reference.header.crs
    if header.georef is None:
        raise InputError(
            f"{moving.name} has no georeference{_rpc_hint(moving)}: "
            "use --no-georef to search for it in the reference"
        )
    if header.crs is None:
        raise InputError(f"{moving.name} has no CRS: name it with --moving-crs, e.g. EPSG:32633")
    return header.georef, header.crs


def _rpc_hint(raster: Raster) -> str:
    return " but RPCs, which need orthorectification first" if raster.header.has_rpcs else ""


def _placed(moving: Raster, reference: Raster, georef: Georef) -> AffineGeoref:
    """A first placement of an image that has none: filling the reference, about its middle."""
    rows, columns = moving.header.shape
    reference_rows, reference_columns = reference.header.shape
    scale = min(reference_rows / rows, reference_columns / columns)
    middle = np.array([[reference_columns / 2, reference_rows / 2]])
    x0, y0 = georef.to_map(middle)[0]
    right, down = (
        georef.to_map(middle + step)[0] - (x0, y0) for step in ([[1.0, 0.0]], [[0.0, 1.0]])
    )
    linear = Affine(right[0], down[0], x0, right[1], down[1], y0)
    center = Affine.translation(-columns / 2, -rows / 2)
    return AffineGeoref(linear * Affine.scale(scale) * center)


def _path(
    source: CRS | None,
    target: CRS | None,
    moving_georef: Georef,
    moving: Raster,
    reference_georef: Georef,
    reference: Raster,
) -> CrsPath:
    """The way between the CRSs, with longitudes unwrapped around either raster's middle."""
    centers = []
    for georef, raster in ((moving_georef, moving), (reference_georef, reference)):
        rows, columns = raster.header.shape
        centers.append(float(georef.to_map(np.array([[columns / 2, rows / 2]]))[0, 0]))
    if not all(math.isfinite(x) for x in centers):
        raise InputError(
            f"the georeference of {moving.name} or {reference.name} leads nowhere "
            f"({crs_name(source)}, {crs_name(target)})"
        )
    return CrsPath(source, target, centers[0], centers[1])
