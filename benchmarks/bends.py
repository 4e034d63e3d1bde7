"""Error of fits in scenes of more tiles than are matched, whose displacements bend.

    python benchmarks/bends.py --folder /tmp/georeg-bends

Writes benchmarks/results/bends.md.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from big_pair import NORTH, WEST, displacement, make

from georeg.align import measure
from georeg.settings import Settings

RESULTS = Path(__file__).parent / "results"
# Pixels a side, amplitude along each axis and number of waves, --max-tiles (None: the default).
SCENES = (
    (8000, 14.0, 5.0, None),
    (8000, 8.0, 8.0, None),
    (8000, 8.0, 10.0, None),
    (3000, 2.0, 12.0, None),
    (3000, 4.0, 8.0, None),
    (800, 3.0, 5.0, None),
    (1500, 3.0, 2.5, 9),
    (1500, 3.0, 3.3, 16),
)
HEAD = "| px | wave | period | --max-tiles | status | median | p90 | p99 | most | stated RMSE |"


def row(folder: Path, size: int, wave: float, periods: float, tiles: int | None) -> str:
    """Align one scene; errors in pixels at 40 000 random places."""
    moving, reference = make(folder, size, wave=wave, periods=periods)
    result = measure(str(moving), str(reference), Settings(max_tiles=tiles))
    budget = "default" if tiles is None else str(tiles)
    said = f"| {size} | {wave:g} | {size / periods:.0f} | {budget} | {result.verdict.status} |"
    if result.fit is None or result.verdict.accuracy is None:
        return f"{said} - | - | - | - | - |"
    xy = np.random.default_rng(0).uniform(40, size - 40, (40_000, 2))
    true = xy + displacement(xy, size, wave, periods)
    ground = np.stack([WEST + xy[:, 0], NORTH - xy[:, 1]], axis=1)
    frame = result.fit.frame
    found = frame.to_map(result.fit.transform.forward(frame.to_pixel(ground)))
    away = np.hypot(found[:, 0] - WEST - true[:, 0], NORTH - found[:, 1] - true[:, 1])
    cells = " | ".join(f"{v:.3f}" for v in np.percentile(away, [50, 90, 99, 100]))
    return f"{said} {cells} | {result.verdict.accuracy.rmse_px:.2f} |"


def main() -> None:
    """Run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "georeg-bends")
    folder = parser.parse_args().folder
    rows = [row(folder, *scene) for scene in SCENES]
    text = ["# Scenes that bend between tiles", "", "`python benchmarks/bends.py`; errors in px.",
            "", HEAD, "|---" * 10 + "|", *rows, ""]  # fmt: skip
    (RESULTS / "bends.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
