"""What a manifest says about one job, before its names and options are made sense of."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from georeg.batch.job import Job
from georeg.errors import GeoregError, SettingsError
from georeg.models import catalogue
from georeg.settings import OutputSettings, Settings
from georeg.writers.place import check_lasting, is_virtual

Resolve = Callable[[Mapping[str, Any]], tuple[Settings, OutputSettings]]
"""Options of a job (names as on the command line, values as a file has them) to settings."""

AUTO = "auto"
# NETCDF:"scene.nc":B4, HDF5:scene.h5://grid/B4, HDF4_EOS:EOS_GRID:"scene.hdf":grid:B4
_SUBDATASET = re.compile(
    r'[A-Za-z]\w*:(?!//)(?:(?:\w+:)?"(?P<quoted>[^"]+)"|(?P<plain>[^"]+?\.\w+)):(?P<inner>[^"]+)'
)
KNOWN = ("id", "moving", "reference", "output", "datetime", "cloud_cover")


@dataclass(frozen=True)
class Entry:
    """One row of a manifest.

    Attributes:
        moving: name of the raster to be aligned.
        source: where it stands, for messages: 'jobs.csv, line 3'.
        reference: name of the raster that it is aligned to; the batch's if empty.
        output: name of the result, below the output folder unless absolute; follows from `id` or
            `moving` if empty.
        id: of the job; follows from the output if empty.
        options: that differ from the batch's.
        facts: see `Job.facts`.
        folder: that relative names of inputs are relative to.
        problem: why it can't become a job that works; empty if it can.
    """

    moving: str
    source: str
    reference: str = ""
    output: str = ""
    id: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""
    problem: str = ""


def entry_of(values: Mapping[str, Any], source: str, folder: str) -> Entry:
    """An entry from names and values; unknown names are options."""
    said = {k.strip().replace("-", "_"): _plain(v) for k, v in values.items() if _given(v)}
    problem = "" if said.get("moving") else f"{source}: 'moving' is missing: name a raster"
    facts: dict[str, Any] = {k: said[k] for k in ("datetime", "cloud_cover") if k in said}
    options = {name: value for name, value in said.items() if name not in KNOWN}
    names = {k: str(said.get(k, "")) for k in ("moving", "reference", "output", "id")}
    if problem:
        names["id"] = names["id"] or os.path.basename(source).replace(", ", "-").replace(" ", "-")
    return Entry(
        source=source, folder=folder, options=options, facts=facts, problem=problem, **names
    )


def _given(value: Any) -> bool:
    """Neither None nor blank, nor what tables of pandas have where something is missing."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return False
    try:
        return not bool(value != value)  # NaN and NaT
    except TypeError:  # pandas.NA
        return False
    except ValueError:  # an array
        return True


def _plain(value: Any) -> Any:
    """As JSON has it: TOML and callers from Python have times and NumPy's numbers, too."""
    value = value.item() if getattr(value, "ndim", None) == 0 else value
    return value.isoformat() if isinstance(value, date) else value


def jobs_of(
    entries: Sequence[Entry],
    output_dir: str,
    reference: str | None,
    resolve: Resolve,
    *,
    state: str | None = None,
    item: bool = False,
    suffix: str = ".tif",
) -> list[Job]:
    """Jobs from entries.

    Args:
        entries: of all manifests.
        output_dir: folder of the outputs, or what GDAL takes for one (/vsis3/bucket/prefix).
        reference: for entries that name none.
        resolve: makes settings of an entry's options.
        state: local folder for records and reports; None for beside the outputs.
        item: whether STAC Items are written.
        suffix: of outputs that aren't named.

    Raises:
        SettingsError: there is no local place for records, or an output wouldn't last.
    """
    return [_job(e, output_dir, reference, resolve, state, item, suffix) for e in entries]


def _job(
    entry: Entry,
    output_dir: str,
    reference: str | None,
    resolve: Resolve,
    state: str | None,
    item: bool,
    suffix: str,
) -> Job:
    other = located(entry.reference, entry.folder) if entry.reference else reference
    problem = entry.problem
    if not other and not problem:
        problem = f"{entry.source}: no reference: name one there, or give --reference"
    name = entry.output or (entry.id or stem(entry.moving)) + suffix
    output = name if is_virtual(name) else join(output_dir, name)
    check_lasting(output)
    inside = name if not (is_virtual(name) or os.path.isabs(name)) else os.path.basename(name)
    base = output if state is None else os.path.join(state, inside)
    if is_virtual(base):
        raise SettingsError(
            f"{output} is no local file: give a local folder for records with --state"
        )
    try:
        settings, wanted = resolve(entry.options)
    except GeoregError as error:
        problem = problem or f"{entry.source}: {error}"
        settings, wanted = resolve({})
    # The command line names files from the working folder, wherever the manifest lies.
    beside = {name: entry.folder if name in entry.options else "" for name in ("grid", "weights")}
    return Job(
        entry.id or os.path.splitext(inside)[0].replace(os.sep, "/"),
        located(entry.moving, entry.folder) if entry.moving else "",
        other or "",
        output if is_virtual(output) else os.path.abspath(output),
        os.path.abspath(base),
        replace(settings, weights=_weights(settings.weights, beside["weights"])),
        replace(wanted, grid=_grid(wanted.grid, beside["grid"])),
        source=entry.source,
        problem=problem,
        item=item,
        facts=dict(entry.facts),
    )


def join(folder: str, name: str) -> str:
    """A name in a folder, which may be GDAL's; absolute names stay."""
    if is_virtual(folder):
        return f"{folder.rstrip('/')}/{name}"
    return os.path.join(folder, name)


def stem(name: str) -> str:
    """The file's name without folders, query and suffix; of a subdataset with what it is called."""
    parts = None if os.path.lexists(name) else _SUBDATASET.fullmatch(name)
    if parts:
        inner = re.sub(r"\W+", "_", parts["inner"]).strip("_")
        return f"{stem(parts['quoted'] or parts['plain'])}_{inner}".rstrip("_")
    last = name.partition("?")[0].rstrip("/").replace("\\", "/").rpartition("/")[2]
    return os.path.splitext(last)[0] or "raster"


def located(name: str, folder: str = "") -> str:
    """An absolute name: workers may have another working folder."""
    if is_virtual(name) or name == AUTO:
        return name
    path = os.path.abspath(os.path.join(folder, name))
    # GDAL's, such as NETCDF:"file":variable, unless it is a file called after a time of day.
    return name if ":" in name.partition("/")[0] and not os.path.lexists(path) else path


def _grid(grid: str, folder: str) -> str:
    return grid if grid in ("auto", "reference", "moving") else located(grid, folder)


def _weights(weights: str, folder: str) -> str:
    """A name of the catalogue as it is, which goes before files of that name."""
    path = os.path.join(folder, weights)
    known = weights in catalogue.names() or not os.path.isfile(path)
    return weights if known else os.path.abspath(path)
