"""From what the user names to jobs."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from georeg.batch.entries import AUTO, Resolve, jobs_of, located
from georeg.batch.job import Job
from georeg.batch.manifests import read_manifests
from georeg.batch.manifests.stac import Query
from georeg.batch.picking import pick_reference
from georeg.errors import SettingsError
from georeg.writers.place import is_virtual


@dataclass(frozen=True)
class Sources:
    """Where jobs come from and where their outputs go.

    Attributes:
        names: manifests, folders, patterns, rasters, or the address of a STAC API.
        output_dir: where outputs go.
        reference: of jobs that name none; `auto` picks one of the rasters.
        state: local folder for records, lock and summary; None for `output_dir`.
        asset: key of the asset of STAC Items.
        collections, bbox, datetime, most: see `Query`.
        item: whether a STAC Item is written beside each output.
    """

    names: tuple[str, ...]
    output_dir: str
    reference: str | None = None
    state: str | None = None
    asset: str | None = None
    collections: tuple[str, ...] = ()
    bbox: tuple[float, ...] | None = None
    datetime: str | None = None
    most: int | None = None
    item: bool = False

    def __post_init__(self) -> None:
        """Check.

        Raises:
            SettingsError: there is no local folder for records, or the query makes no sense.
        """
        if self.state is None and is_virtual(self.output_dir):
            raise SettingsError(
                f"{self.output_dir} is no local folder: give one for records with --state"
            )
        if self.bbox is not None and len(self.bbox) != 4:
            raise SettingsError("--bbox must be west,south,east,north")

    @property
    def folder(self) -> str:
        """Where lock and summary go."""
        return os.path.abspath(self.state or self.output_dir)


def plan_jobs(sources: Sources, resolve: Resolve) -> list[Job]:
    """All jobs, in order.

    Raises:
        InputError: a manifest can't be read.
        SettingsError: something that is named makes no sense.
    """
    query = Query(sources.collections, sources.bbox, sources.datetime, sources.most)
    output_dir = sources.output_dir
    if not is_virtual(output_dir):
        output_dir = os.path.abspath(output_dir)
    entries = read_manifests(sources.names, sources.asset, query, output_dir)
    if sources.most is not None:
        entries = entries[: sources.most]
    reference = None if sources.reference is None else located(sources.reference)
    state = None if sources.state is None else os.path.abspath(sources.state)
    jobs = jobs_of(entries, output_dir, reference, resolve, state=state, item=sources.item)
    if not any(job.reference for job in jobs):
        raise SettingsError("no job has a reference: give --reference REF, or auto")
    return with_reference(jobs)


def with_reference(jobs: list[Job]) -> list[Job]:
    """Jobs whose reference is `auto` get the best of their rasters, which then is no job itself.

    Neither is a reference that lies in the folder that is aligned to it. (Where a row names
    neither, both are empty: that is a job that fails.)

    Raises:
        InputError: no raster can be one.
    """
    jobs = [j for j in jobs if j.problem or j.moving != j.reference or j.reference == AUTO]
    open_jobs = [job for job in jobs if job.reference == AUTO and not job.problem]
    if not open_jobs:
        return jobs
    best = pick_reference(open_jobs)
    href = best.facts.get("href")
    facts = {} if href is None else {"reference_href": href}
    return [
        job if job.reference != AUTO
        else replace(job, reference=best.moving, facts={**job.facts, **facts})
        for job in jobs
        if job is not best
    ]  # fmt: skip
