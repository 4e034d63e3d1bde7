"""How fast tile pairs are read and placed, whoever matches them: what keeps a GPU waiting or not.

    python benchmarks/supply.py

A pair of 8000 px (big_pair.py) is cut into tiles of two sizes, which nobody matches, in one
thread and in as many as there are processors. 'field': through a smooth field, as the estimate is
after the first levels; 'affine': through a georeference alone. Rows of other machines are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from big_pair import displacement, make

from georeg import transforms
from georeg.matching.protocol import TileBatch
from georeg.pairing.reading import each_batch
from georeg.pairing.scene import Scene, open_scene
from georeg.settings import Settings, processors
from georeg.tiling import TilePair, plan
from georeg.transforms import Transform

RESULTS = Path(__file__).parent / "results"
SIDE = 8000


@dataclass
class Nobody:
    """Takes batches as a team on one GPU does, and does nothing with them."""

    readers: int
    at_once: int = 2

    def size(self, pixels: int) -> int:
        """As many tile pairs as 8 of 640 px are."""
        return max(1, 8 * 640 * 640 // pixels)

    def match(self, batch: TileBatch) -> int:
        """Count them."""
        return len(batch)


def cut(tile: int) -> list[TilePair]:
    """All tiles of the pair."""
    return plan(
        (SIDE, SIDE), 1.0, tile=tile, limit=704, margin=32, most=600,
        texture=np.ones((1, 1), np.float32), texture_factor=float(SIDE),
        to_moving=lambda xy: xy, to_reference=lambda xy: xy,
    )  # fmt: skip


def field() -> Transform:
    """What the pair's truth is, as nearly as a field can be."""
    along = np.linspace(0, SIDE, 40)
    at = np.stack(np.meshgrid(along, along), -1).reshape(-1, 2)
    return transforms.load("field").from_points(at, at + displacement(at, SIDE), np.ones(len(at)))


def row(scene: Scene, name: str, tile: int, threads: int) -> dict[str, Any]:
    """Tile pairs per second, the best of three."""
    transform = field() if name == "field" else None
    pairs = cut(tile)
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        found = each_batch(
            pairs, scene.moving_view(transform), scene.reference_view(), Nobody(threads),
            radius=6.0, goal="refine",
        )  # fmt: skip
        count = sum(number for _, number in found)
        best = max(best, count / (time.perf_counter() - start))
    window = pairs[0].window
    return {
        "hardware": f"{len(os.sched_getaffinity(0))} CPU cores, {platform.machine()}",
        "through": name, "window": window.width, "threads": threads, "pairs_per_s": round(best, 1),
        "mpx_per_s": round(best * window.width * window.height / 1e6, 1),
    }  # fmt: skip


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    moving, reference = make(Path(tempfile.gettempdir()) / "georeg-cost", SIDE)
    with open_scene(str(moving), str(reference), Settings()) as scene:
        rows = [
            row(scene, name, tile, threads)
            for name in ("affine", "field")
            for tile in (320, 640)
            for threads in sorted({1, processors()})
        ]
    path = args.out / "supply.json"
    before = json.loads(path.read_text()) if path.exists() else []
    rows = [r for r in before if r["hardware"] != rows[0]["hardware"]] + rows
    path.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    names = list(rows[0])
    lines = [
        "# How fast tile pairs are read and placed",
        "",
        "`python benchmarks/supply.py`: tiles of a pair of 8000 px, which nobody matches. A "
        "matcher that is faster than this waits.",
        "",
        "| " + " | ".join(n.replace("_per_s", "/s") for n in names) + " |",
        "|---" * len(names) + "|",
        *("| " + " | ".join(str(r[n]) for n in names) + " |" for r in rows),
    ]
    (args.out / "supply.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
