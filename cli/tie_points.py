"""Tie points that a command found, as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from georeg.fitfile import FitFile
    from georeg.matches import Matches
    from georeg.settings import Settings

    Array = npt.NDArray[np.float64]


class Found(Protocol):
    """Tie points and what a fit makes of them: an `Alignment`, or an `Ortho`."""

    @property
    def matches(self) -> Matches:
        """The tie points."""
        ...

    @property
    def inlier(self) -> npt.NDArray[np.bool_]:
        """(N,) which of them the fit explains."""
        ...

    @property
    def residuals(self) -> npt.NDArray[Any]:
        """(N, 2) their errors in reference pixels."""
        ...


def store_points(
    path: str,
    found: Found,
    pair: tuple[str, str],
    settings: Settings,
    *,
    height: Array | None = None,
    fit: FitFile | None = None,
    tiles: Array | None = None,
    overwrite: bool,
) -> None:
    """Write tie points.

    Args:
        path: of the file.
        found: the tie points.
        pair: names of the moving raster and of the reference.
        settings: how they were opened.
        height: (N,) of the tie points in metres above the ellipsoid, where they are known.
        fit: for formats that say what a fit does.
        tiles: (T, 4) windows that were matched, for formats that show them.
        overwrite: whether an existing file may be replaced.

    Raises:
        SettingsError, PointsError, OutputError: the file can't be written.
        InputError: a raster can't be read again.
    """
    from georeg.pairing.scene import reference_georef
    from georeg.writers.points import PointTable, write_points
    from georeg.writers.sides import Sides, open_side

    georef, crs = reference_georef(pair[1], settings)
    table = PointTable.of(found.matches, found.inlier, found.residuals, georef, crs, height)
    sides = Sides(
        open_side(pair[0], settings.moving_crs),
        open_side(pair[1], settings.reference_crs),
        fit,
        tiles,
    )
    write_points(path, table, sides, overwrite=overwrite)
