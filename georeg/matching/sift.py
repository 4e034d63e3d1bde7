"""SIFT key points: the plain baseline.

Methods and their sources: SIFT and the ratio test of the nearest to the second nearest descriptor
(Lowe, IJCV 60(2), 2004), in OpenCV's implementation, on the CPU. The test must be passed both ways
round, so that it doesn't matter which raster is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from georeg.matching.pixels import from_centres, valid_at
from georeg.matching.protocol import Array, Device, Image, Mask, TileBatch, TilePoints

_RATIO = 0.8  # of the distances to the best and to the second best descriptor
_MOST, _MOST_LOCATE = 2000, 4000  # key points a tile
_CONTRAST = 0.02  # of a key point; half of OpenCV's own, images here are stretched mildly
_BORDER = 4  # pixels around invalid ones whose key points are the mask's, not the ground's
# P(right) = 1 / (1 + exp(-(a + b * (1 - ratio)))).
_SCORE = (-1.0, 8.0)
_SIGMA = (0.3, 0.15)  # pixels; floor, and share of the key point's own scale


@dataclass(frozen=True, eq=False)
class _Keys:
    """Key points of one tile.

    Attributes:
        xy: (N, 2) tile pixels (edges).
        scale: (N,) sigma of the blur in which each was found.
        vectors: (N, 128) descriptors of length 1.
    """

    xy: Array
    scale: Array
    vectors: Image

    def __len__(self) -> int:
        return len(self.xy)


class SiftMatcher:
    """Sparse key points by OpenCV, always on the CPU."""

    name: ClassVar[str] = "sift"
    layouts: ClassVar[tuple[str, ...]] = ()
    tile: ClassVar[int] = 512
    small: ClassVar[int] = tile
    reach: ClassVar[int] = 32
    limit: ClassVar[int] = 1126
    scene: ClassVar[int] = 1024
    side_by_side: ClassVar[bool] = True

    def __init__(self, device: Device | None = None) -> None:
        """Take the device, as all matchers do; it isn't used."""
        self.device = device or Device()

    def match(self, batch: TileBatch) -> TilePoints:
        """Mutual nearest neighbours that pass the ratio test and lie within the radius."""
        most = _MOST_LOCATE if batch.goal == "locate" else _MOST
        parts = []
        for i in range(len(batch)):
            moving = _keys(batch.moving[i], batch.moving_mask[i], most)
            reference = _keys(batch.reference[i], batch.reference_mask[i], most)
            parts.append(_pair(i, moving, reference, batch.radius))
        return TilePoints.concat(parts)


def _keys(image: Image, mask: Mask, most: int) -> _Keys:
    """The strongest key points on valid ground, in a fixed order."""
    grey = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    if mask.any() and not mask.all():
        grey[~mask] = np.rint(grey[mask].mean())
    kernel = np.ones((2 * _BORDER + 1,) * 2, np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    # Precise upscaling: without it all points lie a quarter of a pixel off.
    detector = cv2.SIFT.create(
        nfeatures=most, contrastThreshold=_CONTRAST, enable_precise_upscale=True
    )
    found: tuple[Any, Any] = detector.detectAndCompute(grey, inner)
    points, vectors = found
    if vectors is None or not len(points):
        return _Keys(np.zeros((0, 2)), np.zeros(0), np.zeros((0, 128), np.float32))
    xy = from_centres([p.pt for p in points])
    scale = np.array([p.size / 2 for p in points])
    length = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    keep = valid_at(mask, xy)
    return _Keys(xy[keep], scale[keep], (vectors / length)[keep].astype(np.float32))


def _pair(number: int, moving: _Keys, reference: _Keys, radius: float) -> TilePoints:
    if len(moving) < 2 or len(reference) < 2:
        return TilePoints.none()
    likeness = moving.vectors @ reference.vectors.T
    partner, ratio = _nearest(likeness)
    back, back_ratio = _nearest(np.ascontiguousarray(likeness.T))
    here = np.arange(len(moving))
    ratio = np.maximum(ratio, back_ratio[partner])  # the same whichever side asks
    away = np.abs(reference.xy[partner] - moving.xy).max(axis=1)
    keep = np.nonzero((back[partner] == here) & (ratio <= _RATIO) & (away <= radius))[0]
    keep = _distinct(keep, moving.xy, ratio)
    keep = _distinct(keep, reference.xy[partner], ratio)
    scale = np.maximum(moving.scale[keep], reference.scale[partner[keep]])
    return TilePoints(
        np.full(len(keep), number, np.int64),
        moving.xy[keep],
        reference.xy[partner[keep]],
        1 / (1 + np.exp(-(_SCORE[0] + _SCORE[1] * (1 - ratio[keep])))),
        np.hypot(_SIGMA[0], _SIGMA[1] * scale),
    )


def _nearest(likeness: Image) -> tuple[npt.NDArray[np.int64], Array]:
    """(N, M) cosines -> (N,) index of the best, and the ratio of the best two distances."""
    here = np.arange(len(likeness))
    best = likeness.argmax(axis=1).astype(np.int64)
    rest = likeness.copy()
    rest[here, best] = -np.inf
    two = np.stack([likeness[here, best], rest.max(axis=1)], axis=1).astype(np.float64)
    distance = np.sqrt(np.maximum(2 - 2 * two, 1e-8))
    return best, distance[:, 0] / distance[:, 1]


def _distinct(keep: npt.NDArray[np.int64], xy: Array, ratio: Array) -> npt.NDArray[np.int64]:
    """One match of those at the same place: key points come once per orientation."""
    order = keep[np.argsort(ratio[keep], kind="stable")]
    first = np.unique(np.round(xy[order], 2), axis=0, return_index=True)[1]
    return np.sort(order[first])


MATCHER = SiftMatcher
