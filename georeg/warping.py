"""Resampling of the original moving pixels, once, block by block, through a composed mapping."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.env import get_gdal_config, getenv, hasenv
from rasterio.io import MemoryFile
from rasterio.windows import Window as RioWindow

from georeg.environment import threads_left_behind, with_threads
from georeg.errors import GeoregError, SettingsError
from georeg.grid import Grid, Window
from georeg.inputs.header import EXACT, colour_numbers
from georeg.inputs.opening import GDAL_ERRORS, check_memory, decoding
from georeg.raster import Raster
from georeg.resampling.nodes import (
    MIN_STEP,
    Mapping,
    Nodes,
    sample_nodes,
    sampling_ratio,
    surface_nodes,
)
from georeg.resampling.validity import Layout, Prepared, blank, finish, layout_for, prepare
from georeg.resampling.warpxml import METHODS, Kernel, node_image, warped_vrt
from georeg.settings import processors

log = logging.getLogger(__name__)

MEGABYTE = 2**20
_CACHE = 256 * MEGABYTE  # GDAL's block cache; its own default is 5 % of the machine's memory
_SIDES = (2048, 1024, 512)  # of blocks: multiples of the output's tiles
_MIN_SIDE = 32
_FINE = 16.0  # output pixels to a pixel of a surface below which most of its nodes are needed


@dataclass(frozen=True)
class WarpOptions:
    """How to resample.

    Attributes:
        resampling: "auto" (nearest for palettes, else cubic), nearest, bilinear, cubic, lanczos,
            average or mode. As in GDAL, average and mode take the pixels between two opposite
            corners of the output pixel: exact up to the rotation, thin at 45 degrees.
        dst_nodata: nodata value of the output; None keeps the input's way of marking.
        tolerance: source pixels by which positions may be off for the sake of speed.
        step: output pixels between nodes to begin with, a power of two.
        detail: output pixels that are one pixel of the surface over which the mapping leads; it is
            evaluated at every pixel where need be. None for a smooth mapping, whose nodes are never
            closer than `nodes.MIN_STEP`, whatever the tolerance.
        memory: bytes for all blocks that are in the works, in all threads together.
        threads: None for as many as there are processors.
    """

    resampling: str = "auto"
    dst_nodata: float | None = None
    tolerance: float = 0.05
    step: int = 64
    detail: float | None = None
    memory: int = 256 * MEGABYTE
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check.

        Raises:
            SettingsError: a value makes no sense.
        """
        if self.resampling not in ("auto", *METHODS):
            raise SettingsError(
                f"resampling '{self.resampling}' is none of auto, {', '.join(METHODS)}"
            )
        if not self.tolerance > 0:
            raise SettingsError(f"tolerance {self.tolerance:g} must be above 0")
        if self.step < MIN_STEP or self.step & (self.step - 1):
            raise SettingsError(f"step {self.step} must be a power of two from {MIN_STEP} on")
        if self.memory < MEGABYTE:
            raise SettingsError(f"memory of {self.memory} bytes is too little: give 1 MB or more")
        if self.threads is not None and self.threads < 1:
            raise SettingsError(f"threads {self.threads} must be 1 or more")


@dataclass(frozen=True, eq=False)
class Block:
    """A finished piece of the output.

    Attributes:
        window: output pixels.
        data: (bands, rows, columns), all bands, alpha included.
        mask: (rows, columns) true where valid; None where the layout has no mask band.
    """

    window: Window
    data: npt.NDArray[Any]
    mask: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class _Job:
    window: Window
    nodes: Nodes
    source: Window | None  # pixels to read; None where the block shows nothing


@dataclass(frozen=True)
class _Plan:
    """What is common to all blocks of one warp."""

    raster: Raster
    layout: Layout
    kernel: Kernel
    side: int
    workers: int
    memory: int  # bytes for one block
    cache: int  # bytes of GDAL's cache for one block

    def fits(self, pixels: int, source: int) -> bool:
        """Whether a block of so many output and source pixels is small enough."""
        layout, item = self.layout, self.layout.array_dtype.itemsize
        # All copies that we and GDAL hold at the same time.
        reading = source * layout.count * (2 * item + 2)
        writing = pixels * (3 * (layout.count + 1) * item + 8)
        # GDAL hands a warped block on through its cache; one that doesn't fit is warped once
        # more for every band.
        cached = pixels * (layout.count + 1) * item
        return reading + writing <= self.memory and cached <= self.cache


@contextmanager
def gdal_env(threads: int | None = None) -> Iterator[None]:
    """GDAL's settings while georeg works: those of the user come first.

    Sets GDAL_CACHEMAX to 256 MB, GDAL_NUM_THREADS to `threads` (all processors if None) and
    VRT_NUM_THREADS to 1, each only if neither the process environment nor a surrounding
    rasterio.Env has set it. Never touches PROJ's network setting. In a fork of a process that has
    been in here GDAL gets no threads, whoever has set them.
    """
    with_threads()
    wanted: dict[str, Any] = {
        "GDAL_CACHEMAX": _CACHE,
        "GDAL_NUM_THREADS": str(processors(threads)),
        "VRT_NUM_THREADS": "1",  # see `opening._in_one_thread`: for virtual rasters within others
    }
    taken = set(os.environ) | (set(getenv()) if hasenv() else set())
    if threads_left_behind():
        taken.discard("GDAL_NUM_THREADS")
    with rasterio.Env(**{key: value for key, value in wanted.items() if key not in taken}):
        yield


def layout_of(raster: Raster, dst_nodata: float | None = None) -> Layout:
    """The bands, type and validity of what `warp` makes of a raster.

    Raises:
        SettingsError: the data type can't hold `dst_nodata`.
    """
    return layout_for(raster.header, tuple(raster.dataset().dtypes), dst_nodata)


def warp(
    raster: Raster, grid: Grid, mapping: Mapping, options: WarpOptions | None = None
) -> Iterator[Block]:
    """Resample a raster into a grid; blocks come in a fixed order and cover the grid exactly once.

    All bands are resampled, in their own data type. Invalid pixels (nodata, alpha 0, mask 0, not
    finite) never bleed into valid ones; what falls outside the raster is invalid. The pixels do
    not depend on threads, nor on how the output is cut into blocks. Blocks are computed ahead in
    threads while the caller uses the last one; run it within `gdal_env`.

    Args:
        raster: the original pixels.
        grid: of the output; only its shape matters here.
        mapping: from output pixels to source pixels; called from this thread only if it is
            smooth, else from several.
        options: how.

    Raises:
        SettingsError: the method doesn't suit the raster, or its type can't hold the nodata value.
        InputError: the raster can't be decoded (while iterating).
    """
    options = options or WarpOptions()
    method = options.resampling
    if method == "auto":
        method = "nearest" if raster.header.palette is not None else "cubic"
    elif raster.header.palette is not None and method not in ("nearest", "mode"):
        raise SettingsError(
            f"{raster.name} has a palette, whose colour numbers can't be interpolated: "
            "resample it with nearest or mode"
        )
    layout = layout_of(raster, options.dst_nodata)
    ratio = sampling_ratio(mapping, grid.window, raster.header.shape)
    plan = _plan(raster, layout, Kernel.of(method, ratio), grid, options)
    blocks = _run(plan, grid, mapping, options)
    wide = layout.array_dtype.kind in "iu" and layout.array_dtype.itemsize == 8
    return _saying_what_is_lost(raster.name, blocks) if wide else blocks


def _saying_what_is_lost(name: str, blocks: Iterator[Block]) -> Iterator[Block]:
    """Blocks of 64-bit integers, which GDAL resamples as floats, even by nearest neighbour."""
    said = False
    for block in blocks:
        if not said and (block.data.max() > EXACT or block.data.min() < -EXACT):
            said = True
            log.warning(
                "%s has integers beyond 2^53, whose last digits are lost in resampling: "
                "--shift-only and --embed-gcps keep them",
                name,
            )
        yield block


def _plan(
    raster: Raster, layout: Layout, kernel: Kernel, grid: Grid, options: WarpOptions
) -> _Plan:
    """Large blocks, but small enough for memory, and enough of them to keep all threads busy."""
    threads = processors(options.threads)
    cache = int(get_gdal_config("GDAL_CACHEMAX")) // 4
    sides: tuple[int, ...] = _SIDES
    if options.detail is not None:  # nodes at every pixel take memory
        sides = _SIDES[1:] if options.detail > _FINE else _SIDES[2:]
    for side in sides:
        blocks = -(-grid.width // side) * -(-grid.height // side)
        wide, tall = (math.ceil(side * ratio) for ratio in kernel.ratio)
        held = readers_held(raster, wide, tall + 2 * kernel.margin)
        workers = max(1, min(threads, blocks, held))
        inner = Kernel(kernel.method, kernel.ratio, max(1, threads // workers))
        plan = _Plan(
            raster, layout, inner, side, workers, options.memory // (workers + 1), cache // workers
        )
        source = int(side * side * kernel.ratio[0] * kernel.ratio[1])
        enough = blocks >= 2 * threads and held >= min(threads, blocks)
        if enough and plan.fits(side * side, source):
            break
    return plan


def readers_held(raster: Raster, width: int, height: int) -> int:
    """How many threads can read windows of a raster from left to right and decode all once.

    Strips, and tiles that are wider than the windows, hold pixels of several windows. Each thread
    has a handle of its own and decodes them itself, and once more for every window if GDAL's cache
    can't keep them until the next one. 0 if it can't even for one thread.

    Args:
        raster: to read from.
        width: of the windows.
        height: of the windows.
    """
    rows, columns = raster.decoded_at_once()
    if columns <= width:
        return sys.maxsize
    item = sum(np.dtype(dtype).itemsize for dtype in raster.header.dtypes)
    shared: int = (height + rows) * columns * item
    return int(get_gdal_config("GDAL_CACHEMAX")) // shared


def _run(plan: _Plan, grid: Grid, mapping: Mapping, options: WarpOptions) -> Iterator[Block]:
    pending: deque[Future[Block]] = deque()
    # Opened once more, so that the handles of the threads are closed with them.
    with (
        Raster(plan.raster.name) as reader,
        ThreadPoolExecutor(plan.workers, "georeg-warp") as pool,
    ):
        try:
            for job in _jobs(plan, grid, mapping, options, pool):
                pending.append(pool.submit(_warp_block, plan, reader, job))
                if len(pending) > plan.workers + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _jobs(
    plan: _Plan, grid: Grid, mapping: Mapping, options: WarpOptions, pool: ThreadPoolExecutor
) -> Iterator[_Job]:
    """All jobs, in order; where sampling is work, it is done ahead in the pool, too."""

    def of(window: Window) -> list[_Job]:
        return [
            job
            for part, nodes in _sampled(mapping, window, options)
            for job in _split(plan, part, nodes, plan.side)
        ]

    ahead: deque[Future[list[_Job]]] = deque()
    try:
        for window in tiles(grid.shape, plan.side):
            if options.detail is None:
                yield from of(window)
                continue
            ahead.append(pool.submit(of, window))
            if len(ahead) > plan.workers:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    finally:
        for future in ahead:
            future.cancel()


def _sampled(
    mapping: Mapping, window: Window, options: WarpOptions
) -> Iterator[tuple[Window, Nodes]]:
    """A block's nodes; quarters of it where every pixel must have one, for memory's sake."""
    if options.detail is None:
        yield window, sample_nodes(mapping, window, options.tolerance, options.step)
        return
    small = max(window.shape) <= _SIDES[-1]
    nodes = surface_nodes(mapping, window, options.tolerance, options.detail, every_pixel=small)
    if nodes is not None:
        yield window, nodes
        return
    for part in tiles(window.shape, max(window.shape) // 2):
        moved = Window(window.x + part.x, window.y + part.y, part.width, part.height)
        yield from _sampled(mapping, moved, options)


def tiles(shape: tuple[int, int], side: int) -> Iterator[Window]:
    """Squares that cover a (rows, columns) raster row by row, cut off at its edges."""
    rows, columns = shape
    for y in range(0, rows, side):
        for x in range(0, columns, side):
            yield Window(x, y, min(side, columns - x), min(side, rows - y))


def _split(plan: _Plan, window: Window, nodes: Nodes, side: int) -> Iterator[_Job]:
    """Quarters of a block, and theirs, until each fits into memory with its source pixels."""
    nodes = nodes.crop(window)
    source = nodes.source_window(plan.kernel.margin)
    if source is not None:
        rows, columns = plan.raster.header.shape
        source = source.intersect(Window(0, 0, columns, rows))
        if source.empty:
            source = None
    area = 0 if source is None else source.width * source.height
    if side > _MIN_SIDE and not plan.fits(window.width * window.height, area):
        # Quarter after quarter, so that the output's tiles are completed one by one.
        for part in tiles(window.shape, side // 2):
            moved = Window(window.x + part.x, window.y + part.y, part.width, part.height)
            yield from _split(plan, moved, nodes, side // 2)
    else:
        yield _Job(window, nodes, source)


def _warp_block(plan: _Plan, reader: Raster, job: _Job) -> Block:
    layout, shape = plan.layout, job.window.shape
    if job.source is None:
        return Block(job.window, *blank(layout, layout.count, shape))
    defined = job.nodes.defined(job.window)
    parts = []
    pixels, mask = read_original(plan.raster, reader.dataset(), job.source, layout)
    for prepared in prepare(pixels, plan.raster.header.nodata, mask, layout):
        if prepared.empty:
            bands = len(prepared.colours) + (prepared.alpha is not None)
            parts.append(blank(layout, bands, shape))
            continue
        try:
            warped = _resample(plan, job, job.source, prepared)
        except GDAL_ERRORS as error:
            check_memory(error)
            raise GeoregError(f"{plan.raster.name} can't be resampled: {error}") from error
        parts.append(finish(warped, prepared, layout, defined))
    data = parts[0][0] if len(parts) == 1 else np.concatenate([data for data, _ in parts])
    return Block(job.window, data, parts[0][1])


def read_original(
    raster: Raster, dataset: Any, window: Window, layout: Layout
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """All bands of a window as the file has them, and its mask (true: valid) if it has one.

    A mask is a mask band, or a palette with transparent colours, or both.

    Args:
        raster: whose header counts.
        dataset: to read from.
        window: within the raster.
        layout: of the output, for the data type.

    Raises:
        InputError: the file can't be decoded.
    """
    place = RioWindow(window.x, window.y, window.width, window.height)
    dtype = layout.array_dtype
    mask = None
    with decoding(raster.name):
        if len(set(dataset.dtypes)) == 1:
            data = dataset.read(window=place, out_dtype=dtype)
        else:
            bands = [dataset.read(k, window=place, out_dtype=dtype) for k in dataset.indexes]
            data = np.stack(bands)
        if raster.header.masked and raster.header.alpha is None:
            mask = dataset.read_masks(1, window=place) > 0
    if raster.header.palette is not None and raster.header.transparent:
        opaque = raster.header.palette[:, 3] > 0
        shown = np.take(opaque, colour_numbers(data[0]), mode="clip")
        mask = shown if mask is None else mask & shown
    return data, mask


def _resample(plan: _Plan, job: _Job, source: Window, prepared: Prepared) -> npt.NDArray[Any]:
    image = node_image(job.nodes, source)
    pixels = prepared.colours
    if prepared.alpha is not None:
        pixels = np.concatenate([pixels, prepared.alpha[None]])
    with _in_memory(pixels, prepared.valid) as name, _in_memory(image.xy) as where:
        xml = warped_vrt(
            name,
            where,
            image.before,
            job.window,
            job.nodes,
            prepared,
            plan.layout,
            plan.kernel,
        )
        with _way_back(job.nodes), rasterio.open(xml) as virtual:
            warped: npt.NDArray[Any] = virtual.read()
    return warped


def _way_back(nodes: Nodes) -> AbstractContextManager[Any]:
    """GDAL's settings for the way from source to output.

    GDAL fills the gaps of its map of that way by small work files, which it puts into the working
    folder unless told otherwise; that folder is nobody's business and may not be writable. It only
    looks at the source window's corners, but keeps a map as fine as the nodes are; for a node at
    every pixel that takes longer than all the rest.
    """
    options: dict[str, Any] = {"CPL_TMPDIR": "/vsimem/"}
    if nodes.centred:
        options["GDAL_GEOLOC_BACKMAP_OVERSAMPLE_FACTOR"] = 0.5
    env: AbstractContextManager[Any] = rasterio.Env(**options)
    return env


@contextmanager
def _in_memory(
    pixels: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None
) -> Iterator[str]:
    """The name of a raster in memory that holds the pixels and, if given, a mask band."""
    count, height, width = pixels.shape
    with MemoryFile(ext=".tif") as file:
        with file.open(
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=pixels.dtype,
            interleave="band",
            blockysize=min(height, 128),
            transform=Affine.translation(1.0, 1.0),  # without one rasterio warns
        ) as dataset:
            dataset.write(pixels)
            if valid is not None:
                dataset.write_mask(valid)
        yield file.name
