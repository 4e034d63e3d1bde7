"""A fit as a PROJ pipeline, for `cct`, PDAL (filters.projpipeline), pyproj.

In go x, y that a georeference claims, in the CRS of the moving raster (--moving, --moving-crs), or
in the reference's if neither is given; out come the true ones in the reference's CRS. x is easting
or longitude, whatever the CRS says about its axes, in the CRS's units.

Shifts, similarities and affine transforms are exact. Other models need a grid: `--format grid`
writes one, and its pipeline.
"""

from __future__ import annotations

from georeg.errors import InputError
from georeg.textfile import write_text
from georeg.writers.fits import FitExport, is_affine, map_matrix
from georeg.writers.pipelines import affine_step, pipeline, to_reference


def export(job: FitExport) -> str:
    """The pipeline; in the file too, if one is named.

    Raises:
        InputError: there is no such pipeline for the fit.
        SettingsError, OutputError: as `georeg.textfile.write_text`.
    """
    text = pipeline(steps(job)) + "\n"
    if job.output is not None:
        write_text(job.output, text, overwrite=job.overwrite)
        return ""
    return text


def has_steps(job: FitExport) -> bool:
    """Whether the fit is a pipeline without a grid."""
    matrix = map_matrix(job.fit)
    return matrix is not None and is_affine(matrix)


def steps(job: FitExport) -> list[str]:
    """Steps of the pipeline.

    Raises:
        InputError: there is no such pipeline for the fit.
    """
    matrix = map_matrix(job.fit)
    if matrix is None or not is_affine(matrix):
        raise InputError(
            f"{job.name}: PROJ has no operation for '{job.fit.transform.name}': use --format grid, "
            "which writes a displacement grid and its pipeline"
        )
    return [*to_reference(job), affine_step(matrix)]
