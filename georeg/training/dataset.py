"""A dataset on disk: sets of views of the same ground, with exact ways between them.

A folder with index.json and plain arrays, which are mapped rather than read. Record i of them is
one place seen by several sensors; every two of its views are a training pair.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.errors import InputError, SettingsError
from georeg.models.store import writing
from georeg.synthesis.views import nodes
from georeg.textfile import read_json, write_json
from georeg.training.folders import check_room, take_room

FORMAT = 1
_INDEX = "index.json"


@dataclass(frozen=True, eq=False)
class Record:
    """One place.

    Attributes:
        image: (V, H, W) bytes.
        mask: (V, H, W) True where an image shows ground that the labels can tell.
        there: (V, 2, h, w) float32, see `georeg.synthesis.views.Views`.
        back: (V, 2, h, w).
        names: of each view's modality.
    """

    image: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    there: npt.NDArray[np.float32]
    back: npt.NDArray[np.float32]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Index:
    """What a dataset holds.

    Attributes:
        count: records.
        views: of each.
        size: rows and columns of a view.
        names: of modalities; records store numbers of this list.
        recipe: how it was made.
    """

    count: int
    views: int
    size: int
    names: tuple[str, ...]
    recipe: Mapping[str, Any]

    def shapes(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and type of every array."""
        grid = (2, nodes(self.size), nodes(self.size))
        each = (self.count, self.views)
        return {
            "image": ((*each, self.size, self.size), "uint8"),
            "mask": ((*each, self.size, -(-self.size // 8)), "uint8"),
            "there": ((*each, *grid), "float32"),
            "back": ((*each, *grid), "float32"),
            "name": (each, "uint8"),
            "done": ((self.count,), "uint8"),
        }


class Dataset:
    """A dataset that is there; records may be missing while it is being made."""

    def __init__(self, folder: str, *, writable: bool = False) -> None:
        """Open.

        Raises:
            InputError: there is none, or it is damaged.
            OutputError: it is to be written, and the disk has no room for all of it.
        """
        data = read_json(os.path.join(folder, _INDEX), "a dataset of georeg")
        self.folder = folder
        try:
            if data["format"] != FORMAT:
                raise InputError(f"{folder}: format {data['format']} of another georeg")
            names = tuple(str(n) for n in data["names"])
            self.index = Index(
                int(data["count"]), int(data["views"]), int(data["size"]), names, data["recipe"]
            )
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{folder} holds no dataset of georeg") from None
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        for name, (shape, dtype) in self.index.shapes().items():
            path = os.path.join(folder, f"{name}.npy")
            try:
                array = np.load(path, mmap_mode="r+" if writable else "r")
            except (OSError, ValueError):
                raise InputError(f"{path} is missing or damaged: make the dataset anew") from None
            if array.shape != shape or array.dtype != dtype:
                raise InputError(f"{path} doesn't fit {_INDEX}: make the dataset anew")
            self._arrays[name] = array
        if writable:
            take_room(folder, [f"{name}.npy" for name in self._arrays])

    @classmethod
    def create(cls, folder: str, index: Index) -> Dataset:
        """An empty one, or the one that is there if it was begun by the same recipe.

        Raises:
            SettingsError: there is another one.
            OutputError: it can't be written.
        """
        path = os.path.join(folder, _INDEX)
        wanted = {
            "format": FORMAT,
            "count": index.count,
            "views": index.views,
            "size": index.size,
            "names": list(index.names),
            "recipe": json.loads(json.dumps(index.recipe)),
        }
        if os.path.exists(path):
            if read_json(path, "a dataset of georeg") != wanted:
                raise SettingsError(f"{folder} holds another dataset: give another folder")
            return cls(folder, writable=True)
        with writing(Path(folder)):
            os.makedirs(folder, exist_ok=True)
            shapes = index.shapes()
            check_room(folder, sum(math.prod(s) * np.dtype(t).itemsize for s, t in shapes.values()))
            for name, (shape, dtype) in shapes.items():
                made = np.lib.format.open_memmap(
                    os.path.join(folder, f"{name}.npy"), mode="w+", dtype=dtype, shape=shape
                )
                made.flush()
        write_json(path, wanted)
        return cls(folder, writable=True)

    def __len__(self) -> int:
        """Number of records, made or not."""
        return self.index.count

    def made(self) -> npt.NDArray[np.int64]:
        """Numbers of the records that are there."""
        return np.flatnonzero(self._arrays["done"])

    def __getitem__(self, number: int) -> Record:
        """A record."""
        mask = np.unpackbits(self._arrays["mask"][number], axis=-1, count=self.index.size)
        return Record(
            np.asarray(self._arrays["image"][number]),
            mask.astype(np.bool_),
            np.asarray(self._arrays["there"][number]),
            np.asarray(self._arrays["back"][number]),
            self.names(number),
        )

    def names(self, number: int) -> tuple[str, ...]:
        """Modalities of a record's views."""
        return tuple(self.index.names[k] for k in self._arrays["name"][number])

    def put(self, number: int, record: Record) -> None:
        """Store a record."""
        kinds = [self.index.names.index(name) for name in record.names]
        self._arrays["image"][number] = record.image
        self._arrays["mask"][number] = np.packbits(record.mask, axis=-1)
        self._arrays["there"][number] = record.there
        self._arrays["back"][number] = record.back
        self._arrays["name"][number] = kinds
        self._arrays["done"][number] = 1

    def flush(self) -> None:
        """Write to disk what is only in memory."""
        for array in self._arrays.values():
            if isinstance(array, np.memmap):
                array.flush()
