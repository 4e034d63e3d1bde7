"""xarray in and out: `import georeg.xarray`, then `image.georeg.align_to(reference)`.

DataArrays carry their place as rioxarray has it (`rio.crs`, `rio.transform()`, `rio.nodata`).
Where the array is made of dask arrays nothing is computed until the result is: it has the
reference's grid, which is known before.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np
import rioxarray  # noqa: F401 - registers the accessor `rio`
import xarray as xr

from georeg.align import Alignment, align
from georeg.errors import RefusedError, SettingsError
from georeg.raster import Raster
from georeg.resampling.validity import as_stored
from georeg.settings import OutputSettings, Settings
from georeg.writers.place import is_virtual

_TYPES = {
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *("float32", "float64", "complex64", "complex128"),
}
_UNEVEN = 0.5  # pixels by which coordinates may be off an even spacing, float32 ones among them


@xr.register_dataset_accessor("georeg")
class DatasetAccessor:
    """Says what to do instead."""

    def __init__(self, dataset: xr.Dataset) -> None:
        """Keep the dataset."""
        self._dataset = dataset

    def align_to(self, *_: Any, **__: Any) -> xr.DataArray:
        """Datasets hold several images.

        Raises:
            SettingsError: always.
        """
        raise SettingsError(f"this is {_one_of(self._dataset)}")


@xr.register_dataarray_accessor("georeg")
class GeoregAccessor:
    """What georeg does with a DataArray."""

    def __init__(self, array: xr.DataArray) -> None:
        """Keep the array."""
        self._array = array

    def align_to(
        self,
        reference: xr.DataArray | str | os.PathLike[str],
        settings: Settings | None = None,
        *,
        resampling: str = "auto",
        nodata: float | None = None,
    ) -> xr.DataArray:
        """The array aligned to a reference, on the reference's pixel grid.

        Args:
            reference: a DataArray with a place, or the name of a raster.
            settings: how to find the alignment.
            resampling: as in `OutputSettings`.
            nodata: value of pixels without data; the array's own if None. An array without one
                is filled with 0 where there is nothing.

        Returns:
            A DataArray with the bands and type of this one; `attrs` has the verdict under
            `georeg_*`, unless it is still to be computed.

        Raises:
            RefusedError: no trustworthy alignment (when it is computed).
            SettingsError: an array has no place, not the shape of an image, or values that no
                raster holds (logical ones, float16, text, dates).
            InputError: the rasters don't meet.
        """
        if isinstance(reference, os.PathLike):
            reference = os.fspath(reference)
        if isinstance(reference, xr.Dataset):
            raise SettingsError(f"the reference is {_one_of(reference)}")
        if not isinstance(reference, xr.DataArray | str):
            raise SettingsError(
                f"a {type(reference).__name__} is no reference: give a DataArray or a file's name"
            )
        moving = _image(self._array)
        if nodata is not None and as_stored(nodata, moving.dtype) is None:
            raise SettingsError(f"nodata {nodata:g} doesn't fit into arrays of {moving.dtype}")
        wanted = OutputSettings(grid="reference", resampling=resampling, dst_nodata=nodata,
                                driver="GTiff")  # fmt: skip
        settings = settings or Settings()
        like = _image(reference) if isinstance(reference, xr.DataArray) else _opened(reference)
        if self._array.chunks is None:
            values, found = _aligned(moving, reference, settings, wanted)
            result = _like(self._array, moving, like, values, nodata)
            accuracy = found.verdict.accuracy
            result.attrs["georeg_verdict"] = found.verdict.sentence()
            if accuracy is not None:
                result.attrs["georeg_rmse_px"] = accuracy.rmse_px
            return result
        import dask.array as da
        from dask.delayed import delayed

        shape = (moving.sizes[moving.dims[0]], like.rio.height, like.rio.width)
        task = delayed(_values)(moving, reference, settings, wanted)
        values = da.from_delayed(task, shape, moving.dtype)
        return _like(self._array, moving, like, values, nodata)


def _values(
    moving: xr.DataArray, reference: xr.DataArray | str, settings: Settings, wanted: OutputSettings
) -> Any:
    """(bands, rows, columns): dask's task."""
    return _aligned(moving, reference, settings, wanted)[0]


def _aligned(
    moving: xr.DataArray, reference: xr.DataArray | str, settings: Settings, wanted: OutputSettings
) -> tuple[Any, Alignment]:
    """By files: what is larger than memory goes through the disk in chunks.

    Raises:
        RefusedError: no trustworthy alignment.
    """
    with tempfile.TemporaryDirectory(prefix="georeg-") as folder:
        source = _stored(moving, folder, "moving")
        target = (
            reference if isinstance(reference, str)
            else _stored(_image(reference), folder, "reference")
        )  # fmt: skip
        output = os.path.join(folder, "aligned.tif")
        found = align(source, target, output, settings, wanted)
        if found.output is None:
            raise RefusedError(found.verdict.sentence())
        with Raster(output) as raster:
            dataset, bands = raster.dataset(), list(range(1, moving.shape[0] + 1))
            values = dataset.read(bands).astype(moving.dtype, copy=False)
            if wanted.dst_nodata is None and moving.rio.encoded_nodata is not None:
                values[dataset.read_masks(bands) == 0] = np.nan  # as the array itself has it
    return values, found


def _stored(array: xr.DataArray, folder: str, name: str) -> str:
    path = os.path.join(folder, f"{name}.tif")
    array.rio.to_raster(path, tiled=True, BIGTIFF="IF_SAFER")
    return path


def _opened(name: str) -> xr.DataArray:
    """The grid of a raster; its pixels are left where they are."""
    with Raster(name if is_virtual(name) else os.path.abspath(name)) as raster:
        grid = raster.header.grid
    if grid is None:
        raise SettingsError(f"{name} has no geotransform, so it gives no grid")
    empty = xr.DataArray(
        np.broadcast_to(np.uint8(0), (1, *grid.shape)), dims=("band", "y", "x")
    )  # fmt: skip
    placed: xr.DataArray = empty.rio.write_transform(grid.transform)
    if grid.crs is not None:
        placed = placed.rio.write_crs(grid.crs.to_wkt())
    return placed


def _one_of(dataset: xr.Dataset) -> str:
    names = [str(name) for name in dataset.data_vars]
    some = f": {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else ""
    return f"a Dataset: take one of its variables, dataset['NAME']{some}"


def _image(array: xr.DataArray) -> xr.DataArray:
    """The same as (bands, rows, columns).

    Raises:
        SettingsError: it has other dimensions, no place, or values that no raster holds.
    """
    if array.dtype.name not in _TYPES:
        to = {"bool": "uint8", "float16": "float32"}.get(array.dtype.name)
        hint = "" if to is None else f": convert it with array.astype('{to}')"
        raise SettingsError(f"an array of {array.dtype} is no image{hint}")
    try:
        y, x = array.rio.y_dim, array.rio.x_dim
    except Exception as error:
        raise SettingsError(f"the array has no spatial dimensions: {error}") from None
    others = [name for name in array.dims if name not in (y, x)]
    if len(others) > 1:
        raise SettingsError(
            f"the array has dimensions {', '.join(map(str, array.dims))}: align one time at a time"
        )
    if not array.size:
        raise SettingsError("the array is empty: it has no pixels")
    for name in (x, y):
        _check_even(array, name)
    if array.rio.crs is None:
        raise SettingsError("the array has no CRS: set one with array.rio.write_crs(...)")
    if not others:
        array = array.expand_dims("band")
    image: xr.DataArray = array.transpose(*(others or ["band"]), y, x)
    return image


def _check_even(array: xr.DataArray, name: Any) -> None:
    """A raster has one pixel size."""
    if name not in array.coords or array.sizes[name] < 3:
        return
    at = np.asarray(array.coords[name].values, np.float64)
    step = (at[-1] - at[0]) / (len(at) - 1)
    off = np.abs(at - np.linspace(at[0], at[-1], len(at))).max()
    if not off <= _UNEVEN * abs(step):
        raise SettingsError(
            f"the array's coordinates {name} aren't evenly spaced: interpolate it to a regular grid"
        )


def _like(
    original: xr.DataArray,
    moving: xr.DataArray,
    like: xr.DataArray,
    values: Any,
    nodata: float | None,
) -> xr.DataArray:
    """A DataArray of aligned values, named like the original and placed like the reference."""
    first = moving.dims[0]
    y, x = original.rio.y_dim, original.rio.x_dim
    # Of a part of an array, rioxarray keeps the transform of the whole; the coordinates are right.
    placed = {like.dims[1], like.dims[2]} <= set(like.coords)
    grid = like.rio.transform(recalc=placed)
    coords: dict[Any, Any] = {}
    if first in original.dims and first in original.coords:
        coords[first] = original.coords[first]
    if placed:
        coords[y], coords[x] = (like.coords[name].values for name in like.dims[1:])
    elif grid.b == 0 and grid.d == 0:
        coords[x] = grid.c + (np.arange(values.shape[2]) + 0.5) * grid.a
        coords[y] = grid.f + (np.arange(values.shape[1]) + 0.5) * grid.e
    made = xr.DataArray(values, dims=(first, y, x), coords=coords, attrs=dict(original.attrs))
    made.name = original.name  # given above, None would become the name of Dask's graph
    made = made.rio.write_transform(grid)
    if like.rio.crs is not None:
        made = made.rio.write_crs(like.rio.crs)
    if nodata is not None:
        made = made.rio.write_nodata(nodata)
    elif original.rio.encoded_nodata is not None:
        made = made.rio.write_nodata(original.rio.encoded_nodata, encoded=True)
    elif original.rio.nodata is not None:
        made = made.rio.write_nodata(original.rio.nodata)
    found: xr.DataArray = made if first in original.dims else made.isel({first: 0}, drop=True)
    return found
