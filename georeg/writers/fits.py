"""A fit for other tools: one module per format, `fit_<name>`; file name = `--format` value.

Each module has `export(job)`, which writes the file that is wanted and returns text for stdout.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import CRS

from georeg import writers
from georeg.errors import InputError, SettingsError
from georeg.fitfile import FitFile
from georeg.writers.sides import Side

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FitExport:
    """What to export, and where to.

    Attributes:
        fit: the fit.
        name: of its file, for messages.
        moving: a raster of the scene; None for the fit alone.
        source_crs: CRS of the coordinates to be corrected, where there is no moving raster; the
            reference's if None.
        output: name of the file; None for stdout only, where a format is text.
        overwrite: whether an existing file may be replaced.
    """

    fit: FitFile
    name: str
    moving: Side | None = None
    source_crs: CRS | None = None
    output: str | None = None
    overwrite: bool = False

    @property
    def crs(self) -> CRS:
        """Of the corrected coordinates: the reference's.

        Raises:
            InputError: it has none.
        """
        if self.fit.frame.crs is None:
            raise InputError(
                f"{self.name}: its reference has no CRS, so there is no map to go to: "
                "use --format matrix or --format geoloc"
            )
        return self.fit.frame.crs

    @property
    def source(self) -> CRS:
        """Of the coordinates to be corrected.

        Raises:
            InputError: the fit is of a raster without georeference, which claims no coordinates.
        """
        if self.fit.placement is not None:
            raise InputError(
                f"{self.name} is of a raster without georeference, so there are no coordinates to "
                "correct: use --format geoloc or matrix, or 'georeg warp --embed-gcps'"
            )
        own = None if self.moving is None else self.moving.crs
        return self.fit.moving_crs or own or self.source_crs or self.crs

    def needed_output(self) -> str:
        """The name of the file, for formats that aren't text.

        Raises:
            SettingsError: there is none.
        """
        if self.output is None:
            raise SettingsError("this format is a file: name it with --output")
        return self.output

    def needed_moving(self) -> Side:
        """The moving raster, for formats that are about its pixels.

        Raises:
            SettingsError: there is none.
        """
        if self.moving is None:
            raise SettingsError("this format is about pixels: name the raster with --moving")
        return self.moving


def formats() -> list[str]:
    """Values of `--format`, from the file names alone."""
    names = [m.name for m in pkgutil.iter_modules(writers.__path__)]
    return sorted(n.removeprefix("fit_") for n in names if n.startswith("fit_"))


def export_fit(form: str, job: FitExport) -> str:
    """Export a fit in a format.

    Returns:
        Text for stdout; empty where the file is all.

    Raises:
        SettingsError: there is no such format, or it needs what isn't there.
        InputError: the fit can't be expressed in it; says in which it can.
        OutputError: the file can't be written.
    """
    if form not in formats():
        raise SettingsError(f"no format '{form}': choose from {', '.join(formats())}")
    module = importlib.import_module(f"georeg.writers.fit_{form}")
    text: str = module.export(job)
    return text


def matrix_of(fit: FitFile) -> Array | None:
    """(3, 3) matrix of claimed -> true frame pixels; None where the model is no matrix."""
    matrix = fit.transform.to_dict().get("matrix")
    return None if matrix is None else np.array(matrix, np.float64)


def map_matrix(fit: FitFile) -> Array | None:
    """(3, 3) matrix of claimed -> true map positions, both in the frame's CRS."""
    matrix = matrix_of(fit)
    if matrix is None:
        return None
    frame = square(fit.frame.transform)
    return scaled(frame @ matrix @ square(~fit.frame.transform))


def square(transform: Affine) -> Array:
    """(3, 3) matrix of an affine transform."""
    return np.array(list(transform)[:6] + [0.0, 0.0, 1.0]).reshape(3, 3)


def scaled(matrix: Array) -> Array:
    """The same homogeneous matrix with exact zeros and a one below, where it is affine."""
    if np.abs(matrix[2, :2]).max() == 0:
        return np.asarray(matrix / matrix[2, 2])
    return matrix


def is_affine(matrix: Array) -> bool:
    """Whether a homogeneous matrix needs no division."""
    return bool((matrix[2] == [0.0, 0.0, 1.0]).all())
