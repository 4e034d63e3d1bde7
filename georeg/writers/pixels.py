"""Blocks into a GeoTIFF, and looking afterwards whether they are really in it."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.crs
from rasterio.windows import Window as RioWindow

from georeg.errors import OutputError
from georeg.grid import Grid, Window
from georeg.resampling.validity import Layout
from georeg.warping import Block
from georeg.writers.creation import is_sparse, largest_value
from georeg.writers.gcps import Gcps
from georeg.writers.metadata import Metadata
from georeg.writers.place import writing
from georeg.writers.tiff import check_whole

log = logging.getLogger(__name__)

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Target:
    """What an output promises to be.

    Attributes:
        output: its final name, for messages.
        grid: shape, geotransform and CRS.
        layout: bands, type and validity.
        metadata: of bands and dataset.
        provenance: further tags, see `Metadata.apply`.
        gcps: instead of the grid's geotransform; their CRS is the grid's.
    """

    output: str
    grid: Grid
    layout: Layout
    metadata: Metadata
    provenance: Mapping[str, str]
    gcps: Gcps | None = None

    def profile(self, creation: Mapping[str, str]) -> dict[str, Any]:
        """Arguments for rasterio.open."""
        crs = self.grid.crs
        place = (
            {"transform": self.grid.transform}
            if self.gcps is None
            else {"gcps": self.gcps.to_rasterio()}
        )
        return {
            "driver": "GTiff",
            "height": self.grid.height,
            "width": self.grid.width,
            "count": self.layout.count,
            "dtype": self.layout.dtype,
            "nodata": self.layout.nodata,
            **place,
            "crs": None if crs is None else rasterio.crs.CRS.from_wkt(crs.to_wkt()),
            "PHOTOMETRIC": self.metadata.photometric,
            **creation,
        }


@dataclass(frozen=True)
class Receipt:
    """A block that was handed to GDAL: where, and checksums of its pixels and mask."""

    window: Window
    pixels: int
    mask: int | None


def write_blocks(
    path: str,
    target: Target,
    blocks: Iterable[Block],
    creation: Mapping[str, str],
    report: Progress,
    *,
    park: bool = False,
    sparse: bool = False,
) -> list[Receipt]:
    """Write blocks as they come into a plain GeoTIFF.

    Args:
        path: of the new file.
        target: what to write.
        blocks: closed in any case, if they are a generator.
        creation: options of the GTiff driver.
        report: called with the share of pixels done after each block.
        park: see `Metadata.apply`.
        sparse: whether GDAL will leave out blocks of zeros. To it -0.0 is one, too, and comes back
            as 0.0; so it is written as that everywhere.

    Raises:
        OutputError: the file can't be written, or blocks are missing.
    """
    pixels = target.grid.width * target.grid.height
    receipts, done = [], 0
    limit, most = largest_value(creation, target.layout.array_dtype), 0.0
    try:
        with _writer(path, target, creation, park) as dataset:
            for block in blocks:
                if sparse and np.issubdtype(block.data.dtype, np.inexact):
                    block = replace(block, data=block.data + block.data.dtype.type(0))
                with writing(target.output):
                    receipts.append(_write_block(dataset, block, target.layout))
                if limit is not None:
                    most = max(most, _largest(block.data))
                done += block.window.width * block.window.height
                report(done / pixels)
    finally:
        # A generator that computes ahead in threads must not go on when nobody wants its blocks.
        if isinstance(blocks, Iterator) and hasattr(blocks, "close"):
            blocks.close()
    if done != pixels:
        raise OutputError(f"{target.output} can't be written: {done} of {pixels} pixels came")
    with writing(target.output):
        check_whole(path, target.output, sparse=is_sparse(creation))
    if limit is not None and most > limit:
        log.warning(
            "%s has values up to %.6g, but NBITS=%s holds values up to %.6g: the rest is cut off",
            target.output, most, creation["NBITS"], limit,
        )  # fmt: skip
    return receipts


def _largest(data: npt.NDArray[Any]) -> float:
    """The largest finite value, or the negative one that is as far from 0."""
    if np.issubdtype(data.dtype, np.integer):
        return float(data.max(initial=0))
    return float(np.abs(data).max(initial=0.0, where=np.isfinite(data)))


@contextmanager
def _writer(path: str, target: Target, creation: Mapping[str, str], park: bool) -> Iterator[Any]:
    with writing(target.output):
        dataset = rasterio.open(path, "w", **target.profile(creation))
    try:
        with writing(target.output):
            target.metadata.apply(dataset, target.provenance, park=park)
        yield dataset
    finally:
        with writing(target.output):
            dataset.close()


def _write_block(dataset: Any, block: Block, layout: Layout) -> Receipt:
    data = _whole(block.data) if layout.dtype == "complex_int16" else block.data
    place = _place(block.window)
    dataset.write(data, window=place)
    mask = None
    if block.mask is not None:
        dataset.write_mask(block.mask, window=place)
        mask = _checksum(block.mask)
    return Receipt(block.window, _checksum(data), mask)


def _whole(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Complex values as a file of complex integers holds them."""
    parts = np.clip(np.rint(values.view(np.float32)), -32768, 32767)
    parts += 0.0  # integers have no -0.0, which is other bytes
    return parts.view(values.dtype)


def verify(
    path: str,
    target: Target,
    receipts: list[Receipt],
    report: Progress,
    *,
    exact: bool,
    sparse: bool,
) -> None:
    """Look at a finished file as a stranger would: is everything there that was promised?

    libtiff reports failed writes (disk full, quota) to nobody: such a file may even have an index
    without gaps. So all blocks are read again and compared.

    Args:
        path: of the file.
        target: what it should be.
        receipts: of all blocks.
        report: called with the share of blocks done.
        exact: whether the compression is lossless, so that pixels can be compared.
        sparse: whether blocks may be left out on purpose.

    Raises:
        OutputError: it isn't what was promised.
    """
    layout, output = target.layout, target.output
    with writing(output):
        check_whole(path, output, sparse=sparse)
        with rasterio.open(path) as dataset:
            found = (dataset.shape, dataset.count, set(dataset.dtypes))
            if found != (target.grid.shape, layout.count, {layout.dtype}):
                raise OutputError(f"{output} can't be written: GDAL made something else of it")
            for done, receipt in enumerate(receipts, start=1):
                place = _place(receipt.window)
                pixels = _checksum(dataset.read(window=place))
                if exact and pixels != receipt.pixels:
                    raise OutputError(f"{output} is incomplete: its pixels were damaged on the way")
                if receipt.mask is not None:
                    mask = _checksum(dataset.read_masks(1, window=place) > 0)
                    if mask != receipt.mask:
                        raise OutputError(f"{output} is incomplete: its mask was damaged")
                report(done / len(receipts))


def _place(window: Window) -> RioWindow:
    return RioWindow(window.x, window.y, window.width, window.height)


def _checksum(values: npt.NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(values).data.cast("B"))
