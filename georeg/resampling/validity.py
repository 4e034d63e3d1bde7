"""Which pixels of an output are valid, and how its file says so.

A file says it in exactly one way: nodata value, alpha band or mask band. Here is what follows
from the input, and the arithmetic on arrays that keeps values and validity apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.errors import SettingsError
from georeg.inputs.header import EXACT
from georeg.raster import Header

Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[Any]


@dataclass(frozen=True)
class Layout:
    """The bands of an output file and how it marks invalid pixels.

    Attributes:
        dtype: rasterio's name of the data type of all bands.
        count: number of bands, an alpha band included.
        nodata: value of invalid pixels in all bands but alpha, None where there is none.
        alpha: 1-based number of the alpha band.
        mask: whether the file has a mask band for the whole dataset.
    """

    dtype: str
    count: int
    nodata: float | None = None
    alpha: int | None = None
    mask: bool = False

    @property
    def array_dtype(self) -> np.dtype[Any]:
        """The numpy type of the pixels in memory; numpy has no complex integers."""
        return np.dtype("complex64" if self.dtype == "complex_int16" else self.dtype)


def layout_for(header: Header, dtypes: tuple[str, ...], dst_nodata: float | None = None) -> Layout:
    """What a resampled copy of a raster must look like.

    The input's own way of marking invalid pixels is kept: alpha, then nodata, then mask band. An
    input without any can still leave parts of the output uncovered: real floats get NaN as
    nodata, other types a mask band. Several nodata values become the first one, because a GeoTIFF
    holds one only; so do transparent colours of a palette, because a GeoTIFF's has no alpha.

    Args:
        header: of the input.
        dtypes: rasterio's names of its bands' types.
        dst_nodata: nodata value that the user wants instead.

    Raises:
        SettingsError: the data type can't hold `dst_nodata`.
    """
    dtype = dtypes[0] if len(set(dtypes)) == 1 else str(np.result_type(*header.dtypes))
    base = Layout(dtype, header.count, alpha=header.alpha)
    if dst_nodata is not None:
        value = as_declared(dst_nodata, base.array_dtype)
        if value is None:
            raise SettingsError(f"nodata {dst_nodata:g} doesn't fit into bands of type {dtype}")
        return Layout(dtype, header.count, nodata=value, alpha=header.alpha)
    if base.alpha is not None:
        return base
    for nodata in header.nodata:
        value = None if nodata is None else as_declared(nodata, base.array_dtype)
        if value is not None:
            return Layout(dtype, header.count, nodata=value)
    if header.transparent and header.count == 1 and not header.masked:
        return Layout(dtype, 1, nodata=float(header.transparent[0]))
    if not header.masked and np.issubdtype(base.array_dtype, np.floating):
        return Layout(dtype, header.count, nodata=float("nan"))
    return Layout(dtype, header.count, mask=True)


def as_stored(nodata: float, dtype: np.dtype[Any]) -> float | None:
    """A nodata value as pixels of the type hold it; None if no pixel can ever be equal to it.

    0 for -0.0, which is equal, but other bytes than GDAL takes for pixels that aren't in a file.
    """
    nodata += 0.0
    if np.issubdtype(dtype, np.complexfloating):
        dtype = np.dtype("float32" if dtype == np.complex64 else "float64")
    if np.issubdtype(dtype, np.floating):
        with np.errstate(over="ignore"):
            stored = float(dtype.type(nodata))
        return None if np.isinf(stored) and not np.isinf(nodata) else stored
    if not np.isfinite(nodata) or nodata != int(nodata):
        return None
    limits = np.iinfo(dtype)
    return float(nodata) if limits.min <= nodata <= limits.max else None


def as_declared(nodata: float, dtype: np.dtype[Any]) -> float | None:
    """The same for a file that is written; None, too, if rasterio would write something else.

    It writes -9223372036854775808 as -9.2e18, which GDAL reads as -9.
    """
    stored = as_stored(nodata, dtype)
    wide = np.issubdtype(dtype, np.integer) and dtype.itemsize == 8
    return None if stored is not None and wide and abs(stored) > EXACT else stored


def equals(values: Pixels, nodata: float) -> Mask:
    """Where pixels hold the nodata value, NaN included."""
    if np.isnan(nodata):
        return np.asarray(np.isnan(values))
    return np.asarray(values == values.dtype.type(nodata))


def nudged(nodata: float, dtype: np.dtype[Any]) -> Any:
    """The neighbour of the nodata value that a valid pixel gets instead; the same as GDAL's."""
    value = dtype.type(nodata)
    if np.issubdtype(dtype, np.integer):
        low = np.iinfo(dtype).min
        return dtype.type(low + 1 if value == low else int(value) - 1)
    if np.issubdtype(dtype, np.complexfloating):
        return dtype.type(complex(nudged(nodata, value.real.dtype), 0.0))
    low = np.finfo(dtype).min
    return np.nextafter(value, np.inf if value == low else -np.inf, dtype=dtype)


def avoid(values: Pixels, valid: Mask | None, nodata: float) -> None:
    """Move valid pixels away from the nodata value, in place; all are valid if None."""
    if np.isnan(nodata):
        return
    clash = equals(values, nodata)
    if clash.any():
        if valid is not None:
            clash &= valid
        values[clash] = nudged(nodata, values.dtype)


def invalid(values: Pixels, nodata: float | None, masked_out: Mask | None) -> Mask | None:
    """(rows, columns) where one band holds no value: nodata, masked, not finite; None if nowhere.

    Infinities count as invalid because any interpolation would spread them.
    """
    bad = masked_out
    if nodata is not None and (stored := as_stored(nodata, values.dtype)) is not None:
        bad = _either(bad, equals(values, stored))
    if np.issubdtype(values.dtype, np.inexact):
        finite = np.isfinite(values)
        if not finite.all():
            bad = _either(bad, ~finite)
    return bad if bad is not None and bad.any() else None


def _either(one: Mask | None, other: Mask) -> Mask:
    return other if one is None else one | other


@dataclass(frozen=True, eq=False)
class Prepared:
    """Source pixels of bands that are valid at the same places, as resampling takes them.

    Attributes:
        colours: (bands, rows, columns), alpha excepted.
        alpha: (rows, columns) alpha band, None where the layout has none.
        valid: (rows, columns) for all bands together; None where everything is valid.
        nodata: whether invalid pixels hold the layout's nodata value.
        empty: whether nothing is valid.
    """

    colours: Pixels
    alpha: Pixels | None = None
    valid: Mask | None = None
    nodata: bool = False
    empty: bool = False


def prepare(
    data: Pixels, nodata: tuple[float | None, ...], file_mask: Mask | None, layout: Layout
) -> list[Prepared]:
    """Tell values and validity apart, with one convention for all inputs; changes `data`.

    Bands whose invalid pixels differ come one by one: resampled together, a band's holes would
    be filled from their rims wherever another band is valid.

    Args:
        data: (bands, rows, columns) as read.
        nodata: the input's nodata value of every band.
        file_mask: (rows, columns) of the input's mask band, true where valid.
        layout: of the output.
    """
    masked_out = None if file_mask is None or file_mask.all() else ~file_mask
    if layout.alpha is not None:
        return [_prepare_alpha(data, nodata, layout.alpha)]
    bad = [invalid(values, n, masked_out) for values, n in zip(data, nodata, strict=True)]
    if layout.nodata is None:
        # One mask serves all bands: what is unusable in one of them is unusable.
        unusable: Mask | None = None
        for gaps in bad:
            unusable = unusable if gaps is None else _either(unusable, gaps)
        if unusable is None:
            return [Prepared(data)]
        valid = ~unusable
        data[:, ~valid] = 0
        return [Prepared(data, valid=valid, empty=not valid.any())]
    for values, n, gaps in zip(data, nodata, bad, strict=True):
        if n is None or as_stored(n, values.dtype) != layout.nodata:
            avoid(values, None, layout.nodata)
        if gaps is not None:
            values[gaps] = layout.nodata
    together = all(_equal(gaps, bad[0]) for gaps in bad[1:])
    groups = [slice(None)] if together else [slice(k, k + 1) for k in range(len(bad))]
    return [
        Prepared(data[group], nodata=gaps is not None, empty=gaps is not None and bool(gaps.all()))
        for group, gaps in zip(groups, bad, strict=False)
    ]


def _equal(one: Mask | None, other: Mask | None) -> bool:
    if one is None or other is None:
        return one is other
    return one is other or np.array_equal(one, other)


def _prepare_alpha(data: Pixels, nodata: tuple[float | None, ...], alpha: int) -> Prepared:
    colours = np.delete(data, alpha - 1, axis=0)
    opacity = data[alpha - 1]
    others = [n for band, n in enumerate(nodata, start=1) if band != alpha]
    gaps = [invalid(values, n, None) for values, n in zip(colours, others, strict=True)]
    found = [gap for gap in gaps if gap is not None]
    if found and len(found) == len(gaps):
        opacity[np.logical_and.reduce(found)] = 0
    for values, gap in zip(colours, gaps, strict=True):
        if gap is not None and np.issubdtype(values.dtype, np.inexact):
            values[gap] = 0
    return Prepared(colours, alpha=opacity, empty=not opacity.any())


def finish(
    warped: Pixels, prepared: Prepared, layout: Layout, defined: Mask | None
) -> tuple[Pixels, Mask | None]:
    """Resampled pixels -> the bands as the output holds them and, where it has one, its mask.

    Args:
        warped: (bands, rows, columns); last a band of coverage, above zero where there is
            something, unless the invalid pixels already hold the nodata value.
        prepared: what it was resampled from.
        layout: of the output.
        defined: (rows, columns) where the mapping is defined; everywhere if None.
    """
    if prepared.nodata:
        if defined is not None:
            warped[:, ~defined] = layout.nodata
        return warped, None
    colours, coverage = warped[:-1], warped[-1]
    covered = np.asarray(coverage.real > 0)
    if defined is not None:
        covered &= defined
    everywhere = bool(covered.all())
    if not everywhere:
        colours[:, ~covered] = 0 if layout.nodata is None else layout.nodata
        coverage[~covered] = 0
    if layout.nodata is not None:
        avoid(colours, None if everywhere else covered, layout.nodata)
    if layout.alpha is not None:
        # GDAL returns alpha last; an input may have it anywhere.
        return np.insert(colours, layout.alpha - 1, coverage, axis=0), None
    return colours, covered if layout.mask else None


def blank(layout: Layout, bands: int, shape: tuple[int, int]) -> tuple[Pixels, Mask | None]:
    """So many bands in which nothing is valid, as `finish` would return them."""
    data = np.zeros((bands, *shape), layout.array_dtype)
    if layout.nodata is not None:
        data[:] = layout.nodata
    if layout.alpha is not None:
        data[layout.alpha - 1] = 0
    return data, np.zeros(shape, np.bool_) if layout.mask else None
