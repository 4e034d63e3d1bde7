"""Which raster of a stack the others are best aligned to."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pyproj import CRS
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from georeg.batch.job import Job
from georeg.crs import CrsPath, parse_crs
from georeg.errors import GeoregError, InputError
from georeg.grid import Window, outline
from georeg.raster import Raster

log = logging.getLogger(__name__)

_LOOK = 256  # pixels of the longer side of the decimated look at what is valid


@dataclass(frozen=True)
class Candidate:
    """What speaks for a raster.

    Attributes:
        job: whose moving raster it is.
        shape: its outline in longitude and latitude.
        clear: share of it that is valid and, where that is known, free of clouds.
        gsd: metres of a pixel.
        score: of 0 to 1; see `pick_reference`.
    """

    job: Job
    shape: BaseGeometry
    clear: float
    gsd: float
    score: float = 0.0


def pick_reference(jobs: Sequence[Job]) -> Job:
    """The job whose moving raster is the best reference for the others.

    The score is the product of connectivity (mean share of the others' ground that it covers), the
    share of it that shows ground (valid pixels; less `cloud_cover` in percent where the manifest or
    a STAC Item has it: clouds themselves aren't looked for), and fineness (the finest GSD of the
    stack by its own, to the power of 1/2). Equals: the first.

    Raises:
        InputError: no raster can be read, or none has a place on the ground.
    """
    found = [candidate for job in jobs if (candidate := _look(job)) is not None]
    if not found:
        raise InputError("--reference auto: none of the rasters can be read and has a CRS")
    scored = scores(found)
    best = max(scored, key=lambda c: c.score)
    log.info(
        "reference: %s (%.0f %% valid and clear, GSD %.3g m, score %.2f of %d rasters)",
        best.job.moving, 100 * best.clear, best.gsd, best.score, len(scored),
    )  # fmt: skip
    return best.job


def scores(found: Sequence[Candidate]) -> list[Candidate]:
    """The same with scores."""
    finest = min(c.gsd for c in found)
    return [
        Candidate(
            c.job, c.shape, c.clear, c.gsd,
            _connected(c, found) * c.clear * math.sqrt(finest / c.gsd),
        )
        for c in found
    ]  # fmt: skip


def _connected(one: Candidate, found: Sequence[Candidate]) -> float:
    others = [c for c in found if c is not one]
    if not others:
        return 1.0
    shares = [
        one.shape.intersection(c.shape).area / c.shape.area if c.shape.area else 0.0 for c in others
    ]
    return float(np.mean(shares))


def _look(job: Job) -> Candidate | None:
    try:
        own = job.settings.moving_crs
        crs = None if own is None else parse_crs(own)
        with Raster(job.moving, nodata=job.settings.moving_nodata, crs=crs) as raster:
            header = raster.header
            if header.georef is None or header.crs is None:
                return None
            rows, columns = header.shape
            scale = max(1.0, max(rows, columns) / _LOOK)
            shape = (max(1, int(rows / scale)), max(1, int(columns / scale)))
            valid = float(raster.read(Window(0, 0, columns, rows), shape).mask.mean())
    except GeoregError as error:
        log.info("%s can't be the reference: %s", job.moving, error)
        return None
    path = CrsPath(header.crs, CRS.from_epsg(4326))
    edge = path.forward(header.georef.to_map(outline(columns, rows, 9)))
    if not np.isfinite(edge).all():
        return None
    area = Polygon(edge)
    if not area.is_valid:
        area = area.convex_hull
    lat = math.radians(float(edge[:, 1].mean()))
    ground = area.area * 111_320.0**2 * max(math.cos(lat), 1e-6)
    gsd = math.sqrt(ground / (rows * columns))
    return Candidate(job, area, valid * (1 - _cloudy(job)), max(gsd, 1e-9))


def _cloudy(job: Job) -> float:
    """Share of clouds, as far as it is known; tables of some countries have decimal commas."""
    said = job.facts.get("cloud_cover") or 0.0
    try:
        percent = float(str(said).replace(",", "."))
    except ValueError:
        percent = math.nan
    if math.isnan(percent):
        log.warning("%s: cloud_cover '%s' is no number: taken for 0", job.source or job.id, said)
        return 0.0
    return min(max(percent / 100, 0.0), 1.0)
