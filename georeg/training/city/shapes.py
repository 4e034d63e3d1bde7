"""Drawing at twice the resolution, and prisms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

FINE = 2  # pixels drawn per pixel, so that edges are smooth
SHIFT = 4  # bits of a pixel's fraction in OpenCV's drawing


def fixed(xy: Array) -> npt.NDArray[np.int32]:
    """(N, 2) positions (edge convention, pixels) for OpenCV, whose pixels' centres are whole."""
    return np.asarray(np.rint((xy * FINE - 0.5) * 2**SHIFT), np.int32)


def swept(outline: Array, by: Array) -> list[Array]:
    """The faces that an outline leaves behind when it moves, and the outline where it ends."""
    after = np.roll(outline, -1, axis=0)
    quads = [np.array([a, b, b + by, a + by]) for a, b in zip(outline, after, strict=True)]
    return [*quads, outline + by]
