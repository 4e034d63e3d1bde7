"""Small datasets for the tests of training: made-up cities, or a picture that shows itself."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from georeg.synthesis.warps import Limits
from georeg.training.dataset import Dataset
from georeg.training.making import DataConfig, make_dataset
from georeg.training.sources import CITY, Source
from synthesis_cases import scenes


def only(*names: str) -> dict[str, float]:
    """Weights that leave all other modalities out."""
    from georeg.synthesis.pairs import CHAINS

    return {name: float(name in names) for name in CHAINS}


def photographs(folder: Path, count: int = 2, side: int = 260) -> Path:
    """PNGs below a folder."""
    (folder / "photos").mkdir(parents=True)
    for number, image in enumerate(scenes(count, side)):
        data = (image.permute(1, 2, 0).numpy()[..., ::-1] * 255).astype(np.uint8)
        cv2.imwrite(str(folder / "photos" / f"{number}.png"), data)
    return folder


def config(root: Path, *sources: Source, **changes: object) -> DataConfig:
    """A recipe of small things."""
    chosen = sources or (Source(r"photos/(?P<scene>\d+)\.png"),)
    given: dict[str, object] = {
        "count": 10, "views": 2, "size": 128, "modalities": only("optical"),
        "limits": Limits(6.0, 2.0, 0.02, 0.01, 0.01, 1.0), "seed": 3,
    }  # fmt: skip
    return DataConfig(str(root), chosen, **{**given, **changes})  # type: ignore[arg-type]


def city(folder: Path, **changes: object) -> Dataset:
    """A dataset of made-up cities."""
    return make_dataset(config(folder, Source(CITY), **changes), str(folder / "city"))
