"""One piece of work of a batch: which raster goes where, how, and what is known beforehand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from georeg.settings import OutputSettings, Settings

ALIGN, PAIR, APPLY = "align", "pair", "apply"


@dataclass(frozen=True)
class Job:
    """What a worker needs to know, whichever machine it is on.

    Attributes:
        id: unique in the batch, for people and logs.
        moving: name of the raster to be aligned.
        reference: name of the raster that it is aligned to; of an `apply` job the fit file.
        output: name of what is written: a raster, or the tie points of a `pair`.
        base: path from which the names of small files follow; the output's own where that is a
            local file.
        settings: how to find the alignment.
        output_settings: what the output looks like.
        action: align, pair (measure and keep the tie points) or apply (resample by a fit).
        source: where the job stands, for messages: 'jobs.csv, line 3'.
        problem: why it can't be run, found out before; empty if it can.
        item: whether a STAC Item is written beside the output.
        facts: what is known of the moving raster from elsewhere: datetime, cloud_cover, href and
            id of a STAC Item; `reference_href` of the reference's.
        run: id of the run that does it.
        lock: path of the lock that must hold that run's id, or nothing is put in place.
    """

    id: str
    moving: str
    reference: str
    output: str
    base: str
    settings: Settings = field(default_factory=Settings)
    output_settings: OutputSettings = field(default_factory=OutputSettings)
    action: str = ALIGN
    source: str = ""
    problem: str = ""
    item: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    lock: str = ""

    def beside(self, suffix: str) -> str:
        """Path of a small file that belongs to the output: `.job.json`, `.fit.json` ..."""
        return os.path.splitext(self.base)[0] + suffix

    @property
    def record_path(self) -> str:
        """Where the job's record lies."""
        return self.beside(".job.json")

    @property
    def places(self) -> tuple[str, ...]:
        """All files that doing the job may write."""
        sides = (".job.json", ".fit.json", ".report.json", ".item.json")
        return (self.output, *map(self.beside, sides))

    def inputs(self) -> tuple[str, ...]:
        """Names of all files that the result depends on."""
        wanted = self.output_settings.grid
        more = [] if wanted in ("auto", "reference", "moving") else [wanted]
        weights = self.settings.weights
        if weights and os.path.isfile(weights):
            more.append(weights)
        return tuple(name for name in (self.moving, self.reference, *more) if name)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Job:
        """What `to_dict` made, also after a way through JSON."""
        values = {f.name: data[f.name] for f in fields(cls)}
        values["settings"] = _built(Settings, data["settings"])
        values["output_settings"] = _built(OutputSettings, data["output_settings"])
        return cls(**values)


def _built(kind: type[Any], data: Mapping[str, Any]) -> Any:
    """A dataclass of settings; lists of JSON become tuples again."""
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})
