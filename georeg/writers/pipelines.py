"""PROJ pipelines: strings that PROJ, GDAL and PDAL apply.

Coordinates go in and come out as x, y: easting or longitude first, whatever the CRS says about its
axes, in the CRS's own units (degrees, not radians). That is what PDAL and `cct` hand over;
`gdalwarp -ct` wants the order that the CRS says, see `in_crs_order`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from georeg.crs import CrsPath, crs_name
from georeg.errors import InputError
from georeg.writers.fits import FitExport

Array = npt.NDArray[np.float64]

_SWAP = "+proj=axisswap +order=2,1"


def pipeline(steps: Sequence[str]) -> str:
    """Steps as one string."""
    if len(steps) == 1 and not steps[0].startswith("+inv"):
        return steps[0]
    if not steps:
        return "+proj=noop"
    return "+proj=pipeline " + " ".join(f"+step {step}" for step in steps)


def affine_step(matrix: Array) -> str:
    """An affine transform of x and y.

    Args:
        matrix: (3, 3), the last row 0, 0, 1.
    """
    (s11, s12, xoff), (s21, s22, yoff) = matrix[:2].tolist()
    return (
        f"+proj=affine +xoff={xoff!r} +yoff={yoff!r} "
        f"+s11={s11!r} +s12={s12!r} +s21={s21!r} +s22={s22!r}"
    )


def conversion(source: CRS, target: CRS, at: Array) -> list[str]:
    """Steps from one CRS to another, x and y first on both sides.

    Args:
        source: CRS of what goes in.
        target: CRS of what comes out.
        at: (2,) x, y in the source CRS: which of PROJ's operations is right depends on the place.

    Raises:
        InputError: PROJ knows no way.
    """
    if source == target:
        return []
    try:
        transformer = Transformer.from_crs(source, target, always_xy=True)
        transformer.transform(float(at[0]), float(at[1]), errcheck=True)
        found = transformer.get_last_used_operation().definition
    except ProjError as error:
        raise InputError(
            f"no transformation from {crs_name(source)} to {crs_name(target)}: {error}"
        ) from None
    return _steps(found)


def to_reference(job: FitExport) -> list[str]:
    """Steps from the coordinates that are to be corrected to the reference's CRS.

    Raises:
        InputError: PROJ knows no way, or there are no such coordinates.
    """
    there = CrsPath(job.source, job.crs).inverse(job.fit.frame.center[None])[0]
    return conversion(job.source, job.crs, there)


def _steps(definition: str) -> list[str]:
    """Of pyproj's 'proj=pipeline step inv proj=utm zone=33': ['+inv +proj=utm +zone=33']."""
    steps: list[list[str]] = [[]]
    for word in shlex.split(definition):
        if word.lstrip("+") == "step":
            steps.append([])
        elif word.lstrip("+") != "proj=pipeline":
            steps[-1].append("+" + word.lstrip("+"))
    joined = [" ".join(words) for words in steps if words]
    return [step for step in joined if step != "+proj=noop"]


def in_crs_order(steps: Sequence[str], source: CRS, target: CRS) -> list[str]:
    """The same steps for coordinates in the order of the CRSs' own axes."""
    before = [_SWAP] if _north_first(source) else []
    after = [_SWAP] if _north_first(target) else []
    return [*before, *steps, *after]


def _north_first(crs: CRS) -> bool:
    """Whether the CRS says latitude or northing first (GDAL: EPSGTreatsAsLatLong and the like)."""
    axes = [axis.direction.lower() for axis in crs.axis_info[:2]]
    return axes == ["north", "east"]


def quoted(path: str) -> str:
    """A file name as the value of a PROJ parameter.

    Raises:
        InputError: PROJ has no way to write that name.
    """
    if any(c in ",;#" or c < " " for c in path):
        raise InputError(
            f"{path!r}: PROJ takes a comma, a semicolon, # or a tab for the end of a grid's name: "
            "rename it, or its folder"
        )
    if any(c.isspace() or c in "\"'" for c in path):
        return '"' + path.replace('"', '""') + '"'
    return path
