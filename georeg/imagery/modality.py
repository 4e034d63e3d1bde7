"""What a raster shows, by its header and by the texture of small samples in full resolution.

A wrong guess costs more than none: whatever isn't clear counts as optical, which only means that
its contrast is stretched.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from georeg.imagery.speckle import local_moments, local_spread
from georeg.inputs.header import Header
from georeg.raster import Pixels

_FEET = {"ft", "foot", "feet", "us survey foot"}
_UNITS = {
    "dem": {"m", "metre", "meter", "metres", "meters", *_FEET},
    "sar": {"db", "decibel"},
    "infrared": {"k", "kelvin", "degc", "celsius", "°c"},
}
_WORDS = {
    "dem": {"dem", "dsm", "dtm", "elevation", "height", "altitude", "heights"},
    "sar": {"vv", "vh", "hh", "hv", "sar", "sigma0", "gamma0", "beta0", "backscatter"},
    "infrared": {"thermal", "temperature", "lst", "tirs", "lwir"},
}
# Amplitude of L looks spreads by 0.523 / sqrt(L) of its mean: this is L = 6.8.
_SPECKLE = 0.20
_EVEN = 0.5  # speckle is equally strong everywhere: its 5th percentile against the median
_SPECKLE_DB, _EVEN_DB = 1.0, 0.3  # optical rasters don't hold negative values, so less is enough
_SMOOTH = 0.75  # second against first differences; white noise has 1.7, optical images 0.9 to 1.6
_RELIEF = 60.0  # metres; temperatures are as smooth, but differ by less within one raster
_HEIGHTS = (-500.0, 9000.0)  # metres
_FOOT = 0.3048  # metres
_SPAN = 2.0  # reflectance, coherence and indices differ by less, ground by more
_ROUGH = 1.0  # second against first differences of surface models is less, of images more


class Guess(NamedTuple):
    """A modality, and the evidence for it in words."""

    modality: str
    why: str


def guess_modality(header: Header, bands: Sequence[int], samples: Sequence[Pixels]) -> Guess:
    """One of sar, map, dem, infrared, optical.

    Args:
        header: of the raster.
        bands: 1-based bands that are looked at.
        samples: windows of these bands in full resolution.
    """
    if header.is_complex:
        return Guess("sar", "its values are complex")
    if header.palette is not None and list(bands) == [1]:
        return Guess("map", "it has a colour table")
    said = _said(header, bands)
    if said is not None:
        return said
    dtype = header.dtypes[bands[0] - 1]
    # Brightness of 8-bit pictures was stretched by somebody, so its grain isn't proportional to it.
    picture = dtype == "uint8" or (dtype.startswith("float") and _as_bytes(samples))
    grain = "" if picture else speckle(samples)
    if grain:
        return Guess("sar", grain)
    unit = header.unit_of_crs or ""
    length = _FOOT if unit.lower() in _FEET else 1.0
    if _unit_of_crs(header, bands) and could_be_heights(samples, length):
        return Guess("dem", f"its CRS has heights in {unit}, and its values could be some")
    single = len(header.dtypes) == 1
    numeric = dtype in ("int16", "int32", "float32", "float64")
    heights = relief(samples) if single and numeric and not picture else ""
    if heights:
        return Guess("dem", heights)
    missing = "no speckle" if not picture else "8-bit pictures aren't searched for speckle"
    return Guess("optical", f"nothing says otherwise: no unit, name or colour table; {missing}")


def _said(header: Header, bands: Sequence[int]) -> Guess | None:
    """By units and descriptions of all the bands that are looked at."""
    found, why = set(), ""
    for band in bands:
        unit = (header.units[band - 1] or "").strip().lower() if header.units else ""
        if unit and header.units[band - 1] == header.unit_of_crs:
            unit = ""
        called = header.descriptions[band - 1] or ""
        words = set(re.split(r"[^a-z0-9]+", called.lower()))
        by_unit = [name for name, units in _UNITS.items() if unit in units]
        by_word = [name for name, known in _WORDS.items() if words & known]
        found.add((by_unit + by_word + [""])[0])
        why = f"the unit of band {band} is {unit}" if by_unit else f"band {band} is '{called}'"
    (only, *others) = found
    if only == "dem" and len(bands) > 1:
        return None
    return None if others or not only else Guess(only, why)


def _unit_of_crs(header: Header, bands: Sequence[int]) -> bool:
    """Whether the one band that is looked at has a unit, but maybe only that of a vertical CRS."""
    own = [header.units[band - 1] for band in bands] if header.units else []
    return header.unit_of_crs is not None and own == [header.unit_of_crs]


def _as_bytes(samples: Sequence[Pixels]) -> bool:
    """Whether real numbers are those of an 8-bit picture, which somebody converted.

    Heights are whole numbers from 0 to 255 only in lowlands, and real numbers at the same time
    hardly ever.
    """
    values = np.concatenate([data[0][mask] for data, mask in samples]) if samples else np.zeros(0)
    return bool(values.size) and bool(((values >= 0) & (values <= 255) & (values % 1 == 0)).all())


def could_be_heights(samples: Sequence[Pixels], unit: float = 1.0) -> bool:
    """Whether values aren't those of an image: in range, not all alike, no rough whole numbers.

    Surface models of forests are as rough as images, but in fractions of metres.

    Args:
        samples: windows of the band.
        unit: metres of what the values would be in.
    """
    values = np.concatenate([data[0][mask] for data, mask in samples]) if samples else np.zeros(0)
    if not values.size:
        return False
    low, high = np.percentile(values, [1, 99])
    if low * unit < _HEIGHTS[0] or high * unit > _HEIGHTS[1] or high - low <= _SPAN:
        return False
    return bool((values != np.rint(values)).any()) or _roughness(samples) < _ROUGH


def speckle(samples: Sequence[Pixels]) -> str:
    """In words, if the first band is grainy, and equally so everywhere, relative to its brightness.

    Rasters in dB hold negative values, and their grain is the same in absolute terms.

    Returns:
        Empty if it isn't.
    """  # fmt: skip
    spread = []
    decibels = in_decibels(samples)
    for data, mask in samples:
        if decibels:
            _, variance, share = local_moments(data[0], mask)
            spread.append(np.sqrt(variance[share > 0.999]))
        else:
            spread.append(local_spread(data[0], mask))
    values = np.concatenate(spread) if spread else np.zeros(0, np.float32)
    if values.size < 1000:
        return ""
    least, middle = np.percentile(values, [5, 50])
    enough, even = (_SPECKLE_DB, _EVEN_DB) if decibels else (_SPECKLE, _EVEN)
    if not (least > enough and least > even * middle):
        return ""
    size = f"{middle:.1f} dB" if decibels else f"{middle:.0%} of its brightness"
    return f"it has speckle: grain of {size}, equally strong everywhere"


def in_decibels(samples: Sequence[Pixels]) -> bool:
    """Whether the first band of a SAR raster is a logarithm already."""
    values = np.concatenate([data[0][mask] for data, mask in samples]) if samples else np.zeros(0)
    if not values.size:
        return False
    low, middle, high = np.percentile(values, [1, 50, 99])
    return bool(middle < 0 and low > -80 and high < 40)


def relief(samples: Sequence[Pixels]) -> str:
    """In words, if the values could be heights: in range, with relief, and as smooth as terrain.

    Returns:
        Empty if they couldn't.
    """
    if not _roughness(samples) < _SMOOTH:
        return ""
    low, high = np.percentile(np.concatenate([data[0][mask] for data, mask in samples]), [1, 99])
    if low < _HEIGHTS[0] or high > _HEIGHTS[1] or high - low < _RELIEF:
        return ""
    return f"one band of values from {low:.0f} to {high:.0f}, as smooth as terrain"


def _roughness(samples: Sequence[Pixels]) -> float:
    """Second against first differences of the first band; infinite where too few can be seen."""
    first, second, number = 0.0, 0.0, 0
    for data, mask in samples:
        good = mask[:, 2:] & mask[:, 1:-1] & mask[:, :-2]
        step = np.diff(data[0], axis=1)
        first += float(np.square(step[:, 1:][good]).sum(dtype=np.float64))
        second += float(np.square(np.diff(step, axis=1)[good]).sum(dtype=np.float64))
        number += int(good.sum())
    return math.inf if number < 1000 or first <= 0 else math.sqrt(second / first)
