"""`georeg.align_many`: a batch from Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from georeg.batch.entries import Entry, entry_of, jobs_of, located
from georeg.batch.manifests import read_manifests
from georeg.batch.options import BatchOptions
from georeg.batch.planning import with_reference
from georeg.batch.result import BatchResult
from georeg.batch.run import Check, Tell, run_batch
from georeg.batch.stack import run_stack
from georeg.errors import SettingsError
from georeg.settings import OutputSettings, Settings
from georeg.textfile import Name, kind_of, name_of
from georeg.writers.place import is_virtual


def align_many(
    jobs: Name | Sequence[Name | Mapping[str, Any]],
    output_dir: Name,
    reference: Name | None = None,
    settings: Settings | None = None,
    output_settings: OutputSettings | None = None,
    *,
    options: BatchOptions | None = None,
    stack: bool = False,
    neighbours: int = 2,
    items: bool = False,
    state: Name | None = None,
    tell: Tell | None = None,
    check: Check | None = None,
) -> BatchResult:
    """Align many rasters, in processes side by side or on a Dask cluster; resumable.

    Args:
        jobs: a manifest, folder or pattern, or a list of these and of mappings with the keys
            moving and, as wanted, reference, output, id, datetime, cloud_cover. Mappings may also
            have names of fields of `Settings` and `OutputSettings`, with their values.
        output_dir: where outputs, records and the summary go.
        reference: for jobs that name none; `auto` picks the best raster of the jobs themselves.
        settings: how to find the alignments.
        output_settings: what the outputs look like.
        options: executor, limits, retries.
        stack: register all rasters jointly, as a time series.
        neighbours: see `run_stack`.
        items: whether STAC Items are written beside the outputs.
        state: local folder for records, needed where `output_dir` is in a cloud.
        tell: told what happens.
        check: called from time to time; may raise to end the batch.

    Returns:
        The records of all jobs; `exit_code` is 0 if all are done. Failures raise nothing.

    Raises:
        InputError: a manifest can't be read.
        SettingsError: something that is named makes no sense.
        OutputError: the folder can't be written, or another run works in it.
    """
    base, wanted = settings or Settings(), output_settings or OutputSettings()

    def resolve(options: Mapping[str, Any]) -> tuple[Settings, OutputSettings]:
        return _changed(base, wanted, options)

    output_dir = name_of(output_dir, "folder")
    reference = None if reference is None else name_of(reference, "raster")
    state = None if state is None else name_of(state, "folder")
    if not isinstance(jobs, str | os.PathLike | Iterable):
        raise SettingsError(f"{kind_of(jobs)} holds no jobs: give a list, or a manifest")
    named = [jobs] if isinstance(jobs, str | os.PathLike) else list(jobs)
    entries: list[Entry] = []
    for number, job in enumerate(named, 1):
        if isinstance(job, str | os.PathLike):
            entries += read_manifests([os.fspath(job)], output_dir=output_dir)
        elif not isinstance(job, Mapping):
            raise SettingsError(f"job {number} is {kind_of(job)}: give names or mappings")
        else:
            entries.append(entry_of(job, f"job {number}", ""))
    folder = os.path.abspath(state or output_dir)
    planned = jobs_of(
        entries,
        output_dir if is_virtual(output_dir) else os.path.abspath(output_dir),
        None if reference is None else located(reference),
        resolve,
        state=None if state is None else os.path.abspath(state),
        item=items,
    )  # fmt: skip
    planned = with_reference(planned)
    if stack:
        return run_stack(planned, folder, options, neighbours=neighbours, tell=tell, check=check)
    return run_batch(planned, folder, options, tell=tell, check=check)


def _changed(
    settings: Settings, wanted: OutputSettings, options: Mapping[str, Any]
) -> tuple[Settings, OutputSettings]:
    mine = {f.name for f in fields(Settings)}
    theirs = {f.name for f in fields(OutputSettings)}
    unknown = set(options) - mine - theirs
    if unknown:
        raise SettingsError(f"'{sorted(unknown)[0]}' is no field of Settings or OutputSettings")
    return (
        replace(settings, **{k: v for k, v in options.items() if k in mine}),
        replace(wanted, **{k: v for k, v in options.items() if k in theirs}),
    )
