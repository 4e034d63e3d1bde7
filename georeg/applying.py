"""One fit applied to any file of its scene. Nothing here knows how the fit was found."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from affine import Affine

from georeg.crs import parse_crs
from georeg.errors import SettingsError
from georeg.fitfile import FitFile, no_geotransform
from georeg.grid import Grid
from georeg.inputs.georef import GcpGeoref
from georeg.outgrid import check_shown, meets, named_grid, output_grid
from georeg.pairing.footprint import all_over
from georeg.provenance import raster_tags
from georeg.raster import Raster
from georeg.settings import OutputSettings, Settings
from georeg.textfile import Name, kind_of, name_of
from georeg.warping import WarpOptions, gdal_env, layout_of
from georeg.writers.gcps import fit_gcps
from georeg.writers.geotiff import WriteOptions, embed_gcps, shift_only, write_warped
from georeg.writers.place import check_output

log = logging.getLogger(__name__)

Progress = Callable[[str, float], None]
"""Called with the name of the step and the share of it that is done (0..1); may raise."""


def check_wanted(
    raster: str, wanted: OutputSettings, settings: Settings, reference: str | None = None
) -> None:
    """Find out before the long work whether the output can be made as it is wanted.

    Args:
        raster: name of the moving raster.
        wanted: what the output is to look like.
        settings: for CRS and nodata values that the user names.
        reference: name of the raster that it is aligned to; None where there is none.

    Raises:
        SettingsError: a value makes no sense, or doesn't suit the rasters.
        InputError: a raster, or the one that gives the grid, can't be read.
    """
    warp_and_write_options(wanted, settings)
    if wanted.dst_crs is not None:
        parse_crs(wanted.dst_crs)
    crs = None if settings.moving_crs is None else parse_crs(settings.moving_crs)
    with Raster(raster, nodata=settings.moving_nodata, crs=crs) as source:
        layout_of(source, wanted.dst_nodata)
        _check_grid(wanted, source, settings, reference)
        if wanted.shift_only and settings.georef and isinstance(source.header.georef, GcpGeoref):
            raise SettingsError(no_geotransform(raster))


def _check_grid(
    wanted: OutputSettings, source: Raster, settings: Settings, reference: str | None
) -> None:
    if wanted.grid == "auto":
        return
    grid, crs = None, None
    if reference is not None:
        own = None if settings.reference_crs is None else parse_crs(settings.reference_crs)
        with Raster(reference, crs=own) as target:
            grid, crs = target.header.grid, target.header.crs
    named_grid(wanted.grid, source.header, grid, crs)


def warp_and_write_options(
    wanted: OutputSettings, settings: Settings
) -> tuple[WarpOptions, WriteOptions]:
    """What the user wants of an output, as `warp` and `write` take it.

    Raises:
        SettingsError: a value makes no sense.
    """
    warp = WarpOptions(
        wanted.resampling,
        wanted.dst_nodata,
        memory=settings.memory * 2**20,
        threads=settings.threads,
    )
    write = WriteOptions(wanted.driver, wanted.creation, wanted.overwrite, threads=settings.threads)
    return warp, write


def apply_fit(
    fit: FitFile,
    raster: Name,
    output: Name,
    output_settings: OutputSettings | None = None,
    *,
    settings: Settings | None = None,
    inputs: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Grid:
    """Resample a raster of the fitted scene, once, from its original pixels.

    Args:
        fit: from `align` or a fit file.
        raster: the raster that was aligned, or any other band or product of its scene.
        output: name of the result.
        output_settings: what it looks like.
        settings: threads and memory, and the raster's nodata value and CRS where they aren't to
            be its own.
        inputs: further files that must not be overwritten.
        progress: told what is being done.

    Returns:
        The grid of the output; with GCPs instead of a geotransform, its own pixels.

    Raises:
        InputError, SettingsError, OutputError: as `align`.
    """
    if not isinstance(fit, FitFile):
        raise SettingsError(f"{kind_of(fit)} is no fit: read its file with load_fit")
    return apply_found(
        fit,
        name_of(raster, "raster"),
        name_of(output, "output"),
        output_settings or OutputSettings(),
        settings=settings or Settings(),
        inputs=inputs,
        tell=progress or (lambda step, share: None),
        look=_tell_of_alpha,
    )


def _tell_of_alpha(raster: Raster) -> None:
    about = raster.header.about_alpha(raster.name)
    if about:
        log.warning("%s", about)


def apply_found(
    fit: FitFile,
    raster: str,
    output: str,
    wanted: OutputSettings,
    *,
    settings: Settings,
    inputs: tuple[str, ...],
    tell: Progress,
    look: Callable[[Raster], None] = lambda _: None,
) -> Grid:
    """The same for `align`, which has looked at the raster before, and told of it.

    Args:
        fit: from `align` or a fit file.
        raster: name of any raster of its scene.
        output: name of the result.
        wanted: what it looks like.
        settings: as of `apply_fit`.
        inputs: further files that must not be overwritten.
        tell: told what is being done.
        look: given the raster when it is open.

    Returns:
        The grid of the output.

    Raises:
        InputError, SettingsError, OutputError: as `align`.
    """
    check_output(output, (raster, *inputs), overwrite=wanted.overwrite)
    warp, write = warp_and_write_options(wanted, settings)
    if settings.moving_crs is not None and parse_crs(settings.moving_crs) != fit.moving_crs:
        fit = replace(fit, moving_crs=parse_crs(settings.moving_crs))
    tags = raster_tags(fit.info)
    with (
        gdal_env(settings.threads),
        Raster(raster, nodata=settings.moving_nodata, crs=fit.moving_crs) as source,
    ):
        look(source)
        places = all_over(source.header.shape)
        if not meets(fit.claimed(source.header, source.name, places), fit.frame):
            log.warning(
                "%s lies wholly outside of where the fit was measured: all of it is extrapolated",
                source.name,
            )
        if wanted.shift_only:
            grid = fit.shifted(source.header, source.name)
            shift_only(
                source, output, grid.transform, write,
                inputs=inputs, provenance=tags, progress=lambda share: tell("write", share),
            )  # fmt: skip
            return grid
        if wanted.embed_gcps:
            crs = parse_crs(wanted.dst_crs) if wanted.dst_crs is not None else fit.frame.crs
            sampled = fit_gcps(fit, source.header, source.name, crs)
            embed_gcps(
                source, output, sampled.gcps, write, inputs=inputs,
                provenance={**tags, **sampled.tags()},
                progress=lambda share: tell("write", share),
            )  # fmt: skip
            return Grid(source.header.shape, Affine.identity(), crs)
        grid = output_grid(fit, source.header, source.name, wanted)
        check_shown(fit, source.header, source.name, grid)
        write_warped(
            source, grid, fit.mapping(source.header, source.name, grid), output, warp, write,
            inputs=inputs, provenance=tags, progress=lambda share: tell("write", share),
        )  # fmt: skip
    return grid
