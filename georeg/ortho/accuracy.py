"""What the correction was worth: errors before and after, at tie points, GCPs, and by height."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from georeg.crs import metres_per_unit
from georeg.ortho.bias import BiasFit
from georeg.ortho.gcps import Gcps
from georeg.ortho.refine import Refined
from georeg.ortho.sensor import Sensor
from georeg.ortho.vertical import WGS84

Array = npt.NDArray[np.float64]

_BINS, _PER_BIN = 8, 12  # of heights, and the least number of points in each
_SURE = 3.0  # standard errors by which a slope must differ from 0
_MATTERS = 0.5  # pixels that it must make over the range of heights


def errors(difference: Array, metres: Array | None = None) -> dict[str, float | int | None]:
    """Statistics of (N, 2) differences in pixels, and of (N,) lengths in metres."""
    if not len(difference):
        return {"count": 0}
    length = np.hypot(*difference.T)
    mean = difference.mean(axis=0)
    found: dict[str, float | int | None] = {
        "count": len(difference),
        "rmse_px": float(np.sqrt((length**2).mean())),
        "ce90_px": float(np.percentile(length, 90)),
        "median_px": float(np.median(length)),
        "mean_samp_px": float(mean[0]),
        "mean_line_px": float(mean[1]),
    }
    if metres is not None:
        found["rmse_m"] = float(np.sqrt((metres**2).mean()))
        found["ce90_m"] = float(np.percentile(metres, 90))
    return found


def at_ties(found: Refined) -> dict[str, Any]:
    """Errors of the RPCs before and after, at the tie points that the bias explains.

    `left_out` are those of biases fitted without the points around: the honest figure.
    """
    n, ties = len(found.ties), found.ties
    use = found.fit.inlier[:n]
    metre = found.scene.frame.metres
    kinds = {
        "before": ties.predicted - ties.seen,
        "after": found.fit.residuals[:n],
        "left_out": found.fit.held_out[:n],
    }
    report: dict[str, Any] = {}
    for name, difference in kinds.items():
        keep = use & np.isfinite(difference).all(axis=1)
        length = None if metre is None else np.hypot(*ties.on_frame(difference)[keep].T) * metre
        report[name] = errors(difference[keep], length)
    return report


def at_gcps(gcps: Gcps, role: str, sensor: Sensor, fit: BiasFit | None) -> dict[str, Any]:
    """Errors at the file's GCPs before and after.

    Args:
        gcps: of the file.
        role: check or use.
        sensor: with the bias, if there is one.
        fit: of the bias; the last points of it are the GCPs, where they were used.
    """
    raw = gcps.predicted(sensor)
    after = raw if sensor.bias is None else sensor.bias.forward(raw)
    metre = _metres(gcps, sensor)
    report: dict[str, Any] = {
        "role": role,
        "heights": gcps.heights_from,
        "before": errors(raw - gcps.pixel, np.hypot(*(raw - gcps.pixel).T) * metre),
        "after": errors(after - gcps.pixel, np.hypot(*(after - gcps.pixel).T) * metre),
        "points": [
            {"id": name, "samp_px": float(e[0]), "line_px": float(e[1])}
            for name, e in zip(gcps.ids, after - gcps.pixel, strict=True)
        ],
    }
    if role == "use" and fit is not None:
        held = fit.held_out[-len(gcps) :]
        report["left_out"] = errors(held[np.isfinite(held).all(axis=1)])
    return report


def _metres(gcps: Gcps, sensor: Sensor) -> Array:
    """(N,) metres of one pixel, on level ground."""
    slope = sensor.rpc.jacobian(gcps.lonlat, gcps.height)[:, :, :2]
    degree = metres_per_unit(WGS84, gcps.lonlat.mean(axis=0)) or (math.nan, math.nan)
    return np.asarray(np.sqrt(degree[0] * degree[1] / np.abs(np.linalg.det(slope))))


def by_height(height: Array, difference: Array) -> dict[str, Any]:
    """Errors against height: where they grow with it, the DEM, its datum or the RPCs are wrong.

    Args:
        height: (N,) metres above the ellipsoid.
        difference: (N, 2) pixels.
    """
    if len(height) < 2 * _PER_BIN or not np.ptp(height) > 0:
        return {"bins": [], "slope": None}
    number = min(_BINS, len(height) // _PER_BIN)
    edges = np.unique(np.quantile(height, np.linspace(0, 1, number + 1)))
    which = np.clip(np.searchsorted(edges, height, side="right") - 1, 0, max(0, len(edges) - 2))
    bins = []
    for k in range(len(edges) - 1):
        part = difference[which == k]
        if len(part):
            bins.append({"from_m": float(edges[k]), "to_m": float(edges[k + 1]), **errors(part)})
    middle = height - height.mean()
    total = float((middle**2).sum())
    slope = middle @ difference / total
    rest = difference - difference.mean(axis=0) - middle[:, None] * slope
    error = np.sqrt((rest**2).sum(axis=0) / max(1, len(height) - 2) / total)
    sure = np.abs(slope) > _SURE * np.maximum(error, 1e-12)
    clear = bool((sure & (np.abs(slope) * np.ptp(height) > _MATTERS)).any())
    return {
        "bins": bins,
        "slope": {
            "samp_px_per_100m": float(slope[0] * 100),
            "line_px_per_100m": float(slope[1] * 100),
            "standard_error_px_per_100m": float(math.hypot(*error) * 100),
            "clear": clear,
        },
    }
