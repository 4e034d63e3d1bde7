"""The RPC model: ground to image by ratios of cubic polynomials, and back by iteration.

RPC00B (STDI-0002, appendix E), with the conventions of GDAL: longitude and latitude in degrees on
WGS 84, heights in metres above its ellipsoid. RPCs count lines and samples from the centre of the
first pixel; everything here speaks of pixels as the rest of georeg does, (0, 0) being the outer
corner of the first one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from georeg.crs import wrap_longitude
from georeg.errors import InputError

Array = npt.NDArray[np.float64]

_CHUNK = 1 << 11  # points: their terms stay in the cache, and BLAS starts no threads for them
_CENTRE = 0.5  # an RPC's (0, 0) is the centre of the first pixel
_STEPS = 30  # of Newton's method; five or so are usual
_STRIDE = 0.5  # of the normalised range, the largest step of one iteration
_CLOSE = 1e-8  # pixels: found
COEFFICIENTS = ("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF")
NUMBERS = (
    "LINE_OFF", "SAMP_OFF", "LAT_OFF", "LONG_OFF", "HEIGHT_OFF",
    "LINE_SCALE", "SAMP_SCALE", "LAT_SCALE", "LONG_SCALE", "HEIGHT_SCALE",
)  # fmt: skip
ERRORS = ("ERR_BIAS", "ERR_RAND")


@dataclass(frozen=True)
class Rpc:
    """Rational polynomial coefficients; the names are those of GDAL's RPC metadata.

    Attributes:
        line_off: centre of the lines, counted from the centre of the first pixel.
        samp_off: the same of the samples.
        lat_off: centre of the latitudes, degrees.
        long_off: centre of the longitudes, degrees.
        height_off: centre of the heights, metres above the ellipsoid.
        line_scale: half the range of the lines; the other scales likewise.
        samp_scale: of the samples.
        lat_scale: of the latitudes.
        long_scale: of the longitudes.
        height_scale: of the heights.
        line_num_coeff: 20 coefficients of the line's numerator.
        line_den_coeff: 20 of its denominator.
        samp_num_coeff: 20 of the sample's numerator.
        samp_den_coeff: 20 of its denominator.
        err_bias: RMS error in metres that is common to all points, by the vendor; None if unknown.
        err_rand: RMS error in metres of single points.
    """

    line_off: float
    samp_off: float
    lat_off: float
    long_off: float
    height_off: float
    line_scale: float
    samp_scale: float
    lat_scale: float
    long_scale: float
    height_scale: float
    line_num_coeff: tuple[float, ...]
    line_den_coeff: tuple[float, ...]
    samp_num_coeff: tuple[float, ...]
    samp_den_coeff: tuple[float, ...]
    err_bias: float | None = None
    err_rand: float | None = None

    @classmethod
    def from_tags(cls, tags: Mapping[str, str], name: str) -> Rpc:
        """From GDAL's RPC metadata.

        Args:
            tags: of the domain RPC.
            name: of the file, for messages.

        Raises:
            InputError: an item is missing, not a number, or can't be true.
        """
        values: dict[str, float | tuple[float, ...] | None] = {}
        for key in NUMBERS:
            values[key.lower()] = _numbers(tags, key, 1, name)[0]
        for key in COEFFICIENTS:
            values[key.lower()] = _numbers(tags, key, 20, name)
        for key in ERRORS:
            try:
                error = float(tags[key])
            except (KeyError, ValueError):
                error = -1.0
            values[key.lower()] = error if error >= 0 and math.isfinite(error) else None
        rpc = cls(**values)  # type: ignore[arg-type]
        rpc.check(name)
        return rpc

    def to_tags(self) -> dict[str, str]:
        """GDAL's RPC metadata, to the last bit."""
        tags = {key: repr(float(getattr(self, key.lower()))) for key in NUMBERS}
        for key in COEFFICIENTS:
            tags[key] = " ".join(repr(float(c)) for c in getattr(self, key.lower()))
        for key in ERRORS:
            value = getattr(self, key.lower())
            tags[key] = "-1" if value is None else repr(float(value))
        return tags

    def check(self, name: str) -> None:
        """Refuse what can't be true.

        Raises:
            InputError: a value isn't finite, a scale isn't above 0, or a denominator is 0 or
                changes its sign within the volume for which the RPCs are meant.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not np.isfinite(value).all():
                raise InputError(
                    f"{name} has unusable RPCs: {field.name.upper()} is not a finite number; "
                    "get them anew from the provider, or give others with --rpc"
                )
        for side in ("line", "samp", "lat", "long", "height"):
            if not getattr(self, f"{side}_scale") > 0:
                raise InputError(f"{name} has unusable RPCs: {side.upper()}_SCALE isn't above 0")
        if abs(self.lat_off) > 90 or abs(self.long_off) > 360:
            raise InputError(
                f"{name} has unusable RPCs: their centre is at longitude {self.long_off:g}, "
                f"latitude {self.lat_off:g}"
            )
        axis = np.linspace(-1, 1, 5)
        terms = cubic_terms(*(a.ravel() for a in np.meshgrid(axis, axis, axis)))
        for which in ("line", "samp"):
            bottom = np.array(getattr(self, f"{which}_den_coeff")) @ terms
            top = np.array(getattr(self, f"{which}_num_coeff")) @ terms
            if not (bottom.min() > 0 or bottom.max() < 0) or not np.ptp(top) > 0:
                raise InputError(
                    f"{name} has unusable RPCs: the {which} is nowhere, or everywhere the same, "
                    "in a part of the volume that they are made for"
                )

    def project(self, lonlat: Array, height: Array) -> Array:
        """Ground -> image.

        Args:
            lonlat: (N, 2) degrees on WGS 84.
            height: (N,) metres above the ellipsoid.

        Returns:
            (N, 2) pixels (x, y); NaN where the input is.
        """
        out = np.empty((len(lonlat), 2))
        matrix = self.matrix()
        for start in range(0, len(lonlat), _CHUNK):
            part = slice(start, start + _CHUNK)
            line_num, line_den, samp_num, samp_den = matrix @ cubic_terms(
                *self._normal(lonlat[part], height[part])
            )
            with np.errstate(divide="ignore", invalid="ignore"):
                out[part, 0] = samp_num / samp_den
                out[part, 1] = line_num / line_den
        out *= (self.samp_scale, self.line_scale)
        out += (self.samp_off + _CENTRE, self.line_off + _CENTRE)
        return out

    def jacobian(self, lonlat: Array, height: Array) -> Array:
        """(N, 2, 3) derivatives of the pixel (x, y) by longitude, latitude (degrees), height."""
        normal = self._normal(lonlat, height)
        matrix = self.matrix()
        line_num, line_den, samp_num, samp_den = matrix @ cubic_terms(*normal)
        out = np.empty((len(lonlat), 2, 3))
        scales = (self.long_scale, self.lat_scale, self.height_scale)
        with np.errstate(divide="ignore", invalid="ignore"):
            for k, (slope, scale) in enumerate(zip(_slopes(*normal), scales, strict=True)):
                dln, dld, dsn, dsd = matrix @ slope
                x = (dsn - samp_num / samp_den * dsd) / samp_den
                y = (dln - line_num / line_den * dld) / line_den
                out[:, 0, k] = x * (self.samp_scale / scale)
                out[:, 1, k] = y * (self.line_scale / scale)
        return out

    def locate(self, xy: Array, height: Array) -> Array:
        """Image -> ground at given heights, by Newton's method.

        Args:
            xy: (N, 2) pixels.
            height: (N,) metres above the ellipsoid.

        Returns:
            (N, 2) longitude and latitude in degrees; NaN where no ground is found.
        """
        scale = np.array([self.long_scale, self.lat_scale])
        lonlat = np.tile([self.long_off, self.lat_off], (len(xy), 1)).astype(np.float64)
        todo = np.flatnonzero(np.isfinite(xy).all(axis=1) & np.isfinite(height))
        found = np.zeros(len(xy), np.bool_)
        for _ in range(_STEPS):
            if not len(todo):
                break
            here, level = lonlat[todo], height[todo]
            miss = self.project(here, level) - xy[todo]
            slope = self.jacobian(here, level)[:, :, :2]
            step = _solve(slope, miss)
            length = np.abs(step / scale).max(axis=1, initial=0.0)
            good = np.isfinite(length)
            step *= (_STRIDE / np.maximum(length, _STRIDE))[:, None]
            lonlat[todo] -= np.where(good[:, None], step, np.nan)
            close = np.hypot(*miss.T) <= _CLOSE
            found[todo[close]] = True
            todo = todo[good & ~close]
        # What Newton's method left is as good as the numbers allow, or nowhere.
        if len(todo):
            miss = self.project(lonlat[todo], height[todo]) - xy[todo]
            found[todo] = np.hypot(*miss.T) <= 1e3 * _CLOSE
        lonlat[~found] = np.nan
        return lonlat

    def moved(self, dx: float, dy: float) -> Rpc:
        """The RPCs of the same image with its pixels counted from (-dx, -dy): a shift, exactly."""
        return replace(self, samp_off=self.samp_off + dx, line_off=self.line_off + dy)

    def matrix(self) -> Array:
        """(4, 20) in the order of `COEFFICIENTS`."""
        return np.array([getattr(self, key.lower()) for key in COEFFICIENTS])

    def _normal(self, lonlat: Array, height: Array) -> tuple[Array, Array, Array]:
        """Longitude, latitude and height in the polynomials' own range."""
        longitude = wrap_longitude(lonlat[:, 0], self.long_off, 360.0)
        return (
            (longitude - self.long_off) / self.long_scale,
            (lonlat[:, 1] - self.lat_off) / self.lat_scale,
            (height - self.height_off) / self.height_scale,
        )


def _numbers(tags: Mapping[str, str], key: str, count: int, name: str) -> tuple[float, ...]:
    if key not in tags:
        raise InputError(f"{name} has incomplete RPCs: {key} is missing")
    words = str(tags[key]).replace(",", " ").split()
    try:
        values = tuple(float(word) for word in words[:count])
    except ValueError:
        values = ()
    if len(values) != count or (count > 1 and len(words) != count):
        raise InputError(
            f"{name} has malformed RPCs: {key} must be {count} number{'s' * (count > 1)}"
        )
    return values


def cubic_terms(lon: Array, lat: Array, h: Array) -> Array:
    """(20, N) terms of the cubic in RPC00B's order."""
    out = np.empty((20, len(lon)))
    lon2, lat2, h2 = lon * lon, lat * lat, h * h
    out[0] = 1.0
    out[1], out[2], out[3] = lon, lat, h
    np.multiply(lon, lat, out=out[4])
    np.multiply(lon, h, out=out[5])
    np.multiply(lat, h, out=out[6])
    out[7], out[8], out[9] = lon2, lat2, h2
    np.multiply(out[4], h, out=out[10])
    np.multiply(lon2, lon, out=out[11])
    np.multiply(lon, lat2, out=out[12])
    np.multiply(lon, h2, out=out[13])
    np.multiply(lon2, lat, out=out[14])
    np.multiply(lat2, lat, out=out[15])
    np.multiply(lat, h2, out=out[16])
    np.multiply(lon2, h, out=out[17])
    np.multiply(lat2, h, out=out[18])
    np.multiply(h2, h, out=out[19])
    return out


def _slopes(lon: Array, lat: Array, h: Array) -> tuple[Array, Array, Array]:
    """Derivatives of the terms by longitude, latitude and height, each (20, N)."""
    zero, one = np.zeros_like(lon), np.ones_like(lon)
    by_lon = (
        zero, one, zero, zero, lat, h, zero, 2 * lon, zero, zero,
        lat * h, 3 * lon * lon, lat * lat, h * h, 2 * lon * lat, zero, zero, 2 * lon * h, zero,
        zero,
    )  # fmt: skip
    by_lat = (
        zero, zero, one, zero, lon, zero, h, zero, 2 * lat, zero,
        lon * h, zero, 2 * lon * lat, zero, lon * lon, 3 * lat * lat, h * h, zero, 2 * lat * h,
        zero,
    )  # fmt: skip
    by_h = (
        zero, zero, zero, one, zero, lon, lat, zero, zero, 2 * h,
        lon * lat, zero, zero, 2 * lon * h, zero, zero, 2 * lat * h, lon * lon, lat * lat,
        3 * h * h,
    )  # fmt: skip
    return np.stack(by_lon), np.stack(by_lat), np.stack(by_h)


def _solve(matrix: Array, right: Array) -> Array:
    """(N, 2) solutions of N 2 x 2 systems; not finite where there is none."""
    a, b, c, d = (matrix[:, i, j] for i in (0, 1) for j in (0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = a * d - b * c
        x = (d * right[:, 0] - b * right[:, 1]) / determinant
        y = (a * right[:, 1] - c * right[:, 0]) / determinant
    return np.stack([x, y], axis=1)
