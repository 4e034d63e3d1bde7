"""The gallery of the data engine: pictures as each modality would show them.

    python benchmarks/gallery.py ../shared/data/train/naip/20150926_rgb.jpg \
        ../shared/data/train/s1s2_losangeles/168_optical.jpg --output docs/images/gallery.jpg

Each image is one block: as it is, then each modality with as many seeds as there are columns.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from georeg.synthesis import available, load
from georeg.synthesis.draws import Draws

LABEL, GAP = 16, 4
# What a modality's looks are, where it has several; else seeds differ.
LOOKS: dict[str, list[dict[str, Any]]] = {
    "sar": [{"scale": "amplitude"}, {"scale": "log"}],
    "infrared": [{"kind": "near"}, {"kind": "thermal"}],
    "map": [{"style": 0, "scanned": False}, {"style": 2, "scanned": True}],
    "dem": [{"look": "hillshade"}, {"look": "tinted"}],
    "season": [{"snow": True, "clouds": False}, {"snow": False, "clouds": True}],
    "sensor": [{"factor": 3.0}, {"noise": 0.08, "bits": 4, "quality": 20}],
}


def source(path: Path, side: int, crop: int) -> torch.Tensor:
    """(1, 3, side, side): the middle of an image, downscaled."""
    image = cv2.imread(str(path))
    if image is None:
        raise SystemExit(f"{path} can't be read as an image")
    height, width = image.shape[:2]
    crop = min(crop, height, width)
    y, x = (height - crop) // 2, (width - crop) // 2
    small = cv2.resize(
        image[y : y + crop, x : x + crop], (side, side), interpolation=cv2.INTER_AREA
    )
    return torch.from_numpy(small[..., ::-1].copy()).permute(2, 0, 1)[None].float() / 255


def tile(image: torch.Tensor, text: str) -> np.ndarray[Any, Any]:
    """(1, C, H, W) -> a picture with its name below."""
    pixels = (image[0].expand(3, -1, -1).permute(1, 2, 0).numpy()[..., ::-1] * 255).round()
    framed = np.full((pixels.shape[0] + LABEL + GAP, pixels.shape[1] + GAP, 3), 255, np.uint8)
    framed[: pixels.shape[0], : pixels.shape[1]] = pixels
    where = (2, pixels.shape[0] + LABEL - 4)
    cv2.putText(framed, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return framed


def block(image: torch.Tensor, seed: int, columns: int) -> np.ndarray[Any, Any]:
    """One image in all modalities, in rows of tiles."""
    tiles = [tile(image, "source")]
    for number, name in enumerate(available()):
        for turn, options in enumerate(LOOKS.get(name, [{}])):
            generator = torch.Generator().manual_seed(1000 * seed + 10 * number + turn)
            made = load(name)(image, Draws.start(generator, 1), **options)
            said = [str(v) for v in options.values() if isinstance(v, str)]
            said = said or [key for key, value in options.items() if value is True]
            tiles.append(tile(made.image, " ".join([name, *said])))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return np.vstack(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=Path("gallery.png"))
    parser.add_argument("--side", type=int, default=160, help="of each tile, in pixels")
    parser.add_argument("--crop", type=int, default=320, help="side of what is shown of an image")
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    blocks = [
        block(source(path, asked.side, asked.crop), asked.seed + i, asked.columns)
        for i, path in enumerate(asked.images)
    ]
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(asked.output), np.vstack(blocks), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
