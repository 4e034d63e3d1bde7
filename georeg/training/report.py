"""What `georeg evaluate` found, for people and for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from georeg.textfile import finite, write_text
from georeg.training.evaluate import PairResult, compare, comparison, table
from georeg.training.plots import draw

Results = Mapping[str, Sequence[PairResult]]


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        lines: Markdown: a table, and the first matcher against each of the others.
        data: plain JSON: every pair, and the comparisons.
    """

    lines: tuple[str, ...]
    data: Mapping[str, Any]


def report(results: Results) -> Report:
    """All of it, by matcher."""
    lines = table([row for rows in results.values() for row in rows])
    first, *others = results
    comparisons = {}
    for other in others:
        found = compare(results[first], results[other])
        lines += ["", *comparison(first, other, found)]
        comparisons[f"{first} minus {other}"] = {k: asdict(v) for k, v in found.items()}
    pairs = [row.to_dict() for rows in results.values() for row in rows]
    return Report(tuple(lines), finite({"pairs": pairs, "comparisons": comparisons}))


def store(results: Results, made: Report, folder: str) -> None:
    """results.json, results.md and plots in a folder.

    Raises:
        OutputError: they can't be written.
    """
    write_text(os.path.join(folder, "results.json"), json.dumps(made.data, indent=1) + "\n")
    write_text(os.path.join(folder, "results.md"), "\n".join(made.lines) + "\n")
    for name, text in draw(results).items():
        write_text(os.path.join(folder, name), text + "\n")
