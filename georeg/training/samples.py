"""Training pairs out of datasets: crops of two views, turned, mirrored and toned at random."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.ndimage import map_coordinates
from torch import Tensor

from georeg.errors import InputError, SettingsError
from georeg.synthesis.views import STEP
from georeg.training.dataset import Dataset, Record
from georeg.training.fresh import Fresh

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

_SEEN = 0.5  # share of a crop that must show ground
_TRIES = 200
_SMALLEST = 96  # pixels of a crop: the largest template that 'embedded' learns from


@dataclass(frozen=True, eq=False)
class Samples:
    """A batch of training pairs.

    Attributes:
        moving: (B, n, n) in [0, 1].
        reference: (B, n, n).
        moving_seen: (B, n, n) True where the image shows ground that the label can tell.
        reference_seen: (B, n, n).
        moving_mask: (B, n, n) what a matcher is told of that: all of it, or nothing (clouds are
            not always known).
        reference_mask: (B, n, n).
        way: (B, 2, h, w) how many pixels (x, y) further on the reference shows what the moving
            image shows at nodes every `STEP` pixels, the first at its upper left corner.
        names: of the modalities of both sides.
    """

    moving: Tensor
    reference: Tensor
    moving_seen: Tensor
    reference_seen: Tensor
    moving_mask: Tensor
    reference_mask: Tensor
    way: Tensor
    names: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.moving)

    def to(self, device: torch.device) -> Samples:
        """On another device."""
        return Samples(
            self.moving.to(device),
            self.reference.to(device),
            self.moving_seen.to(device),
            self.reference_seen.to(device),
            self.moving_mask.to(device),
            self.reference_mask.to(device),
            self.way.to(device),
            self.names,
        )

    def one(self, number: int) -> Samples:
        """One pair of them as a batch."""
        cut = slice(number, number + 1)
        return Samples(
            self.moving[cut],
            self.reference[cut],
            self.moving_seen[cut],
            self.reference_seen[cut],
            self.moving_mask[cut],
            self.reference_mask[cut],
            self.way[cut],
            self.names[cut],
        )

    def at(self, xy: Tensor) -> Tensor:
        """(B, N, 2) positions in the moving images -> (B, N, 2) displacements there."""
        last = self.way.new_tensor([self.way.shape[3] - 1, self.way.shape[2] - 1])
        grid = (2 * xy / STEP / last - 1)[:, None]
        found = F.grid_sample(
            self.way, grid, mode="bicubic", padding_mode="border", align_corners=True
        )
        return found[:, :, 0].mT


def check_crop(crop: int, size: int) -> None:
    """See to it that crops can be taken from views, and shown to any of the networks.

    Raises:
        SettingsError: they can't.
    """
    if crop % 16 or not _SMALLEST <= crop <= size:
        raise SettingsError(
            f"crops of {crop} px: a multiple of 16 is needed, from {_SMALLEST} px up to the {size} "
            "px of the views"
        )


class Sampler:
    """Draws training pairs; equal seeds draw equal pairs from equal datasets."""

    def __init__(
        self,
        datasets: Sequence[Dataset],
        seed: int,
        *,
        crop: int = 176,
        shift: float = 16.0,
        without: Collection[str] = (),
        share: float = 1.0,
        fresh: Fresh | None = None,
    ) -> None:
        """Take what is there of the datasets.

        Args:
            datasets: records of them are drawn alike.
            seed: of everything random.
            crop: pixels along the side of a training image, see `check_crop`.
            shift: most pixels along x and y by which crops are apart.
            without: modalities that aren't shown.
            share: of the records, the first ones, that are used.
            fresh: records that are made meanwhile, drawn as often as those of the datasets.

        Raises:
            SettingsError: a crop that doesn't fit, or a modality that no dataset has.
            InputError: there are no records.
        """
        sources: list[Dataset | Fresh] = [*datasets, *([] if fresh is None else [fresh])]
        for data in sources:
            check_crop(crop, data.index.size)
        known = {name for data in sources for name in data.index.names}
        for name in without:
            if name not in known:
                names = ", ".join(sorted(known))
                raise SettingsError(f"without: the data have no modality '{name}', only {names}")
        self.datasets, self.fresh = sources, fresh
        self.places = [
            (d, int(i)) for d, data in enumerate(datasets)
            for i in data.made()[: math.ceil(share * len(data.made()))]
        ]  # fmt: skip
        if not self.places and fresh is None:
            raise InputError("the datasets hold no records yet: run 'georeg data make'")
        self.crop, self.shift, self.without = crop, shift, frozenset(without)
        self.seed = seed

    def batch(self, count: int, number: int = 0) -> Samples:
        """So many pairs.

        Args:
            count: of them.
            number: of the batch, whatever other ones are drawn before it.

        Raises:
            InputError: hardly any record shows anything.
        """
        rng = np.random.default_rng([self.seed, number])
        places = self.places
        if self.fresh is not None:
            last = len(self.datasets) - 1
            places = [*places, *((last, int(i)) for i in self.fresh.numbers(number))]
        parts = [self._one(rng, places) for _ in range(count)]
        moving, reference, one, two, way = (
            torch.from_numpy(np.stack([p[k] for p, _ in parts])) for k in range(5)
        )
        told = torch.from_numpy(rng.random(count) < 0.5)[:, None, None]
        names = tuple(names for _, names in parts)
        return Samples(moving, reference, one, two, one | ~told, two | ~told, way, names)

    def _one(
        self, rng: np.random.Generator, places: Sequence[tuple[int, int]]
    ) -> tuple[tuple[npt.NDArray[Any], ...], tuple[str, str]]:
        for _ in range(_TRIES):
            data, number = places[int(rng.integers(len(places)))]
            record = self.datasets[data][number]
            one, two = rng.choice(len(record.image), 2, replace=False)
            names = (record.names[one], record.names[two])
            # Two views of one picture that isn't synthesised from share its very noise.
            alike = names[0] == names[1] and names[0].startswith("real-")
            if not alike and self.without.isdisjoint(names):
                found = self._cut(rng, record, int(one), int(two))
                if found is not None:
                    return found, names
        raise InputError("hardly any record of the datasets can be used: are they all masked?")

    def _cut(
        self, rng: np.random.Generator, record: Record, one: int, two: int
    ) -> tuple[npt.NDArray[Any], ...] | None:
        """Both crops, what is seen of them, and the way; None if too little is."""
        size, n = record.image.shape[1], self.crop
        first = rng.integers(0, (size - n) // STEP + 1, 2) * STEP
        middle = np.array([first + n / 2.0])
        middle = middle + _at(record.back[one], middle)
        middle = middle + _at(record.there[two], middle)
        apart = rng.uniform(-self.shift, self.shift, 2)
        second = np.clip(np.rint(middle[0] - n / 2 + apart), 0, size - n).astype(np.int64)
        seen = [record.mask[k][y : y + n, x : x + n] for k, (x, y) in ((one, first), (two, second))]
        if min(mask.mean() for mask in seen) < _SEEN:
            return None
        images = [
            record.image[k][y : y + n, x : x + n] for k, (x, y) in ((one, first), (two, second))
        ]
        node = np.arange(n // STEP + 1) * STEP
        x, y = np.meshgrid(node + first[0], node + first[1])
        start = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
        end = start + _at(record.back[one], start)
        end = end + _at(record.there[two], end)
        way = (end - second - start + first).reshape(len(node), len(node), 2)
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        one_image, two_image = (_toned(rng, _turned(i, turns, mirrored)) for i in images)
        return (
            one_image,
            two_image,
            _turned(seen[0], turns, mirrored),
            _turned(seen[1], turns, mirrored),
            np.moveaxis(_turned_way(way, turns, mirrored), 2, 0).astype(np.float32),
        )


def _toned(rng: np.random.Generator, image: npt.NDArray[np.uint8]) -> Image:
    """Another exposure, contrast, sign and noise: none of which a matcher should mind."""
    out = np.asarray(image, np.float32) / np.float32(255)
    if rng.random() < 0.5:
        out = np.asarray(out ** np.float32(np.exp(rng.uniform(-0.6, 0.6))), np.float32)
    if rng.random() < 0.5:
        out = (out - 0.5) * rng.uniform(0.5, 1.3) + 0.5 + rng.uniform(-0.15, 0.15)
    if rng.random() < 0.5:
        out = 1 - out
    if rng.random() < 0.3:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.3, 1.0))))
    if rng.random() < 0.5:
        out = out + rng.normal(size=out.shape).astype(np.float32) * rng.uniform(0, 0.05)
    return np.asarray(np.clip(out, 0, 1), np.float32)


def _at(field: npt.NDArray[np.float32], xy: Array) -> Array:
    """(2, h, w) values at nodes -> (N, 2) at positions, by cubic splines."""
    place = [xy[:, 1] / STEP, xy[:, 0] / STEP]
    return np.stack([map_coordinates(f, place, order=3, mode="nearest") for f in field], axis=1)


def _turned(image: npt.NDArray[Any], turns: int, mirrored: bool) -> npt.NDArray[Any]:
    out = np.rot90(image, turns)
    return np.ascontiguousarray(out[:, ::-1] if mirrored else out)


def _turned_way(way: Array, turns: int, mirrored: bool) -> Array:
    """(h, w, 2) displacements at nodes, turned as the images are."""
    out = np.rot90(way, turns)
    for _ in range(turns):  # a quarter turn anticlockwise: what went right goes up
        out = np.stack([out[..., 1], -out[..., 0]], axis=-1)
    if mirrored:
        out = out[:, ::-1] * [-1.0, 1.0]
    return np.ascontiguousarray(out)
