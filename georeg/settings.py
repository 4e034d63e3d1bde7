"""What a user can decide about an alignment; the command line's options have the same names.

Nothing heavy is imported here: the command line reads defaults and choices from this module.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from numbers import Integral, Real
from typing import Any

from georeg.environment import threads_left_behind
from georeg.errors import SettingsError

SEARCHES = ("auto", "normal", "wide")
USUAL_TILES = 160  # enough where displacements hardly change between them
MOST_THREADS = 1024  # as many as GDAL starts
UNITS = ("px", "m")
MODALITIES = ("auto", "optical", "sar", "infrared", "map", "dem")
RESAMPLINGS = ("auto", "nearest", "bilinear", "cubic", "lanczos", "average", "mode")
DRIVERS = ("COG", "GTiff")
PRECISIONS = ("auto", "float32", "float16", "bfloat16")
DATUMS = ("auto", "ellipsoid", "egm96", "egm2008")
VOIDS = ("fill", "mask")
GCP_ROLES = ("check", "use", "ignore")
BIASES = ("auto", "shift", "drift", "affine")


def processors(threads: int | None = None) -> int:
    """Threads to use: all processors that this process may use if None.

    One in a fork of a process that has used georeg, see `environment.threads_left_behind`.
    """
    if threads_left_behind():
        return 1
    if threads is not None:
        return threads
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Settings:
    """How to find the alignment. Lengths are in reference pixels unless said otherwise.

    Attributes:
        matcher: name of a matcher, or auto.
        weights: of a trained matcher: a name of the catalogue, or a file; its own if empty.
        transform: name of a transform model, or auto: the simplest one that predicts well.
        search: normal (rotation +-10 degrees, scale +-10 %), wide (any rotation, scale 1/4..4), or
            auto: wide where there is no georeference to start from.
        max_shift: largest shift to look for, and to deliver; 5 % of the overlap's diagonal, of a
            strip at most its width, and at least 64 working pixels, if None, and then more is
            delivered if it is found.
        max_shift_unit: px (reference pixels) or m (metres on the ground).
        georef: False ignores the moving raster's georeference, or does without one.
        moving_bands: 1-based bands to look at; chosen by the data if empty.
        reference_bands: the same of the reference.
        moving_modality: optical, sar, infrared, map, dem or auto.
        reference_modality: the same of the reference.
        moving_nodata: taken instead of the file's own nodata value.
        reference_nodata: the same of the reference.
        moving_crs: taken instead of the file's own CRS.
        reference_crs: the same of the reference.
        working_resolution: pixel size to work with, in map units of the reference; if None, the
            coarser one of the two rasters, and then, in small scenes, once more that of the finer
            one, or half of it where both are the same.
        area: (left, bottom, right, top) in the reference's CRS: only what lies in it is matched;
            None for all.
        max_tiles: most tiles of 320 pixels to match in full resolution, or as much ground in
            tiles of another size; None for `USUAL_TILES`, or four times as many where
            displacements change between these.
        symmetric: keep only points that are found both ways; matchers with surfaces look anyway.
        subpixel: place a trained matcher's points anew by the built-in dense one.
        max_rmse: refuse if the error at left-out points is larger; no limit of its own if None.
        force: deliver even what isn't trustworthy, and mark it.
        seed: of everything random.
        threads: None for all processors.
        device: auto, cpu, cuda (all GPUs), cuda:N, or several of these with commas between them;
            `dask:` and the address of a scheduler, to match on the workers of a cluster.
        precision: of networks: float32, float16, bfloat16, or auto: float16 on GPUs.
        compiled: whether networks go through torch.compile.
        memory: megabytes that tiles and blocks in the works may take.
    """

    matcher: str = "auto"
    weights: str = ""
    transform: str = "auto"
    search: str = "auto"
    max_shift: float | None = None
    max_shift_unit: str = "px"
    georef: bool = True
    moving_bands: tuple[int, ...] = ()
    reference_bands: tuple[int, ...] = ()
    moving_modality: str = "auto"
    reference_modality: str = "auto"
    moving_nodata: float | None = None
    reference_nodata: float | None = None
    moving_crs: str | None = None
    reference_crs: str | None = None
    working_resolution: float | None = None
    area: tuple[float, float, float, float] | None = None
    max_tiles: int | None = None
    symmetric: bool = False
    subpixel: bool = False
    max_rmse: float | None = None
    force: bool = False
    seed: int = 0
    threads: int | None = None
    device: str = "auto"
    precision: str = "auto"
    compiled: bool = False
    memory: int = 256

    def __post_init__(self) -> None:
        """Check what can be checked without the rasters.

        Raises:
            SettingsError: a value makes no sense.
        """
        make_plain(self)
        _check_texts(self, ("matcher", "weights", "transform", "device"))
        _check_names(self.matcher, self.transform)
        check_flags(self, ("georef", "symmetric", "subpixel", "force", "compiled"))
        for name in ("moving_bands", "reference_bands"):
            _check_bands(name, getattr(self, name))
        if self.search not in SEARCHES:
            raise SettingsError(f"search '{self.search}' is none of {', '.join(SEARCHES)}")
        if self.max_shift_unit not in UNITS:
            raise SettingsError(f"unit '{self.max_shift_unit}' is none of {', '.join(UNITS)}")
        for side in (self.moving_modality, self.reference_modality):
            if side not in MODALITIES:
                raise SettingsError(f"modality '{side}' is none of {', '.join(MODALITIES)}")
        for name in ("max_shift", "working_resolution", "max_rmse"):
            check_above_0(name, getattr(self, name))
        _check_box("--area", self.area)
        if self.precision not in PRECISIONS:
            raise SettingsError(f"precision '{self.precision}' is none of {', '.join(PRECISIONS)}")
        for name in ("moving_crs", "reference_crs"):
            _check_crs(name, getattr(self, name))
        for name in ("moving_nodata", "reference_nodata"):
            check_number(name, getattr(self, name))
        for name in ("max_tiles", "threads"):
            _check_count(name, getattr(self, name))
        if self.threads is not None and self.threads > MOST_THREADS:
            raise SettingsError(f"--threads must be {MOST_THREADS} or less, not {self.threads}")
        for name in ("memory", "seed"):
            check_whole(name, getattr(self, name))
        if self.memory < 16:
            raise SettingsError(f"--memory must be 16 or more (MB), not {self.memory}")

    @property
    def anywhere(self) -> bool:
        """Whether to look for any rotation, scale and place."""
        return self.search == "wide" or (self.search == "auto" and not self.georef)

    def to_dict(self) -> dict[str, Any]:
        """For reports (JSON)."""
        return asdict(self)


@dataclass(frozen=True)
class OutputSettings:
    """What the output looks like; the command line's options have the same names.

    Attributes:
        grid: 'auto' (the moving raster's resolution in the reference's CRS, the corrected
            footprint, on whole pixels), 'reference', 'moving', or the name of a raster. A north-up
            `Grid` may be given, and stands in `resolution`, `bounds` and `dst_crs` then.
        resolution: pixel size instead, in units of the output's CRS: one or (x, y).
        bounds: (left, bottom, right, top) instead, in the output's CRS.
        dst_crs: CRS instead.
        resampling: nearest, bilinear, cubic, lanczos, average, mode; auto is cubic, or nearest
            for palettes.
        driver: COG or GTiff.
        creation: GDAL creation options.
        overwrite: whether an existing output may be replaced.
        dst_nodata: nodata value of the output; the input's own if None.
        shift_only: correct the geotransform and touch no pixel; only for a shift.
        embed_gcps: touch no pixel, and put the alignment into GCPs; in `dst_crs`, or the
            reference's CRS.
    """

    grid: str = "auto"
    resolution: tuple[float, ...] = ()
    bounds: tuple[float, float, float, float] | None = None
    dst_crs: str | None = None
    resampling: str = "auto"
    driver: str = "COG"
    creation: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False
    dst_nodata: float | None = None
    shift_only: bool = False
    embed_gcps: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked without the rasters.

        Raises:
            SettingsError: a value makes no sense.
        """
        _take_grid(self)
        make_plain(self)
        check_flags(self, ("overwrite", "shift_only", "embed_gcps"))
        if self.resampling not in RESAMPLINGS:
            raise SettingsError(
                f"resampling '{self.resampling}' is none of {', '.join(RESAMPLINGS)}"
            )
        if self.driver not in DRIVERS:
            raise SettingsError(f"output format '{self.driver}' is none of {', '.join(DRIVERS)}")
        if not isinstance(self.resolution, tuple):
            raise SettingsError("--resolution must be one or two numbers above 0, in a tuple")
        if len(self.resolution) > 2 or not all(map(_is_above_0, self.resolution)):
            raise SettingsError("--resolution must be one or two numbers above 0")
        if not isinstance(self.grid, str) or not self.grid:
            raise SettingsError(
                "--grid must be auto, reference, moving or the name of a raster, or a Grid, "
                f"not {self.grid!r}"
            )
        _check_box("--bounds", self.bounds)
        _check_crs("dst_crs", self.dst_crs)
        check_number("dst_nodata", self.dst_nodata)
        if not isinstance(self.creation, Mapping):
            raise SettingsError(
                f"creation must be a dict such as {{'COMPRESS': 'LZW'}}, not {self.creation!r}"
            )
        options = {name: _creation_text(name, value) for name, value in self.creation.items()}
        object.__setattr__(self, "creation", options)
        if self.shift_only and (
            self.resolution or self.bounds or self.dst_crs or self.grid != "auto"
        ):
            raise SettingsError(
                "--shift-only keeps the pixel grid: give no grid, resolution, bounds or CRS"
            )
        if self.embed_gcps and (self.resolution or self.bounds or self.grid != "auto"):
            raise SettingsError("--embed-gcps keeps all pixels: give no grid, resolution or bounds")
        if self.embed_gcps and self.shift_only:
            raise SettingsError("give --embed-gcps or --shift-only, not both")
        if self.dst_nodata is not None and (self.embed_gcps or self.shift_only):
            option = "--embed-gcps" if self.embed_gcps else "--shift-only"
            raise SettingsError(f"{option} keeps all pixels as they are: give no --dst-nodata")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _take_grid(wanted: Any) -> None:
    """A `Grid`, or what else has shape, transform and CRS, becomes text and numbers like the rest.

    Reports and the processes of a batch can be given these only.
    """
    grid = wanted.grid
    if not all(hasattr(grid, name) for name in ("shape", "transform", "crs")):
        return
    t, (rows, columns) = grid.transform, grid.shape
    if wanted.resolution or wanted.bounds or wanted.dst_crs:
        raise SettingsError("a Grid says all: give no resolution, bounds or dst_crs with it")
    if t.b or t.d or not (t.a > 0 > t.e):
        raise SettingsError("the Grid must be north up; others can be had as a raster, by its name")
    bounds = (t.c, t.f + rows * t.e, t.c + columns * t.a, t.f)
    crs = None if grid.crs is None else grid.crs.to_wkt()
    taken = {"grid": "auto", "resolution": (t.a, -t.e), "bounds": bounds, "dst_crs": crs}
    for name, value in taken.items():
        object.__setattr__(wanted, name, value)


def make_plain(settings: Any) -> None:
    """NumPy's numbers and arrays, lists and paths become what Python has for them.

    They come from tables, bounds and masks; reports and the processes of a batch can't hold them.
    """
    for part in fields(settings):
        object.__setattr__(settings, part.name, _plain(getattr(settings, part.name)))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # without importing NumPy
        value = value.tolist()
    if isinstance(value, Enum):  # rasterio's Resampling
        value = value.name
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def _check_texts(settings: Any, names: Sequence[str]) -> None:
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, str):
            raise SettingsError(f"{_option(name)} must be text, not {type(value).__name__}")


def check_flags(settings: Any, names: Sequence[str]) -> None:
    """See that the fields `names` are True or False.

    Raises:
        SettingsError: one is something else.
    """
    for name in names:
        value = getattr(settings, name)
        if not isinstance(value, Integral) or value not in (0, 1):
            raise SettingsError(f"{_option(name)} must be True or False, not {value!r}")
        object.__setattr__(settings, name, bool(value))


def _check_names(matcher: str, transform: str) -> None:
    """See that both are there; what knows them is imported only where one is named."""
    if matcher != "auto":
        from georeg.matching import check_name as check_matcher

        check_matcher(matcher)
    if transform != "auto":
        from georeg.transforms import check_name as check_transform

        check_transform(transform)


def _check_bands(name: str, bands: Any) -> None:
    if not isinstance(bands, tuple) or not all(
        isinstance(band, int) and band >= 1 for band in bands
    ):
        raise SettingsError(
            f"{_option(name)} must be numbers of bands, from 1, such as (3, 2, 1), not {bands!r}"
        )


def _creation_text(name: Any, value: Any) -> str:
    """A creation option as GDAL takes it; 256 and True come from rasterio's habits."""
    value = _plain(value)
    if isinstance(value, bool):
        return "YES" if value else "NO"
    if not isinstance(name, str) or not isinstance(value, str | int | float):
        raise SettingsError(f"creation option {name!r} can't be {value!r}: give a text or a number")
    return str(value)


def check_number(name: str, value: Any) -> None:
    """See that the field `name` is a number, or None.

    Raises:
        SettingsError: it is something else.
    """
    if value is not None and not isinstance(value, Real):
        raise SettingsError(f"{_option(name)} must be a number, not {value!r}")


def check_whole(name: str, value: Any) -> None:
    """See that the field `name` is a whole number.

    Raises:
        SettingsError: it is something else.
    """
    if not isinstance(value, Integral):
        raise SettingsError(f"{_option(name)} must be a whole number, not {value!r}")


def _check_count(name: str, value: Any) -> None:
    if value is None:
        return
    check_whole(name, value)
    if value < 1:
        raise SettingsError(f"{_option(name)} must be 1 or more, not {value}")


def _check_crs(name: str, value: Any) -> None:
    """Text, which reports and the processes of a batch can be given; no object of a library."""
    if value is not None and not isinstance(value, str):
        raise SettingsError(
            f"{_option(name)} must be text such as 'EPSG:32633', not {type(value).__name__}: "
            "of a CRS object give its to_wkt()"
        )


def _is_above_0(value: Any) -> bool:
    return isinstance(value, Real) and 0 < float(value) < math.inf


def check_above_0(name: str, value: Any) -> None:
    """See that the field `name` is a finite number above 0, or None.

    Raises:
        SettingsError: it is something else.
    """
    check_number(name, value)
    if value is not None and not 0 < float(value) < math.inf:
        raise SettingsError(f"{_option(name)} must be above 0, not {value:g}")


def _check_box(option: str, box: Any) -> None:
    if box is None:
        return
    if not isinstance(box, tuple) or len(box) != 4 or not all(isinstance(v, Real) for v in box):
        raise SettingsError(f"{option} must be four numbers: LEFT BOTTOM RIGHT TOP")
    left, bottom, right, top = box
    if not (left < right and bottom < top and all(map(math.isfinite, box))):
        raise SettingsError(f"{option} must be LEFT BOTTOM RIGHT TOP, with LEFT < RIGHT")


@dataclass(frozen=True)
class OrthoSettings:
    """How a sensor's image with RPCs is laid over the ground.

    Attributes:
        dem: name of a DEM; None for one height everywhere.
        height: metres above the ellipsoid, where there is no DEM.
        dem_datum: what the DEM's heights are counted from: ellipsoid, egm96, egm2008, or auto (by
            its CRS).
        geoid: the user's own geoid grid (GTX or GeoTIFF); PROJ's if None.
        dem_voids: fill voids of the DEM from their surroundings, or mask what lies over them.
        rpc: file with the RPCs; by the image itself if None.
        gcps: what GCPs in the image's file are for: check (report their errors), use (as control)
            or ignore.
        bias: model of the RPCs' error in the image: shift, drift, affine, or auto: the simplest
            one that predicts well.
        max_stretch: mask where relief stretches the image by more than that; no limit if None.
    """

    dem: str | None = None
    height: float | None = None
    dem_datum: str = "auto"
    geoid: str | None = None
    dem_voids: str = "fill"
    rpc: str | None = None
    gcps: str = "check"
    bias: str = "auto"
    max_stretch: float | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without the files.

        Raises:
            SettingsError: a value makes no sense.
        """
        make_plain(self)
        for name, known in (
            ("dem_datum", DATUMS), ("dem_voids", VOIDS), ("gcps", GCP_ROLES), ("bias", BIASES),
        ):  # fmt: skip
            value = getattr(self, name)
            if value not in known:
                option = name.replace("_", "-")
                raise SettingsError(f"--{option} '{value}' is none of {', '.join(known)}")
        if (self.dem is None) == (self.height is None):
            raise SettingsError(
                "give the ground: a --dem, or a constant --height in metres above the ellipsoid"
                + ("" if self.dem is None else ", not both")
            )
        if self.dem is None and (self.geoid is not None or self.dem_datum != "auto"):
            raise SettingsError(
                "--height is above the ellipsoid: --dem-datum, --geoid need a --dem"
            )
        if self.height is not None and not -12_000 < self.height < 9_000:
            raise SettingsError(f"--height {self.height:g} m is nowhere on Earth")
        if self.max_stretch is not None and not 1 < self.max_stretch < math.inf:
            raise SettingsError(f"--max-stretch must be above 1, not {self.max_stretch:g}")

    def to_dict(self) -> dict[str, Any]:
        """For reports (JSON)."""
        return asdict(self)
