"""Tie points as files: one module per format, `points_<suffix>`; the suffix picks it.

Each module has `read(path, sides)` and `write(path, table, sides, overwrite=...)`, and says in its
docstring where the pixel (0, 0) and the axes are in that format.

A table holds what a file can say about tie points, more than `Matches` does: where they lie on
the map, how well the fit explains them, and whether a person has taken them out.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from georeg import writers
from georeg.crs import CrsPath, parse_crs
from georeg.errors import PointsError, SettingsError
from georeg.inputs.georef import Georef
from georeg.matches import Matches
from georeg.textfile import Name, name_of
from georeg.writers.sides import Side, Sides, needed

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False)
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
        apart: reference pixels below which two points aren't independent; 0 if unknown.
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
    apart: float = 0.0

    def __repr__(self) -> str:
        """One line, without the numbers."""
        return f"<PointTable: {len(self)} tie points, {int(self.usable.sum())} usable>"

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
            matches.apart,
        )

    def matches(
        self, georef: Georef | None, crs: CRS | None, shape: tuple[int, int] | None = None
    ) -> Matches:
        """The enabled points; the reference pixel counts, the map position only without one.

        Args:
            georef: of the reference raster.
            crs: of the reference raster.
            shape: (rows, columns) of the reference raster, see `reference_pixels`.

        Raises:
            PointsError: none is enabled, or a map position can't be found in the reference.
            SettingsError: the file names a CRS that doesn't exist.
        """
        if not self.enabled.any():
            raise PointsError("no tie point is enabled")
        reference = self.reference_pixels(georef, crs, shape)
        lost = ~np.isfinite(reference).all(axis=1) & self.enabled
        if lost.any():
            raise PointsError(
                f"tie point {self.ids[int(lost.argmax())]} can't be placed in the reference: "
                "check its coordinates and the CRS of the file"
            )
        use = self.enabled
        return Matches(
            self.moving_xy[use], reference[use], self.score[use], self.sigma[use], self.apart
        )

    def reference_pixels(
        self, georef: Georef | None, crs: CRS | None, shape: tuple[int, int] | None = None
    ) -> Array:
        """(N, 2) pixels of the reference: as they are, or from the map position; NaN if nowhere.

        Args:
            georef: of the reference raster.
            crs: of the reference raster.
            shape: (rows, columns) of the reference raster. Without it, longitudes are taken to be
                within half a turn of the first pixel, which is wrong in one that shows more than
                half of the Earth.

        Raises:
            PointsError: an enabled point has only a map position, and there is no georeference.
            SettingsError: the file names a CRS that doesn't exist.
        """
        reference = np.array(self.reference_xy)
        missing = ~np.isfinite(reference).all(axis=1)
        if not (missing & self.enabled).any():
            return reference
        if georef is None:
            raise PointsError(
                f"tie point {self.ids[int((missing & self.enabled).argmax())]} has only a map "
                "position, but the reference has no georeference"
            )
        source = None if self.crs is None else parse_crs(self.crs)
        rows, columns = shape or (0, 0)
        around = float(georef.to_map(np.array([[columns / 2, rows / 2]]))[0, 0])
        xy = CrsPath(source, crs, None, around).forward(self.map_xy[missing])
        with np.errstate(invalid="ignore", over="ignore"):
            pixels = georef.to_pixel(np.where(np.isfinite(xy), xy, np.nan))
        reference[missing] = np.where(np.isfinite(pixels), pixels, np.nan)
        return reference

    def with_fit(self, inlier: Bools, residuals: Array) -> PointTable:
        """The same after another fit.

        Args:
            inlier: (M,) which of the enabled points it explains; the others aren't inliers.
            residuals: (M, 2) their errors in reference pixels; the others' are unknown.
        """
        fitted, errors = np.zeros(len(self), np.bool_), np.full((len(self), 2), np.nan)
        fitted[self.enabled], errors[self.enabled] = inlier, residuals
        return replace(self, inlier=fitted, residual_xy=errors)

    @property
    def usable(self) -> Bools:
        """(N,) what goes to tools that know no outliers: enabled, and explained by the fit."""
        return np.asarray(self.enabled & self.inlier)

    def select(self, keep: Bools) -> PointTable:
        """Some of the tie points."""
        return PointTable(
            tuple(name for name, wanted in zip(self.ids, keep, strict=True) if wanted),
            self.moving_xy[keep],
            self.reference_xy[keep],
            self.map_xy[keep],
            self.score[keep],
            self.sigma[keep],
            self.residual_xy[keep],
            self.inlier[keep],
            self.enabled[keep],
            self.crs,
            None if self.height is None else self.height[keep],
            self.apart,
        )

    def usable_only(self, path: str) -> PointTable:
        """The usable points, for a format that can hold no others.

        Args:
            path: of the file they are for, for messages.

        Raises:
            PointsError: there are none.
        """
        if not self.usable.any():
            raise PointsError(f"{path}: no tie point is enabled and agrees with the fit")
        return self.select(self.usable)

    def on_map(self, reference: Side | None, path: str) -> PointTable:
        """The same with a map position for every point.

        Args:
            reference: whose georeference tells where its pixels are.
            path: of the file they are for, for messages.

        Raises:
            SettingsError: a map position is missing, and so is the reference.
        """
        missing = ~np.isfinite(self.map_xy).all(axis=1)
        if not missing.any():
            return self
        which = f"tie point {self.ids[int(missing.argmax())]} has no map position"
        side = needed(reference, path, "--reference", which)
        known = None if self.crs is None else parse_crs(self.crs)
        xy = side.layer.to_map(self.reference_xy[missing])
        map_xy = np.array(self.map_xy)
        map_xy[missing] = CrsPath(side.crs, known).forward(xy)
        return replace(self, map_xy=map_xy, crs=self.crs or crs_text(side.crs))

    def in_crs(self, crs: CRS | None) -> PointTable:
        """The same with map positions in another CRS; as they are where one of them is unknown."""
        if crs is None or self.crs is None or parse_crs(self.crs) == crs:
            return self
        xy = CrsPath(parse_crs(self.crs), crs).forward(self.map_xy)
        return replace(self, map_xy=xy, crs=crs_text(crs))


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


def write_points(
    path: Name, table: PointTable, sides: Sides | None = None, *, overwrite: bool = True
) -> None:
    """Write tie points in the format that the suffix says, whole or not at all.

    Args:
        path: of the file.
        table: what to write.
        sides: the rasters; some formats can't do without.
        overwrite: whether an existing file may be replaced.

    Raises:
        SettingsError: unknown suffix; the file exists and may not be overwritten; the format needs
            a raster that isn't there.
        PointsError: there is no point that the format could hold.
        OutputError: it can't be written.
    """
    path = name_of(path, "file of tie points")
    module = importlib.import_module(f"georeg.writers.points_{check_suffix(path)}")
    module.write(path, table, sides or Sides(), overwrite=overwrite)


def read_points(path: Name, sides: Sides | None = None) -> PointTable:
    """Read tie points, own ones or hand-made ones.

    Args:
        path: of the file.
        sides: the rasters; some formats can't do without.

    Raises:
        SettingsError: unknown suffix; the format needs a raster that isn't there.
        InputError: missing or unreadable.
        PointsError: what is in it makes no sense; names the file and the line.
    """
    path = name_of(path, "file of tie points")
    module = importlib.import_module(f"georeg.writers.points_{check_suffix(path)}")
    table: PointTable = module.read(path, sides or Sides())
    if table.crs is None:
        return table
    try:
        return replace(table, crs=crs_text(parse_crs(table.crs)))
    except SettingsError as error:
        raise PointsError(f"{path}: {error}") from None
