"""A raster to read windows from, its mask always included.

The only place where input rasters are opened (by inputs/opening.py). What `read` returns is ready
for looking at: complex values as magnitudes, palettes as colours, everything invalid masked. The
warp reads the original pixels through `Raster.dataset` instead.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pyproj import CRS
from rasterio.enums import Resampling
from rasterio.windows import Window as RioWindow

from georeg.errors import InputError, SettingsError
from georeg.grid import Window
from georeg.inputs import blocks
from georeg.inputs.header import Header, colour_numbers, read_header
from georeg.inputs.opacity import transparent, without_mistaken_alpha
from georeg.inputs.opening import (
    GDAL_ERRORS,
    decoding,
    first_line,
    open_dataset,
    stamp_of,
    with_vertical_crs,
)
from georeg.inputs.overview import Overview
from georeg.inputs.tileindex import check_tiles, tiles
from georeg.inputs.whole import check_whole

__all__ = ["Header", "Image", "Mask", "Pixels", "Raster"]

log = logging.getLogger(__name__)

Mask = npt.NDArray[np.bool_]
Image = npt.NDArray[np.float32]

_LOOKED_AT = 4  # sources of a virtual raster
_BESIDE = (".aux.xml", ".ovr", ".msk", ".vrt")  # files that hold no strips
_ABSURD = 1e30  # no measurement: a nodata value that nobody declared


class Pixels(NamedTuple):
    """What a window holds: (bands, rows, columns) float32 and the (rows, columns) valid mask."""

    data: Image
    mask: Mask


class _Handle:
    """An open dataset that is closed with the thread that owns it."""

    def __init__(self, name: str) -> None:
        self.dataset = open_dataset(name)

    def __del__(self) -> None:
        dataset = getattr(self, "dataset", None)
        if dataset is not None:
            dataset.close()


class Raster:
    """A raster file, opened once per thread that reads it. Use as a context manager."""

    def __init__(self, name: str, *, nodata: float | None = None, crs: CRS | None = None) -> None:
        """Open and check.

        Args:
            name: anything that GDAL opens; handed to it untouched.
            nodata: taken instead of the file's own nodata value in every band.
            crs: taken instead of the file's own CRS.

        Raises:
            InputError: the file is missing, unreadable, no raster or has an absurd header.
        """
        self.name = str(name)
        self._stamp = stamp_of(self.name)
        self._local = threading.local()
        self._open: weakref.WeakSet[_Handle] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._overview: Overview | None = None
        try:
            check_tiles(self.dataset())
            check_whole(self.dataset())
            header = read_header(self.name, self.dataset(), nodata, crs)
            header = _with_unit_of_crs(self.name, self.dataset(), header)
            with suppress(*GDAL_ERRORS):  # whoever reads it is told
                header = without_mistaken_alpha(self.dataset(), header)
            self.header = header
        except InputError:
            self.close()
            raise
        except GDAL_ERRORS as error:  # files beside it are read when they are asked for
            self.close()
            raise InputError(f"{self.name} can't be opened: {first_line(error)}") from None

    def dataset(self) -> Any:
        """The rasterio dataset of this thread.

        Raises:
            InputError: it can't be opened.
        """
        handle: _Handle | None = getattr(self._local, "handle", None)
        if handle is None:
            handle = _Handle(self.name)
            with self._lock:
                self._open.add(handle)
            self._local.handle = handle
        return handle.dataset

    def check_unchanged(self) -> None:
        """See that the file, which each thread opens anew, is still the one that was opened.

        Where its time alone has changed, that is a warning: its pixels may be the same.

        Raises:
            InputError: its size has changed.
        """
        now = stamp_of(self.name)
        if now is None or self._stamp is None or now == self._stamp:
            return
        if now[0] != self._stamp[0]:
            raise InputError(f"{self.name} was changed while it was read: run again on the new one")
        log.warning("%s was written to while it was read: if pixels changed, run again", self.name)

    def close(self) -> None:
        """Close the handles of all threads."""
        with self._lock:
            for handle in list(self._open):
                handle.dataset.close()
            self._open.clear()
        self._local = threading.local()

    def __enter__(self) -> Raster:
        """This raster."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def decoded_at_once(self) -> tuple[int, int]:
        """(rows, columns) of a strip or tile; of the widest one that a virtual raster is made of.

        Its own blocks say nothing. Mosaics have thousands of sources, mostly alike: the first ones
        are looked at.
        """
        dataset = self.dataset()
        shapes = [dataset.block_shapes[0]]
        sources, _ = tiles(dataset)
        if dataset.driver == "VRT":
            sources = [name for name in dataset.files if not name.endswith(_BESIDE)]
        for name in sources[:_LOOKED_AT]:
            with suppress(InputError), closing(open_dataset(name)) as source:
                shapes.extend(source.block_shapes[:1])
        rows, columns = max(shapes, key=lambda shape: shape[1])
        return int(rows), int(columns)

    def check_bands(self, bands: Sequence[int]) -> tuple[int, ...]:
        """The 1-based band numbers, if the raster has them all.

        Raises:
            SettingsError: a band is out of range.
        """
        for band in bands:
            if not 1 <= band <= self.header.count:
                raise SettingsError(
                    f"{self.name} has {self.header.count} band(s), there is no band {band}"
                )
        return tuple(bands)

    def read(
        self, window: Window, shape: tuple[int, int] | None = None, bands: Sequence[int] = (1,)
    ) -> Pixels:
        """Pixels of a window, which may reach beyond the raster, averaged down to `shape`.

        A reduced pixel is the mean of the valid ones under it, rounded to the file's type where
        GDAL or an overview made it, and invalid if there are none.

        Args:
            window: whole pixels of the full resolution.
            shape: (rows, columns) of the result, at most the window's; the window's if None.
                Overviews are used where the file has them, or what `keep` kept.
            bands: 1-based band numbers; a palette band becomes three bands.

        Raises:
            InputError: the file can't be decoded.
            ValueError: the shape is larger than the window.
        """
        shape = shape or window.shape
        if shape[0] > window.height or shape[1] > window.width or min(shape) < 1:
            raise ValueError(f"can't read {window.shape} pixels as {shape}")
        full = Window(0, 0, self.header.shape[1], self.header.shape[0])
        if self._overview is not None and self._overview.serves(window, shape, tuple(bands)):
            return Pixels(*self._overview.read(window, shape))
        inside = window.intersect(full)
        channels = 3 if self._paletted(bands) else len(bands)
        if inside.empty:
            return Pixels(np.zeros((channels, *shape), np.float32), np.zeros(shape, np.bool_))
        with decoding(self.name):
            if shape != window.shape:
                return self._reduced(window, inside, shape, bands, channels)
            part = self._finish(*self._gather(inside, inside.shape, bands), bands)
        if inside == window:
            return part
        data = np.zeros((channels, *shape), np.float32)
        mask = np.zeros(shape, np.bool_)
        y, x = inside.y - window.y, inside.x - window.x
        data[:, y : y + inside.height, x : x + inside.width] = part.data
        mask[y : y + inside.height, x : x + inside.width] = part.mask
        return Pixels(data, mask)

    def keep(self, window: Window, factor: int, bands: Sequence[int]) -> None:
        """Read a window once, `factor` times coarser, for all coarser reads inside it.

        Without this each of them would decode the file again if it has no overviews.

        Args:
            window: whole pixels inside the raster.
            factor: 2 or more; nothing is kept for less.
            bands: 1-based.

        Raises:
            InputError: the file can't be decoded.
        """
        if factor < 2:
            return
        shape = (-(-window.height // factor), -(-window.width // factor))
        self._overview = Overview(window, tuple(bands), *self.read(window, shape, bands))

    def _reduced(
        self,
        window: Window,
        inside: Window,
        shape: tuple[int, int],
        bands: Sequence[int],
        channels: int,
    ) -> Pixels:
        """By GDAL, and overviews, where it averages what we mean; else by ourselves."""
        header = self.header
        ours = header.is_complex or self._paletted(bands) or header.nodata_given
        if not ours and inside == window:
            raw, valid = self._gather(window, shape, bands)
            if np.issubdtype(raw.dtype, np.integer) or _sane(raw)[:, valid].all():
                return self._finish(raw, valid, bands)

        def read(strip: Window) -> Pixels:
            return self._finish(*self._gather(strip, strip.shape, bands), bands)

        return Pixels(*blocks.average(read, channels, window, inside, shape))

    def _paletted(self, bands: Sequence[int]) -> bool:
        return self.header.palette is not None and list(bands) == [1]

    def _gather(
        self, window: Window, shape: tuple[int, int], bands: Sequence[int]
    ) -> tuple[npt.NDArray[Any], Mask]:
        """Values as the file has them, or GDAL's averages, and which of them are valid."""
        dataset = self.dataset()
        options = {
            "window": RioWindow(window.x, window.y, window.width, window.height),
            "resampling": Resampling.nearest if shape == window.shape else Resampling.average,
        }
        if len({dataset.dtypes[band - 1] for band in bands}) == 1:
            raw = dataset.read(list(bands), out_shape=(len(bands), *shape), **options)
        else:  # rasterio doesn't read mixed types at once
            raw = np.stack([dataset.read(band, out_shape=shape, **options) for band in bands])
        valid = self._valid(raw, bands)
        if self.header.masked:
            share = dataset.dataset_mask(out_shape=shape, **options)
            valid &= share > (transparent(share) if shape == window.shape else 0)
        return raw, valid

    def _valid(self, raw: npt.NDArray[Any], bands: Sequence[int]) -> Mask:
        """Where no band holds its nodata value; black and white only count in all bands at once.

        A nodata value of 0 or 255 also occurs as a colour, one like -9999 doesn't.
        """
        colour = np.zeros(raw.shape[1:], np.bool_)  # some band differs from a colour-like nodata
        colours = 0
        valid = np.ones(raw.shape[1:], np.bool_)
        for values, band in zip(raw, bands, strict=True):
            nodata = self.header.nodata[band - 1]
            if nodata is None:
                continue
            if np.isnan(nodata):
                valid &= ~np.isnan(values)
                continue
            differs = values != _as_dtype(nodata, values.dtype)
            if _like_colour(nodata, values.dtype):
                colour |= differs
                colours += 1
            else:
                valid &= differs
        return valid & colour if colours == len(bands) else valid

    def _finish(self, raw: npt.NDArray[Any], valid: Mask, bands: Sequence[int]) -> Pixels:
        """Magnitudes or colours as float32, 0 where invalid."""
        palette = self.header.palette
        if palette is not None and list(bands) == [1]:
            rgba = np.take(palette, colour_numbers(raw[0]), axis=0, mode="clip")
            valid = valid & (rgba[..., 3] > 0) & _sane(raw[0])
            data = np.ascontiguousarray(np.moveaxis(rgba[..., :3], -1, 0), dtype=np.float32)
        else:
            with np.errstate(over="ignore"):
                data = (np.abs(raw) if np.iscomplexobj(raw) else raw).astype(np.float32)
            valid = valid & _sane(data).all(axis=0)
        data[:, ~valid] = 0
        return Pixels(data, valid)


def _sane(data: npt.NDArray[Any]) -> Mask:
    """Finite, and nothing like a nodata value of -3.4e38 that nobody declared."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(data) < _ABSURD)


def _like_colour(nodata: float, dtype: np.dtype[Any]) -> bool:
    """Whether a nodata value is black or white."""
    if nodata == 0:
        return True
    return bool(np.issubdtype(dtype, np.unsignedinteger) and nodata == np.iinfo(dtype).max)


def _as_dtype(value: float, dtype: np.dtype[Any]) -> Any:
    """The nodata value as the band's type holds it (float32 files with float64 nodata)."""
    if np.issubdtype(dtype, np.floating):
        with np.errstate(over="ignore"):
            return dtype.type(value)
    return value


def _with_unit_of_crs(name: str, dataset: Any, header: Header) -> Header:
    """The header, knowing which unit GDAL may have taken from a vertical CRS.

    To GDAL all bands of a GeoTIFF in a compound CRS are in metres unless they say otherwise. Signed
    and real numbers there mostly are heights, the grey levels of an image never are.
    """
    if dataset.driver != "GTiff" or not any(header.units):
        return header
    with with_vertical_crs(), closing(open_dataset(name)) as whole:
        own = whole.crs
    crs = CRS.from_wkt(own.to_wkt()) if own else None
    if crs is None or not crs.is_compound:
        return header
    vertical = crs.sub_crs_list[-1].axis_info[0].unit_name
    if not all(np.issubdtype(dtype, np.unsignedinteger) for dtype in header.dtypes):
        return replace(header, unit_of_crs=vertical)
    return replace(header, units=tuple(None if u == vertical else u for u in header.units))
