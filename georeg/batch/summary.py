"""What came of a batch, in four files: a page, footprints for a GIS, a table, and JSON lines."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined

from georeg.batch.records import DONE, Record, write_durably
from georeg.batch.result import BatchResult
from georeg.textfile import finite
from georeg.writers.batch_gpkg import write_footprints

NAMES = ("summary.html", "summary.gpkg", "summary.csv", "summary.jsonl")
_TEXTS = (
    "id", "action", "status", "kind", "message", "moving", "reference", "output", "transform",
)  # fmt: skip
_NUMBERS = (
    "rmse_px", "rmse_m", "ce90_px", "tie_points", "inliers", "coverage", "displacement_px",
    "displacement_m", "attempts", "seconds",
)  # fmt: skip
_WIDTH, _HEIGHT = 720, 360  # of the map on the page


def write_summary(folder: str, result: BatchResult) -> None:
    """Write all four, each whole or not at all.

    Raises:
        OutputError: one can't be written.
    """
    rows = [row_of(record) for record in result.records]
    page, gpkg, table, lines = (os.path.join(folder, name) for name in NAMES)
    text = io.StringIO()
    writer = csv.DictWriter(text, (*_TEXTS, *_NUMBERS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_durably(table, text.getvalue())
    said = [json.dumps(record.to_dict(), ensure_ascii=False) for record in result.records]
    write_durably(lines, "".join(f"{line}\n" for line in said))
    texts = {name: [_valid(row[name]) for row in rows] for name in _TEXTS}
    numbers = {name: [row[name] for row in rows] for name in _NUMBERS}
    write_footprints(gpkg, [_ring(record) for record in result.records], texts, numbers)
    write_durably(page, _page(result, rows))


def _valid(text: str | None) -> str | None:
    """A text as SQLite takes it: names that aren't UTF-8 as they are in the other files."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()


def row_of(record: Record) -> dict[str, Any]:
    """A record as one row of a table; None where something isn't known."""
    result = record.result or {}
    verdict = result.get("verdict") or {}
    accuracy = verdict.get("accuracy") or {}
    return dict(
        finite({
            "id": record.id, "action": record.action, "status": record.status,
            "kind": (record.error or {}).get("kind"), "message": record.message,
            "moving": record.moving, "reference": record.reference, "output": record.output,
            "transform": result.get("transform"),
            **{name: accuracy.get(name) for name in ("rmse_px", "rmse_m", "ce90_px")},
            **{name: verdict.get(name) for name in (
                "tie_points", "inliers", "coverage", "displacement_px", "displacement_m",
            )},
            "attempts": record.run.get("attempts"), "seconds": record.run.get("seconds"),
        })
    )  # fmt: skip


def _ring(record: Record) -> list[list[float]] | None:
    ring = (record.result or {}).get("footprint")
    return ring if ring and len(ring) >= 4 else None


def _page(result: BatchResult, rows: list[dict[str, Any]]) -> str:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("georeg.batch").joinpath("summary.html.j2").read_text("utf-8")
    bad = [row for row in rows if row["status"] != DONE]
    return environment.from_string(source).render(
        result=result,
        rows=rows,
        kinds=Counter(row["kind"] or row["status"] for row in bad).most_common(),
        bad=bad,
        shapes=_shapes(result),
        width=_WIDTH,
        height=_HEIGHT,
        facts=result.facts,
    )


def _shapes(result: BatchResult) -> list[Mapping[str, str]]:
    """The footprints as SVG polygons, fitted into the map."""
    rings = [(record, ring) for record in result.records if (ring := _ring(record)) is not None]
    if not rings:
        return []
    x = [p[0] for _, ring in rings for p in ring]
    y = [p[1] for _, ring in rings for p in ring]
    scale = 0.94 * min(_WIDTH / max(max(x) - min(x), 1e-9), _HEIGHT / max(max(y) - min(y), 1e-9))
    middle = ((max(x) + min(x)) / 2, (max(y) + min(y)) / 2)
    return [
        {
            "status": record.status.replace(" ", "-"),
            "title": f"{record.id}: {record.message}",
            "points": " ".join(
                f"{_WIDTH / 2 + (px - middle[0]) * scale:.1f},"
                f"{_HEIGHT / 2 - (py - middle[1]) * scale:.1f}"
                for px, py in ring
            ),
        }
        for record, ring in rings
    ]
