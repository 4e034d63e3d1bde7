"""How far RPCs are off, as a simple function of the pixel.

The errors of a satellite's attitude and ephemeris are nearly the same all over an image, so a
shift in the image corrects nearly all of them; long strips drift, and few need an affine model
(Fraser & Hanley, PE&RS 69(1), 2003, and 71(8), 2005; Grodecki & Dial 2003). The model is chosen
as transforms are: the next one only where it predicts points better that were left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg import transforms
from georeg.errors import SettingsError
from georeg.fitting import Fit, Rung, fit_transform
from georeg.folding import Folding
from georeg.ortho.rpc import Rpc, cubic_terms
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]

LADDER = ("shift", "drift", "affine")
_PLAUSIBLE = 0.01  # pixels per pixel: no sensor is off by more, but slopes of a poor DEM look so


@dataclass(frozen=True, eq=False)
class BiasFit:
    """A bias and how it was found. All lengths in pixels of the image.

    Attributes:
        bias: from the pixel by the RPCs to the true one.
        weights: (N,) weights of the points, 0 for outliers.
        inlier: (N,) bool.
        residuals: (N, 2) by the model minus seen.
        held_out: (N, 2) the same by a model that was fitted without the point's block.
        fold_models: the models that were fitted without each fold; None where impossible.
        noise: robust standard deviation of the inliers along one axis.
        ladder: the models that were tried, and their errors at points left out.
        folding: which fold a place belongs to, in units of `unit` pixels.
        unit: pixels.
    """

    bias: Transform
    weights: Array
    inlier: npt.NDArray[np.bool_]
    residuals: Array
    held_out: Array
    fold_models: tuple[Transform | None, ...]
    noise: float
    ladder: tuple[Rung, ...]
    folding: Folding
    unit: float

    def fold(self, pixel: Array) -> npt.NDArray[np.int64]:
        """(N,) fold of (N, 2) pixels."""
        return self.folding.fold(pixel / self.unit)


def fit_bias(
    predicted: Array,
    seen: Array,
    score: Array,
    sigma: Array,
    *,
    model: str = "auto",
    block: float = 0.0,
    unit: float = 1.0,
    importance: Array | None = None,
) -> BiasFit:
    """The simplest bias that predicts well.

    Args:
        predicted: (N, 2) pixels of the points by the RPCs.
        seen: (N, 2) pixels where they are.
        score: (N,) probability of each being right.
        sigma: (N,) standard deviation in pixels.
        model: one of `settings.BIASES`.
        block: pixels below which two points aren't independent.
        unit: pixels of the image that are one pixel of what was matched: what counts as small.
        importance: (N,) further factors of the weights.

    Raises:
        PointsError: too few points, or degenerate ones.
    """
    models: tuple[str, ...] = LADDER if model == "auto" else (model,)
    notes: dict[str, str] = {}
    while True:
        fit: Fit = fit_transform(
            predicted / unit,
            seen / unit,
            score,
            sigma / unit,
            models=models,
            block=block / unit,
            importance=importance,
            tolerant=True,
        )
        steep = float(np.abs(matrix_of(fit.transform)[:2, :2] - np.eye(2)).max())
        if model != "auto" or steep <= _PLAUSIBLE or len(models) == 1:
            break
        name = fit.transform.name
        notes[name] = f"not plausible: {steep:.3f} px per px, as by the slopes of a poor DEM"
        models = tuple(m for m in models if m != name)
    ladder = {rung.name: rung for rung in fit.ladder}
    ladder |= {name: Rung(name, math.inf, note) for name, note in notes.items()}
    return BiasFit(
        _scaled(fit.transform, unit),
        fit.weights,
        fit.inlier,
        fit.residuals * unit,
        fit.held_out * unit,
        tuple(None if m is None else _scaled(m, unit) for m in fit.fold_models),
        fit.noise * unit,
        tuple(
            replace(ladder[name], error=ladder[name].error * unit)
            for name in LADDER
            if name in ladder
        ),
        fit.folding,
        unit,
    )


def _scaled(transform: Transform, unit: float) -> Transform:
    """The same in pixels instead of units."""
    matrix = matrix_of(transform)
    matrix[:2, 2] *= unit
    return transforms.from_dict({"name": transform.name, "matrix": matrix.tolist()})


def matrix_of(bias: Transform) -> Array:
    """(3, 3) matrix on (x, y, 1)."""
    return np.array(bias.to_dict()["matrix"], np.float64)


def nothing() -> Transform:
    """No bias."""
    return transforms.from_dict({"name": "shift", "matrix": np.eye(3).tolist()})


def describe(bias: Transform, shape: tuple[int, int]) -> dict[str, Any]:
    """For reports (JSON): what a bias does to the middle and the corners of an image."""
    rows, columns = shape
    middle = np.array([[columns / 2, rows / 2]])
    corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]], np.float64)
    moved = bias.forward(middle)[0] - middle[0]
    spread = bias.forward(corners) - corners - moved
    return {
        "model": bias.name,
        "samp_px": float(moved[0]),
        "line_px": float(moved[1]),
        "varies_by_px": float(np.abs(spread).max()),
        "matrix": matrix_of(bias).tolist(),
    }


def largest_difference(one: Transform, other: Transform, shape: tuple[int, int]) -> float:
    """How far apart two biases are within an image, at most: pixels."""
    rows, columns = shape
    corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]], np.float64)
    return float(np.hypot(*(one.forward(corners) - other.forward(corners)).T).max())


def absorb(rpc: Rpc, bias: Transform) -> tuple[Rpc, float]:
    """RPCs that need no bias, and the largest error of that in pixels over their volume.

    A shift goes into the offsets, a change of scale along lines or samples into the scales:
    exactly. What one of the two owes to the other (a rotation, samples that drift from line to
    line) is no ratio with the same denominator any more: the numerator is fitted anew.

    Raises:
        SettingsError: the bias is no affine function of the pixel.
    """
    matrix = matrix_of(bias)
    if not np.allclose(matrix[2], [0, 0, 1]):
        raise SettingsError(f"a bias of the kind '{bias.name}' can't be part of RPCs")
    if np.array_equal(matrix[:2, :2], np.eye(2)):
        return rpc.moved(float(matrix[0, 2]), float(matrix[1, 2])), 0.0
    linear = matrix[:2, :2]
    # RPCs count from the centre of the first pixel.
    offset = linear @ [0.5, 0.5] + matrix[:2, 2] - 0.5
    off = linear @ [rpc.samp_off, rpc.line_off] + offset
    scale = np.array([rpc.samp_scale, rpc.line_scale])
    new = replace(
        rpc,
        samp_off=float(off[0]),
        line_off=float(off[1]),
        samp_scale=float(linear[0, 0] * scale[0]),
        line_scale=float(linear[1, 1] * scale[1]),
    )
    axis = np.cos(np.pi * (np.arange(14) + 0.5) / 14)  # Chebyshev's nodes keep the edges in check
    terms = cubic_terms(*(a.ravel() for a in np.meshgrid(axis, axis, axis[::2])))
    line_num, line_den, samp_num, samp_den = rpc.matrix() @ terms
    line, samp = line_num / line_den, samp_num / samp_den
    if linear[0, 1]:
        share = linear[0, 1] * scale[1] / (linear[0, 0] * scale[0])
        more = _fitted(terms, samp_den, line * share)
        new = replace(new, samp_num_coeff=_sum(rpc.samp_num_coeff, more))
    if linear[1, 0]:
        share = linear[1, 0] * scale[0] / (linear[1, 1] * scale[1])
        more = _fitted(terms, line_den, samp * share)
        new = replace(new, line_num_coeff=_sum(rpc.line_num_coeff, more))
    return new, _error(rpc, bias, new)


def _fitted(terms: Array, bottom: Array, ratio: Array) -> Array:
    """(20,) numerator of a ratio over a known denominator: least squares of the ratio."""
    solution, *_ = np.linalg.lstsq((terms / bottom).T, ratio, rcond=None)
    return np.asarray(solution)


def _sum(one: tuple[float, ...], other: Array) -> tuple[float, ...]:
    return tuple((np.array(one) + other).tolist())


def _error(rpc: Rpc, bias: Transform, new: Rpc) -> float:
    """Largest distance in pixels at places all over the volume, others than the fitted ones."""
    normal = np.random.default_rng(0).uniform(-1, 1, (4000, 3))
    place = normal * [rpc.long_scale, rpc.lat_scale, rpc.height_scale]
    place += [rpc.long_off, rpc.lat_off, rpc.height_off]
    lonlat, height = place[:, :2], place[:, 2]
    true = bias.forward(rpc.project(lonlat, height))
    return float(np.hypot(*(new.project(lonlat, height) - true).T).max())
