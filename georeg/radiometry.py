"""From the bands of any raster to one image that a matcher can look at.

The image is float32 in [0, 1], its contrast stretched between robust percentiles that come from
one decimated read and some small windows in full resolution. Bands are averaged. SAR goes through
a logarithm that starts where the bright part of the scene does, and is calmed where speckle is
strong; a DEM becomes a hillshade lit from four sides. What these choices are worth on real pairs
is in benchmarks/results/radiometry.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from georeg.errors import InputError
from georeg.grid import Window
from georeg.imagery import hillshade
from georeg.imagery.echo import Echo, fit_echo
from georeg.imagery.modality import guess_modality
from georeg.raster import Header, Image, Mask, Pixels, Raster

_SAMPLE = 512  # pixels a side of the decimated read
_PATCH = 128  # pixels a side of the windows in full resolution, nine of them at most
_PERCENTILES = (1.0, 99.0)
_STEEP = 90  # percentile of slopes that is shown as 45 degrees


@dataclass(frozen=True)
class Radiometry:
    """How the bands become the image; numbers only, so that any window looks the same.

    Attributes:
        modality: optical, sar, infrared, map or dem.
        bands: 1-based bands to read.
        low: value that becomes 0, for each of them (SAR: after the logarithm).
        high: value that becomes 1.
        weights: of the bands in the image; they add up to 1.
        echo: how SAR is read; None for the rest.
        to_ground: 2 x 2, differences of height between neighbouring pixels along columns and
            rows -> exaggerated slopes to the east and north; empty but for DEMs.
        why: what speaks for the modality, in words.
        zeros: share of valid pixels that are exactly 0 in all of the bands; 0 if all others are
            alike, too: zeros are half of what a scan in black and white shows.
    """

    modality: str
    bands: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    weights: tuple[float, ...]
    echo: Echo | None = None
    to_ground: tuple[float, ...] = ()
    why: str = ""
    zeros: float = 0.0

    @property
    def reach(self) -> int:
        """How many pixels around have a say in the image of one."""
        if self.to_ground:
            return hillshade.REACH
        return 0 if self.echo is None else Echo.REACH

    def image(
        self, pixels: Pixels, scale: tuple[float, float] = (1.0, 1.0), blur: float = 1.0
    ) -> tuple[Image, Mask]:
        """(bands, rows, columns) -> (rows, columns) in [0, 1], and the mask; 0 where invalid.

        Args:
            pixels: of `bands`.
            scale: width and height of one of them in pixels of the raster, if it was reduced.
            blur: by how much speckle was averaged away besides.
        """
        data, mask = pixels
        if self.to_ground:
            matrix = np.array(self.to_ground).reshape(2, 2) / np.array(scale)
            east, north, mask = hillshade.slopes(data[0], mask, matrix)
            shade = hillshade.hillshade(east, north)
            shade[~mask] = 0
            return shade, mask
        image = np.zeros(mask.shape, np.float32)
        for k, weight in enumerate(self.weights):
            if weight == 0:
                continue
            if self.echo is None:
                band = data[k].copy()
            else:
                looks = scale[0] * scale[1] * blur**2
                band = self.echo.tone(data[k], k, mask, looks)
            span = max(self.high[k] - self.low[k], 1e-30)
            band -= np.float32(self.low[k])
            band /= np.float32(span)
            np.clip(band, 0, 1, out=band)
            band *= np.float32(weight)
            image += band
        image[~mask] = 0
        return image, mask


def fit_radiometry(
    raster: Raster,
    modality: str = "auto",
    bands: Sequence[int] = (),
    within: Window | None = None,
) -> Radiometry:
    """The radiometry of a raster, from a decimated read and small windows in full resolution.

    Args:
        raster: the raster; complex values and palettes are looked at as magnitudes and colours.
        modality: one of `settings.MODALITIES`.
        bands: 1-based; the colour bands, or the first three, if empty.
        within: the part of the raster that matters; all of it if None, or if nothing there is
            valid.

    Raises:
        InputError: no valid pixel, or all of them have the same value.
        SettingsError: a band is out of range.
    """
    chosen = bands_of(raster, bands)
    everything = Window(0, 0, raster.header.shape[1], raster.header.shape[0])
    area = everything if within is None else within
    whole, scale = _decimated(raster, chosen, area)
    if area != everything and not whole.mask.any():
        area = everything
        whole, scale = _decimated(raster, chosen, area)
    if not whole.mask.any():
        raise InputError(
            f"{raster.name} has no valid pixel: all of it is nodata or NaN; choose another file, "
            "or name the right nodata value"
        )
    patches = [whole] if scale == (1.0, 1.0) else _patches(raster, chosen, area, whole.mask)
    why = "it was asked for"
    if modality == "auto":
        modality, why = guess_modality(raster.header, chosen, patches)
    _check_contrast(raster.name, whole, patches)
    # The few valid pixels of a huge raster may lie beside all of the windows.
    zeros = _share_of_zeros(patches or [whole])
    if modality == "dem":
        look = _relief(raster, chosen[:1], whole, scale, patches)
        return replace(look, why=why, zeros=zeros)
    seen = [whole] if scale == (1.0, 1.0) else [whole, *patches]
    echo = None
    if modality == "sar":
        echo = fit_echo(seen, patches, raster.header.dtypes[chosen[0] - 1])
        seen = [
            Pixels(np.stack([echo.tone(band, k) for k, band in enumerate(data)]), mask)
            for data, mask in seen
        ]
    # Averages spread less than pixels: neither may be cut off.
    limits = [_limits(seen, k) for k in range(len(whole.data))]
    contrast = np.array([float(high > low) for low, high in limits])
    if not contrast.any():
        raise InputError(f"{raster.name} holds no echo above 0: choose other bands or --modality")
    weights = contrast / contrast.sum()
    return Radiometry(
        modality,
        chosen,
        tuple(low for low, _ in limits),
        tuple(high for _, high in limits),
        tuple(weights.tolist()),
        echo,
        why=why,
        zeros=zeros,
    )


def bands_of(raster: Raster, wanted: Sequence[int] = ()) -> tuple[int, ...]:
    """The 1-based bands to look at: those that are wanted, or `default_bands` if that is empty.

    Raises:
        SettingsError: a band is out of range.
    """
    return raster.check_bands(wanted) if wanted else default_bands(raster.header)


def default_bands(header: Header) -> tuple[int, ...]:
    """Red, green and blue where the file says so, else up to three bands that aren't alpha."""
    names = header.colorinterp
    if header.palette is not None:
        return (1,)
    if {"red", "green", "blue"} <= set(names):
        return tuple(names.index(n) + 1 for n in ("red", "green", "blue"))
    others = [i + 1 for i, n in enumerate(names) if n != "alpha"]
    return tuple(others[:3]) or (1,)


def _decimated(
    raster: Raster, bands: Sequence[int], area: Window
) -> tuple[Pixels, tuple[float, float]]:
    """A window in at most 512 pixels a side, and the size (x, y) of one of them."""
    rows, columns = area.shape
    factor = max(1.0, max(rows, columns) / _SAMPLE)
    shape = (max(1, round(rows / factor)), max(1, round(columns / factor)))
    pixels = raster.read(area, shape, bands)
    return pixels, (columns / shape[1], rows / shape[0])


def _patches(raster: Raster, bands: Sequence[int], area: Window, mask: Mask) -> list[Pixels]:
    """Windows in full resolution, spread over the valid part of an area."""
    rows, columns = area.shape
    height, width = min(_PATCH, rows), min(_PATCH, columns)
    windows = []
    for part_rows in np.array_split(np.arange(mask.shape[0]), 3):
        for part_columns in np.array_split(np.arange(mask.shape[1]), 3):
            y, x = np.nonzero(mask[np.ix_(part_rows, part_columns)])
            if not len(y):
                continue
            nearest = np.argmin((y - y.mean()) ** 2 + (x - x.mean()) ** 2)
            middle_y = (part_rows[y[nearest]] + 0.5) * rows / mask.shape[0]
            middle_x = (part_columns[x[nearest]] + 0.5) * columns / mask.shape[1]
            top = min(max(0, round(middle_y - height / 2)), rows - height)
            left = min(max(0, round(middle_x - width / 2)), columns - width)
            windows.append(Window(area.x + left, area.y + top, width, height))
    read = (raster.read(window, None, bands) for window in dict.fromkeys(windows))
    return [pixels for pixels in read if pixels.mask.any()]


def _check_contrast(name: str, whole: Pixels, patches: Sequence[Pixels]) -> None:
    values = np.concatenate([p.data[:, p.mask] for p in (whole, *patches)], axis=1)
    if np.ptp(values, axis=1).max() <= 0:
        raise InputError(
            f"{name} is constant: every valid pixel holds {values[0, 0]:g}; choose another "
            "file, or other bands"
        )


def _share_of_zeros(parts: Sequence[Pixels]) -> float:
    """See `Radiometry.zeros`."""
    values = np.concatenate([data[:, mask] for data, mask in parts], axis=1)
    zero = (values == 0).all(axis=0)
    rest = values[:, ~zero]
    if not rest.size or np.ptp(rest, axis=1).max() <= 0:
        return 0.0
    return float(zero.mean())


def _values(parts: Sequence[Pixels], k: int) -> npt.NDArray[np.float32]:
    return np.concatenate([data[k][mask] for data, mask in parts])


def _limits(parts: Sequence[Pixels], k: int) -> tuple[float, float]:
    """Robust least and largest value over the whole and over the windows in full resolution."""
    whole, *patches = parts
    pairs = [np.percentile(_values([whole], k), _PERCENTILES)]
    if patches:
        pairs.append(np.percentile(_values(patches, k), _PERCENTILES))
    low, high = float(min(p[0] for p in pairs)), float(max(p[1] for p in pairs))
    if high - low > 1e-6 * max(abs(high), 1e-30):
        return low, high
    values = _values(parts, k)
    return float(values.min()), float(values.max())


def _relief(
    raster: Raster,
    bands: tuple[int, ...],
    whole: Pixels,
    scale: tuple[float, float],
    patches: Sequence[Pixels],
) -> Radiometry:
    """A hillshade whose relief is exaggerated, or flattened, until steep slopes show 45 degrees."""
    steps = hillshade.ground_steps(raster.header.georef, raster.header.crs, raster.header.shape)
    to_ground = np.asarray(np.linalg.inv(steps).T, np.float64)
    steep = []
    for data, mask in patches:
        east, north, valid = hillshade.slopes(data[0], mask, to_ground)
        steep.append(np.hypot(east, north)[valid])
    steepness = float(np.percentile(np.concatenate(steep), _STEEP)) if steep else 0.0
    if steepness <= 0:  # flat as far as the windows show
        east, north, valid = hillshade.slopes(
            whole.data[0], whole.mask, to_ground / np.array(scale)
        )
        steepness = float(np.hypot(east, north)[valid].max(initial=0.0))
    to_ground = to_ground / max(steepness, 1e-9)
    return Radiometry(
        "dem", bands, (0.0,), (1.0,), (1.0,), to_ground=tuple(to_ground.ravel().tolist())
    )
