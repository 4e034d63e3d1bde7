"""Manifests as TOML: options for all jobs at the top, then one `[[job]]` table for each.

reference = "base.tif"
max-shift = "800m"

[[job]]
moving = "scene1.tif"

[[job]]
moving = "scene2.tif"
modality = "sar"
"""

from __future__ import annotations

import os
import sys

from georeg.batch.entries import Entry, entry_of
from georeg.errors import InputError
from georeg.textfile import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same under its old name
    import tomli as tomllib


def read(path: str, asset: str | None = None) -> list[Entry]:
    """Entries of a TOML file.

    Raises:
        InputError: it can't be read, isn't TOML, or has no jobs.
    """
    try:
        data = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    jobs = data.pop("job", None) or data.pop("jobs", None)
    if not isinstance(jobs, list) or not all(isinstance(job, dict) for job in jobs):
        raise InputError(f"{path}: there is no [[job]] in it")
    common = {name.replace("-", "_"): value for name, value in data.items()}
    folder = os.path.dirname(os.path.abspath(path))
    return [
        entry_of(
            {**common, **{k.replace("-", "_"): v for k, v in job.items()}},
            f"{path}, job {number}",
            folder,
        )
        for number, job in enumerate(jobs, 1)
    ]
