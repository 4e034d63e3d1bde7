"""Reading tie points off similarity surfaces."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from georeg.matching.protocol import Surfaces, TilePoints

Array = npt.NDArray[np.float64]

_RIVAL = 4.0  # pixels from a peak beyond which another one is a rival
_NEAR_BEST = 0.97  # a peak near the prediction must reach this share of the template's best
# P(right) = 1 / (1 + exp(-(a + b * lead))), lead = lead over the rival in standard deviations of
# the surface: fitted to 9 100 templates of real pairs with known truth (within 3 px or not).
_SCORE = (-0.17, 1.44)
_SIGMA = (0.10, 0.06)  # floor in pixels, and share of the peak's width that noise makes of it


def read_peaks(surfaces: Surfaces, expected: Array | None = None, reach: float = 6.0) -> TilePoints:
    """One point per template that has a clear peak near the expected displacement.

    The peak must lie inside the searched window, must be (nearly) the template's best, and is
    placed between the steps by a quadratic surface through its 3 x 3 neighbourhood.

    Args:
        surfaces: K templates.
        expected: (K, 2) displacements in pixels; none of them if None.
        reach: pixels around the expected displacement in which the peak must lie; the whole
            window if `expected` is None.

    Returns:
        Points whose `score` is the probability of being right, by the lead over rival peaks, and
        whose `sigma` grows with the width of the peak.
    """
    if not len(surfaces):
        return TilePoints.none()
    score: Array = np.nan_to_num(surfaces.score.astype(np.float64), nan=-1.0)
    offsets = (np.arange(score.shape[-1]) - surfaces.radius) * surfaces.step
    candidates: Array = score
    if expected is not None:
        dx = offsets[None, None, :] - expected[:, 0, None, None]
        dy = offsets[None, :, None] - expected[:, 1, None, None]
        candidates = np.where(dx**2 + dy**2 <= reach**2, score, -1.0)
    flat = candidates.reshape(len(score), -1).argmax(axis=1)
    y, x = np.divmod(flat, score.shape[-1])
    displacement, width, ok = _vertex(score, y, x)
    index = np.arange(len(score))
    peak: Array = np.asarray(score[index, y, x], np.float64)
    ok &= peak >= _NEAR_BEST * score.max(axis=(1, 2)) - 1e-3
    lead = _lead(score, surfaces, y, x, peak, offsets)
    center = surfaces.center
    reference = center + (displacement - surfaces.radius) * surfaces.step
    probability = 1 / (1 + np.exp(-(_SCORE[0] + _SCORE[1] * lead)))
    noise = _SIGMA[1] * width * np.sqrt(np.clip(1 - peak**2, 0.01, 1)) * surfaces.step
    sigma = np.hypot(_SIGMA[0], noise)
    return TilePoints(surfaces.tile[ok], center[ok], reference[ok], probability[ok], sigma[ok])


def _vertex(
    score: Array, y: npt.NDArray[np.int64], x: npt.NDArray[np.int64]
) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Vertex (x, y) in steps, width in steps along the flatter axis, and whether it is a peak."""
    last = score.shape[-1] - 1
    inside = (y > 0) & (x > 0) & (y < last) & (x < last)
    yi, xi = np.clip(y, 1, last - 1), np.clip(x, 1, last - 1)
    k = np.arange(len(score))
    z = {(j, i): score[k, yi + j, xi + i] for j in (-1, 0, 1) for i in (-1, 0, 1)}
    gx, gy = (z[0, 1] - z[0, -1]) / 2, (z[1, 0] - z[-1, 0]) / 2
    hxx = z[0, 1] - 2 * z[0, 0] + z[0, -1]
    hyy = z[1, 0] - 2 * z[0, 0] + z[-1, 0]
    hxy = (z[1, 1] - z[1, -1] - z[-1, 1] + z[-1, -1]) / 4
    determinant = hxx * hyy - hxy**2
    ok = inside & (determinant > 1e-12) & (hxx < 0) & (hyy < 0)
    determinant = np.where(ok, determinant, 1.0)
    dx = -(hyy * gx - hxy * gy) / determinant
    dy = -(hxx * gy - hxy * gx) / determinant
    ok &= (np.abs(dx) <= 1) & (np.abs(dy) <= 1)
    trace = hxx + hyy
    root = np.sqrt(np.maximum((trace / 2) ** 2 - determinant, 0))
    flatter = np.maximum(-(trace / 2 + root), 1e-4)
    return np.stack([xi + dx, yi + dy], axis=1), 1 / np.sqrt(flatter), ok


def _lead(
    score: Array,
    surfaces: Surfaces,
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    peak: Array,
    offsets: Array,
) -> Array:
    """Lead of each peak over its strongest rival, in standard deviations of the surface."""
    dx = offsets[None, None, :] - offsets[x][:, None, None]
    dy = offsets[None, :, None] - offsets[y][:, None, None]
    rivals = np.where(dx**2 + dy**2 > _RIVAL**2, score, -1.0).max(axis=(1, 2))
    spread = np.nanstd(surfaces.score, axis=(1, 2)) + 1e-6
    return np.asarray((peak - rivals) / spread)
