"""All options, each defined once. Names and defaults are those of the engine's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, TypeVar

import click

from georeg.settings import (
    BIASES,
    DATUMS,
    DRIVERS,
    GCP_ROLES,
    MODALITIES,
    PRECISIONS,
    RESAMPLINGS,
    SEARCHES,
    VOIDS,
    OrthoSettings,
    OutputSettings,
    Settings,
)

from .command import (
    Argument,
    Option,
    take_config,
    take_print_config,
    take_style,
)
from .values import ALL, BANDS, LENGTH, PAIR, SIZE, THREADS, Length, NameType

F = TypeVar("F", bound=Callable[..., Any])


def matchers() -> Sequence[str]:
    """Values of --matcher."""
    from georeg.matching import available

    return ["auto", *available()]


def transforms() -> Sequence[str]:
    """Values of --transform, simplest first."""
    from georeg.transforms.base import available

    return ["auto", *available()]


def _defaults(kind: type) -> dict[str, Any]:
    found = {f.name: f.default for f in fields(kind)}
    return {name: None if value is MISSING else value for name, value in found.items()}


_OURS = {**_defaults(Settings), **_defaults(OutputSettings), **_defaults(OrthoSettings)}
_MATCH, _INPUT, _OUT = "Matching", "Inputs", "Output"
_GROUND = "Images with RPCs"
_RUN, FILES, _TALK = "Resources", "Further files", "Messages and configuration"
POINTS_HELP = (
    "the suffix is the format: .csv, .geojson, .gpkg (GIS, styled), .points (QGIS' Georeferencer), "
    ".txt (ArcGIS links), .sh (gdal_translate), .tif (GCPs)."
)
_CHOICE = click.Choice(MODALITIES)


def _option(*names: str, section: str, **kwargs: Any) -> Callable[[F], F]:
    if kwargs.get("default") not in (None, ""):
        kwargs.setdefault("show_default", True)
    return click.option(*names, cls=Option, section=section, **kwargs)


def _setting(name: str, *names: str, section: str, **kwargs: Any) -> Callable[[F], F]:
    """An option whose default is that of the field `name`."""
    return _option(*names, name, section=section, default=_OURS[name], **kwargs)


REGISTRY: dict[str, Callable[[Any], Any]] = {
    # Matching
    "matcher": _setting(
        "matcher", "--matcher", section=_MATCH, type=NameType(matchers),
        help="How to find tie points.",
    ),
    "weights": _setting(
        "weights", "--weights", section=_MATCH, metavar="NAME|FILE",
        help="Weights of a trained matcher: a name of 'georeg models list', or a checkpoint.  "
        "[default: its own]",
    ),
    "transform": _setting(
        "transform", "--transform", section=_MATCH, type=NameType(transforms),
        help="What to fit; auto is the simplest one that predicts well.",
    ),
    "search": _setting(
        "search", "--search", section=_MATCH, type=click.Choice(SEARCHES),
        help="normal: rotation +-10 degrees, scale +-10 %; wide: any rotation, scale 1/4 to 4; "
        "auto: wide with --no-georef.",
    ),
    "max-shift": _option(
        "--max-shift", section=_MATCH, type=LENGTH, default=None,
        help="Largest shift to look for, in reference pixels (80) or metres (800m); if "
        "named, what is shifted by more is refused.  "
        "[default: 5 % of the overlap's diagonal, of a strip at most its width, at least 64 px]",
    ),
    "working-resolution": _setting(
        "working_resolution", "--working-resolution", section=_MATCH, type=float,
        help="Pixel size to match at, in map units of the reference.  "
        "[default: the coarser one of the two; in scenes of up to some 1000 of them a side what is "
        "found there is looked at once more on finer ones]",
    ),
    "area": _setting(
        "area", "--area", section=_MATCH, type=float, nargs=4, metavar="LEFT BOTTOM RIGHT TOP",
        help="Look at this part only, in the reference's CRS.  [default: all that both cover]",
    ),
    "max-tiles": _setting(
        "max_tiles", "--max-tiles", section=_MATCH, type=int,
        help="Most tiles of 320 px to match in full resolution, or as much ground in tiles of "
        "another size, evenly spread.  [default: 160; four times as many where displacements "
        "change between these]",
    ),
    "symmetric": _setting(
        "symmetric", "--symmetric/--no-symmetric", section=_MATCH,
        help="Keep only tie points that are found both ways.",
    ),
    "subpixel": _setting(
        "subpixel", "--subpixel/--no-subpixel", section=_MATCH,
        help="Place a trained matcher's tie points anew by the built-in dense one.",
    ),
    "max-rmse": _setting(
        "max_rmse", "--max-rmse", section=_MATCH, type=float,
        help="Refuse if the error at left-out tie points is larger, in reference pixels.",
    ),
    "seed": _setting("seed", "--seed", section=_MATCH, type=int, help="Of everything random."),
    "force": _setting(
        "force", "--force", section=_MATCH, is_flag=True,
        help="Deliver even what isn't trustworthy, and mark it.",
    ),
    # Inputs
    "georef": _option(
        "--georef/--no-georef", "georef", section=_INPUT, default=_OURS["georef"],
        help="--no-georef ignores the moving raster's georeference, or does without one.",
    ),
    "moving-bands": _option(
        "--moving-bands", section=_INPUT, type=BANDS, multiple=True,
        help="Bands to look at, from 1: 3,2,1 or repeated.  [default: by the data]",
    ),
    "reference-bands": _option(
        "--reference-bands", section=_INPUT, type=BANDS, multiple=True,
        help="The same of the reference.",
    ),
    "modality": _option(
        "--modality", section=_INPUT, type=_CHOICE, default="auto",
        help="What both rasters show.",
    ),
    "moving-modality": _option(
        "--moving-modality", section=_INPUT, type=_CHOICE, default=None,
        help="What the moving raster shows.  [default: --modality]",
    ),
    "reference-modality": _option(
        "--reference-modality", section=_INPUT, type=_CHOICE, default=None,
        help="What the reference shows.  [default: --modality]",
    ),
    "moving-nodata": _setting(
        "moving_nodata", "--moving-nodata", section=_INPUT, type=float,
        help="Taken instead of the file's own nodata value.",
    ),
    "reference-nodata": _setting(
        "reference_nodata", "--reference-nodata", section=_INPUT, type=float,
        help="The same of the reference.",
    ),
    "moving-crs": _setting(
        "moving_crs", "--moving-crs", section=_INPUT, metavar="CRS",
        help="Taken instead of the file's own CRS, e.g. EPSG:32633.",
    ),
    "reference-crs": _setting(
        "reference_crs", "--reference-crs", section=_INPUT, metavar="CRS",
        help="The same of the reference.",
    ),
    # Images with RPCs
    "dem": _setting(
        "dem", "--dem", section=_GROUND, metavar="DEM",
        help="The ground: any raster of heights that GDAL reads.",
    ),
    "height": _setting(
        "height", "--height", section=_GROUND, type=float, metavar="METRES",
        help="One height above the ellipsoid for all of the ground instead.",
    ),
    "dem-datum": _setting(
        "dem_datum", "--dem-datum", section=_GROUND, type=click.Choice(DATUMS),
        help="What the DEM's heights are counted from; auto: by its CRS.",
    ),
    "geoid": _setting(
        "geoid", "--geoid", section=_GROUND, metavar="FILE",
        help="Geoid grid for the DEM's datum (GTX or GeoTIFF).  [default: PROJ's]",
    ),
    "dem-voids": _setting(
        "dem_voids", "--dem-voids", section=_GROUND, type=click.Choice(VOIDS),
        help="Fill voids of the DEM from around them, or mask what lies over them.",
    ),
    "rpc": _setting(
        "rpc", "--rpc", section=_GROUND, metavar="FILE",
        help="The RPCs: .RPB, _RPC.TXT, DIMAP XML, .geom, or a raster.  [default: the image's own]",
    ),
    "gcps": _setting(
        "gcps", "--gcps", section=_GROUND, type=click.Choice(GCP_ROLES),
        help="What GCPs in the image's file are for: to check the result, or as control.",
    ),
    "bias": _setting(
        "bias", "--bias", section=_GROUND, type=click.Choice(BIASES),
        help="How the RPCs may be corrected in the image; auto is the simplest that predicts well.",
    ),
    "max-stretch": _setting(
        "max_stretch", "--max-stretch", section=_GROUND, type=float, metavar="TIMES",
        help="Mask where relief stretches the image more than that, or hides the ground.  "
        "[default: only reported]",
    ),
    "rpc-output": _option(
        "--rpc-output", section=FILES, metavar="FILE",
        help="Where refined RPCs go (.RPB, _RPC.TXT).  [default: OUTPUT.refined_RPC.TXT]",
    ),
    "image-output": _option(
        "--image-output", section=FILES, metavar="FILE.tif",
        help="Store a copy of the image with the refined RPCs in its tags.",
    ),
    # Output
    "grid": _setting(
        "grid", "--grid", section=_OUT, metavar="auto|reference|moving|FILE",
        help="Pixel grid of the output; auto: the moving raster's resolution in the reference's "
        "CRS around the corrected footprint.",
    ),
    "resolution": _option(
        "--resolution", "--res", section=_OUT, type=SIZE, default=None,
        help="Pixel size instead, in units of the output's CRS: one number, or x,y.",
    ),
    "bounds": _option(
        "--bounds", section=_OUT, type=float, nargs=4, default=None,
        metavar="LEFT BOTTOM RIGHT TOP", help="Bounds instead, in the output's CRS.",
    ),
    "dst-crs": _setting(
        "dst_crs", "--dst-crs", section=_OUT, metavar="CRS", help="CRS of the output."
    ),
    "resampling": _setting(
        "resampling", "-r", "--resampling", section=_OUT, type=click.Choice(RESAMPLINGS),
        help="auto is cubic, or nearest for palettes.",
    ),
    "driver": _setting(
        "driver", "--driver", "--of", "-of", section=_OUT,
        type=click.Choice(DRIVERS, case_sensitive=False), help="Format of the output.",
    ),
    "co": _option(
        "--co", "-co", section=_OUT, type=PAIR, multiple=True,
        help="Creation option of the driver; repeatable.",
    ),
    "dst-nodata": _setting(
        "dst_nodata", "--dst-nodata", section=_OUT, type=float,
        help="Nodata value of the output.  [default: the input's]",
    ),
    "shift-only": _setting(
        "shift_only", "--shift-only", section=_OUT, is_flag=True,
        help="Correct the geotransform and touch no pixel; only for a shift.",
    ),
    "embed-gcps": _setting(
        "embed_gcps", "--embed-gcps", section=_OUT, is_flag=True,
        help="Touch no pixel, and put the alignment into GCPs, for gdalwarp or QGIS to apply.",
    ),
    "overwrite": _setting(
        "overwrite", "--overwrite", section=_OUT, is_flag=True, help="Replace existing outputs."
    ),
    # Further files
    "fit": _option(
        "--fit", section=FILES, metavar="FIT.json",
        help="Store the fit, for 'georeg warp' to apply to other files of the scene.",
    ),
    "report": _option(
        "--report", section=FILES, metavar="FILE", multiple=True,
        help="Where the report goes: a page to look at (.html), or JSON; repeatable.  [default "
        "of align: OUTPUT.report.json]",
    ),
    "points": _option(
        "--points", section=FILES, metavar="FILE", multiple=True,
        help=f"Store the tie points; {POINTS_HELP} Repeatable.",
    ),
    # Resources
    "threads": _option(
        "--threads", section=_RUN, type=THREADS, default=_OURS["threads"] or ALL,
        help="CPU threads.",
    ),
    "device": _setting(
        "device", "--device", section=_RUN, metavar="auto|cpu|cuda[:N,...]|dask:ADDRESS",
        help="Where to match; cuda is all GPUs, dask: and a scheduler's address a whole cluster.",
    ),
    "precision": _setting(
        "precision", "--precision", section=_RUN, type=click.Choice(PRECISIONS),
        help="Of networks without key points; auto is float16 on GPUs, float32 on CPUs.",
    ),
    "compile": _setting(
        "compiled", "--compile/--no-compile", section=_RUN,
        help="Send networks through torch.compile: a minute more at first, then faster.",
    ),
    "memory": _setting(
        "memory", "--memory", section=_RUN, type=int,
        help="Megabytes that tiles and blocks in the works may take.",
    ),
    # Messages and configuration
    "config": _option(
        "--config", section=_TALK, metavar="FILE.toml", is_eager=True, expose_value=False,
        callback=take_config, help="Options from a file, keys being their names; those given "
        "here win.",
    ),
    "print-config": _option(
        "--print-config", section=_TALK, is_flag=True, is_eager=True, expose_value=False,
        callback=take_print_config, help="Print the options in force as TOML, and exit.",
    ),
    "explain": _option(
        "--explain", section=_TALK, is_flag=True, help="Say what was decided, and why."
    ),
    "verbose": _option(
        "-v", "--verbose", section=_TALK, count=True, help="Say more; -vv says all."
    ),
    "quiet": _option("-q", "--quiet", section=_TALK, count=True, help="Say less."),
    "progress": _option(
        "--progress/--no-progress", section=_TALK, default=None,
        help="Show progress.  [default: on a terminal]",
    ),
    "log-format": _option(
        "--log-format", section=_TALK, type=click.Choice(("text", "json")), default="text",
        is_eager=True, callback=take_style, help="json: one object per line on stderr.",
    ),
    "stop-with-stdin": _option(
        "--stop-with-stdin", section=_TALK, is_flag=True,
        help="End when standard input does: for programs that start georeg, to cancel it, and not "
        "to leave it behind.",
    ),
    "log-file": _option(
        "--log-file", section=_TALK, metavar="FILE", help="Append messages to a file, too."
    ),
}  # fmt: skip

MATCHING = (
    "matcher", "weights", "transform", "search", "max-shift", "working-resolution", "area",
    "max-tiles", "max-rmse", "symmetric", "subpixel", "seed",
)  # fmt: skip
INPUTS = (
    "georef", "moving-bands", "reference-bands", "modality", "moving-modality",
    "reference-modality", "moving-nodata", "reference-nodata", "moving-crs", "reference-crs",
)  # fmt: skip
GROUND = (
    "dem", "height", "dem-datum", "geoid", "dem-voids", "rpc", "gcps", "bias", "max-stretch",
)  # fmt: skip
OUTPUT = (
    "grid", "resolution", "bounds", "dst-crs", "resampling", "driver", "co", "dst-nodata",
    "shift-only", "embed-gcps", "overwrite",
)  # fmt: skip
RESOURCES = ("threads", "device", "precision", "compile", "memory")
TALK = (
    "config", "print-config", "verbose", "quiet", "progress", "log-format", "log-file",
    "stop-with-stdin",
)  # fmt: skip


def options(*names: str) -> Callable[[F], F]:
    """Add options of the registry to a command, in this order."""

    def decorate(function: F) -> F:
        for name in reversed(names):
            function = REGISTRY[name](function)
        return function

    return decorate


def argument(name: str, *, many: bool = False) -> Callable[[F], F]:
    """A positional argument, or one or more of them."""
    return click.argument(name, cls=Argument, nargs=-1 if many else 1, required=True)


def option(*names: str, **kwargs: Any) -> Callable[[F], F]:
    """An option of one command only."""
    return _option(*names, section="Options", **kwargs)


def required(*names: str, **kwargs: Any) -> Callable[[F], F]:
    """An option that must be given."""
    return _option(*names, section=FILES, required=True, **kwargs)


def optional(*names: str, section: str, **kwargs: Any) -> Callable[[F], F]:
    """An option of one command only."""
    return _option(*names, section=section, **kwargs)


def settings_of(params: Mapping[str, Any]) -> Settings:
    """The engine's settings from a command's parameters, whichever of them it has.

    Raises:
        SettingsError: a value makes no sense.
    """
    chosen = {f.name: params[f.name] for f in fields(Settings) if f.name in params}
    for side in ("moving", "reference"):
        if f"{side}_bands" in chosen:
            chosen[f"{side}_bands"] = tuple(b for part in chosen[f"{side}_bands"] for b in part)
        if f"{side}_modality" in chosen:
            chosen[f"{side}_modality"] = params[f"{side}_modality"] or params["modality"]
    if chosen.get("threads") == ALL:
        chosen["threads"] = None
    shift = chosen.get("max_shift")
    if isinstance(shift, Length):
        chosen |= {"max_shift": shift.value, "max_shift_unit": shift.unit}
    return Settings(**chosen)


def ortho_settings_of(params: Mapping[str, Any]) -> OrthoSettings | None:
    """What stands for the ground, from a command's parameters; None if nothing does.

    Raises:
        SettingsError: a value makes no sense.
    """
    if params.get("dem") is None and params.get("height") is None:
        return None
    return OrthoSettings(**{f.name: params[f.name] for f in fields(OrthoSettings)})


def output_settings_of(params: Mapping[str, Any]) -> OutputSettings:
    """What the output looks like, from a command's parameters.

    Raises:
        SettingsError: a value makes no sense.
    """
    chosen = {f.name: params[f.name] for f in fields(OutputSettings) if f.name in params}
    chosen["resolution"] = params.get("resolution") or ()
    chosen["creation"] = {
        name: value for name, _, value in (pair.partition("=") for pair in params.get("co", ()))
    }
    return OutputSettings(**chosen)
