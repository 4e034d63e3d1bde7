"""The pictures of the guides and of the FAQ, from made-up scenes.

    python docs/examples/pictures.py [scenes elsewhere far lean cloud stiff]

Needs `pip install -e '.[dev]'`. Each failure is made on purpose, aligned as a user would, and shown
by one plot of georeg's own report.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import rasterio

import scenes
from georeg.align import measure
from georeg.alignment import Alignment, told
from georeg.report.facts import gather
from georeg.report.files import drawn
from georeg.settings import Settings
from georeg.training.city.picture import Eye, by_day, paint

IMAGES = Path(__file__).resolve().parents[1] / "images"
WIDE, QUALITY = 900, 78
REFERENCE = "satellite.tif"
TOWN = 10  # seed of a place with tall buildings


def contact_sheet() -> None:
    """All rasters of the guides, with their names: docs/images/scenes.jpg."""
    scenes.make(Path("."))
    cells = []
    for name in scenes.SCENES:
        with rasterio.open(name) as file:
            bands = file.read().transpose(1, 2, 0).astype(float)
        low, high = np.percentile(bands, [1, 99])
        grey = np.clip((bands - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        grey = np.repeat(grey, 3, axis=2) if grey.shape[2] == 1 else grey[..., ::-1]
        cell = np.full((268, 248, 3), 255, np.uint8)
        cell[24:264, 4:244] = cv2.resize(grey, (240, 240), interpolation=cv2.INTER_AREA)
        cv2.putText(cell, name, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30,) * 3, 1, cv2.LINE_AA)
        cells.append(cell)
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % 4)
    save("scenes", np.vstack([np.hstack(cells[i : i + 4]) for i in range(0, len(cells), 4)]))


def elsewhere() -> Alignment:
    """Another place under the same coordinates."""
    return found("elsewhere.tif", scenes.SCENES["elsewhere.tif"])


def far() -> Alignment:
    """Further away than is looked for."""
    return found("far.tif", replace(scenes.SCENES["2019.tif"], right=150, down=-110))


def stiff() -> Alignment:
    """A turned raster, of which only a shift was allowed to be found."""
    return found("drone.tif", scenes.SCENES["drone.tif"], transform="shift")


def cloud() -> Alignment:
    """A third of the raster under clouds."""
    scene = scenes.SCENES["2020.tif"]
    clear = scene.look

    def clouded(layout: scenes.Layout) -> scenes.Image:
        image = clear(layout)
        rng = np.random.default_rng(3)
        noise = cv2.GaussianBlur(rng.normal(size=image.shape[:2]), (0, 0), 25)
        x = np.linspace(-1.6, 1.4, image.shape[1])
        cover = 1 / (1 + np.exp(-12 * (x + 0.24 * noise / noise.std())))[..., None]
        return np.asarray(image * (1 - cover) + 0.95 * cover, np.float32)

    return found("cloud.tif", replace(scene, look=clouded))


def lean() -> Alignment:
    """Tall buildings, seen from the left and from the right."""

    def seen(layout: scenes.Layout, date: int, side: float) -> scenes.Image:
        return paint(
            layout,
            by_day(np.random.default_rng(date)),
            Eye(np.array([side, 0.1]), np.array([0.3, 0.4]), 1),
        )

    left = scenes.Scene(partial(seen, date=1, side=0.5), seed=TOWN)
    right = scenes.Scene(partial(seen, date=2, side=-0.5), 5, 3, seed=TOWN)
    scenes.SCENES["left.tif"] = left
    scenes.make(Path("."), ("left.tif",))
    return found("right.tif", right, reference="left.tif")


def found(
    name: str, scene: scenes.Scene, reference: str = REFERENCE, transform: str = "auto"
) -> Alignment:
    """A scene made and aligned, pictures for a report included."""
    scenes.SCENES[name] = scene
    scenes.make(Path("."), (name, REFERENCE))
    settings = Settings(transform=transform, threads=2)
    return told(measure(name, reference, settings, pictures=True), "align", "")


FAILURES: dict[str, tuple[Callable[[], Alignment], str]] = {
    "elsewhere": (elsewhere, "checkerboard"),
    "far": (far, "checkerboard"),
    "lean": (lean, "checkerboard"),
    "cloud": (cloud, "coverage"),
    "stiff": (stiff, "residuals"),
}
"""What goes wrong, and the plot that shows it, by the name of docs/images/faq_NAME.jpg."""


def save(name: str, image: np.ndarray) -> None:
    """Write docs/images/NAME.jpg."""
    target = IMAGES / f"{name}.jpg"
    cv2.imwrite(str(target), image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    print(f"{target.name}: {target.stat().st_size // 1000} kB")


def main() -> None:
    """Write docs/images/scenes.jpg and faq_*.jpg."""
    wanted = sys.argv[1:] or ["scenes", *FAILURES]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if "scenes" in wanted:
            contact_sheet()
        for name in wanted:
            if name not in FAILURES:
                continue
            make, plot = FAILURES[name]
            result = make()
            verdict = result.verdict
            said = verdict.sentence() if verdict.ok else "; ".join(verdict.reasons)
            print(f"{name}: {said} {verdict.warnings}")
            data = drawn(gather(result.report, result.pictures), "png", (plot,))[plot]
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                raise SystemExit(f"the plot of {name} can't be read")
            share = min(1.0, WIDE / image.shape[1])
            save(f"faq_{name}", cv2.resize(image, None, fx=share, fy=share,
                                           interpolation=cv2.INTER_AREA))  # fmt: skip
        os.chdir(IMAGES)


if __name__ == "__main__":
    main()
