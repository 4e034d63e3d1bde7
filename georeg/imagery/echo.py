"""How SAR becomes an image in which roads, fields and houses stand out, not speckle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from georeg.imagery import speckle
from georeg.imagery.modality import in_decibels
from georeg.raster import Image, Mask, Pixels

_KNEE = 4.0  # times the median intensity
_MOST = 1e9  # amplitude against the knee; its square is still a float32
_LOUDEST = 200.0  # dB


@dataclass(frozen=True)
class Echo:
    """How SAR is read: log(1 + intensity / knee).

    A plain logarithm gives speckle the same strength everywhere, so that dark ground, where
    there is least to see, is as noisy as what is bright; and a matcher with local normalisation
    needs no such help. Linear up to some times the median, dark ground stays calm, and strong
    scatterers don't take up the whole range.

    Attributes:
        knee: amplitude or intensity, for each band.
        spread: of the amplitude on even ground in full resolution, relative to its mean.
        power: 2 for amplitudes, 1 for intensities.
        decibels: whether the raster is in dB (and read as intensity).
    """

    REACH: ClassVar[int] = speckle.REACH

    knee: tuple[float, ...]
    spread: tuple[float, ...]
    power: float = 2.0
    decibels: bool = False

    def linear(self, data: Image) -> Image:
        """Amplitude or intensity, not below 0."""
        if self.decibels:
            bels = np.minimum(data, np.float32(_LOUDEST)) * np.float32(0.1)
            return np.asarray(np.power(np.float32(10), bels), np.float32)
        return np.maximum(data, np.float32(0))

    def tone(self, data: Image, k: int, mask: Mask | None = None, looks: float = 1.0) -> Image:
        """The logarithm of band number k; calmed first, but for the looks it has had, if masked."""
        out = self.linear(data)
        if mask is not None:
            out[~mask] = 0
            out = speckle.calm(out, mask, self.spread[k] / math.sqrt(looks))
        out /= np.float32(self.knee[k])
        np.minimum(out, np.float32(_MOST), out=out)
        if self.power == 2:
            np.square(out, out=out)
        return np.log1p(out, out=out)


def fit_echo(seen: Sequence[Pixels], patches: Sequence[Pixels], dtype: str) -> Echo:
    """The median, and how strong speckle is.

    Args:
        seen: all samples of the bands.
        patches: those in full resolution.
        dtype: of the raster. Integers and magnitudes of complex numbers are amplitudes by
            custom, other floats are intensities.
    """
    decibels = in_decibels(seen)
    power = 1.0 if decibels or dtype.startswith("float") else 2.0
    plain = Echo((), (), power, decibels)
    knee, spread = [], []
    for k in range(len(seen[0].data)):
        values = plain.linear(np.concatenate([data[k][mask] for data, mask in seen]))
        echoes = values[values > 0]
        median = float(np.median(echoes)) if echoes.size else 1.0
        knee.append(_KNEE ** (1 / power) * median)
        each = [speckle.speckle_spread(plain.linear(d[k]) * mask, mask) for d, mask in patches]
        known = [value for value in each if value > 0]
        # Intensity spreads twice as much as amplitude.
        spread.append(0.5 * power * float(np.median(known)) if known else 0.0)
    return Echo(tuple(knee), tuple(spread), power, decibels)
