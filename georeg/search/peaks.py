"""Reading tie points off similarity surfaces."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from georeg.matching.protocol import Surfaces, TilePoints
from georeg.matching.subpixel import sharpen, vertex

Array = npt.NDArray[np.float64]

_RIVAL = 4.0  # pixels from a peak beyond which another one is a rival
_NEAR_BEST = 0.97  # a peak near the prediction must reach this share of the template's best
_RETURN = 3.0  # pixels from where it started within which the way back must end
# P(right) = 1 / (1 + exp(-(a + b * lead))), lead = lead over the rival in standard deviations of
# the surface: fitted to 9 100 templates of real pairs with known truth (within 3 px or not).
_SCORE = (-0.17, 1.44)
_SIGMA = (0.10, 0.06)  # floor in pixels, and share of the peak's width that noise makes of it


def read_peaks(surfaces: Surfaces, expected: Array | None = None, reach: float = 6.0) -> TilePoints:
    """One point per template that has a clear peak near the expected displacement.

    The peak must lie inside the searched window, must be (nearly) the template's best, must be
    found again on the way back where that was looked at, and is placed between the steps by a
    smooth surface through its neighbourhood (see subpixel.py).

    Args:
        surfaces: K templates.
        expected: (K, 2) displacements in pixels; none of them if None.
        reach: pixels around the expected displacement in which the peak must lie; the whole
            window if `expected` is None.

    Returns:
        Points whose `score` is the probability of being right, by the lead over rival peaks and
        what the matcher knows of the template, and whose `sigma` grows with the peak's width.
    """
    if not len(surfaces):
        return TilePoints.none()
    raw: Array = surfaces.score.astype(np.float64)
    score: Array = np.nan_to_num(raw, nan=-1.0)
    offsets = _steps(surfaces)
    candidates: Array = score
    if expected is not None:
        dx = offsets[None, None, :] - expected[:, 0, None, None]
        dy = offsets[None, :, None] - expected[:, 1, None, None]
        candidates = np.where(dx**2 + dy**2 <= reach**2, score, -1.0)
    flat = candidates.reshape(len(score), -1).argmax(axis=1)
    y, x = np.divmod(flat, score.shape[-1])
    start, width, ok = vertex(raw, y, x)  # NaN beside a peak makes it none
    displacement = (sharpen(raw, y, x, start) - surfaces.radius) * surfaces.step
    peak = np.asarray(score[np.arange(len(score)), y, x], np.float64)
    ok &= peak >= _NEAR_BEST * score.max(axis=(1, 2)) - 1e-3
    if surfaces.back is not None:
        ok &= detour(surfaces, displacement) <= _RETURN
    lead = leads(score, np.isfinite(raw), y, x, offsets)
    center = surfaces.center
    odds: Array = _SCORE[0] + _SCORE[1] * lead
    if surfaces.reliability is not None and surfaces.structure is not None:
        constant, per_lead, *per_structure = surfaces.reliability
        odds = constant + per_lead * lead + surfaces.structure @ np.array(per_structure)
    probability = 1 / (1 + np.exp(-odds))
    noise = _SIGMA[1] * width * np.sqrt(np.clip(1 - peak**2, 0.01, 1)) * surfaces.step
    sigma = np.hypot(_SIGMA[0], noise)
    return TilePoints(
        surfaces.tile[ok],
        center[ok],
        (center + displacement)[ok],
        probability[ok],
        sigma[ok],
    )


def _steps(surfaces: Surfaces) -> Array:
    """Displacements along an axis in pixels."""
    return np.asarray(
        (np.arange(surfaces.score.shape[-1]) - surfaces.radius) * surfaces.step, np.float64
    )


def detour(surfaces: Surfaces, displacement: Array) -> Array:
    """How far from its start the way there and back ends.

    Args:
        surfaces: K templates, with `back`.
        displacement: (K, 2) pixels there.

    Returns:
        (K,) pixels; inf where there is no peak on the way back.
    """
    if surfaces.back is None:
        raise ValueError("these surfaces don't know the way back")
    raw: Array = surfaces.back.astype(np.float64)
    clean: Array = np.nan_to_num(raw, nan=-1.0)
    y, x = np.divmod(clean.reshape(len(clean), -1).argmax(axis=1), clean.shape[-1])
    place, _, ok = vertex(raw, y, x)
    radius = (clean.shape[-1] - 1) // 2
    ends = displacement + (place - radius) * surfaces.back_step
    return np.where(ok, np.hypot(*ends.T), np.inf)


def leads(
    score: Array,
    valid: npt.NDArray[np.bool_],
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    offsets: Array,
) -> Array:
    """(K,) lead of peaks over their strongest rivals, in standard deviations of the surfaces.

    Args:
        score: (K, W, W), -1 where invalid.
        valid: (K, W, W).
        y: (K,) rows of the peaks.
        x: (K,) their columns.
        offsets: (W,) pixels of the rows and of the columns.
    """
    peak = score[np.arange(len(score)), y, x]
    dx = offsets[None, None, :] - offsets[x][:, None, None]
    dy = offsets[None, :, None] - offsets[y][:, None, None]
    rivals = np.where(dx**2 + dy**2 > _RIVAL**2, score, -1.0).max(axis=(1, 2))
    count = np.maximum(valid.sum(axis=(1, 2)), 1)
    mean = np.where(valid, score, 0.0).sum(axis=(1, 2)) / count
    square = np.where(valid, score - mean[:, None, None], 0.0) ** 2
    spread = np.sqrt(square.sum(axis=(1, 2)) / count) + 1e-6
    return np.asarray((peak - rivals) / spread)
