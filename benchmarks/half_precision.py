"""What half precision does to fitted transforms: the same cases in float32 and in less.

    python benchmarks/half_precision.py --shared ../shared --matchers xfeat_lighterglue \
        --dtypes bfloat16 float16 --only nirvis_City__0

Runs the harness's cases whose names contain --only through georeg's engine with the matchers whose
weights are in georeg's store, and compares where the fits put a dense grid of places. For
comparison, --noise runs float32 on a moving raster half of whose grey values are one higher.
Writes benchmarks/results/half_precision.md and .json. On a GPU (--device cuda) float16 is what
`auto` means; on a CPU it is computed number by number, which takes a hundred times as long, or with
--emulate as GPUs do (tests/network_cases.py: operands and results are halves, sums aren't).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import rasterio
import torch
from eval_dev import RESULTS, build

from georeg import __version__
from georeg.align import Alignment, measure
from georeg.matching._network import NetworkMatcher
from georeg.matching.protocol import TileBatch, TilePoints
from georeg.settings import Settings

GRID = 20  # places along each side
MODEL = "affine"
NOISE = "float32, values off by one"


def emulate() -> None:
    """Let networks multiply halves as hardware that is made for it does."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from network_cases import QuickHalves

    plain = NetworkMatcher.match

    def match(self: NetworkMatcher, batch: TileBatch) -> TilePoints:
        with QuickHalves():
            return plain(self, batch)

    NetworkMatcher.match = match  # type: ignore[method-assign]


def places(result: Alignment) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """(N, 2) where the fit puts a grid of claimed places, in reference pixels."""
    if result.fit is None or not result.verdict.ok:
        return None
    rows, columns = result.fit.frame.shape
    x, y = np.meshgrid(np.linspace(0, columns, GRID), np.linspace(0, rows, GRID))
    claimed = np.stack([x.ravel(), y.ravel()], axis=1)
    true = result.fit.transform.forward(claimed)
    grid = result.fit.reference
    return np.asarray(true if grid is None else grid.to_pixel(result.fit.frame.to_map(true)))


def disturbed(moving: Path, folder: Path) -> Path:
    """A copy in which half of the grey values, chosen at random, are one higher."""
    with rasterio.open(moving) as source:
        pixels, profile = source.read(), source.profile
    coin = np.random.default_rng(0).integers(0, 2, pixels.shape).astype(pixels.dtype)
    coin[(pixels == source.nodata) | (pixels == np.iinfo(pixels.dtype).max)] = 0
    path = folder / f"{moving.parent.name}.tif"
    with rasterio.open(path, "w", **profile) as target:
        target.write(pixels + coin)
    return path


def one(case: Path, matcher: str, dtypes: list[str], device: str) -> list[dict[str, Any]]:
    """A row per type: how far its fit lies from that in float32.

    One model for all: where two of the ladder predict equally well, any change of a point tips
    the choice, and that is not what is measured here.
    """
    rows = []
    exact = None
    for dtype in ["float32", *dtypes]:
        precision = dtype.partition(",")[0]
        settings = Settings(matcher=matcher, precision=precision, device=device, transform=MODEL)
        moving = case / "moving.tif"
        with tempfile.TemporaryDirectory() as folder:
            if dtype == NOISE:
                moving = disturbed(moving, Path(folder))
            began = time.perf_counter()
            result = measure(str(moving), str(case / "reference.tif"), settings)
            seconds = time.perf_counter() - began
        found = places(result)
        if dtype == "float32":
            exact = found
        row: dict[str, Any] = {"case": case.name, "matcher": matcher, "dtype": dtype}
        row |= {"seconds": round(seconds, 2), "ok": found is not None}
        row["points"] = len(result.matches)
        row["transform"] = result.report["transform"]
        if exact is not None and found is not None and dtype != "float32":
            away = np.hypot(*(found - exact).T)
            row |= {"median_px": float(np.median(away)), "max_px": float(away.max())}
        print(json.dumps(row), flush=True)
        rows.append(row)
        if exact is None:
            break
    return rows


def key(row: dict[str, Any]) -> tuple[str, str, str, str]:
    """What rows replace each other by; a `note` keeps one of how things were."""
    return row["case"], row["matcher"], row["dtype"], row.get("note", "")


def main() -> None:
    """Run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cases", type=Path, default=Path(tempfile.gettempdir()) / "georeg-cases")
    parser.add_argument("--matchers", nargs="+", default=["xfeat_lighterglue"])
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16"])
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("--emulate", action="store_true")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", default=["nirvis_City__0"])
    args = parser.parse_args()
    build(args.shared, args.cases)
    if args.emulate:
        emulate()
    dtypes = args.dtypes + [NOISE] * args.noise
    path = RESULTS / "half_precision.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    for matcher in args.matchers:
        for case in sorted(args.cases.iterdir()):
            if any(word in case.name for word in args.only) and "unrelated" not in case.name:
                new = one(case, matcher, dtypes, args.device)
                keys = {key(r) for r in new}
                rows = [r for r in rows if key(r) not in keys] + new
                path.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    lines = [
        "# Half precision",
        "",
        f"`python benchmarks/half_precision.py`, {os.cpu_count()} CPU cores, {where}, georeg "
        f"{__version__}. Distance of the fitted {MODEL} transform from that in float32, "
        "over a dense grid of places, in reference pixels; cases that both align. Matchers with "
        "key points compute in float32 whatever they are told, because of what it was before.",
        "",
        "| matcher | type | of | cases | both aligned | median of medians px | largest median px "
        "| largest of all px |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in sorted({key(r)[1:] for r in rows if r["dtype"] != "float32"}):
        mine = [r for r in rows if key(r)[1:] == kind]
        both = [r for r in mine if "median_px" in r]
        medians = [r["median_px"] for r in both] or [float("nan")]
        most = max([r["max_px"] for r in both] or [float("nan")])
        lines.append(
            f"| {kind[0]} | {kind[1]} | {kind[2] or 'now'} | {len(mine)} | {len(both)} "
            f"| {median(medians):.3f} | {max(medians):.3f} | {most:.3f} |"
        )
    (RESULTS / "half_precision.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
