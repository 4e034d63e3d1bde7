"""Two alignments of one raster compared: how far apart they put the same places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.crs import CrsPath, crs_name
from georeg.errors import NoOverlapError
from georeg.fitfile import FitFile
from georeg.grid import Grid
from georeg.raster import Raster

Array = npt.NDArray[np.float64]

_SIDE = 41  # places along either side
_LEAST = 16  # of them that must lie in both


@dataclass(frozen=True)
class Difference:
    """Where one alignment puts places, less where another one does.

    Lengths are pixels of the other one's reference, x to the right and y downwards.

    Attributes:
        places: how many were compared, on a grid over what both alignments cover.
        rmse_px: root mean square of the distances.
        ce90_px: radius that holds 90 % of them.
        median_px: of the distances.
        max_px: of the distances.
        mean_x_px: mean difference.
        mean_y_px: the same along y.
        rmse_m: in metres on the ground; None without a CRS.
        max_m: the same.
        warnings: what else than the alignments differs, a sentence each: rasters, references.
    """

    places: int
    rmse_px: float
    ce90_px: float
    median_px: float
    max_px: float
    mean_x_px: float
    mean_y_px: float
    rmse_m: float | None
    max_m: float | None
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def compare_fits(one: FitFile, other: FitFile) -> Difference:
    """How far apart two fits of one raster (or of bands of one scene) put the same places.

    Args:
        one: the fit to be looked at.
        other: the fit that it is compared with.

    Fits of other rasters, or with other references, are compared all the same, and the difference
    says so: only who asks knows whether these are of one scene.

    Raises:
        NoOverlapError: they have no ground in common.
        InputError: they start from claims that can't be compared without the raster, which can't
            be read.
    """
    grid = other.reference or other.frame
    if one.placement is None and other.placement is None and one.moving_crs == other.moving_crs:
        here, there = _by_frames(one, other)
    else:
        here, there = _by_raster(one, other)
    good = np.isfinite(here).all(axis=1) & np.isfinite(there).all(axis=1)
    if good.sum() < _LEAST:
        raise NoOverlapError(
            f"the two fits have hardly a place in common: one is of {_of(one)} on {_on(one)}, the "
            f"other of {_of(other)} on {_on(other)}; compare fits of one raster, or of bands of "
            "one scene"
        )
    step = grid.to_pixel(here[good]) - grid.to_pixel(there[good])
    return _difference(step, grid, tuple(_warnings(one, other)))


def _warnings(one: FitFile, other: FitFile) -> Iterator[str]:
    """What tells the difference of two fits from that of two alignments of one raster."""
    if one.moving_shape != other.moving_shape or _differ(one, other, "moving"):
        yield (
            f"the fits are of different rasters, {_of(one)} and {_of(other)}: they can be compared "
            "if these are bands of one scene, else the difference says nothing"
        )
    if one.reference != other.reference or _differ(one, other, "reference"):
        yield (
            f"the fits have different references, {_on(one)} and {_on(other)}: how far these are "
            "apart is part of the difference"
        )
    if (one.crs is None) != (other.crs is None):
        known = one.crs or other.crs
        yield f"only one of the fits has a CRS: both are taken to be in {crs_name(known)}"


def _differ(one: FitFile, other: FitFile, side: str) -> bool:
    """Whether two fits name different files: not by how a path to the same one is written."""
    names = (str(fit.info.get(side) or "").replace("\\", "/") for fit in (one, other))
    parts = ([part for part in PurePath(n).parts if part not in ("..", "/")] for n in names)
    # One may have been named from another folder, so only what both say counts.
    return any(a != b for a, b in zip(*(reversed(p) for p in parts), strict=False))


def _of(fit: FitFile) -> str:
    """The moving raster, in words."""
    rows, columns = fit.moving_shape
    return f"{fit.info.get('moving') or 'a raster'} ({columns} x {rows} px)"


def _on(fit: FitFile) -> str:
    """The reference, in words."""
    size = f"{fit.reference.width} x {fit.reference.height} px, " if fit.reference else ""
    return f"{fit.info.get('reference') or 'a reference'} ({size}{crs_name(fit.crs)})"


def _difference(step: Array, grid: Grid, warnings: tuple[str, ...]) -> Difference:
    distance = np.hypot(*step.T)
    size = grid.metres_per_pixel()
    ground = None if size is None else np.hypot(*(step * size).T)
    return Difference(
        len(step),
        float(np.sqrt((distance**2).mean())),
        float(np.percentile(distance, 90)),
        float(np.median(distance)),
        float(distance.max()),
        float(step[:, 0].mean()),
        float(step[:, 1].mean()),
        None if ground is None else float(np.sqrt((ground**2).mean())),
        None if ground is None else float(ground.max()),
        warnings,
    )


def _by_frames(one: FitFile, other: FitFile) -> tuple[Array, Array]:
    """Both true map positions, in the other's CRS, of places that both frames cover.

    Where the raster claims to be is the same for both: no need to know which raster it is.
    """
    claimed = _spread(other.frame.width, other.frame.height)
    there = other.frame.to_map(other.transform.forward(claimed))
    path = CrsPath(
        one.frame.crs, other.frame.crs, float(one.frame.center[0]), float(other.frame.center[0])
    )
    claim = one.frame.to_pixel(path.inverse(other.frame.to_map(claimed)))
    with np.errstate(invalid="ignore"):
        inside = ((claim >= 0) & (claim <= [one.frame.width, one.frame.height])).all(axis=1)
    here = np.full_like(there, np.nan)
    if inside.any():
        here[inside] = path.forward(one.frame.to_map(one.transform.forward(claim[inside])))
    return here, there


def _by_raster(one: FitFile, other: FitFile) -> tuple[Array, Array]:
    """The same, by the raster's own pixels and georeference."""
    name = str(other.info.get("moving") or one.info.get("moving") or "")
    with Raster(name) as raster:
        rows, columns = raster.header.shape
        pixels = _spread(columns, rows)
        crs = other.frame.crs
        here, there = (fit.corrected(raster.header, name, pixels, crs) for fit in (one, other))
    for fit, true in ((one, here), (other, there)):
        path = CrsPath(fit.frame.crs, crs, float(fit.frame.center[0]), None)
        at = fit.frame.to_pixel(path.inverse(true))
        with np.errstate(invalid="ignore"):
            outside = ~((at >= 0) & (at <= [fit.frame.width, fit.frame.height])).all(axis=1)
        true[outside] = np.nan
    return here, there


def _spread(width: int, height: int) -> Array:
    """(N, 2) places all over a grid, at the middles of equal parts."""
    at = (np.arange(_SIDE) + 0.5) / _SIDE
    x, y = np.meshgrid(at * width, at * height)
    return np.stack([x.ravel(), y.ravel()], axis=1)
