"""What `georeg align` costs against a plain gdalwarp (cubic, COG) of the same raster.

    python benchmarks/align_cost.py --sizes 2000 5000 10000 20000 --runs 3

Both run in turn on the same machine, as whole processes. Needs gdalwarp on the PATH. Writes
benchmarks/results/align_cost.md and .json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from big_pair import NORTH, WEST, displacement, make

from georeg import __version__, load_fit

RESULTS = Path(__file__).parent / "results"


# A process counts as its own what its parent held when it was started: the parent must be small.
_LAUNCHER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
code = process.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps({"code": code, "wall": time.perf_counter() - began,
                  "cpu": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / 1024}))
"""


def run(command: list[str]) -> dict[str, float]:
    """Wall and CPU seconds and peak resident MB of a command."""
    launched = [sys.executable, "-S", "-c", _LAUNCHER, *command]
    done = subprocess.run(launched, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    if found.pop("code"):
        raise SystemExit(f"{' '.join(command)} failed")
    return found


def errors(fit_path: Path, size: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Of the fit, in pixels, at random places."""
    fit = load_fit(str(fit_path))
    claimed = np.random.default_rng(0).uniform(20, size - 20, (20_000, 2))
    truth = claimed + displacement(claimed, size)
    ground = np.stack([WEST + claimed[:, 0], NORTH - claimed[:, 1]], axis=1)
    found = fit.frame.to_map(fit.transform.forward(fit.frame.to_pixel(ground)))
    return np.hypot(found[:, 0] - WEST - truth[:, 0], NORTH - found[:, 1] - truth[:, 1])


def measure(size: int, runs: int, folder: Path) -> dict[str, Any]:
    """Both commands, in turn."""
    moving, reference = make(folder, size)
    out, fit = folder / "out.tif", folder / "fit.json"
    georeg = [
        sys.executable, "-m", "georeg", "align", str(moving), "--reference", str(reference),
        "--output", str(out), "--fit", str(fit), "--overwrite", "--quiet",
    ]  # fmt: skip
    shifted = [WEST + 0.4, NORTH - size + 0.4, WEST + size + 0.4, NORTH + 0.4]
    gdalwarp = [
        "gdalwarp", "-q", "-overwrite", "-r", "cubic", "-of", "COG", "-multi",
        "-wo", "NUM_THREADS=ALL_CPUS", "-co", "NUM_THREADS=ALL_CPUS", "-co", "BIGTIFF=IF_SAFER",
        "-te", *map(str, shifted), "-tr", "1", "1", str(moving), str(out),
    ]  # fmt: skip
    both: dict[str, list[dict[str, float]]] = {"georeg": [], "gdalwarp": []}
    for _ in range(runs):
        both["gdalwarp"].append(run(gdalwarp))
        both["georeg"].append(run(georeg))
    out.unlink()
    error = errors(fit, size)
    row: dict[str, Any] = {"size": size}
    for name, found in both.items():
        for key in ("wall", "cpu", "mb"):
            row[f"{name}_{key}"] = round(median(f[key] for f in found), 2)
    row["ratio"] = round(
        median(
            a["wall"] / b["wall"] for a, b in zip(both["georeg"], both["gdalwarp"], strict=True)
        ),
        2,
    )
    row["median_px"] = round(float(np.median(error)), 3)
    row["p90_px"] = round(float(np.percentile(error, 90)), 3)
    return row


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 5000, 10000, 20000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "georeg-cost")
    args = parser.parse_args()
    if shutil.which("gdalwarp") is None:
        raise SystemExit("gdalwarp isn't on the PATH (Debian: apt install gdal-bin)")
    version = subprocess.run(["gdalwarp", "--version"], capture_output=True, text=True, check=True)
    rows = []
    for size in args.sizes:
        rows.append(measure(size, args.runs, args.folder))
        print(json.dumps(rows[-1]), flush=True)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, no GPU"
    lines = [
        "# Cost of `georeg align` against plain gdalwarp",
        "",
        f"`python benchmarks/align_cost.py --runs {args.runs}`: medians of whole processes run in "
        f"turn, {machine}, georeg {__version__}, {version.stdout.split(',')[0]}. uint8, one band, "
        "deflate, 512 px tiles, no overviews; the moving raster is inverted and shifted by 3 px "
        "plus a wave of 4 px. gdalwarp only resamples (cubic, COG); georeg finds the displacement "
        "first. Error: of the fit, at 20 000 random places.",
        "",
        "| px | gdalwarp wall s | georeg wall s | ratio | gdalwarp CPU s | georeg CPU s "
        "| gdalwarp MB | georeg MB | median error px | p90 px |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        lines.append(
            f"| {r['size']} | {r['gdalwarp_wall']} | {r['georeg_wall']} | {r['ratio']} "
            f"| {r['gdalwarp_cpu']} | {r['georeg_cpu']} | {r['gdalwarp_mb']:.0f} "
            f"| {r['georeg_mb']:.0f} | {r['median_px']} | {r['p90_px']} |"
        )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "align_cost.md").write_text("\n".join(lines) + "\n")
    (RESULTS / "align_cost.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
