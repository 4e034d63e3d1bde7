"""Whole image pairs without a prior, by MINIMA's protocol, for any matcher of points.

    python benchmarks/mmim.py --shared ../shared --matchers sift xfeat_lighterglue=xfeat_lighterglue

A matcher is named as for `georeg align`, with `=WEIGHTS` behind it if they aren't its own. The
longer side is brought to 640 px, the homography comes from OpenCV's RANSAC at 3 px with all
matches, and its error is the mean distance of the moving image's four corners in the reference
(MINIMA, CVPR 2025; its test_relative_homo_mmim.py). AUC is the area under the curve of errors up
to a threshold, as SuperGlue's code computes it. Pairs that fail count as infinitely wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from georeg import __version__, choosing
from georeg.matching.pixels import to_centres
from georeg.matching.protocol import Device, Matcher, Surfaces, TileBatch
from georeg.matching.running import run

RESULTS = Path(__file__).parent / "results"
SIDE = 640  # pixels
RANSAC = 3.0  # pixels; of the original image, as officially
LIMITS = (5.0, 10.0, 20.0)
# ../shared/notes/matching_experiments.md: all 41 pairs of MMIM's remote sensing part.
KNOWN = """\
| XFeat semi-dense | 8/21/40 |
| XFeat + LighterGlue | 9/24/43 |
| ALIKED + LightGlue | 10/21/37 |"""


def image_of(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Grey in [0, 1] with the longer side as wanted, and its scale (x, y)."""
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise SystemExit(f"{path} can't be read")
    height, width = grey.shape
    factor = SIDE / max(height, width) if SIDE else 1.0
    size = tuple(max(8, round(n * factor) // 8 * 8) for n in (width, height))
    resized = cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
    return resized, np.array(size) / (width, height)


def batch_of(moving: np.ndarray, reference: np.ndarray) -> TileBatch:
    """Both in the upper left corner of one frame; what remains is invalid."""
    shape = np.maximum(moving.shape, reference.shape)
    sides: list[Any] = []
    for image in (moving, reference):
        frame, mask = np.zeros((1, *shape), np.float32), np.zeros((1, *shape), np.bool_)
        frame[0, : image.shape[0], : image.shape[1]] = image
        mask[0, : image.shape[0], : image.shape[1]] = True
        sides += [frame, mask]
    return TileBatch(*sides, radius=float(shape.max()), goal="locate")


def corner_error(entry: dict[str, Any], folder: Path, matcher: Matcher) -> tuple[float, int]:
    """Mean error of the corners in reference pixels, infinite if it fails; number of matches."""
    truth = np.array(entry["moving_to_reference"])
    images, scales = zip(
        *(image_of(folder / entry[s]) for s in ("moving", "reference")), strict=True
    )
    found = run(matcher, batch_of(*images))
    if isinstance(found, Surfaces):
        raise SystemExit(f"{matcher.name} doesn't give points")
    one, two = (
        to_centres(xy / scale)
        for xy, scale in zip((found.moving_xy, found.reference_xy), scales, strict=True)
    )
    if len(one) < 4:
        return np.inf, len(one)
    cv2.setRNGSeed(0)
    matrix, _ = cv2.findHomography(one, two, cv2.RANSAC, RANSAC)
    if matrix is None:
        return np.inf, len(one)
    height, width = cv2.imread(str(folder / entry["moving"]), cv2.IMREAD_GRAYSCALE).shape
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
    placed = [
        cv2.perspectiveTransform(corners[None].astype(np.float64), m)[0] for m in (truth, matrix)
    ]
    error = float(np.linalg.norm(placed[1] - placed[0], axis=1).mean())
    return (error if np.isfinite(error) else np.inf), len(one)


def auc(errors: list[float]) -> list[float]:
    """Area under the curve of recall up to each limit, in percent."""
    ordered = np.array([0.0, *sorted(errors)])
    recall = np.linspace(0, 1, len(errors) + 1)
    areas = []
    for limit in LIMITS:
        last = int(np.searchsorted(ordered, limit))
        x, y = np.append(ordered[:last], limit), np.append(recall[:last], recall[last - 1])
        areas.append(float(100 * (np.diff(x) * (y[1:] + y[:-1]) / 2).sum() / limit))
    return areas


def cell(errors: list[float]) -> str:
    return "/".join(f"{a:.0f}" for a in auc(errors))


def measure(name: str, pairs: list[dict[str, Any]], folder: Path, device: str) -> dict[str, Any]:
    """One matcher over all pairs."""
    kind, _, weights = name.partition("=")
    matcher = choosing.choose(kind, weights).load(Device(device))
    rows = []
    for entry in pairs:
        start = time.perf_counter()
        error, count = corner_error(entry, folder, matcher)
        seconds = time.perf_counter() - start
        rows.append({"set": entry["modality"], "name": entry["name"], "error": error,
                     "matches": count, "seconds": seconds})  # fmt: skip
        print(
            f"{kind} {entry['name']}: {error:.1f} px, {count} matches, {seconds:.1f} s", flush=True
        )
    return {"matcher": kind, "rows": rows}


def table(runs: list[dict[str, Any]]) -> list[str]:
    sets = list(dict.fromkeys(row["set"] for row in runs[0]["rows"]))
    lines = [
        "| matcher | " + " | ".join(s.removeprefix("mmim_") for s in sets)
        + " | over all pairs | mean over sets | median px | matches | s |",
        "|---" * (len(sets) + 6) + "|",
    ]  # fmt: skip
    for one in runs:
        groups = defaultdict(list)
        for row in one["rows"]:
            groups[row["set"]].append(row["error"])
        every = [row["error"] for row in one["rows"]]
        mean = np.mean([auc(groups[s]) for s in sets], axis=0)
        middle = (np.median([row[key] for row in one["rows"]]) for key in ("matches", "seconds"))
        matches, seconds = middle
        lines.append(
            f"| {one['matcher']} | " + " | ".join(cell(groups[s]) for s in sets)
            + f" | {cell(every)} | {'/'.join(f'{m:.0f}' for m in mean)} | {np.median(every):.1f} "
            f"| {matches:.0f} | {seconds:.1f} |"
        )  # fmt: skip
    return lines


def main() -> None:
    """Run and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--matchers", nargs="+", default=["sift"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sets", nargs="+", default=["mmim", "nirvis"], help="or srif")
    parser.add_argument("--dry", action="store_true", help="print the tables only")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folder = args.shared / "data/pairs/crossmodal"
    index = json.loads((folder / "index.json").read_text())
    groups = {name: [p for p in index if p["modality"].startswith(name)] for name in args.sets}
    lines = [
        "# Whole image pairs without a prior (MINIMA's protocol)",
        "",
        f"`python benchmarks/mmim.py --matchers {' '.join(args.matchers)}`, {os.cpu_count()} cores "
        f"({args.threads} thread), {platform.machine()}, {args.device}, georeg {__version__}, "
        f"torch {torch.__version__}. AUC of the mean corner error at 5 / 10 / 20 px in percent; "
        f"longer side {SIDE} px, RANSAC at {RANSAC:g} px.",
        "",
    ]
    for prefix, pairs in groups.items():
        runs = [measure(name, pairs, folder, args.device) for name in args.matchers]
        lines += [f"## {prefix}: {len(pairs)} pairs", "", *table(runs), ""]
    lines += [
        "## What is known",
        "",
        "On all 41 pairs of MMIM, of which 14 are here (2 a set, so that a pair weighs 7 points):",
        "",
        "| matcher | over all pairs |",
        "|---|---|",
        KNOWN,
        "",
        "`nirvis` and `srif` have exact truth.",
    ]
    text = "\n".join(lines) + "\n"
    if args.dry:
        print(text)
    else:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "mmim.md").write_text(text)


if __name__ == "__main__":
    main()
