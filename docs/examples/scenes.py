"""The rasters that the guides align: one made-up place, seen by many sensors.

    python docs/examples/scenes.py FOLDER

Each moving raster claims to be elsewhere than it is, by the error in `SCENES`; old_map.png claims
nothing. The place is drawn by georeg's own scene generator (georeg.training.city), so the true
error is known and nothing has to be fetched.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

from georeg.training.city import chart, radar
from georeg.training.city.layout import Layout, random_layout
from georeg.training.city.picture import Eye, by_chance, by_day, paint

Image = npt.NDArray[np.float32]

SIDE, MARGIN = 400, 80  # pixels of 1 m that are shown, and what is drawn around them
SEED, ELSEWHERE = 8, 3
WEST, NORTH, CRS = 460_000.0, 5_450_000.0, "EPSG:32633"


@dataclass(frozen=True)
class Scene:
    """One raster.

    Attributes:
        look: draws the layout: (side, side, bands) in [0, 1].
        right: metres by which what is seen lies further right than its georeference says.
        down: the same downwards.
        turn: degrees by which it is turned, too.
        gsd: size of its pixels in metres.
        side: of the ground that it shows, metres.
        depth: data type.
        top: value that 1 is stored as.
        placed: whether it has a georeference.
        seed: of the place.
    """

    look: Callable[[Layout], Image]
    right: float = 0.0
    down: float = 0.0
    turn: float = 0.0
    gsd: float = 1.0
    side: int = SIDE
    depth: str = "uint8"
    top: float = 255.0
    placed: bool = True
    seed: int = SEED


def _light(date: int, sun: tuple[float, float]) -> Eye:
    return Eye(np.array([0.06, 0.04]), np.array(sun), date)


def _day(date: int, sun: tuple[float, float] = (0.6, 0.4)) -> Callable[[Layout], Image]:
    """An optical image of some date."""
    return lambda layout: paint(layout, by_day(np.random.default_rng(date)), _light(date, sun))


def _infrared(layout: Layout) -> Image:
    grey = by_chance(np.random.default_rng(6), plants=0.75)
    return paint(layout, grey, _light(1, (0.6, 0.4)))[..., :1]


def _thermal(layout: Layout) -> Image:
    """Warm roofs and roads, cool plants and water."""
    grey = by_chance(np.random.default_rng(11), plants=0.2)
    return paint(layout, grey, _light(5, (0.2, 0.2)))[..., :1]


def _radar(layout: Layout) -> Image:
    return radar.scan(layout, np.random.default_rng(8))[..., :1]


def _map(layout: Layout) -> Image:
    return chart.draw(layout, np.random.default_rng(5))


SCENES: dict[str, Scene] = {
    "satellite.tif": Scene(_day(1)),
    "radar.tif": Scene(_radar, 11, -7, 0.5, depth="uint16", top=9000.0),
    "old_map.png": Scene(_map, 4, 6, turn=7.0, gsd=0.8, side=330, placed=False),
    "drone.tif": Scene(_day(2, (-0.5, 0.5)), -13, 9, 1.5, gsd=0.5, side=220),
    "thermal.tif": Scene(_thermal, -9, 5, -0.4, depth="float32", top=30.0),
    "red.tif": Scene(lambda layout: _day(3)(layout)[..., :1], 8, 12, 0.3),
    "nir.tif": Scene(_infrared, 8, 12, 0.3, gsd=2.0),
    "2019.tif": Scene(_day(4, (0.8, -0.3)), 3.4, -2.2),
    "2020.tif": Scene(_day(5, (0.3, 0.7)), -4.1, 1.3),
    "2021.tif": Scene(_day(6, (-0.6, 0.2)), 2.7, 5.6),
    "elsewhere.tif": Scene(_day(7), seed=ELSEWHERE),
}


def matrix_of(scene: Scene) -> npt.NDArray[np.float64]:
    """(2, 3), from the raster's pixels (edge convention) to the layout's."""
    pixels = scene.side / scene.gsd
    middle = SIDE / 2 + MARGIN
    turn = cv2.getRotationMatrix2D((0.0, 0.0), scene.turn, scene.gsd)[:, :2]
    start = middle + np.array([scene.right, scene.down]) - turn @ [pixels / 2, pixels / 2]
    return np.column_stack([turn, start])


def seen(image: Image, scene: Scene) -> Image:
    """The layout's picture as the raster has it: (rows, columns, bands)."""
    matrix, pixels = matrix_of(scene), round(scene.side / scene.gsd)
    if scene.gsd > 1:
        image = cv2.GaussianBlur(image, (0, 0), 0.45 * scene.gsd).reshape(image.shape)
    centres = matrix.copy()
    centres[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    found = cv2.warpAffine(image, centres, (pixels, pixels), flags=flags)
    return np.asarray(found, np.float32).reshape(pixels, pixels, -1)


def write(path: Path, scene: Scene, image: Image) -> None:
    """A raster where it claims to be."""
    bands = np.clip(image, 0, 1).transpose(2, 0, 1) * scene.top
    bands = bands if scene.depth == "float32" else np.rint(bands)
    size = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    place: dict[str, Any] = {}
    if scene.placed:
        inset = (SIDE - scene.side) / 2
        corner = (WEST + inset, NORTH - inset)
        place = {"crs": CRS, "transform": Affine.translation(*corner) @ Affine.scale(
            scene.gsd, -scene.gsd)}  # fmt: skip
    driver = "PNG" if path.suffix == ".png" else "GTiff"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # old_map.png has no place
        with rasterio.open(path, "w", driver=driver, dtype=scene.depth, **size, **place) as file:
            file.write(bands.astype(scene.depth))


def make(folder: Path, names: tuple[str, ...] = ()) -> None:
    """Write scenes.

    Args:
        folder: where to.
        names: of `SCENES`; all if empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    layouts: dict[int, Layout] = {}
    for name in names or SCENES:
        scene = SCENES[name]
        if scene.seed not in layouts:
            rng = np.random.default_rng(scene.seed)
            layouts[scene.seed] = random_layout(SIDE + 2 * MARGIN, rng)
        write(folder / name, scene, seen(scene.look(layouts[scene.seed]), scene))


if __name__ == "__main__":
    make(Path(sys.argv[1] if len(sys.argv) > 1 else "."), tuple(sys.argv[2:]))
