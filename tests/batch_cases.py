"""Folders of small jobs: good ones, and bad ones of every kind."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

import scenes
from cli_cases import Outcome, run, snapshot

# Nothing moves by more than a few pixels: what can't be aligned isn't looked for far away.
FAR = 20.0
QUICK = (
    "--transform", "shift", "--max-shift", str(FAR), "--threads", "1", "--device", "cpu",
    "--workers", "1",
)  # fmt: skip
SHAPE = (160, 160)
# What a record says of each kind of bad input.
KINDS = {
    "missing": ("InputError", "no such file"),
    "junk": ("InputError", "not a raster"),
    "empty": ("InputError", "can't be opened"),
    "truncated": ("InputError", "truncated or corrupt"),
    "folder": ("InputError", "folder"),
    "elsewhere": ("NoOverlapError", "overlap"),
    "unplaced": ("InputError", "georef"),
    "nodata": ("", ""),
    "flat": ("InputError", ""),
    "unrelated": ("RefusedError", "no trustworthy alignment"),
    "no_reference": ("InputError", "no such file"),
    "wrong_option": ("SettingsError", "max-tiles"),
    "unknown_option": ("SettingsError", "did you mean transform?"),
    "no_moving": ("SettingsError", "'moving' is missing"),
}


def make(folder: Path, good: int, bad: int, pairs: int = 3) -> Path:
    """A manifest of so many jobs, every kind of bad one in turn; returns its path.

    Good ones are copies of a few pairs under names of their own.
    """
    inputs = folder / "in"
    inputs.mkdir(parents=True)
    made = [
        scenes.make_pair(inputs / f"pair{n}", scenes.shift(3.3 + n, -2.1), SHAPE, seed=n + 5)
        for n in range(min(pairs, good))
    ]
    rows: list[dict[str, str]] = []
    for n in range(good):
        source = made[n % len(made)]
        moving = inputs / f"good{n:03d}.tif"
        shutil.copy(source.moving, moving)
        rows.append({"moving": f"in/{moving.name}", "reference": source.reference})
    kinds = list(KINDS)
    for n in range(bad):
        rows.insert((n * 7) % (len(rows) + 1), bad_row(kinds[n % len(kinds)], n, inputs, made[0]))
    path = folder / "jobs.csv"
    names = ["id", "moving", "reference", "max-tiles", *(("trnsform",) if bad > 10 else ())]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def bad_row(kind: str, number: int, inputs: Path, pair: scenes.Pair) -> dict[str, str]:
    """A row of a manifest that can't be done, with its files."""
    path = inputs / f"bad{number:03d}_{kind}.tif"
    row = {"id": f"bad{number:03d}_{kind}", "moving": f"in/{path.name}"}
    row["reference"] = pair.reference
    _fill(kind, path, pair)
    if kind == "missing":
        path.unlink()
    if kind == "no_reference":
        row["reference"] = "in/nowhere.tif"
    if kind == "wrong_option":
        row["max-tiles"] = "many"
    if kind == "unknown_option":
        row["trnsform"] = "shift"
    if kind == "no_moving":
        row["moving"] = ""
    return row


def _fill(kind: str, path: Path, pair: scenes.Pair) -> None:
    far = Affine(1, 0, scenes.ORIGIN[0] + 9e5, 0, -1, scenes.ORIGIN[1])
    here = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])
    if kind == "junk":
        path.write_text("this is no raster\n" * 100)
    elif kind == "empty":
        path.touch()
    elif kind == "truncated":
        data = Path(pair.moving).read_bytes()
        path.write_bytes(data[: len(data) // 2])
    elif kind == "folder":
        path.mkdir()
    elif kind == "elsewhere":
        scenes.write(path, pair.image, far)
    elif kind == "unplaced":
        scenes.write(path, pair.image, None, None)
    elif kind == "nodata":
        scenes.write(path, np.zeros(SHAPE, np.uint8), here, nodata=0)
    elif kind == "flat":
        scenes.write(path, np.full(SHAPE, 100, np.uint8), here)
    elif kind == "unrelated":
        scenes.write(path, scenes.texture(SHAPE, 999), here)
    else:
        shutil.copy(pair.moving, path)


def command(manifest: Path, out: Path, *more: Any) -> list[str]:
    """The program's call."""
    return [
        sys.executable, "-m", "georeg", "batch", str(manifest), "-o", str(out), *QUICK,
        *map(str, more),
    ]  # fmt: skip


def batch(manifest: Path, out: Path, *more: Any) -> subprocess.CompletedProcess[str]:
    """`georeg batch` as a program of its own."""
    return subprocess.run(command(manifest, out, *more), capture_output=True, text=True)


def batch_here(manifest: Path | str, out: Path, *more: Any) -> Outcome:
    """The same in this process, which has all of it loaded; jobs are done by a worker as ever."""
    return run("batch", manifest, "-o", out, *QUICK, *more)


def records(out: Path) -> dict[str, dict[str, Any]]:
    """What the summary says of each job."""
    lines = (out / "summary.jsonl").read_text().splitlines()
    return {record["id"]: record for record in map(json.loads, lines)}


def plain(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without what differs from run to run."""
    return {name: value for name, value in record.items() if name != "run"}


def state(out: Path) -> dict[str, Any]:
    """All that lies in an output folder, but for run ids, times and the folder's own name."""
    found: dict[str, Any] = dict(snapshot(out))
    for name in list(found):
        path = out / name
        if name.endswith(".job.json"):
            found[name] = plain(json.loads(path.read_text()))
        elif name.endswith(".report.json"):
            report = json.loads(path.read_text())
            report.pop("seconds")
            found[name] = report
        elif name.endswith(".item.json"):
            found[name] = json.loads(path.read_text().replace(str(out), "OUT"))
        elif name == "summary.jsonl":
            found[name] = [plain(json.loads(line)) for line in path.read_text().splitlines()]
        elif name.startswith("summary."):
            found[name] = "there"  # made of the same as summary.jsonl
    plain_text = json.dumps(found).replace(str(out), "OUT")
    return dict(json.loads(plain_text))


def valid_rasters(out: Path) -> Iterator[Path]:
    """Rasters in a folder, each read to the end.

    Hidden folders are where outputs are made: a process that is killed leaves them as they are, and
    the next run removes them, which `state` sees.
    """
    for path in sorted(out.rglob("*.tif")):
        if any(part.startswith(".") for part in path.relative_to(out).parts[:-1]):
            continue
        with rasterio.open(path) as file:
            file.read()
        yield path
