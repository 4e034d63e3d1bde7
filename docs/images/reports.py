"""Screenshots of reports on three real pairs: one good, one poor, one refused.

    GEOREG_SHARED=/path/to/shared python docs/images/reports.py [good poor refused]

Needs Chromium, `pip install -e '.[dev]'`, and the imagery in shared/data: USDA NAIP (public
domain) and Copernicus Sentinel-1 and -2 over Los Angeles (contains modified Copernicus Sentinel
data 2020).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from affine import Affine
from playwright.sync_api import sync_playwright

import georeg

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("GEOREG_SHARED", HERE.parents[2] / "shared")) / "data"
NAIP, CITY = DATA / "pairs" / "naip", DATA / "train" / "s1s2_losangeles"
TURN, MOVE = 0.8, (14.0, -9.0)  # degrees and pixels: the error to be found
GRID = {"crs": "EPSG:32611", "transform": Affine(10, 0, 370_000, 0, -10, 3_770_000)}
WIDE, TALL, SMALLER, QUALITY = 1120, 1720, 0.7, 74
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def turned(source: Path, name: str) -> str:
    """A raster whose picture was turned and moved under its georeference."""
    with rasterio.open(source) as file:
        bands, profile = file.read((1, 2, 3)), file.profile
    rows, columns = bands.shape[1:]
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), TURN, 1.0)
    matrix[:, 2] += MOVE
    moved = [cv2.warpAffine(b, matrix, (columns, rows), flags=cv2.INTER_CUBIC) for b in bands]
    with rasterio.open(name, "w", **{**profile, "count": 3, "nodata": 0}) as file:
        file.write(np.stack(moved))
    return name


def placed(source: Path, name: str) -> str:
    """A picture without georeference, on the grid that both sensors' pictures share."""
    with rasterio.open(source) as file:
        bands = file.read()
    size = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    with rasterio.open(name, "w", driver="GTiff", dtype="uint8", **size, **GRID) as file:
        file.write(bands)
    return name


def good() -> tuple[str, str]:
    """Two years of farmland and lakes, one of them displaced on purpose."""
    shutil.copy(NAIP / "naip_20200831.tif", "naip_2020.tif")
    return turned(NAIP / "naip_20100629.tif", "naip_2010_displaced.tif"), "naip_2020.tif"


def poor() -> tuple[str, str]:
    """Radar against an optical image in hills, that differ by up to several pixels."""
    return placed(CITY / "031_sar.jpg", "sentinel1.tif"), placed(
        CITY / "031_optical.jpg", "sentinel2.tif"
    )


def refused() -> tuple[str, str]:
    """Radar of another place, under the georeference of the optical image."""
    return placed(CITY / "018_sar.jpg", "sentinel1_elsewhere.tif"), placed(
        CITY / "004_optical.jpg", "sentinel2.tif"
    )


def screenshot(browser: Any, path: Path) -> np.ndarray[Any, Any]:
    """The upper part of the page, and beside it the plots."""
    page = browser.new_page(
        viewport={"width": WIDE, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    page.goto(path.as_uri())
    data = page.screenshot(full_page=True)
    below = page.locator("#where").bounding_box()["y"]
    page.close()
    whole = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if whole is None:
        raise SystemExit("the screenshot can't be read")
    start = round(below) - 24
    both = np.hstack([whole[:TALL], whole[start : start + TALL]])
    return cv2.resize(both, None, fx=SMALLER, fy=SMALLER, interpolation=cv2.INTER_AREA)


def main() -> None:
    """Write docs/images/report_*.jpg."""
    pairs: dict[str, Callable[[], tuple[str, str]]] = {"good": good, "poor": poor}
    pairs["refused"] = refused
    wanted = sys.argv[1:] or list(pairs)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as run:
        os.chdir(folder)
        browser = run.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        for name in wanted:
            moving, reference = pairs[name]()
            report = f"report_{name}.html"
            line = f"georeg align {moving} --reference {reference} --output aligned.tif --report "
            georeg.align(
                moving, reference, "aligned.tif", report_path=report, command=line + report,
                output_settings=georeg.OutputSettings(overwrite=True),
            )  # fmt: skip
            image = screenshot(browser, Path(folder, report))
            target = HERE / f"report_{name}.jpg"
            cv2.imwrite(str(target), image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            print(f"{target.name}: {target.stat().st_size // 1000} kB")
        browser.close()
        os.chdir(HERE)


if __name__ == "__main__":
    main()
