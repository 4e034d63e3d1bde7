"""A raster to read windows from, its mask always included.

The only place where input rasters are opened. What `read` returns is ready for looking at:
complex values as magnitudes, palettes as colours, and everything invalid masked. The warp reads
the original pixels through `Raster.dataset` instead.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio._err import CPLE_BaseError
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RioWindow

from georeg.errors import InputError, SettingsError
from georeg.georef import AffineGeoref, GcpGeoref, Georef
from georeg.grid import Grid, Window

Mask = npt.NDArray[np.bool_]
Image = npt.NDArray[np.float32]

# Some of rasterio's functions let GDAL's own errors through.
GDAL_ERRORS = (RasterioError, CPLE_BaseError)
_STRIP_PIXELS = 8_000_000  # pixels of one strip where GDAL can't reduce for us


class Pixels(NamedTuple):
    """What a window holds: (bands, rows, columns) float32 and the (rows, columns) valid mask."""

    data: Image
    mask: Mask


@dataclass(frozen=True)
class Header:
    """What a raster says about itself; nothing here needs its pixels."""

    shape: tuple[int, int]
    dtypes: tuple[str, ...]
    nodata: tuple[float | None, ...]
    colorinterp: tuple[str, ...]
    descriptions: tuple[str | None, ...]
    crs: CRS | None
    georef: Georef | None
    palette: npt.NDArray[np.uint8] | None  # (n, 4) RGBA of band 1
    masked: bool  # by alpha or by a mask band
    has_rpcs: bool

    @property
    def count(self) -> int:
        """Number of bands."""
        return len(self.dtypes)

    @property
    def alpha(self) -> int | None:
        """1-based index of the alpha band."""
        return self.colorinterp.index("alpha") + 1 if "alpha" in self.colorinterp else None

    @property
    def is_complex(self) -> bool:
        """Whether the first band is complex (single look SAR)."""
        return self.dtypes[0].startswith("complex")

    @property
    def grid(self) -> Grid | None:
        """The pixel grid, where the georeference is a geotransform."""
        if not isinstance(self.georef, AffineGeoref):
            return None
        return Grid(self.shape, self.georef.transform, self.crs)


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
        self._local = threading.local()
        self._open: list[Any] = []
        self._lock = threading.Lock()
        self.header = _header(self.name, self.dataset(), nodata, crs)

    def dataset(self) -> Any:
        """The rasterio dataset of this thread.

        Raises:
            InputError: it can't be opened.
        """
        handle = getattr(self._local, "handle", None)
        if handle is None:
            handle = _open(self.name)
            self._local.handle = handle
            with self._lock:
                self._open.append(handle)
        return handle

    def close(self) -> None:
        """Close the handles of all threads."""
        with self._lock:
            for handle in self._open:
                handle.close()
            self._open.clear()
        self._local = threading.local()

    def __enter__(self) -> Raster:
        """This raster."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

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

        Args:
            window: whole pixels of the full resolution.
            shape: (rows, columns) of the result, at most the window's; the window's if None.
                Overviews are used where the file has them.
            bands: 1-based band numbers; a palette band becomes three bands.

        Raises:
            InputError: the file can't be decoded.
        """
        shape = shape or window.shape
        full = Window(0, 0, self.header.shape[1], self.header.shape[0])
        inside = window.intersect(full)
        channels = self._channels(bands)
        data = np.zeros((channels, *shape), np.float32)
        mask = np.zeros(shape, np.bool_)
        if inside.empty:
            return Pixels(data, mask)
        sy, sx = shape[0] / window.height, shape[1] / window.width
        y0, x0 = round((inside.y - window.y) * sy), round((inside.x - window.x) * sx)
        rows = max(1, min(round(inside.height * sy), shape[0] - y0))
        columns = max(1, min(round(inside.width * sx), shape[1] - x0))
        if y0 >= shape[0] or x0 >= shape[1]:
            return Pixels(data, mask)
        with decoding(self.name):
            part = self._read_inside(inside, (rows, columns), bands)
        data[:, y0 : y0 + rows, x0 : x0 + columns] = part.data
        mask[y0 : y0 + rows, x0 : x0 + columns] = part.mask
        return Pixels(data, mask)

    def _channels(self, bands: Sequence[int]) -> int:
        return 3 if self._paletted(bands) else len(bands)

    def _paletted(self, bands: Sequence[int]) -> bool:
        return self.header.palette is not None and list(bands) == [1]

    def _read_inside(self, window: Window, shape: tuple[int, int], bands: Sequence[int]) -> Pixels:
        reduced = shape != window.shape
        if reduced and (self.header.is_complex or self._paletted(bands)):
            # Averages of phases or of colour numbers mean nothing: look first, then average.
            return self._reduce(window, shape, bands)
        dataset = self.dataset()
        how = Resampling.average if reduced else Resampling.nearest
        place = RioWindow(window.x, window.y, window.width, window.height)
        raw = dataset.read(
            list(bands), window=place, out_shape=(len(bands), *shape), resampling=how
        )
        valid = self._valid(raw, bands)
        if self.header.masked:
            valid &= dataset.dataset_mask(window=place, out_shape=shape, resampling=how) > 127
        if self._paletted(bands):
            return self._colours(raw[0], valid)
        if np.iscomplexobj(raw):
            raw = np.abs(raw)
        data = raw.astype(np.float32)
        valid &= np.isfinite(data).all(axis=0)
        data[:, ~valid] = 0
        return Pixels(data, valid)

    def _valid(self, raw: npt.NDArray[Any], bands: Sequence[int]) -> Mask:
        """Valid where any band holds something else than its nodata value, as GDAL has it."""
        valid = np.zeros(raw.shape[1:], np.bool_)
        for values, band in zip(raw, bands, strict=True):
            nodata = self.header.nodata[band - 1]
            if nodata is None:
                valid[:] = True
            elif np.isnan(nodata):
                valid |= ~np.isnan(values)
            else:
                valid |= values != _as_dtype(nodata, values.dtype)
        return valid

    def _colours(self, index: npt.NDArray[Any], valid: Mask) -> Pixels:
        palette = self.header.palette
        if palette is None:  # pragma: no cover - asked only for paletted bands
            raise InputError(f"{self.name} has no palette")
        rgba = palette[np.clip(index.astype(np.int64), 0, len(palette) - 1)]
        valid = valid & (rgba[..., 3] > 0)
        data = np.moveaxis(rgba[..., :3], -1, 0).astype(np.float32)
        data[:, ~valid] = 0
        return Pixels(data, valid)

    def _reduce(self, window: Window, shape: tuple[int, int], bands: Sequence[int]) -> Pixels:
        """Average down by strips of full resolution, so that memory stays bounded."""
        rows, columns = shape
        data = np.zeros((self._channels(bands), rows, columns), np.float32)
        mask = np.zeros(shape, np.bool_)
        edges_y = np.linspace(0, window.height, rows + 1).round().astype(int)
        edges_x = np.linspace(0, window.width, columns + 1).round().astype(int)
        step = max(1, int(_STRIP_PIXELS / window.width / (window.height / rows)))
        for first in range(0, rows, step):
            last = min(first + step, rows)
            top = int(edges_y[first])
            strip = Window(window.x, window.y + top, window.width, int(edges_y[last]) - top)
            part = self._read_inside(strip, strip.shape, bands)
            starts = edges_y[first:last] - top
            weight = _block_sum(part.mask[None].astype(np.float32), starts, edges_x[:-1])[0]
            total = _block_sum(part.data, starts, edges_x[:-1])
            mask[first:last] = weight > 0
            data[:, first:last] = total / np.maximum(weight, 1)
        return Pixels(data, mask)


def _block_sum(
    data: Image, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    return np.asarray(np.add.reduceat(np.add.reduceat(data, rows, axis=1), columns, axis=2))


def _as_dtype(value: float, dtype: np.dtype[Any]) -> Any:
    """The nodata value as the band's type holds it (float32 files with float64 nodata)."""
    if np.issubdtype(dtype, np.floating):
        return dtype.type(value)
    return value


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn GDAL's errors while reading pixels of `name` into InputError."""
    try:
        yield
    except GDAL_ERRORS as error:
        reason = str(error).splitlines()[0] if str(error) else "read error"
        cause = error.__cause__
        if cause is not None and str(cause):
            reason = str(cause).splitlines()[0]
        raise InputError(
            f"{name} can't be decoded, it looks truncated or corrupt: {reason}"
        ) from None


def _open(name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(name)
    except GDAL_ERRORS as error:
        text = str(error).splitlines()[0] if str(error) else "unknown reason"
        if "No such file" in text or "does not exist" in text:
            text = "no such file"
        elif os.path.isdir(name):
            text = "it is a folder"
        elif "not recognized" in text:
            text = "not a raster that GDAL can read"
        for prefix in (f"{os.path.basename(name)}: ", f"{name}: ", f"{name}:", f"'{name}' "):
            text = text.removeprefix(prefix)
        raise InputError(f"{name} can't be opened: {text}") from None


def _header(name: str, dataset: Any, nodata: float | None, crs: CRS | None) -> Header:
    if dataset.count == 0:
        subdatasets = list(dataset.subdatasets)
        hint = f": name one of its subdatasets, e.g. {subdatasets[0]}" if subdatasets else ""
        raise InputError(f"{name} has no bands{hint}")
    own = dataset.nodatavals
    flags = dataset.mask_flag_enums
    interp = tuple(c.name for c in dataset.colorinterp)
    palette = _palette(dataset) if interp[0] == "palette" else None
    georef, file_crs = _georef(name, dataset)
    return Header(
        shape=(int(dataset.height), int(dataset.width)),
        dtypes=tuple(_dtype_name(d) for d in dataset.dtypes),
        nodata=tuple(own if nodata is None else [nodata] * dataset.count),
        colorinterp=interp,
        descriptions=tuple(dataset.descriptions),
        crs=crs if crs is not None else file_crs,
        georef=georef,
        palette=palette,
        masked=any(MaskFlags.per_dataset in f for f in flags),
        has_rpcs=dataset.rpcs is not None,
    )


def _dtype_name(name: str) -> str:
    return "complex64" if name in ("complex_int16", "cint16") else str(name)


def _palette(dataset: Any) -> npt.NDArray[np.uint8] | None:
    try:
        table = dataset.colormap(1)
    except ValueError:
        return None
    colours = np.zeros((max(table) + 1, 4), np.uint8)
    for index, rgba in table.items():
        colours[index] = rgba
    return colours


def _georef(name: str, dataset: Any) -> tuple[Georef | None, CRS | None]:
    transform: Affine = dataset.transform
    gcps, gcp_crs = dataset.gcps
    if transform == Affine.identity() and gcps:
        pixel = np.array([[g.col, g.row] for g in gcps], np.float64)
        ground = np.array([[g.x, g.y] for g in gcps], np.float64)
        try:
            return GcpGeoref.from_gcps(pixel, ground), _crs(name, gcp_crs or dataset.crs)
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
    crs = _crs(name, dataset.crs)
    if transform == Affine.identity() and crs is None:
        return None, None
    values = np.array(list(transform)[:6])
    corners = np.abs(values).max() + np.abs(values[[0, 1, 3, 4]]).max() * max(dataset.shape)
    if not np.isfinite(values).all() or abs(transform.determinant) < 1e-24 or corners > 1e12:
        raise InputError(
            f"{name} has an absurd geotransform {tuple(values.tolist())}: "
            "repair it, e.g. with gdal_edit.py -a_ullr"
        )
    return AffineGeoref(transform), crs


def _crs(name: str, crs: Any) -> CRS | None:
    if not crs:
        return None
    try:
        return CRS.from_wkt(crs.to_wkt(version="WKT2_2019"))
    except (CRSError, RasterioError):
        try:
            return CRS.from_wkt(crs.to_wkt())
        except (CRSError, RasterioError):
            raise InputError(f"{name} has a CRS that PROJ can't read: override it") from None
