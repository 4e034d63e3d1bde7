"""What a raster says about itself: bands, types, validity, palette, CRS and georeference."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError

from georeg.crs import turn, wrap_longitude
from georeg.errors import InputError
from georeg.grid import Grid, outline
from georeg.inputs.georef import AffineGeoref, GcpGeoref, Georef
from georeg.inputs.opening import transform_of

EXACT = 2**53  # beyond, not every whole number is a float
_FARTHEST = 1e12  # map units: no ground is that far from the origin of its CRS
# Names of arrays that hold no picture, as CF and HDF-EOS have them.
_COORDINATES = re.compile(
    r"x|y|z|lon|lat|(nav_|grid_|geo_)?(longitude|latitude|lon|lat)s?(_\w+)?|time|crs|spatial_ref|"
    r"[xy]c|(projection_)?[xy](_coordinates?)?|\w+_(bnds|bounds)|transverse_mercator|band|level|height"
)
_COLLINEAR = 1e-9  # sine of the angle between columns and rows below which they coincide


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
    palette: npt.NDArray[np.uint8] | None  # (n, 4) RGBA of band 1, the last one for all beyond
    masked: bool  # by alpha or by a mask band, or by a nodata value that only GDAL knows exactly
    has_rpcs: bool
    units: tuple[str | None, ...] = ()
    nodata_given: bool = False  # by the user, so that GDAL doesn't know of it
    located_by_arrays: bool = False  # longitude and latitude of each pixel, which isn't followed
    mistaken_alpha: int | None = None  # 1-based: a band that is called alpha, and is a picture
    unit_of_crs: str | None = None  # taken by GDAL for that of bands without one: of a vertical CRS

    @property
    def count(self) -> int:
        """Number of bands."""
        return len(self.dtypes)

    @property
    def alpha(self) -> int | None:
        """1-based index of the alpha band."""
        return self.colorinterp.index("alpha") + 1 if "alpha" in self.colorinterp else None

    def about_alpha(self, name: str) -> str:
        """A word on a band that is called alpha and is none; empty if there isn't one.

        Args:
            name: of the raster.
        """
        band = self.mistaken_alpha
        if band is None:
            return ""
        return (
            f"band {band} of {name} is declared as alpha, but holds a picture (near infrared?): it "
            "is taken for a band like others, not for a mask. Say so with gdal_edit.py "
            f"-colorinterp_{band} undefined"
        )

    @property
    def transparent(self) -> tuple[int, ...]:
        """Colours of the palette that show nothing, ascending."""
        if self.palette is None:
            return ()
        return tuple(int(k) for k in np.flatnonzero(self.palette[:, 3] == 0))

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


def colour_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.integer]:
    """Pixels of a band with a palette as indices: virtual rasters may hold them as real numbers.

    Args:
        values: as read; what isn't finite becomes a number beyond any palette.
    """
    if np.issubdtype(values.dtype, np.integer):
        return np.asarray(values)
    whole = np.nan_to_num(values.real, nan=EXACT, posinf=EXACT, neginf=EXACT)
    return np.asarray(np.clip(whole, -1, EXACT).astype(np.int64))


def read_header(name: str, dataset: Any, nodata: float | None, crs: CRS | None) -> Header:
    """The header of an open rasterio dataset.

    Args:
        name: for messages.
        dataset: open.
        nodata: taken instead of the file's own nodata value in every band.
        crs: taken instead of the file's own CRS.

    Raises:
        InputError: no bands, a CRS that PROJ can't read, a georeference that leads nowhere, or raw
            pixels that aren't all there.
    """
    if dataset.count == 0:
        subdataset = _subdataset(dataset)
        hint = f": name one of its subdatasets, e.g. {subdataset}" if subdataset else ""
        raise InputError(f"{name} has no bands{hint}")
    _check_length(name, dataset)
    crs = crs if crs is not None else crs_of(name, dataset)
    # A mask that is neither nothing nor nodata is alpha or a mask band.
    flags = [{flag.name for flag in band} for band in dataset.mask_flag_enums]
    kept = [
        _kept_exactly(value, dtype)
        for value, dtype in zip(dataset.nodatavals, dataset.dtypes, strict=True)
    ]
    own = tuple(n if sure else None for n, sure in zip(dataset.nodatavals, kept, strict=True))
    rpcs = bool(dataset.tags(ns="RPC"))  # rasterio's own reading trips over malformed ones
    given = own if nodata is None else (float(nodata),) * len(own)
    interp = tuple(c.name for c in dataset.colorinterp)
    by_gdal = nodata is None and any(
        not sure and "nodata" in band for sure, band in zip(kept, flags, strict=True)
    )
    return Header(
        shape=(int(dataset.height), int(dataset.width)),
        dtypes=tuple(_dtype_name(d) for d in dataset.dtypes),
        nodata=given,
        colorinterp=interp,
        descriptions=tuple(dataset.descriptions),
        crs=crs,
        georef=_georef(name, dataset, crs, rpcs),
        palette=_palette(dataset) if interp[0] == "palette" else None,
        masked=by_gdal or any(not band & {"all_valid", "nodata"} for band in flags),
        has_rpcs=rpcs,
        units=tuple(dataset.units),
        located_by_arrays=bool(dataset.tags(ns="GEOLOCATION")),
        nodata_given=not all(_equal(a, b) for a, b in zip(own, given, strict=True)),
    )


def _check_length(name: str, dataset: Any) -> None:
    """See that raw pixels are all there: in ENVI's format GDAL makes zeros of those that aren't."""
    if dataset.driver != "ENVI" or not os.path.isfile(name):
        return
    tags = dataset.tags(ns="ENVI")
    if tags.get("file_compression", "0").strip() != "0":
        return
    size = sum(np.dtype(_dtype_name(d)).itemsize for d in dataset.dtypes)
    offset = tags.get("header_offset", "").strip()
    wanted = (int(offset) if offset.isdecimal() else 0) + dataset.width * dataset.height * size
    there = os.path.getsize(name)
    if there < wanted:
        raise InputError(f"{name} is truncated: {there} bytes, where its header says {wanted}")


def _subdataset(dataset: Any) -> str:
    """The likeliest one to be meant: not one that only says where the others lie."""
    names = list(dataset.subdatasets)

    def array(name: str) -> str:
        return re.split(r"[:/]", name.strip('"'))[-1].lower()

    telling = [name for name in names if not _COORDINATES.fullmatch(array(name))]
    return str((telling or names or [""])[0])


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or (np.isnan(one) and np.isnan(other))


def _kept_exactly(nodata: float | None, dtype: str) -> bool:
    """Whether rasterio, to which it is a float or unknown, has the nodata value as it is."""
    return dtype not in ("int64", "uint64") or (nodata is not None and abs(nodata) <= EXACT)


def _dtype_name(name: str) -> str:
    return "complex64" if name in ("complex_int16", "cint16") else str(name)


def _palette(dataset: Any) -> npt.NDArray[np.uint8] | None:
    """The colours of band 1; None where they tell nothing."""
    try:
        table = dataset.colormap(1)
    except ValueError:
        return None
    colours = np.zeros((max(table, default=0) + 1, 4), np.uint8)
    for index, rgba in table.items():
        colours[index] = rgba
    if len(np.unique(colours, axis=0)) < 2:
        return None
    # Numbers beyond the table are black, as for GDAL; they are clipped to this last entry.
    return np.concatenate([colours, np.array([[0, 0, 0, 255]], np.uint8)])


def _georef(name: str, dataset: Any, crs: CRS | None, rpcs: bool) -> Georef | None:
    """By geotransform, else by GCPs; None where there is neither (GDAL says identity then).

    GCPs that can't place the raster may still check its RPCs.
    """
    transform = transform_of(dataset)
    if transform != Affine.identity():
        _check_transform(name, transform, dataset.shape)
        return AffineGeoref(transform)
    gcps, _ = dataset.gcps
    if not gcps:
        return None
    pixel = np.array([[g.col, g.row] for g in gcps], np.float64)
    ground = np.array([[g.x, g.y] for g in gcps], np.float64)
    full = turn(crs)
    if full is not None:  # they may jump from one side of the antimeridian to the other
        ground[:, 0] = wrap_longitude(ground[:, 0], float(ground[0, 0]), full)
    try:
        return GcpGeoref.from_gcps(pixel, ground)
    except InputError as error:
        if rpcs:
            return None
        raise InputError(f"{name}: {error}") from None


def _check_transform(name: str, transform: Affine, shape: tuple[int, int]) -> None:
    values = np.array(list(transform)[:6])
    (a, b, _, d, e, _) = values.tolist()
    corners = AffineGeoref(transform).to_map(outline(shape[1], shape[0], 2))
    with np.errstate(invalid="ignore", over="ignore"):
        thin = not abs(a * e - b * d) > _COLLINEAR * np.hypot(a, d) * np.hypot(b, e)
        wrong = not np.isfinite(values).all() or not (np.abs(corners) < _FARTHEST).all()
    if wrong or thin:
        raise InputError(
            f"{name} has an absurd geotransform {tuple(values.tolist())}: "
            "repair it, e.g. with gdal_edit.py -a_ullr"
        )


def no_crs(name: str, option: str) -> InputError:
    """What is said of a raster without a CRS, also of the file beside it that GDAL doesn't read.

    Args:
        name: of the raster.
        option: that names its CRS.
    """
    for suffix in (".prj", ".PRJ"):
        path = os.path.splitext(name)[0] + suffix
        if os.path.isfile(path):
            return InputError(
                f"{name} has no CRS, and {path} isn't looked at by GDAL: if it is right, give "
                f'{option} "$(cat {shlex.quote(path)})"'
            )
    return InputError(f"{name} has no CRS: name it with {option}, e.g. EPSG:32633")


def crs_of(name: str, dataset: Any) -> CRS | None:
    """The CRS of an open rasterio dataset: that of its GCPs if these are its georeference.

    Raises:
        InputError: PROJ can't read it.
    """
    gcps, gcp_crs = dataset.gcps
    own = dataset.crs
    by_gcps = gcps and transform_of(dataset) == Affine.identity()
    crs = (gcp_crs or own) if by_gcps else own
    if not crs:
        return None
    for options in ({"version": "WKT2_2019"}, {}):
        try:
            return CRS.from_wkt(crs.to_wkt(**options))
        except (ValueError, CRSError):  # rasterio's CRSError is a ValueError
            continue
    raise InputError(f"{name} has a CRS that PROJ can't read: override it")
