"""The data engine: any image -> the same ground seen by another sensor, with exact labels.

One file per modality, file name = name: `load("sar")` is `georeg.synthesis.sar.synthesise`. What
they share is in the other files. Importing this package doesn't import torch; loading a modality
does.

    generator = torch.Generator().manual_seed(7)
    pair = pairs.random_pair(images, generator, size=(256, 256))   # a batch for training
    draws = Draws.start(generator, len(images), images.device)
    radar = compose.compose(images, ["season", "sar", "sensor"], draws)    # .image, .mask, .warp

Images are (B, 3, H, W) or (B, 1, H, W) floats in [0, 1] on any device. A modality is a callable
`(images, draws) -> Synthetic` (see `protocol`). It has keywords of its own to fix what is random
otherwise: `sar.synthesise(images, draws, looks=4.0)`.

All that is random comes from `Draws` (see `draws`): counter-based numbers, one stream per image.
So the same seed gives the same picture again, on a GPU as on a CPU up to rounding, and a picture
depends on its image and its own stream only, not on the rest of the batch. No global state.

Positions are (x, y) pixels in edge convention: (0, 0) is the outer corner of the first pixel.
A label is where in the moving image a reference pixel's ground is; it comes from formulas
(`warps`), not from images, and takes along what a modality displaces (`sar` does).

Other people's modalities, generative models included (see `generative`), are entry points of the
group `georeg.synthesis`, or are passed as callables wherever a name is.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from georeg.errors import SettingsError
from georeg.synthesis.protocol import Modality

__all__ = ["available", "load"]

_SHARED = {"protocol", "draws", "warps", "compose", "pairs", "views", "generative"}
_GROUP = "georeg.synthesis"


def available() -> list[str]:
    """Names of all modalities: the files here, and entry points of other packages."""
    return sorted(_own() | {e.name for e in entry_points(group=_GROUP)})


def load(name: str) -> Modality:
    """What synthesises a modality; ours where another package took the same name.

    Raises:
        SettingsError: there is no such modality, or another package's can't be loaded.
    """
    if name in _own():
        module = importlib.import_module(f"georeg.synthesis.{name}")
        return cast("Modality", module.synthesise)
    if name not in available():
        near = difflib.get_close_matches(name, available(), 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise SettingsError(f"no modality '{name}': {hint}Choose from {', '.join(available())}")
    return _from_elsewhere(next(e for e in entry_points(group=_GROUP) if e.name == name))


def _own() -> set[str]:
    names = {m.name for m in pkgutil.iter_modules(__path__)} - _SHARED
    return {n for n in names if not n.startswith("_")}


def _from_elsewhere(entry: EntryPoint) -> Modality:
    """Whatever goes wrong while foreign code is imported, the user learns whose it is."""
    try:
        return cast("Modality", entry.load())
    except Exception as error:
        raise SettingsError(
            f"modality '{entry.name}' ({entry.value}) can't be loaded: {error}"
        ) from error
