"""A time series registered jointly: pairs, one adjustment over all of them, then the resampling."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from georeg import transforms
from georeg.batch.job import APPLY, PAIR, Job
from georeg.batch.network import Network, PairPoints, adjust, connected, loops
from georeg.batch.options import BatchOptions
from georeg.batch.records import DONE, Record, write_durably
from georeg.batch.result import BatchResult
from georeg.batch.run import Check, Tell, run_batch
from georeg.crs import CrsPath, in_metres, parse_crs
from georeg.errors import SettingsError
from georeg.fitfile import FitFile
from georeg.grid import Grid
from georeg.provenance import versions
from georeg.raster import Raster
from georeg.settings import Settings
from georeg.textfile import finite
from georeg.writers.points import read_points

log = logging.getLogger(__name__)

FOLDER = "stack"  # below the folder of the records: tie points of the pairs, fits of the rasters
_LEAST = 6  # tie points of a pair that counts
_LONGEST = 100  # bytes of a raster's part in the names of files: two of them and a suffix must fit


@dataclass(frozen=True)
class Stack:
    """A stack: rasters to align, and the one that stays where it is.

    Attributes:
        jobs: one for each raster, in the order of time.
        folder: for pairs and fits.
        neighbours: how many of the next rasters in time each is paired with.
    """

    jobs: tuple[Job, ...]
    folder: str
    neighbours: int

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the reference and the rasters, for people; all of them different."""
        ids = tuple(job.id for job in self.jobs)
        first = "reference"
        while first in ids:
            first = f"fixed {first}"
        return (first, *ids)

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """How names of their files begin."""
        return _stems(self.names)

    @property
    def reference(self) -> str:
        """The raster that stays."""
        return self.jobs[0].reference

    def pairs(self) -> list[tuple[int, int]]:
        """Numbers of rasters, 0 being the reference: each with that, and with the next in time."""
        count = len(self.jobs)
        found = [(n, 0) for n in range(1, count + 1)]
        for step in range(1, self.neighbours + 1):
            found += [(n, n + step) for n in range(1, count + 1 - step)]
        return found

    def fit_path(self, number: int) -> str:
        """Where a raster's fit is kept."""
        return os.path.join(self.folder, f"{self.stems[number]}.fit.json")

    def pair_job(self, one: int, other: int) -> Job:
        """Measures a pair, and keeps its tie points."""
        job = self.jobs[one - 1]
        settings, reference = job.settings, self.reference
        if other:
            second = self.jobs[other - 1]
            reference = second.moving
            settings = replace(
                settings,
                **{
                    f"reference_{name}": getattr(second.settings, f"moving_{name}")
                    for name in ("bands", "modality", "nodata", "crs")
                },
            )
        output = os.path.join(self.folder, f"{self.stems[one]}--{self.stems[other]}.csv")
        return Job(
            f"{self.names[one]} to {self.names[other]}", job.moving, reference, output, output,
            settings, action=PAIR, source=job.source, problem=job.problem,
        )  # fmt: skip


def _stems(names: Sequence[str]) -> tuple[str, ...]:
    """File names without suffix, a different one for each name, whatever others are called.

    Ids may have folders in them (a/b beside a_b), and be as long as names of files can be.
    """
    flat = [name.replace("/", "_") for name in names]
    times = Counter(flat)
    return tuple(
        text
        if times[text] == 1 and "--" not in text and len(_bytes(text)) <= _LONGEST
        else _marked(text, name)
        for text, name in zip(flat, names, strict=True)
    )


def _marked(text: str, name: str) -> str:
    """The text, as much of it as fits, with a mark that follows from the name alone."""
    mark = hashlib.blake2b(_bytes(name), digest_size=5).hexdigest()
    return f"{_bytes(text)[: _LONGEST - 11].decode(errors='ignore')}~{mark}"


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # ids may come from names that aren't UTF-8


def run_stack(
    jobs: Sequence[Job],
    folder: str,
    options: BatchOptions | None = None,
    *,
    neighbours: int = 2,
    tell: Tell | None = None,
    check: Check | None = None,
) -> BatchResult:
    """Register a time series jointly.

    Args:
        jobs: one for each raster; all with the same reference.
        folder: local, for lock, summary, pairs and fits.
        options: how.
        neighbours: how many of the next rasters in time each is paired with, beside the reference.
        tell: told what happens.
        check: called from time to time; may raise.

    Raises:
        SettingsError: fewer than two rasters, several references, or a setting doesn't suit.
        OutputError: as `run_batch`.
    """
    if not jobs:
        raise SettingsError("--stack needs two rasters or more, one of them the reference")
    if len({job.reference for job in jobs}) > 1:
        raise SettingsError("--stack needs one reference for all: give --reference REF, or auto")
    if neighbours < 0:
        raise SettingsError(f"--neighbours must be 0 or more, not {neighbours}")
    for job in jobs:
        if not job.settings.georef:
            raise SettingsError("--stack needs georeferenced rasters, it can't do --no-georef")
    ordered = sorted(jobs, key=lambda job: str(job.facts.get("datetime") or ""))
    _model(ordered[0].settings, ())  # what can't be is said before all pairs are measured
    stack = Stack(tuple(ordered), os.path.join(folder, FOLDER), neighbours)
    pairs = stack.pairs()
    measured = [stack.pair_job(one, other) for one, other in pairs]

    def then(records: Sequence[Record]) -> tuple[Sequence[Job], Mapping[str, Any]]:
        return _joined(stack, pairs, measured, records)

    return run_batch(measured, folder, options, tell=tell, check=check, then=then)


def _joined(
    stack: Stack, pairs: Sequence[tuple[int, int]], jobs: Sequence[Job], records: Sequence[Record]
) -> tuple[list[Job], dict[str, Any]]:
    """Jobs that resample the rasters by the joint adjustment, and tables for the summary."""
    settings = stack.jobs[0].settings
    own = None if settings.reference_crs is None else parse_crs(settings.reference_crs)
    with Raster(stack.reference, nodata=settings.reference_nodata, crs=own) as raster:
        grid = raster.header.grid
    if grid is None:
        raise SettingsError(f"{stack.reference} has no geotransform: --stack needs one")
    kept: list[PairPoints] = []
    models: list[str] = []
    for (one, other), job, record in zip(pairs, jobs, records, strict=True):
        if record.status != DONE:
            continue
        points = _points(stack, job, one, other, grid)
        if len(points.sigma) >= _LEAST:
            kept.append(points)
            models.append(str((record.result or {}).get("transform")))
    model = _model(settings, models)
    count = len(stack.jobs) + 1
    used = connected(kept, count)
    network = adjust(kept, count, model)
    metres = (grid.metres_per_pixel() or (float("nan"),))[0]
    further = []
    for number, job in enumerate(stack.jobs, 1):
        path = stack.fit_path(number)
        applied = replace(job, action=APPLY, reference=path)
        if number not in used:
            reason = "no chain of trustworthy pairs leads to the reference"
            further.append(replace(applied, problem=job.problem or f"{job.moving}: {reason}"))
            continue
        fit = _fit(stack, number, grid, network, metres, kept)
        _store(path, fit)
        further.append(applied)
    return further, _tables(stack, kept, network, metres)


def _model(settings: Settings, found: Sequence[str]) -> str:
    """One for all rasters: what is asked for, or the simplest that all pairs do with.

    Raises:
        SettingsError: something else is asked for.
    """
    if settings.transform in ("shift", "similarity", "affine"):
        return settings.transform
    if settings.transform != "auto":
        raise SettingsError(
            f"--stack fits shift, similarity or affine to each raster, not {settings.transform}"
        )
    order = ("shift", "similarity", "affine")
    most = max((order.index(name) if name in order else 2 for name in found), default=0)
    if any(name not in order for name in found):
        log.warning("some pairs are bent; --stack corrects each raster by an affine at most")
    return order[most]


def _points(stack: Stack, job: Job, one: int, other: int, grid: Grid) -> PairPoints:
    table = read_points(job.output)
    inlier = table.inlier & table.enabled
    reference = stack.reference if other == 0 else stack.jobs[other - 1].moving
    return PairPoints(
        one, other,
        _claimed(job.moving, job.settings.moving_crs, table.moving_xy[inlier], grid),
        _claimed(reference, job.settings.reference_crs, table.reference_xy[inlier], grid),
        table.sigma[inlier],
    )  # fmt: skip


def _claimed(name: str, own: str | None, pixels: Any, grid: Grid) -> Any:
    """Where a raster claims its pixels to be, in pixels of the reference's grid."""
    with Raster(name, crs=None if own is None else parse_crs(own)) as raster:
        header = raster.header
    if header.georef is None:
        raise SettingsError(f"{name} has no georeference: --stack needs one")
    path = CrsPath(header.crs, grid.crs, None, float(grid.center[0]))
    return grid.to_pixel(path.forward(header.georef.to_map(pixels)))


def _fit(
    stack: Stack,
    number: int,
    grid: Grid,
    network: Network,
    metres: float,
    kept: Sequence[PairPoints],
) -> FitFile:
    job = stack.jobs[number - 1]
    own = job.settings.moving_crs
    crs = None if own is None else parse_crs(own)
    with Raster(job.moving, crs=crs) as raster:
        shape = raster.header.shape
    matrix = network.matrices[number]
    transform = transforms.from_dict({"name": network.model, "matrix": matrix.tolist()})
    middle = np.array([[grid.width / 2, grid.height / 2]])
    moved = float(np.hypot(*(transform.forward(middle) - middle)[0]))
    error = network.held_out.get(number)
    mine = [pair for pair in kept if number in (pair.one, pair.other)]
    count = sum(len(pair.sigma) for pair in mine)
    told = "" if error is None else f", error {error:.2f} px RMSE ({in_metres(error * metres)})"
    verdict = {
        "ok": True, "reasons": [], "warnings": [], "status": "aligned",
        "accuracy": None if error is None else {
            "rmse_px": error, "rmse_m": error * metres, "mean_x_px": 0.0, "mean_y_px": 0.0,
        },
        "tie_points": count, "inliers": count,
        "displacement_px": moved, "displacement_m": moved * metres,
    }  # fmt: skip
    info = {
        "moving": job.moving, "reference": stack.reference, "transform": network.model,
        "seed": job.settings.seed, "versions": versions(), "verdict": finite(verdict),
        "sentence": f"aligned jointly with {len(mine)} pairs: moved by {moved:.1f} px{told}",
    }  # fmt: skip
    return FitFile(transform, grid, grid, None, shape, crs, info)


def _store(path: str, fit: FitFile) -> None:
    """Only if it is another one than last time, so that nothing is resampled in vain."""
    text = json.dumps(finite(fit.to_dict()), indent=1, ensure_ascii=False) + "\n"
    with suppress(OSError), open(path, encoding="utf-8") as file:
        if file.read() == text:
            return
    write_durably(path, text)


def _tables(
    stack: Stack, kept: Sequence[PairPoints], network: Network, metres: float
) -> dict[str, Any]:
    """For the summary: pairs with their residuals, and loops with their closures."""
    pairs = [
        [stack.names[p.one], stack.names[p.other], len(p.sigma), error, error * metres]
        for p, error in zip(kept, network.pair_rmse, strict=True)
    ]
    closed = [
        [" - ".join(stack.names[n] for n in loop.rasters), loop.rmse_px, loop.rmse_px * metres]
        for loop in loops(kept, network.model)
    ]
    found = {
        f"Pairs after the joint adjustment ({network.model})": {
            "head": ["Raster", "To", "Tie points", "RMSE px", "RMSE m"], "rows": pairs,
        },
        "Loops before it: once around, pair by pair": {
            "head": ["Loop", "Closure px", "Closure m"], "rows": closed,
        },
    }  # fmt: skip
    return {"tables": found, "reference": stack.reference, "model": network.model}
