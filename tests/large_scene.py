"""Pairs of any size, made in blocks and in seconds, and the engine run on them in a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

import scenes

BLOCK = 1280  # a multiple of the files' tiles
MOVED = (7.3, -4.6)  # pixels: where the moving raster's content truly lies, relative to its claim
ROOT = Path(__file__).resolve().parents[1]

# In a process of its own, so that nothing of the test's own memory is counted.
_CHILD = """
import json, sys
from georeg.align import align
from georeg.settings import OutputSettings, Settings
moving, reference, output, settings, wanted = json.loads(sys.argv[1])
result = align(moving, reference, output, Settings(**settings), OutputSettings(**wanted))
with open("/proc/self/status") as file:
    peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
verdict, fit = result.verdict, result.fit
step = None
if fit is not None:
    step = (fit.transform.forward(fit.frame.outline(2)) - fit.frame.outline(2)).mean(axis=0)
    step = (step * fit.frame.transform.a / fit.reference.transform.a).tolist()
print(json.dumps({"peak_mb": peak / 1024, "sentence": verdict.sentence(), "output": result.output,
                  "step": step, "seconds": result.report["seconds"]}))
"""


@dataclass(frozen=True)
class Run:
    """What a run took, and what it found."""

    peak_mb: float
    sentence: str
    output: str | None
    step: list[float] | None  # mean of true - claimed position, pixels of the reference
    seconds: dict[str, float]


def make(folder: Path, size: int) -> tuple[str, str]:
    """A moving raster (tones inverted, geotransform wrong by MOVED) and its reference.

    Every block shows the same texture turned and toned in its own way, under a broad pattern
    that tells the blocks apart.
    """
    folder.mkdir(parents=True, exist_ok=True)
    patch = scenes.texture((BLOCK, BLOCK), seed=3)
    rng = np.random.default_rng(1)
    count = -(-size // BLOCK)
    coarse = rng.uniform(0, 1, (4 * count, 4 * count)).astype(np.float32)
    true = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])
    claimed = true @ Affine.translation(-MOVED[0], -MOVED[1])
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": size, "height": size, "count": 1, "dtype": "uint8",
        "crs": scenes.CRS, "tiled": True, "blockxsize": 256, "blockysize": 256,
    }  # fmt: skip
    names = str(folder / "moving.tif"), str(folder / "reference.tif")
    with (
        rasterio.open(names[0], "w", transform=claimed, **profile) as moving,
        rasterio.open(names[1], "w", transform=true, **profile) as reference,
    ):
        for row in range(count):
            for column in range(count):
                image = np.rot90(patch, int(rng.integers(4)))
                image = image[::-1] if rng.random() < 0.5 else image
                part = coarse[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
                broad = cv2.resize(part, (BLOCK, BLOCK), interpolation=cv2.INTER_CUBIC)
                values = np.clip(1 + 254 * (0.6 * image + 0.4 * broad), 1, 255).astype(np.uint8)
                window = Window(column * BLOCK, row * BLOCK, BLOCK, BLOCK)
                window = window.intersection(Window(0, 0, size, size))
                values = values[: int(window.height), : int(window.width)]
                reference.write(values, 1, window=window)
                moving.write(255 - values // 2, 1, window=window)
    return names


def run_align(
    moving: str,
    reference: str,
    output: str | None,
    *,
    driver: str = "COG",
    creation: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
    **settings: Any,
) -> Run:
    """Align in a process of its own and measure that process's peak of resident memory.

    The output lies on the reference's grid, so every pixel is resampled.
    """
    wanted = {"driver": driver, "grid": "reference", "creation": creation or {}}
    argument = json.dumps([moving, reference, output, settings, wanted])
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    variables = {**os.environ, "PYTHONPATH": path, **(environment or {})}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, argument],
        capture_output=True, text=True, check=False, cwd=ROOT, env=variables,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return Run(**json.loads(done.stdout))
