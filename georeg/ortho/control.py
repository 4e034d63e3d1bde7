"""RPCs corrected by the file's own GCPs alone, where there is no reference to match."""

from __future__ import annotations

import math

import numpy as np

from georeg.errors import PointsError
from georeg.judging.stating import Accuracy
from georeg.ortho.bias import BiasFit, fit_bias
from georeg.ortho.gcps import Gcps
from georeg.ortho.sensor import Sensor
from georeg.settings import Settings
from georeg.verdict import Verdict, no_verdict

_LEAST = 3  # GCPs
_ADVICE = "give a --reference, or --gcps check"
_SIGMA = 0.5  # pixels; nobody says how good they are


def by_gcps(
    gcps: Gcps, sensor: Sensor, model: str, settings: Settings
) -> tuple[BiasFit | None, Verdict]:
    """Fit the bias to control points.

    Args:
        gcps: of the file.
        sensor: the RPCs without bias.
        model: one of `settings.BIASES`.
        settings: for the user's own limit.

    Returns:
        The bias, None if there are too few points; and what is known about it.
    """
    n = len(gcps)
    if n < _LEAST:
        reason = f"{n} GCPs are too few to correct RPCs and to check that"
        return None, no_verdict(reason, _ADVICE, 0.0, n)
    predicted = gcps.predicted(sensor)
    try:
        fit = fit_bias(
            predicted, gcps.pixel, np.ones(n), np.full(n, _SIGMA), model=model, block=0.0
        )
    except PointsError as error:
        return None, no_verdict(f"the GCPs give no bias: {error}", _ADVICE, 0.0, n)
    use = fit.inlier & np.isfinite(fit.held_out).all(axis=1)
    held = fit.held_out[use]
    reasons = []
    if use.sum() < max(_LEAST, n / 2):
        reasons.append(f"only {int(use.sum())} of {n} GCPs agree")
    accuracy = None
    if len(held):
        length = np.hypot(*held.T)
        rmse = float(np.sqrt((length**2).mean()))
        mean = held.mean(axis=0)
        accuracy = Accuracy(
            rmse, float(np.percentile(length, 90)), float(mean[0]), float(mean[1]), None, None
        )
        if settings.max_rmse is not None and rmse > settings.max_rmse:
            reasons.append(f"the error ({rmse:.2f} px) is above --max-rmse {settings.max_rmse:g}")
    moved = float(np.median(np.hypot(*(gcps.pixel - predicted)[fit.inlier].T)))
    verdict = Verdict(
        not reasons, tuple(reasons), (), "refused" if reasons else "aligned", accuracy, n,
        int(fit.inlier.sum()), math.nan, moved, None, (math.nan, math.nan), math.inf, None,
    )  # fmt: skip
    return fit, verdict
