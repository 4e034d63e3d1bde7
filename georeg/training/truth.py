"""Real image pairs whose true mapping is known, and synthetic ones, as files that georeg opens.

An index is a JSON list of pairs: `moving` and `reference` (paths relative to the index),
`moving_to_reference` (3 x 3, between pixel centres: the first pixel's centre is (0, 0)), and
optionally `name` and `modality` (the group under which tables list the pair).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from georeg.errors import InputError
from georeg.synthesis.views import node_places
from georeg.textfile import read_text
from georeg.training.dataset import Dataset

Array = npt.NDArray[np.float64]

_DARK = 2  # bytes: at most that is black
_BORDER = 400  # pixels of black along an image's edge that are no shadow


@dataclass(frozen=True, eq=False)
class TruePair:
    """Two images and the way between them.

    Attributes:
        name: for tables.
        group: what it is a pair of.
        moving: (H, W) or (H, W, 3) bytes, blue first, as OpenCV has it.
        reference: the same.
        moving_mask: (H, W) True where valid.
        reference_mask: (H, W).
        matrix: (3, 3) moving pixels -> reference pixels, edge convention.
    """

    name: str
    group: str
    moving: npt.NDArray[np.uint8]
    reference: npt.NDArray[np.uint8]
    moving_mask: npt.NDArray[np.bool_]
    reference_mask: npt.NDArray[np.bool_]
    matrix: Array

    def to_reference(self, xy: Array) -> Array:
        """(N, 2) moving pixels -> reference pixels."""
        return project(self.matrix, xy)

    def to_moving(self, xy: Array) -> Array:
        """(N, 2) reference pixels -> moving pixels."""
        return project(np.asarray(np.linalg.inv(self.matrix), np.float64), xy)


def project(matrix: Array, xy: Array) -> Array:
    """(N, 2) through a homography."""
    out = xy @ matrix[:2, :2].T + matrix[:2, 2]
    return np.asarray(out / (xy @ matrix[2, :2] + matrix[2, 2])[:, None])


@dataclass(frozen=True)
class Entry:
    """A line of an index."""

    name: str
    group: str
    moving: str
    reference: str
    matrix: tuple[tuple[float, ...], ...]

    def check(self) -> None:
        """See whether its images can be read, which takes far less time than matching them.

        Raises:
            InputError: one can't.
        """
        for path in (self.moving, self.reference):
            _image(path)

    def read(self) -> TruePair:
        """The pair.

        Raises:
            InputError: an image can't be read.
        """
        moving, reference = (_image(path) for path in (self.moving, self.reference))
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        matrix = half @ np.array(self.matrix, np.float64) @ np.linalg.inv(half)
        masks = content(moving), content(reference)
        return TruePair(self.name, self.group, moving, reference, *masks, matrix)


def read_index(path: str) -> list[Entry]:
    """All pairs of an index.

    Raises:
        InputError: it can't be read, or is no index.
    """
    folder = os.path.dirname(os.path.abspath(path))
    try:
        return [_entry(row, folder) for row in json.loads(read_text(path))]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InputError(
            f"{path} is no index of pairs: a JSON list with moving, reference and "
            "moving_to_reference (3 x 3, which can be inverted) is needed"
        ) from None


def _entry(row: Any, folder: str) -> Entry:
    matrix = tuple(tuple(float(v) for v in line) for line in row["moving_to_reference"])
    if [len(line) for line in matrix] != [3, 3, 3]:
        raise ValueError(matrix)
    if not np.isfinite(matrix).all() or np.linalg.matrix_rank(matrix) < 3:
        raise ValueError(matrix)
    paths = [os.path.join(folder, str(row[side])) for side in ("moving", "reference")]
    name = str(row.get("name") or os.path.basename(paths[0]))
    return Entry(name, str(row.get("modality") or "pairs"), paths[0], paths[1], matrix)


def _image(path: str) -> npt.NDArray[np.uint8]:
    data = cv2.imread(path, cv2.IMREAD_UNCHANGED) if os.path.exists(path) else None
    if data is None or data.dtype != np.uint8:
        raise InputError(f"{path} is missing, or no image of 8 bits per channel")
    return np.asarray(data[..., :3] if data.ndim == 3 else data)


def content(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """(H, W) True where an image shows something: black that touches its edge is no data.

    Warped images have such corners, and they would betray how they were turned.
    """
    dark = np.asarray((image.max(axis=2) if image.ndim == 3 else image) <= _DARK, np.uint8)
    _, number, stats, _ = cv2.connectedComponentsWithStats(dark)
    edge = np.unique(np.concatenate([number[0], number[-1], number[:, 0], number[:, -1]]))
    large = [k for k in edge if k and stats[k, cv2.CC_STAT_AREA] > _BORDER]
    outside = np.asarray(np.isin(number, large) & (dark > 0), np.uint8)
    return np.asarray(cv2.dilate(outside, np.ones((3, 3), np.uint8)) == 0)


@dataclass(frozen=True)
class HeldOut:
    """The first two views of a dataset's record as a pair."""

    dataset: Dataset
    number: int

    @property
    def name(self) -> str:
        """For tables."""
        return str(self.number)

    @property
    def group(self) -> str:
        """Its modalities."""
        names = self.dataset.names(self.number)[:2]
        return " / ".join(sorted(n.removeprefix("city-").partition("-")[0] for n in names))

    def check(self) -> None:
        """Nothing: a dataset is looked at when it is opened."""

    def read(self) -> TruePair:
        """The pair; a bent way is replaced by the nearest homography.

        So the dataset's recipe best has stiff warps only.
        """
        record = self.dataset[self.number]
        start = node_places((self.dataset.index.size,) * 2, torch.zeros(())).numpy()
        ends = [start + record.there[k].reshape(2, -1).T for k in (0, 1)]
        matrix, _ = cv2.findHomography(ends[0].astype(np.float64), ends[1].astype(np.float64))
        return TruePair(
            self.name, self.group, record.image[0], record.image[1], record.mask[0],
            record.mask[1], np.asarray(matrix, np.float64),
        )  # fmt: skip


def held_out(dataset: Dataset) -> list[HeldOut]:
    """All records that can be paired."""
    found = [HeldOut(dataset, int(number)) for number in dataset.made()]
    return [p for p in found if not _same_picture(dataset.names(p.number))]


def _same_picture(names: Sequence[str]) -> bool:
    return names[0] == names[1] and names[0].startswith("real-")
