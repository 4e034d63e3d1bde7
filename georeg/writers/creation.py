"""Creation options of GeoTIFFs: sensible defaults, and the user's own (--co) checked by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from georeg.errors import SettingsError
from georeg.resampling.validity import Layout

DRIVERS = ("COG", "GTiff")
_TILE_BYTES = 16 * 2**20

_YES_NO = ("YES", "NO", "TRUE", "FALSE", "ON", "OFF")
_BIG = ("YES", "NO", "IF_NEEDED", "IF_SAFER")
_RESAMPLING = ("NEAREST", "AVERAGE", "BILINEAR", "CUBIC", "CUBICSPLINE", "LANCZOS", "MODE", "RMS")
_LERC = ("LERC", "LERC_DEFLATE", "LERC_ZSTD")
_CODECS = ("NONE", "LZW", "DEFLATE", "ZSTD", "LZMA", "JPEG", "WEBP", *_LERC)
_NUMBER = "a number"
_SIDES = ("BLOCKSIZE", "BLOCKXSIZE", "BLOCKYSIZE")

# Option -> the values it takes.
_KNOWN: dict[str, dict[str, tuple[str, ...]]] = {
    "COG": {
        "BIGTIFF": _BIG,
        "BLOCKSIZE": (_NUMBER,),
        "COMPRESS": _CODECS,
        "GEOTIFF_VERSION": ("AUTO", "1.0", "1.1"),
        "LEVEL": (_NUMBER,),
        "MAX_Z_ERROR": (_NUMBER,),
        "NUM_THREADS": ("ALL_CPUS", _NUMBER),
        "OVERVIEWS": ("AUTO", "IGNORE_EXISTING", "NONE"),
        "OVERVIEW_COMPRESS": ("AUTO", *_CODECS),
        "OVERVIEW_COUNT": (_NUMBER,),
        "OVERVIEW_PREDICTOR": ("YES", "NO", "STANDARD", "FLOATING_POINT"),
        "OVERVIEW_QUALITY": (_NUMBER,),
        "OVERVIEW_RESAMPLING": _RESAMPLING,
        "PREDICTOR": ("YES", "NO", "STANDARD", "FLOATING_POINT"),
        "QUALITY": (_NUMBER,),
        "RESAMPLING": _RESAMPLING,
        "SPARSE_OK": _YES_NO,
    },
    "GTiff": {
        "BIGTIFF": _BIG,
        "BLOCKXSIZE": (_NUMBER,),
        "BLOCKYSIZE": (_NUMBER,),
        "COMPRESS": _CODECS,
        "DISCARD_LSB": (_NUMBER,),
        "ENDIANNESS": ("NATIVE", "LITTLE", "BIG"),
        "GEOTIFF_VERSION": ("AUTO", "1.0", "1.1"),
        "INTERLEAVE": ("PIXEL", "BAND"),
        "JPEG_QUALITY": (_NUMBER,),
        "LZMA_PRESET": (_NUMBER,),
        "MAX_Z_ERROR": (_NUMBER,),
        "NBITS": (_NUMBER,),
        "NUM_THREADS": ("ALL_CPUS", _NUMBER),
        "PHOTOMETRIC": ("MINISBLACK", "MINISWHITE", "RGB", "CMYK", "YCBCR"),
        "PREDICTOR": ("1", "2", "3"),
        "SPARSE_OK": _YES_NO,
        "TILED": _YES_NO,
        "WEBP_LEVEL": (_NUMBER,),
        "WEBP_LOSSLESS": _YES_NO,
        "ZLEVEL": (_NUMBER,),
        "ZSTD_LEVEL": (_NUMBER,),
    },
}
# GDAL's COG driver would do these by resampling the finished image a second time.
_LEVELS = ("ALIGNED_LEVELS", "ZOOM_LEVEL", "ZOOM_LEVEL_STRATEGY")
_TWICE = ("TILING_SCHEME", "TARGET_SRS", "RES", "EXTENT", "ADD_ALPHA", "WARP_RESAMPLING", *_LEVELS)


def parse_creation(pairs: Mapping[str, str], driver: str) -> dict[str, str]:
    """The user's creation options, names in capitals.

    Raises:
        SettingsError: the driver has no such option, or the option no such value.
    """
    if driver not in DRIVERS:
        raise SettingsError(f"output format '{driver}' is none of {', '.join(DRIVERS)}")
    known = _KNOWN[driver]
    options: dict[str, str] = {}
    for name, value in pairs.items():
        key = name.upper()
        if key in _TWICE:
            raise SettingsError(
                f"creation option {key} would resample the output a second time: "
                "choose the output grid with georeg's own options"
            )
        if key not in known:
            raise SettingsError(
                f"{driver} has no creation option {key}; there are {', '.join(known)}"
            )
        allowed = known[key]
        if value.upper() not in allowed and not (_NUMBER in allowed and _is_number(value)):
            raise SettingsError(
                f"creation option {key} can't be '{value}': give {' or '.join(allowed)}"
            )
        # GDAL ends the process where it is 0.
        if key in _SIDES and (float(value) < 16 or float(value) % 16):
            raise SettingsError(f"creation option {key} can't be {value}: give a multiple of 16")
        options[key] = value.upper()
    return options


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def is_sparse(creation: Mapping[str, str]) -> bool:
    """Whether blocks without any valid pixel may be left out of the file."""
    return creation.get("SPARSE_OK", "NO") in ("YES", "TRUE", "ON")


def is_lossless(creation: Mapping[str, str]) -> bool:
    """Whether the pixels come out of the file as they went in."""
    lossy = {"DISCARD_LSB", "NBITS"} & creation.keys()
    return creation.get("COMPRESS") in ("NONE", "LZW", "DEFLATE", "ZSTD", "LZMA") and not lossy


def largest_value(creation: Mapping[str, str], dtype: np.dtype[Any]) -> float | None:
    """The largest value that as few bits as NBITS says can hold; None where all bits are there."""
    bits = int(float(creation.get("NBITS", "0")))
    if np.issubdtype(dtype, np.unsignedinteger) and 0 < bits < 8 * dtype.itemsize:
        return float(2**bits - 1)
    if dtype == np.float32 and bits == 16:
        return float(np.finfo(np.float16).max)
    return None


def tile_size(layout: Layout) -> int:
    """Side of square tiles: 512 unless so many bands make them unwieldy."""
    size = 512
    while size > 128 and size * size * layout.count * layout.array_dtype.itemsize > _TILE_BYTES:
        size //= 2
    return size


def cog_options(layout: Layout, user: Mapping[str, str], *, classes: bool) -> dict[str, str]:
    """All options for the COG driver; those of the user win.

    Args:
        layout: of the file.
        user: parsed options.
        classes: whether pixels are numbers of something (palette, land cover), which don't mix.
    """
    options = {
        "COMPRESS": "DEFLATE",
        "BIGTIFF": "IF_SAFER",
        "BLOCKSIZE": str(tile_size(layout)),
        "OVERVIEW_RESAMPLING": "MODE" if classes else "AVERAGE",
        "COPY_SRC_MDD": "YES",  # tag domains too, not just the default one
    }
    if user.get("COMPRESS", "DEFLATE") in ("DEFLATE", "LZW", "ZSTD"):
        options["PREDICTOR"] = "NO" if _predictor(layout, classes) == 1 else "YES"
    if "RESAMPLING" in user:
        del options["OVERVIEW_RESAMPLING"]
    return {**options, **user}


def gtiff_options(layout: Layout, user: Mapping[str, str], *, classes: bool) -> dict[str, str]:
    """All options for the GTiff driver as a final output; those of the user win."""
    size = str(tile_size(layout))
    options = {"COMPRESS": "DEFLATE", "BIGTIFF": "IF_SAFER", "TILED": "YES"}
    if user.get("TILED", "YES") in ("YES", "TRUE", "ON"):
        options |= {"BLOCKXSIZE": size, "BLOCKYSIZE": size}
    # Predictors know whole bytes only.
    if user.get("COMPRESS", "DEFLATE") in ("DEFLATE", "LZW", "ZSTD") and "NBITS" not in user:
        options["PREDICTOR"] = str(_predictor(layout, classes))
    return {**options, **user}


def _predictor(layout: Layout, classes: bool) -> int:
    """TIFF's number: 1 none, 2 differences of integers, 3 differences of floats."""
    dtype = layout.array_dtype
    if classes or np.issubdtype(dtype, np.complexfloating):
        return 1  # class numbers have no slope; the differences of complex pairs mean nothing
    return 3 if np.issubdtype(dtype, np.floating) else 2
