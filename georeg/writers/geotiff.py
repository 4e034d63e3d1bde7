"""GeoTIFF outputs: cloud-optimised by default, whole or not at all."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import rasterio
from affine import Affine
from rasterio.drivers import raster_driver_extensions
from rasterio.windows import Window as RioWindow

from georeg.errors import SettingsError
from georeg.grid import Grid
from georeg.raster import Raster
from georeg.resampling.nodes import Mapping as PixelMapping
from georeg.resampling.validity import Layout, as_declared
from georeg.warping import (
    Block,
    WarpOptions,
    gdal_env,
    layout_of,
    read_original,
    readers_held,
    tiles,
    warp,
)
from georeg.writers.cog import make_cog
from georeg.writers.creation import (
    cog_options,
    gtiff_options,
    is_lossless,
    is_sparse,
    parse_creation,
)
from georeg.writers.gcps import Gcps
from georeg.writers.metadata import Metadata
from georeg.writers.pixels import Progress, Target, verify, write_blocks
from georeg.writers.place import is_virtual, placed, writing
from georeg.writers.probe import try_cog, try_gtiff
from georeg.writers.tables import write_tables

log = logging.getLogger(__name__)

# Of the whole, in time; the rest is making the COG and reading everything again.
_BLOCKS_SHARE = {"COG": 0.7, "GTiff": 0.9}
_COPY_BYTES = 64 * 2**20
_COPY_SIDE = 512  # the output's tiles: smaller pieces would be compressed again and again


@dataclass(frozen=True)
class WriteOptions:
    """How to write a GeoTIFF.

    Attributes:
        driver: "COG" or "GTiff".
        creation: GDAL creation options, checked by name and value.
        overwrite: whether an existing output may be replaced.
        classes: whether pixels are class numbers, so that overviews must not average them;
            rasters with a palette are taken so anyway.
        threads: for compressing; None for as many as there are processors.
    """

    driver: str = "COG"
    creation: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False
    classes: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check.

        Raises:
            SettingsError: unknown driver or creation option.
        """
        parse_creation(self.creation, self.driver)


def check_format(output: str) -> None:
    """Find out early whether a name belongs to a format that isn't written.

    Raises:
        SettingsError: GDAL knows its suffix as that of another format.
    """
    suffix = os.path.splitext(output)[1].removeprefix(".").lower()
    other = raster_driver_extensions().get(suffix, "GTiff")
    if other != "GTiff":
        raise SettingsError(
            f"{output} would be a GeoTIFF, but .{suffix} is {other}: name it .tif, and convert it "
            "with gdal_translate"
        )


def write(
    output: str,
    grid: Grid,
    layout: Layout,
    metadata: Metadata,
    blocks: Iterable[Block],
    options: WriteOptions | None = None,
    *,
    inputs: Sequence[str] = (),
    provenance: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    gcps: Gcps | None = None,
) -> None:
    """Write blocks into a GeoTIFF; the file appears when it is whole, or not at all.

    Blocks are written as they come, so memory stays bounded; the COG is made from that file
    afterwards, because a COG begins with overviews of what it ends with. The same blocks give
    the same bytes.

    Args:
        output: a path, or a name that GDAL can write to (/vsis3/...).
        grid: shape, geotransform and CRS.
        layout: bands, type and validity.
        metadata: of bands and dataset.
        blocks: must cover the grid exactly once.
        options: how.
        inputs: names of files that must not be overwritten, whatever the options say.
        provenance: tags for the domain GEOREG; those named TIFFTAG_* become TIFF tags.
        progress: called with the share done (0..1) after each block; may raise to cancel.
        gcps: written instead of the grid's geotransform.

    Raises:
        SettingsError: the output is an input, is named as another format, or exists and may not
            be overwritten.
        OutputError: it can't be written; nothing is left behind.
    """
    check_format(output)
    options = options or WriteOptions()
    report = progress or (lambda _: None)
    user = parse_creation(options.creation, options.driver)
    classes = options.classes or bool(metadata.palettes)
    target = Target(output, grid, layout, metadata, provenance or {}, gcps)
    share = _BLOCKS_SHARE[options.driver]
    with (
        gdal_env(options.threads),
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        placed(output, inputs, overwrite=options.overwrite) as (folder, path),
    ):
        if options.driver == "GTiff":
            final = gtiff_options(layout, user, classes=classes)
            try_gtiff(folder, target, final, asked=bool(user))
            receipts = write_blocks(
                path, target, blocks, final, lambda done: report(done * share),
                sparse=is_sparse(final),
            )  # fmt: skip
        else:
            final = cog_options(layout, user, classes=classes)
            creation = try_cog(folder, target, final, asked=bool(user))
            flat = os.path.join(folder, "blocks.tif")
            receipts = write_blocks(
                flat, target, blocks, creation, lambda done: report(done * share),
                park=True, sparse=is_sparse(final),
            )  # fmt: skip
            make_cog(flat, path, final, output)
        write_tables(path, metadata.tables, output)
        verify(
            path,
            target,
            receipts,
            lambda done: report(0.9 + 0.1 * done),
            exact=is_lossless(final),
            sparse=is_sparse(final),
        )
    if is_virtual(output):
        _check_copy(output, grid)
    report(1.0)


def write_warped(
    raster: Raster,
    grid: Grid,
    mapping: PixelMapping,
    output: str,
    warp_options: WarpOptions | None = None,
    options: WriteOptions | None = None,
    *,
    inputs: Sequence[str] = (),
    provenance: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> None:
    """Resample a raster through a mapping into a GeoTIFF; see `warp` and `write`.

    Args:
        raster: the original pixels; never overwritten.
        grid: of the output.
        mapping: from output pixels to source pixels.
        output: a path, or a name that GDAL can write to.
        warp_options: how to resample.
        options: how to write.
        inputs: further files that must not be overwritten.
        provenance: as for `write`.
        progress: as for `write`.

    Raises:
        SettingsError, InputError, OutputError: as `warp` and `write`.
    """
    warp_options = warp_options or WarpOptions()
    layout = layout_of(raster, warp_options.dst_nodata)
    write(
        output,
        grid,
        layout,
        Metadata.of(raster),
        _of_one_file(raster, warp(raster, grid, mapping, warp_options)),
        options,
        inputs=(raster.name, *raster.dataset().files, *inputs),
        provenance=provenance,
        progress=progress,
    )


def shift_only(
    raster: Raster,
    output: str,
    transform: Affine,
    options: WriteOptions | None = None,
    *,
    inputs: Sequence[str] = (),
    provenance: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> None:
    """Write the same pixels, bit by bit, under another geotransform.

    Args:
        raster: never overwritten.
        output: a path, or a name that GDAL can write to.
        transform: pixel -> map, in the raster's CRS.
        options: how to write.
        inputs: further files that must not be overwritten.
        provenance: as for `write`.
        progress: as for `write`.

    Raises:
        SettingsError, InputError, OutputError: as `write`, or the raster can't be decoded.
    """
    grid = Grid(raster.header.shape, transform, raster.header.crs)
    _write_originals(raster, output, grid, None, options, inputs, provenance, progress)


def embed_gcps(
    raster: Raster,
    output: str,
    gcps: Gcps,
    options: WriteOptions | None = None,
    *,
    inputs: Sequence[str] = (),
    provenance: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> None:
    """Write the same pixels, bit by bit, with GCPs instead of a georeference.

    Args:
        raster: never overwritten.
        output: a path, or a name that GDAL can write to.
        gcps: what to embed.
        options: how to write.
        inputs: further files that must not be overwritten.
        provenance: as for `write`.
        progress: as for `write`.

    Raises:
        SettingsError, InputError, OutputError: as `write`, or the raster can't be decoded.
    """
    grid = Grid(raster.header.shape, Affine.identity(), gcps.crs)
    _write_originals(raster, output, grid, gcps, options, inputs, provenance, progress)


def _write_originals(
    raster: Raster,
    output: str,
    grid: Grid,
    gcps: Gcps | None,
    options: WriteOptions | None,
    inputs: Sequence[str],
    provenance: Mapping[str, str] | None,
    progress: Progress | None,
) -> None:
    """The raster's own pixels under another georeference.

    Bands, nodata, alpha, mask and metadata stay as they are; of several nodata values the first
    is declared, with a warning, because a GeoTIFF holds one only. Transparent colours get a mask,
    because its palette has no alpha.
    """
    header = raster.header
    base = layout_of(raster)
    declared = [n for n in header.nodata if n is not None]
    nodata = as_declared(declared[0], base.array_dtype) if declared else None
    if len({repr(n) for n in declared}) > 1:
        log.warning(
            "the bands of %s have different nodata values, and a GeoTIFF holds one: %s declares "
            "%s for all of them", raster.name, output, nodata,
        )  # fmt: skip
    masked = header.alpha is None and (header.masked or bool(header.transparent and not declared))
    layout = Layout(base.dtype, base.count, nodata, header.alpha, masked)
    metadata = Metadata.of(raster)
    write(
        output,
        grid,
        layout,
        # Under PixelIsPoint, GDAL would move the GCPs by a pixel between writing and reading.
        metadata if gcps is None else metadata.without("AREA_OR_POINT"),
        _of_one_file(raster, _originals(raster, layout)),
        options,
        inputs=(raster.name, *raster.dataset().files, *inputs),
        provenance=provenance,
        progress=progress,
        gcps=gcps,
    )


def _check_copy(output: str, grid: Grid) -> None:
    """Read the last pixel of what was copied away: there are no local bytes to look at."""
    with writing(output), rasterio.open(output) as dataset:
        dataset.read(1, window=RioWindow(grid.width - 1, grid.height - 1, 1, 1))


def _of_one_file(raster: Raster, blocks: Iterator[Block]) -> Iterator[Block]:
    """Blocks, and after the last one a look whether all can be of the same file."""
    yield from blocks
    raster.check_unchanged()


def _originals(raster: Raster, layout: Layout) -> Iterator[Block]:
    """A raster's own pixels, block by block."""
    dataset = raster.dataset()
    side = 2048
    while side > 128 and side * side * layout.count * layout.array_dtype.itemsize > _COPY_BYTES:
        side //= 2
    while side > _COPY_SIDE and not readers_held(raster, side, side):
        side //= 2
    for window in tiles(raster.header.shape, side):
        data, mask = read_original(raster, dataset, window, layout)
        yield Block(window, data, mask if layout.mask else None)
