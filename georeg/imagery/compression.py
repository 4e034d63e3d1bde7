"""Blocks that strong JPEG compression leaves: edges that stay in place whatever is shown.

Where both rasters have them, tie points hold to the blocks instead of the ground.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BLOCK = 8  # pixels along a side
# Of both rasters: from there on (JPEG quality 10) fits were up to 4 px off, with a CE90 of 1.5 to
# 1.9 stated. Quality 15 (1.6 to 2.0) hardly harms, and no raster of the development pairs has 1.3.
STRONG = 1.8
_LEAST = 64  # pixels a side that tell


def blockiness(image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> float:
    """How much more neighbours differ across the edges of blocks than anywhere within.

    Every eighth step between columns, and between rows, against those of the next best phase:
    so pixels that were merely repeated, two or four times, don't count.

    Args:
        image: (rows, columns), in full resolution.
        mask: where it is valid.

    Returns:
        A ratio, of rows or of columns, whichever is less; 1 where it can't be told.
    """
    if min(image.shape) < _LEAST:
        return 1.0
    return min(_ratio(image, mask), _ratio(image.T, mask.T))


def _ratio(image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> float:
    both = mask[:, 1:] & mask[:, :-1]
    step = np.where(both, np.abs(np.diff(np.where(mask, image, 0), axis=1)), 0).sum(axis=0)
    whole = len(step) // BLOCK * BLOCK
    count = both[:, :whole].sum(axis=0).reshape(-1, BLOCK).sum(axis=0)
    mean = step[:whole].reshape(-1, BLOCK).sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
    second, first = np.sort(mean)[-2:].tolist()
    return first / second if count.min() > 0 and second > 0 else 1.0
