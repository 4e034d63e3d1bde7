"""What it is worth to look at finer pixels than the coarser raster's.

    python benchmarks/resolutions.py --shared ../shared --jobs 2

One raster of each pair is averaged to pixels 1.5 to 4 times as wide, or both to twice as wide ones,
after an error of 40 px, 1.5 degrees and 1 % was put on top (or a wave of 4 px), and aligned twice:
on working pixels as wide as the coarser ones, and as georeg does by default. How far both are from
what is found at full resolution without the error (see consistency.py) is the error that the loss
of resolution makes. Writes benchmarks/results/resolutions.md.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import cv2
import numpy as np
import rasterio
from consistency import (
    Pair,
    aligned,
    answer,
    arguments,
    distance,
    harness,
    made,
    measured,
    store,
)
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject

MOVING, REFERENCE = ("moving",), ("reference",)
BOTH = (*MOVING, *REFERENCE)
LOOKS = (
    *(("simil", coarse, times) for coarse in (MOVING, REFERENCE) for times in (1.5, 2.0, 4.0)),
    ("simil", BOTH, 2.0),
    ("nonrigid", BOTH, 2.0),
)  # error put on top, coarser sides, by how much
LEFT_OUT = ("CrossSeason", "OpticalMap", "OpticalOptical")  # theirs is another question: relief


class Row(NamedTuple):
    """Medians of the distances in reference pixels; None where the alignment was refused."""

    coarse: str
    times: float
    name: str
    before: float | None
    now: float | None


def averaged(source: Path, target: Path, times: float) -> None:
    """A raster on pixels so many times as wide."""
    with rasterio.open(source) as file:
        data, own, crs = file.read().astype(np.float32), file.transform, file.crs
        rows, columns = int(file.height / times), int(file.width / times)
    wide = own @ Affine.scale(times)
    out = np.zeros((len(data), rows, columns), np.float32)
    reproject(
        data, out, src_transform=own, src_crs=crs, dst_transform=wide, dst_crs=crs, src_nodata=0,
        dst_nodata=0, resampling=Resampling.average,
    )  # fmt: skip
    pixels = np.where(out > 0, np.clip(np.rint(out), 1, 255), 0).astype(np.uint8)
    with rasterio.open(
        target, "w", driver="GTiff", width=columns, height=rows, count=len(data), dtype="uint8",
        crs=crs, transform=wide, nodata=0,
    ) as file:  # fmt: skip
        file.write(pixels)


def rows_of(numbered: tuple[int, Pair], shared: Path) -> list[Row]:
    """All sizes of pixels, of either side."""
    number, pair = numbered
    cv2.setNumThreads(1)
    cases = harness(shared)
    found = []
    with tempfile.TemporaryDirectory(prefix="georeg-resolutions-") as folder:
        plain = Path(folder) / "plain"
        case = made(cases, pair, "none", number, plain)
        sharp = answer(cases, case, aligned(plain))
        if not sharp.ok:
            return []
        known: dict[str, dict[str, Any]] = {}
        for error, coarse, times in LOOKS:
            place = Path(folder) / error
            if error not in known:
                known[error] = made(cases, pair, error, number, place)
            names = {side: f"{side}.tif" for side in BOTH}
            for side in coarse:
                names[side] = f"coarse_{side}.tif"
                averaged(place / f"{side}.tif", place / names[side], times)
            errors: list[float | None] = []
            for resolution in (times * cases.GSD, None):
                told = answer(cases, known[error], aligned(place, **names, resolution=resolution))
                errors.append(float(np.median(distance(sharp, told))) if told.ok else None)
            label = "both" if coarse == BOTH else coarse[0]
            label += ", bent" if error == "nonrigid" else ""
            found.append(Row(label, times, f"{pair.kind} {pair.name}", *errors))
    return found


def table(rows: list[Row]) -> list[str]:
    """A line per side and size of pixels."""
    groups: dict[tuple[str, float], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.coarse, row.times].append(row)
    lines = [
        "| coarser side | times | n | coarser pixels: median px | < 0.5 px | < 1 px | refused "
        "| default: median px | < 0.5 px | < 1 px | refused |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (coarse, times), group in sorted(groups.items()):
        cells = []
        for which in ("before", "now"):
            errors = [e for e in (getattr(r, which) for r in group) if e is not None]
            less = [sum(e <= limit for e in errors) for limit in (0.5, 1.0)]
            middle = f"{median(errors):.2f}" if errors else "-"
            cells += [middle, *map(str, less), str(len(group) - len(errors))]
        lines.append(f"| {coarse} | {times:g} | {len(group)} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Measure and write the table."""
    args = arguments(__doc__, 8)
    store(
        "resolutions",
        "Rasters whose pixels differ in size, or are large",
        "One side of real pairs, or both, averaged to pixels so many times as wide, displaced by "
        "40 px, 1.5 degrees and 1 %, or bent by 4 px. Errors are medians over the overlap, in "
        "pixels of the finer side (of what both were averaged from), against what is found where "
        "both have these pixels. Coarser pixels: `--working-resolution` as the coarser side's. "
        "Default: found on those, then seen once more on finer ones.",
        args,
        table(measured(rows_of, args, LEFT_OUT)),
    )


if __name__ == "__main__":
    main()
