"""How a training run goes: a TOML file, checked before anything long starts."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from georeg.errors import SettingsError
from georeg.settings import PRECISIONS
from georeg.synthesis.warps import Limits
from georeg.textfile import read_text
from georeg.training.making import DataConfig
from georeg.training.sources import Source

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same under its old name
    import tomli as tomllib


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        matcher: name of what is trained.
        weights: where to start: a name of `georeg models list`, a file, or nothing.
        steps: batches.
        batch: training pairs in each, over all devices; as many on each of them, in each part.
        accumulate: parts that a batch is computed in, one after another, to save memory.
        rate: largest learning rate; it rises over `warm_up` steps and falls as a half cosine.
        warm_up: steps.
        decay: of weights (AdamW; Loshchilov and Hutter, ICLR 2019).
        clip: largest length of the gradient.
        precision: float32, or bfloat16 or float16 for what bears it (autocast).
        crop: pixels along the side of training images.
        shift: most pixels by which they are apart.
        without: modalities that aren't shown, for ablations.
        share: of the dataset's records that are used, for ablations.
        fresh: batches after which a new group of records is made, while the training goes on and on
            the device that trains; 0 makes a dataset first and draws from that.
        seed: of everything random but the data.
        options: of the network, by name; its own defaults if empty.
    """

    matcher: str = "embedded"
    weights: str = ""
    steps: int = 8000
    batch: int = 8
    accumulate: int = 1
    rate: float = 2e-3
    warm_up: int = 100
    decay: float = 1e-3
    clip: float = 1.0
    precision: str = "float32"
    crop: int = 176
    shift: float = 16.0
    without: tuple[str, ...] = ()
    share: float = 1.0
    fresh: int = 0
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check.

        Raises:
            SettingsError: a value makes no sense.
        """
        for name in ("steps", "batch", "accumulate", "rate", "clip", "crop", "share"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingsError(f"{name} = {getattr(self, name)}: it must be above 0")
        for name in ("shift", "decay", "warm_up", "fresh", "seed"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"{name} = {getattr(self, name)}: it must be 0 or more")
        if self.batch % self.accumulate:
            raise SettingsError(f"batches of {self.batch} don't fall into {self.accumulate} parts")
        if self.precision not in PRECISIONS or self.precision == "auto":
            raise SettingsError(f"precision '{self.precision}' is none of {PRECISIONS[1:]}")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Recipe:
    """A whole training: what to learn from, and how."""

    data: DataConfig
    train: TrainConfig


def read_recipe(path: str, root: str) -> Recipe:
    """A recipe from a TOML file with the tables [train] and [data], and [[data.sources]].

    Args:
        path: of the file.
        root: folder below which the images lie.

    Raises:
        InputError: it can't be read.
        SettingsError: it isn't TOML, or holds what a recipe doesn't have.
    """
    try:
        raw = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    unknown = sorted(set(raw) - {"train", "data"})
    if unknown:
        raise SettingsError(f"{path}: '{unknown[0]}' is no part of a recipe (train, data)")
    data = dict(_table(raw.get("data", {}), f"{path}, data"))
    listed = data.pop("sources", [])
    if not isinstance(listed, list):
        raise SettingsError(f"{path}: write each of the sources below a line [[data.sources]]")
    sources = tuple(_made(Source, entry, f"{path}, data.sources") for entry in listed)
    if not sources:
        raise SettingsError(f"{path}: there is no [[data.sources]] to learn from")
    if "limits" in data:
        data["limits"] = _made(Limits, data["limits"], f"{path}, data.limits")
    whole = {**data, "sources": sources, "root": os.path.expanduser(root)}
    return Recipe(
        _made(DataConfig, whole, f"{path}, data"),
        _made(TrainConfig, raw.get("train", {}), f"{path}, train"),
    )


def _made(kind: type[Any], values: Mapping[str, Any], where: str) -> Any:
    """A dataclass from a table.

    Raises:
        SettingsError: no table, an unknown key, or a value of another type.
    """
    known = {f.name: f for f in fields(kind)}
    for key, value in _table(values, where).items():
        if key not in known:
            raise SettingsError(f"{where}: '{key}' is none of {', '.join(known)}")
        kinds = str(known[key].type)
        if not _is(value, kinds):
            also = ", and finite" if isinstance(value, float) else ""
            raise SettingsError(f"{where}: {key} = {value!r} should be of type {kinds}{also}")
    frozen = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return kind(**frozen)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingsError(f"{where}: {value!r} should be a table")
    return value


def _is(value: Any, kind: str) -> bool:
    """Whether a value is what an annotation says; numbers must be finite."""
    if kind in ("int", "float"):
        number = isinstance(value, int if kind == "int" else int | float)
        return number and not isinstance(value, bool) and math.isfinite(value)
    if kind in ("str", "bool"):
        return isinstance(value, str if kind == "str" else bool)
    inner = kind.rstrip("]").partition("[")[2].split(", ")
    if kind.startswith("tuple["):
        return isinstance(value, list | tuple) and all(_is(v, inner[0]) for v in value)
    if kind.startswith("Mapping["):
        return isinstance(value, Mapping) and all(_is(v, inner[1]) for v in value.values())
    return True  # a dataclass by now, or anything


def recipe_path(name: str) -> str:
    """The file of a recipe: one of georeg's own by its name, or the file itself."""
    if name.endswith(".toml"):
        return name
    path = Path(__file__).with_name("recipes") / f"{name}.toml"
    if not path.exists():
        known = sorted(p.stem for p in path.parent.glob("*.toml"))
        raise SettingsError(f"no recipe '{name}': choose from {', '.join(known)}, or a .toml file")
    return str(path)
