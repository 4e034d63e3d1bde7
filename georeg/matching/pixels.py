"""The one place where pixel centres meet pixel edges, and masks are looked up.

Networks and OpenCV count from the centre of the first pixel, georeg from its outer corner.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from georeg.matching.protocol import Array, Mask


def from_centres(xy: npt.ArrayLike, scale: float = 1.0) -> Array:
    """Positions in a resized image, counted from pixel centres -> tile pixels (edges).

    Args:
        xy: (N, 2) positions in which (0, 0) is the centre of the first pixel.
        scale: size of the resized image relative to the tile's.
    """
    return np.asarray((np.asarray(xy, np.float64) + 0.5) / scale)


def to_centres(xy: npt.ArrayLike, scale: float = 1.0) -> Array:
    """The inverse of `from_centres`."""
    return np.asarray(np.asarray(xy, np.float64) * scale - 0.5)


def valid_at(mask: Mask, xy: Array) -> npt.NDArray[np.bool_]:
    """(N,) whether the pixels under (N, 2) positions are valid; False outside.

    Args:
        mask: (H, W), True where valid.
        xy: tile pixels (edges).
    """
    rows, columns = mask.shape
    inside = ((xy >= 0) & (xy < [columns, rows])).all(axis=1)  # False for NaN
    out = np.zeros(len(xy), np.bool_)
    x, y = np.floor(xy[inside]).astype(np.int64).T
    out[inside] = mask[y, x]
    return out
