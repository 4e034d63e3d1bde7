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
    sides: list[np.ndarray] = []
    for image in (moving, reference):
        frame, mask = np.zeros((1, *shape), np.float32), np.zeros((1, *shape), np.bool_)
        frame[0, : image.shape[0], : image.shape[1]] = image
        mask[0, : image.shape[0], : image.shape[1]] = True
        sides += [frame, mask]
    one, mask_one, two, mask_two = sides
    return TileBatch(one, mask_one, two, mask_two, float(shape.max()), "locate")


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
    fitted: tuple[Any, Any] = cv2.findHomography(one, two, cv2.RANSAC, RANSAC)
    matrix = fitted[0]
    if matrix is None:
        return np.inf, len(one)
    height, width = np.rint(np.array(images[0].shape) / scales[0][::-1])
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


def measure(
    name: str, pairs: list[dict[str, Any]], folder: Path, device: str
) -> list[dict[str, Any]]:
    """One matcher over all pairs."""
    kind, _, weights = name.partition("=")
    matcher = choosing.loader(kind, weights)(Device(device))
    rows = []
    for entry in pairs:
        start = time.perf_counter()
        error, count = corner_error(entry, folder, matcher)
        seconds = time.perf_counter() - start
        row = {"set": entry["modality"], "name": entry["name"], "matches": count}
        rows.append(
            {
                **row,
                "error": round(error, 3) if np.isfinite(error) else None,
                "seconds": round(seconds, 2),
            }
        )
        print(
            f"{kind} {entry['name']}: {error:.1f} px, {count} matches, {seconds:.1f} s", flush=True
        )
    return rows


def table(runs: dict[str, list[dict[str, Any]]]) -> list[str]:
    """One row per matcher: AUC by set, over all pairs, and the mean over sets."""
    sets = list(dict.fromkeys(row["set"] for rows in runs.values() for row in rows))
    heads = ["matcher", *(s.partition("_")[2] for s in sets), "over all pairs", "mean over sets"]
    heads += ["pairs", "median px", "matches", "s"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, rows in runs.items():
        groups = defaultdict(list)
        for row in rows:
            groups[row["set"]].append(np.inf if row["error"] is None else row["error"])
        every = [error for errors in groups.values() for error in errors]
        mean = np.mean([auc(errors) for errors in groups.values()], axis=0)
        matches, seconds = (np.median([row[key] for row in rows]) for key in ("matches", "seconds"))
        cells = [name, *(cell(groups[s]) if s in groups else "-" for s in sets), cell(every)]
        cells += ["/".join(f"{m:.0f}" for m in mean), str(len(rows)), f"{np.median(every):.1f}"]
        lines.append(f"| {' | '.join(cells)} | {matches:.0f} | {seconds:.1f} |")
    return lines


def main() -> None:
    """Run and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--matchers", nargs="+", default=["sift"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sets", nargs="+", default=["mmim", "nirvis"], help="or srif")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folder = args.shared / "data/pairs/crossmodal"
    index = json.loads((folder / "index.json").read_text())
    pairs = [p for p in index if p["modality"].startswith(tuple(args.sets))]
    kept = RESULTS / "mmim.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    for name in args.matchers:
        rows = measure(name, pairs, folder, args.device)
        others = [r for r in known.get(name, []) if not r["set"].startswith(tuple(args.sets))]
        known[name] = others + rows
        kept.write_text(json.dumps(known, indent=0, sort_keys=True) + "\n")
    lines = [
        "# Whole image pairs without a prior (MINIMA's protocol)",
        "",
        f"`python benchmarks/mmim.py --sets {' '.join(args.sets)} --matchers {' '.join(known)}`, "
        f"{os.cpu_count()} cores ({args.threads} thread, other work beside), {platform.machine()}, "
        f"{args.device}, georeg {__version__}, torch {torch.__version__}. AUC of the mean corner "
        f"error at 5 / 10 / 20 px in percent; longer side {SIDE} px, RANSAC at {RANSAC:g} px.",
        "",
    ]
    for prefix in ("mmim", "nirvis", "srif"):
        runs = {n: [r for r in rows if r["set"].startswith(prefix)] for n, rows in known.items()}
        runs = {n: rows for n, rows in runs.items() if rows}
        if runs:
            lines += [f"## {prefix}", "", *table(runs), ""]
    lines += [
        "## What is known",
        "",
        "On all 41 pairs of MMIM, of which 14 are here (2 a set, so that a pair weighs 7 points):",
        "",
        "| matcher | over all pairs |",
        "|---|---|",
        KNOWN,
    ]
    (RESULTS / "mmim.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
