"""Small synthetic rasters, and running the command line in this process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from affine import Affine
from click.testing import CliRunner

from georeg_cli.main import cli

SIZE = 300
GEO = Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0)
SHIFT, ANGLE = (5.3, -7.8), 1.5
FAST = ("--threads", "1", "--transform", "similarity")


def texture(size: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """A random field in [0, 1] with detail at many scales."""
    rng = np.random.default_rng(seed)
    field = np.zeros((size, size), np.float32)
    for sigma in (1.5, 4.0, 10.0, 25.0):
        noise = rng.standard_normal((size, size)).astype(np.float32)
        field += cv2.GaussianBlur(noise, (0, 0), sigma) * sigma**1.7
    field -= field.min()
    return field / field.max()


def matrix(size: int = SIZE, margin: int = 50) -> np.ndarray[Any, Any]:
    """(2, 3) reference -> moving pixel centres of the padded field."""
    middle = size / 2 + margin
    found = cv2.getRotationMatrix2D((middle, middle), ANGLE, 1.0)
    found[:, 2] += SHIFT
    return found


def save(path: Path, data: Any, transform: Any = GEO, crs: Any = "EPSG:32633", **k: Any) -> str:
    data = np.asarray(data)
    bands = data[None] if data.ndim == 2 else data
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    place = {"transform": transform, "crs": crs} if transform is not None else {}
    with rasterio.open(path, "w", driver="GTiff", dtype=bands.dtype, **shape, **place, **k) as file:
        file.write(bands)
    return str(path)


def pair(folder: Path, size: int = SIZE) -> tuple[str, str]:
    """A moving raster (rotated, shifted, inverted, other type) and its reference."""
    folder.mkdir(exist_ok=True)
    field = texture(size + 100)
    inside = slice(50, 50 + size)
    moved = cv2.warpAffine(field, matrix(size), field.shape[::-1], flags=cv2.INTER_CUBIC)
    reference = (field[inside, inside] * 255).astype(np.uint8)
    moving = ((1 - np.clip(moved[inside, inside], 0, 1)) ** 1.3 * 60_000).astype(np.uint16)
    return save(folder / "moving.tif", moving), save(folder / "reference.tif", reference)


def truth(size: int = SIZE) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(N, 2) places in moving and in reference pixels, edge convention."""
    at = np.linspace(30, size - 30, 6)
    reference = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    centres = reference - 0.5 + 50
    found = matrix(size)
    moving = centres @ found[:, :2].T + found[:, 2] + 0.5 - 50
    return moving, reference


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


def run(*args: Any) -> Outcome:
    """`georeg ARGS` in this process."""
    result = CliRunner().invoke(cli, [str(a) for a in args], prog_name="georeg")
    return Outcome(result.exit_code, result.stdout, result.stderr)


def snapshot(folder: Path) -> dict[str, str]:
    """Names of all files under a folder, hidden ones too, and checksums of their contents."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    } | {f"{p.relative_to(folder)}/": "" for p in folder.rglob("*") if p.is_dir()}
