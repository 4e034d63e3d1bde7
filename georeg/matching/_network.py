"""What the matchers share that show tile pairs to a network.

Here tiles become tensors, and what a network found becomes points: this is the one place for
padding, masks, the convention of coordinates and the uncertainty of these matchers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from georeg.errors import InputError
from georeg.matching.networks.found import Found
from georeg.matching.networks.precision import Precision
from georeg.matching.pixels import from_centres, valid_at
from georeg.matching.protocol import Array, Image, Mask, TileBatch, TilePoints, Weights

# (B, H, W) images and masks of the moving side, then of the reference.
Match = Callable[[Tensor, Tensor, Tensor, Tensor], list[Found]]

_LEAST = 40  # pixels of a side below which no network finds anything (5 cells, 2 of them a border)
_FLAT = 1e-3  # range of values below which a tile shows nothing
_BORDER = 4  # pixels around invalid ones in which matches are the mask's, not the ground's
# Pixels: what remains of a sharp match, and share of the spread of its fine heat map. Priors, not
# fitted; the engine scales sigma by what it sees of the residuals.
_SIGMA = (0.2, 0.5)


class PairNet(Protocol):
    """A network that matches pairs of images."""

    @property
    def precision(self) -> Precision:
        """Where and in what it computes."""
        ...

    def match(
        self, images0: Tensor, masks0: Tensor, images1: Tensor, masks1: Tensor
    ) -> list[Found]:
        """The matches of every pair."""
        ...


class NetworkMatcher:
    """Base of the matchers here: shows all tiles as they are to one network.

    Attributes:
        multiple: of pixels, that sides must be for the network.
        net: the network.
        device: where it computes.
    """

    tile: ClassVar[int] = 640  # the side that MINIMA's networks were trained with
    small: ClassVar[int] = tile
    reach: ClassVar[int] = 32
    # Similarities of all cells of 8 x 8 pixels with all others take 0.8 GB then, and there are
    # three such matrices at a time.
    limit: ClassVar[int] = 960
    scene: ClassVar[int] = 640
    side_by_side: ClassVar[bool] = False
    multiple: ClassVar[int] = 1

    def __init__(self, net: PairNet) -> None:
        """Take the network."""
        self.net = net
        self.device = net.precision.device

    def match(self, batch: TileBatch) -> TilePoints:
        """Points within the radius; see `points`."""
        return points(batch, self.net.match, self.device, self.multiple)


def tensors(weights: Weights, layout: str) -> Mapping[str, Tensor]:
    """The weights of a layout.

    Raises:
        InputError: there are none.
    """
    if layout not in weights.states:
        have = ", ".join(weights.states) or "none"
        raise InputError(f"the weights '{weights.name}' have the layout {have}, not {layout}")
    return weights.states[layout]


def points(batch: TileBatch, match: Match, device: torch.device, multiple: int = 1) -> TilePoints:
    """Match a batch by a network.

    Tiles without any contrast or data are not shown to it. The others are filled up with invalid
    zeros at the right and at the bottom. Points on invalid pixels or within 4 of one, outside of
    the tiles and further apart than the batch's radius (along x or y) are dropped.

    Args:
        batch: tile pairs.
        match: the network; pixels in what it finds count from the centre of the first one.
        device: where the network takes its tensors.
        multiple: of pixels, that sides must be for it.
    """
    shown = [k for k in range(len(batch)) if _shows(batch, k)]
    if not shown or min(batch.moving.shape[1:]) < _LEAST:
        return TilePoints.none()
    sides: tuple[npt.NDArray[Any], ...] = (
        batch.moving, batch.moving_mask, batch.reference, batch.reference_mask
    )  # fmt: skip
    given = [uploaded(_padded(side, shown, multiple), device) for side in sides]
    found = match(given[0], given[1], given[2], given[3])
    parts = []
    for k, pair in zip(shown, found, strict=True):
        xy0, xy1 = from_centres(pair.xy0), from_centres(pair.xy1)
        ok = valid_at(_inner(batch.moving_mask[k]), xy0)
        ok &= valid_at(_inner(batch.reference_mask[k]), xy1)
        ok &= np.abs(xy1 - xy0).max(axis=1, initial=0) <= batch.radius
        ok &= np.isfinite(pair.score) & np.isfinite(pair.spread)
        score = np.clip(pair.score[ok], 0, 1)
        number = np.full(len(score), k, np.int64)
        parts.append(TilePoints(number, xy0[ok], xy1[ok], score, sigma(pair.spread[ok])))
    return TilePoints.concat(parts)


def sigma(spread: Array) -> Array:
    """Standard deviation of matches in pixels along one axis.

    Args:
        spread: (N,) of the fine heat map, pixels; see `Found`.
    """
    return np.asarray(np.hypot(_SIGMA[0], _SIGMA[1] * spread))


def uploaded(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """An array as a tensor on the device; to a GPU through pinned memory, without waiting."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def _shows(batch: TileBatch, k: int) -> bool:
    return _has_contrast(batch.moving[k], batch.moving_mask[k]) and _has_contrast(
        batch.reference[k], batch.reference_mask[k]
    )


def _has_contrast(image: Image, mask: Mask) -> bool:
    values = image if mask.all() else image[mask]  # which takes ten times as long
    return values.size > 0 and float(values.max()) - float(values.min()) > _FLAT


def _padded(side: npt.NDArray[Any], shown: list[int], multiple: int) -> npt.NDArray[Any]:
    """Some of (B, H, W) images or masks, with zeros (or False) up to multiples of pixels."""
    chosen = side if len(shown) == len(side) else side[shown]
    more = [(0, -length % multiple) for length in side.shape[1:]]
    return np.pad(chosen, [(0, 0), *more]) if any(m for _, m in more) else chosen


def _inner(mask: Mask) -> Mask:
    """What is valid and isn't close to what is invalid; the tile's own edge doesn't count."""
    if mask.all():
        return mask
    kernel = np.ones((2 * _BORDER + 1,) * 2, np.uint8)
    kept = cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    return np.asarray(kept > 0)
