"""What `georeg evaluate` found, for people and for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from georeg.textfile import finite, write_text
from georeg.training.evaluate import PairResult, compare, comparison, table
from georeg.training.plots import draw

Results = Mapping[str, Sequence[PairResult]]


def lines(results: Results) -> list[str]:
    """Markdown: a table, and the first matcher against each of the others."""
    out = table([row for rows in results.values() for row in rows])
    first, *others = results
    for other in others:
        out += ["", *comparison(first, other, compare(results[first], results[other]))]
    return out


def as_json(results: Results) -> str:
    """Every pair, and the comparisons."""
    first, *others = results
    data: dict[str, Any] = {
        "pairs": [row.to_dict() for rows in results.values() for row in rows],
        "comparisons": {
            f"{first} minus {other}": {
                name: asdict(found)
                for name, found in compare(results[first], results[other]).items()
            }
            for other in others
        },
    }
    return json.dumps(finite(data), indent=1)


def store(results: Results, folder: str) -> None:
    """results.json, results.md and plots in a folder.

    Raises:
        OutputError: they can't be written.
    """
    write_text(os.path.join(folder, "results.json"), as_json(results) + "\n")
    write_text(os.path.join(folder, "results.md"), "\n".join(lines(results)) + "\n")
    for name, text in draw(results).items():
        write_text(os.path.join(folder, name), text + "\n")
