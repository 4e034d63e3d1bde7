"""Tie points as files: one module per format, `points_<suffix>`; the suffix picks it.

A table holds what a file can say about tie points, more than `Matches` does: where they lie on
the map, how well the fit explains them, and whether a person has taken them out.
"""

from __future__ import annotations

import importlib
import math
import os
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from georeg import writers
from georeg.crs import CrsPath, parse_crs
from georeg.errors import PointsError, SettingsError
from georeg.georef import Georef
from georeg.matches import Matches

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_TRUE = {"1", "true", "yes", "y", "t", "on"}
_FALSE = {"0", "false", "no", "n", "f", "off"}


@dataclass(frozen=True, eq=False)
class PointTable:
    """N tie points; pixels in GDAL's convention, (0, 0) being the outer corner of the first one.

    Attributes:
        ids: names, unique or not.
        moving_xy: (N, 2) pixels of the moving raster.
        reference_xy: (N, 2) pixels of the reference; NaN where only the map position is known.
        map_xy: (N, 2) true map positions; NaN where unknown.
        score: (N,) in [0, 1].
        sigma: (N,) standard deviation in reference pixels.
        residual_xy: (N, 2) error of the fit in reference pixels; NaN where unknown.
        inlier: (N,) whether the fit explains the point.
        enabled: (N,) whether the point may be used; for people.
        crs: of `map_xy`: authority code or WKT; None if unknown, then that of the reference.
        height: (N,) metres above the ellipsoid of WGS 84; None where nobody needs them.
    """

    ids: tuple[str, ...]
    moving_xy: Array
    reference_xy: Array
    map_xy: Array
    score: Array
    sigma: Array
    residual_xy: Array
    inlier: Bools
    enabled: Bools
    crs: str | None = None
    height: Array | None = None

    def __len__(self) -> int:
        """Number of tie points, the disabled ones too."""
        return len(self.ids)

    @classmethod
    def of(
        cls,
        matches: Matches,
        inlier: Bools,
        residuals: Array,
        georef: Georef,
        crs: CRS | None,
        height: Array | None = None,
    ) -> PointTable:
        """The tie points of an alignment.

        Args:
            matches: the tie points.
            inlier: (N,) which of them the fit explains.
            residuals: (N, 2) reference pixels.
            georef: of the reference raster.
            crs: of the reference raster.
            height: (N,) metres above the ellipsoid, where they are known.
        """
        n = len(matches)
        return cls(
            tuple(str(i + 1) for i in range(n)),
            matches.moving_xy,
            matches.reference_xy,
            georef.to_map(matches.reference_xy),
            matches.score,
            matches.sigma,
            residuals,
            inlier,
            np.ones(n, np.bool_),
            crs_text(crs),
            height,
        )

    def matches(self, georef: Georef | None, crs: CRS | None) -> Matches:
        """The enabled points; the reference pixel counts, the map position only without one.

        Args:
            georef: of the reference raster.
            crs: of the reference raster.

        Raises:
            PointsError: none is enabled, or a map position can't be found in the reference.
            SettingsError: the file names a CRS that doesn't exist.
        """
        if not self.enabled.any():
            raise PointsError("no tie point is enabled")
        reference = np.array(self.reference_xy)
        missing = ~np.isfinite(reference).all(axis=1) & self.enabled
        if missing.any():
            if georef is None:
                raise PointsError(
                    f"tie point {self.ids[int(missing.argmax())]} has only a map position, but "
                    "the reference has no georeference"
                )
            source = None if self.crs is None else parse_crs(self.crs)
            around = float(georef.to_map(np.zeros((1, 2)))[0, 0])
            xy = CrsPath(source, crs, None, around).forward(self.map_xy[missing])
            reference[missing] = georef.to_pixel(xy)
        lost = ~np.isfinite(reference).all(axis=1) & self.enabled
        if lost.any():
            raise PointsError(
                f"tie point {self.ids[int(lost.argmax())]} can't be placed in the reference: "
                "check its coordinates and the CRS of the file"
            )
        use = self.enabled
        return Matches(self.moving_xy[use], reference[use], self.score[use], self.sigma[use])


def crs_text(crs: CRS | None) -> str | None:
    """An authority code where there is one, else WKT in one line."""
    if crs is None:
        return None
    authority = crs.to_authority(min_confidence=100)
    return ":".join(authority) if authority else str(crs.to_wkt())


def formats() -> list[str]:
    """The suffixes, without dot, from the file names alone."""
    names = [m.name for m in pkgutil.iter_modules(writers.__path__)]
    return sorted(n.removeprefix("points_") for n in names if n.startswith("points_"))


def check_suffix(path: str) -> str:
    """The suffix of a points file, without dot.

    Raises:
        SettingsError: no format has it.
    """
    suffix = os.path.splitext(path)[1].lstrip(".").lower()
    if suffix not in formats():
        known = ", ".join(f".{name}" for name in formats())
        raise SettingsError(f"{path}: the suffix picks the format of tie points, give {known}")
    return suffix


def write_points(path: str, table: PointTable, *, overwrite: bool = True) -> None:
    """Write tie points in the format that the suffix says, whole or not at all.

    Raises:
        SettingsError: unknown suffix; the file exists and may not be overwritten.
        OutputError: it can't be written.
    """
    module = importlib.import_module(f"georeg.writers.points_{check_suffix(path)}")
    module.write(path, table, overwrite=overwrite)


def read_points(path: str) -> PointTable:
    """Read tie points, own ones or hand-made ones.

    Raises:
        SettingsError: unknown suffix.
        InputError: missing or unreadable.
        PointsError: what is in it makes no sense; names the file and the line.
    """
    module = importlib.import_module(f"georeg.writers.points_{check_suffix(path)}")
    table: PointTable = module.read(path)
    return table


def from_records(
    records: Sequence[tuple[str, Mapping[str, Any]]], path: str, crs: str | None
) -> PointTable:
    """A table from what a reader found.

    Args:
        records: for every point where it stands ('line 7', for messages) and its values by name:
            moving_x, moving_y, and reference_x, reference_y or map_x, map_y; the rest optional.
        path: of the file, for messages.
        crs: of map_x, map_y.

    Raises:
        PointsError: a value is missing or makes no sense.
    """
    if not records:
        raise PointsError(f"{path} holds no tie points")
    rows = [_Record(f"{path}, {where}", values) for where, values in records]
    points = [row.point(i + 1) for i, row in enumerate(rows)]
    numbers = np.array([p[1] for p in points], np.float64)
    flags = np.array([p[2] for p in points], np.bool_)
    return PointTable(
        tuple(p[0] for p in points),
        numbers[:, 0:2],
        numbers[:, 2:4],
        numbers[:, 4:6],
        numbers[:, 6],
        numbers[:, 7],
        numbers[:, 8:10],
        flags[:, 0],
        flags[:, 1],
        crs,
        None if np.isnan(numbers[:, 10]).all() else numbers[:, 10],
    )


def plain_name(text: str) -> str:
    """A point's name in one line and not like a comment, so that every format can hold it."""
    return " ".join(text.split()).lstrip("# ")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 60 else text[:57] + "..."


@dataclass(frozen=True)
class _Record:
    """The values of one point, and where they stand."""

    where: str
    values: Mapping[str, Any]

    def point(self, number: int) -> tuple[str, list[float], list[bool]]:
        """Its name, its eleven numbers and its two flags."""
        moving = [self.number("moving_x"), self.number("moving_y")]
        reference = [self.number("reference_x", math.nan), self.number("reference_y", math.nan)]
        on_map = [self.number("map_x", math.nan), self.number("map_y", math.nan)]
        if not (all(map(math.isfinite, reference)) or all(map(math.isfinite, on_map))):
            raise PointsError(
                f"{self.where}: neither reference_x, reference_y nor map_x, map_y are given"
            )
        score, sigma = self.number("score", 1.0), self.number("sigma_px", 1.0)
        if not 0 <= score <= 1:
            raise PointsError(f"{self.where}: score is {score:g}, not between 0 and 1")
        if not sigma > 0:
            raise PointsError(f"{self.where}: sigma_px is {sigma:g}, not above 0")
        residual = [self.number("residual_x_px", math.nan), self.number("residual_y_px", math.nan)]
        enabled = self.flag("enabled", True)
        flags = [self.flag("inlier", enabled), enabled]
        value = self.values.get("id")
        name = "" if value is None else plain_name(str(value))
        height = self.number("height", math.nan)
        numbers = [*moving, *reference, *on_map, score, sigma, *residual, height]
        return name or str(number), numbers, flags

    def number(self, name: str, default: float | None = None) -> float:
        value = self.values.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            if default is None:
                raise PointsError(f"{self.where}: {name} is missing")
            return default
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise PointsError(f"{self.where}: {name} is '{_short(value)}', not a number")
        return number

    def flag(self, name: str, default: bool) -> bool:
        value = self.values.get(name)
        text = "" if value is None else str(value).strip().lower().removesuffix(".0")
        if not text:
            return default
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        raise PointsError(f"{self.where}: {name} is '{_short(value)}', not 0 or 1")
