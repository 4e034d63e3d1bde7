"""Whether alignments of the same pair agree with each other, whatever is wrong with it at first.

    python benchmarks/consistency.py --shared ../shared --jobs 2

The truth of real pairs of different sensors is often no better than a few pixels; what georeg finds
may be compared with itself instead. Each pair is aligned as it is, and again with every error of
the evaluation harness put on top (a shift; 40 px with 1.5 degrees and 1 %; a smooth field; half the
resolution in another CRS), which is known exactly. Where both say the same, noise, resampling and
the search explain nothing of what is left; an error that both share isn't seen. Radar and optical
scenes of Los Angeles (Sentinel-1 and -2) and the development pairs; writes
benchmarks/results/consistency.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import platform
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS

from georeg import __version__
from georeg.align import measure
from georeg.alignment import Alignment
from georeg.settings import Settings

Array = npt.NDArray[np.float64]
R = TypeVar("R")

RESULTS = Path(__file__).parent / "results"
PAIRS = "data/pairs/crossmodal/index.json"
SCENES = "data/train/s1s2_losangeles"
ERRORS = ("shift", "simil", "nonrigid", "grid")
MARGIN, STEPS = 40, 30  # pixels of the reference left out all around; places along a side


class Pair(NamedTuple):
    """Two images, and (3, 3) from pixel centres of the moving to those of the reference."""

    kind: str
    name: str
    moving: Path
    reference: Path
    matrix: Array


class Answer(NamedTuple):
    """What an alignment says.

    Attributes:
        ok: whether it was trusted.
        away: (N, 2) pixels at places of the reference from where the pair's truth puts them; NaN
            where the moving image shows nothing.
        most: pixels that nine tenths of the overlap are expected to be off by at most.
    """

    ok: bool
    away: Array
    most: float


class Row(NamedTuple):
    """How far the answer with one error put on top is from the answer without it."""

    kind: str
    name: str
    error: str
    refused: bool
    middle: float = math.nan
    p90: float = math.nan
    expected: float = math.nan


def pairs_of(shared: Path, every: int) -> list[Pair]:
    """The development pairs, and every n-th of the radar scenes."""
    index = shared / PAIRS
    found = [
        Pair(
            p["modality"], p["name"], index.parent / p["moving"], index.parent / p["reference"],
            np.array(p["moving_to_reference"], np.float64),
        )
        for p in json.loads(index.read_text())
    ]  # fmt: skip
    for radar in sorted((shared / SCENES).glob("*_sar.jpg"))[::every]:
        optical = radar.with_name(radar.name.replace("_sar", "_optical"))
        found.append(Pair("losangeles_SAR_Optical", radar.name[:3], radar, optical, np.eye(3)))
    return found


def harness(shared: Path) -> Any:
    """The evaluation harness's own module that makes cases."""
    spec = importlib.util.spec_from_file_location("cases", shared / "eval/cases.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{shared}/eval/cases.py is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(cases: Any, pair: Pair, error: str, number: int, place: Path) -> dict[str, Any]:
    """A case of the harness: moving.tif, reference.tif, and what is known of them."""
    moving, reference = (
        cases.squeeze(cv2.imread(str(path))) for path in (pair.moving, pair.reference)
    )
    cases.make_case(
        {"name": pair.name}, reference, moving, pair.matrix.tolist(), error, place, number
    )
    known: dict[str, Any] = json.loads((place / "case.json").read_text())
    return known


def answer(cases: Any, case: dict[str, Any], found: Alignment) -> Answer:
    """What an alignment says at places all over the reference."""
    rows, columns = case["reference_shape"]
    x, y = np.meshgrid(
        np.linspace(MARGIN, columns - MARGIN, STEPS), np.linspace(MARGIN, rows - MARGIN, STEPS)
    )
    ground = np.column_stack([cases.E0 + x.ravel() * cases.GSD, cases.N0 - y.ravel() * cases.GSD])
    if found.fit is None:
        return Answer(False, np.full_like(ground, np.nan), math.nan)
    claimed = np.column_stack(cases.to_claimed(case, *ground.T))
    frame = found.fit.frame
    if frame.crs != CRS.from_user_input(cases.CRS):
        raise SystemExit("the frame has another CRS than the reference")
    said = frame.to_map(found.fit.transform.forward(frame.to_pixel(claimed)))
    back = cases.homography(case["reference_to_source"], x.ravel() - 0.5, y.ravel() - 0.5)
    high, wide = case["source_shape"]
    seen = (back[0] >= 0) & (back[1] >= 0) & (back[0] <= wide - 1) & (back[1] <= high - 1)
    away = np.where(seen[:, None], (said - ground) / cases.GSD, np.nan)
    expected = found.report["verdict"].get("expected") or {}
    return Answer(found.verdict.ok, away, float(expected.get("most_px", math.nan)))


def aligned(place: Path, moving: str = "moving.tif", reference: str = "reference.tif",
            resolution: float | None = None) -> Alignment:  # fmt: skip
    """Two rasters of a folder, in one thread."""
    settings = Settings(threads=1, working_resolution=resolution)
    return measure(str(place / moving), str(place / reference), settings)


def distance(one: Answer, other: Answer) -> Array:
    """(N,) pixels by which two answers differ, where both are known."""
    apart = np.hypot(*(other.away - one.away).T)
    return np.asarray(apart[np.isfinite(apart)])


def rows_of(numbered: tuple[int, Pair], shared: Path) -> list[Row]:
    """All errors of one pair."""
    number, pair = numbered
    cv2.setNumThreads(1)
    cases = harness(shared)
    with tempfile.TemporaryDirectory(prefix="georeg-consistency-") as folder:
        answers = []
        for error in ("none", *ERRORS):
            place = Path(folder) / error
            case = made(cases, pair, error, number, place)
            answers.append(answer(cases, case, aligned(place)))
            shutil.rmtree(place)
        plain, *others = answers
        found = []
        for error, other in zip(ERRORS, others, strict=True):
            if not (plain.ok and other.ok):
                found.append(Row(pair.kind, pair.name, error, True))
                continue
            apart = distance(plain, other)
            found.append(
                Row(
                    pair.kind, pair.name, error, False, float(np.median(apart)),
                    float(np.percentile(apart, 90)), math.hypot(plain.most, other.most),
                )
            )  # fmt: skip
    return found


def table(rows: list[Row]) -> list[str]:
    """A line per kind of pair and error."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.kind, row.error].append(row)
        groups["**all**", row.error].append(row)
    lines = [
        "| pairs | error put on top | n | refused | apart, median px | < 1 px | < 2 px "
        "| p90, median px | p90 within what was expected |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    order = {error: number for number, error in enumerate(ERRORS)}
    for (kind, error), group in sorted(groups.items(), key=lambda g: (g[0][0], order[g[0][1]])):
        told = [r for r in group if not r.refused]
        middle, p90 = (
            f"{median(getattr(r, name) for r in told):.2f}" if told else "-"
            for name in ("middle", "p90")
        )
        less = [sum(r.middle <= limit for r in told) for limit in (1, 2)]
        kept = sum(r.p90 <= r.expected for r in told)
        lines.append(
            f"| {kind} | {error} | {len(group)} | {len(group) - len(told)} | {middle} "
            f"| {less[0]} | {less[1]} | {p90} | {kept} of {len(told)} |"
        )
    return lines


def arguments(doc: str | None, every: int) -> argparse.Namespace:
    """The command line of this and of resolutions.py."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--every", type=int, default=every, help="n-th radar scene that is taken")
    parser.add_argument("--only", default="", help="part of the pairs' kind and name")
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


def measured(
    rows_of: Callable[..., list[R]], args: argparse.Namespace, left_out: tuple[str, ...] = ()
) -> list[R]:
    """The rows of all pairs but those of some kinds, in several processes."""
    pairs = [
        p
        for p in pairs_of(args.shared, args.every)
        if args.only in f"{p.kind}_{p.name}" and not any(kind in p.kind for kind in left_out)
    ]
    rows: list[R] = []
    with ProcessPoolExecutor(args.jobs) as pool:
        for found in pool.map(partial(rows_of, shared=args.shared), enumerate(pairs)):
            rows += found
            print(*found, sep="\n", flush=True)
    return rows


def store(name: str, title: str, text: str, args: argparse.Namespace, lines: list[str]) -> None:
    """Write the table, with the command that made it."""
    only = f" --only {args.only}" if args.only else ""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, no GPU"
    command = f"`python benchmarks/{name}.py --every {args.every}{only}`"
    made_by = f"{command}, {machine}, georeg {__version__}, built-in matcher."
    RESULTS.mkdir(exist_ok=True)
    page = [f"# {title}", "", f"{made_by} {text}", "", *lines, ""]
    (RESULTS / f"{name}.md").write_text("\n".join(page))


def main() -> None:
    """Measure and write the table."""
    args = arguments(__doc__, 3)
    store(
        "consistency",
        "Whether alignments of the same pair agree",
        "Each pair is aligned as it is and with a known error on top; 'apart' is how far the two "
        "answers are from each other over the overlap, in pixels of the reference. What is "
        "expected: the reports' `most_px` of both, added as errors are. Refused: at least one of "
        "the two was.",
        args,
        table(measured(rows_of, args)),
    )


if __name__ == "__main__":
    main()
