"""How well whole pairs are aligned without a prior: MINIMA's protocol for homographies.

Images come with a longer side of 640 pixels and nothing is known of where they lie. The error is
the mean distance of the moving image's corners from where they belong, in pixels of the reference
as it was; its AUC up to a threshold is the area under the curve of recall (SuperGlue's and
MINIMA's measure; Ren et al., CVPR 2025). The mapping there is a homography, here what the settings
want: and where MINIMA takes OpenCV's RANSAC over all matches, it is what the engine fits, so
matchers whose single matches can't decide are judged as they are used. The fit behind a refusal is
scored, too.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from georeg.align import Alignment, measure
from georeg.grid import Grid
from georeg.pairing.scene import reference_georef
from georeg.settings import Settings
from georeg.training.truth import TruePair

Array = npt.NDArray[np.float64]

SIDE = 640  # pixels
LIMITS = (5.0, 10.0, 20.0)


@dataclass(frozen=True)
class WholeError:
    """What came out for a pair.

    Attributes:
        corners: mean error of the corners of the fit, pixels of the original reference; infinite
            if nothing could be fitted.
        trusted: whether the verdict was to trust it.
        tie_points: how many there were.
    """

    corners: float
    trusted: bool
    tie_points: int


def whole_error(pair: TruePair, settings: Settings) -> WholeError:
    """Align a pair without any prior.

    Args:
        pair: with its truth.
        settings: the matcher, its weights, the transform (MINIMA's protocol: 'projective'),
            threads and device; georeferences aren't looked at.
    """
    chosen = replace(settings, search="wide")
    with tempfile.TemporaryDirectory(prefix="georeg-whole-") as folder:
        moving, moving_scale = _stored(pair.moving, pair.moving_mask, folder, "moving")
        reference, scale = _stored(pair.reference, pair.reference_mask, folder, "reference")
        result = measure(moving, reference, chosen)
        if result.fit is None:
            return WholeError(math.inf, False, len(result.matches))
        rows, columns = pair.moving.shape[:2]
        corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]], np.float64)
        placed = _placed(result, reference, corners * moving_scale, settings) / scale
    off = np.hypot(*(placed - pair.to_reference(corners)).T).mean()
    error = float(off) if np.isfinite(off) else math.inf
    return WholeError(error, result.verdict.ok, len(result.matches))


def _placed(result: Alignment, reference: str, xy: Array, settings: Settings) -> Array:
    """(N, 2) pixels of the moving image -> pixels of the reference by the fit."""
    if result.fit is None or result.fit.placement is None:
        raise ValueError("only for fits of images without georeference")
    georef, _ = reference_georef(reference, settings)
    a, b, c, d, e, f = list(result.fit.placement)[:6]
    claimed = xy @ np.array([[a, d], [b, e]]) + (c, f)
    frame: Grid = result.fit.frame
    true = frame.to_map(result.fit.transform.forward(frame.to_pixel(claimed)))
    return georef.to_pixel(true)


def _stored(
    image: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], folder: str, name: str
) -> tuple[str, Array]:
    """The image as the protocol wants it, its mask as alpha; new pixels per old one (x, y)."""
    rows, columns = image.shape[:2]
    factor = SIDE / max(rows, columns)
    size = (max(8, round(columns * factor)), max(8, round(rows * factor)))
    colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    small = cv2.resize(colour, size, interpolation=cv2.INTER_LINEAR)
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    alpha = np.where(share > 0.999, 255, 0).astype(np.uint8)
    path = os.path.join(folder, f"{name}.png")
    cv2.imwrite(path, np.dstack([small, alpha]))
    return path, np.array(size, np.float64) / (columns, rows)


def auc(errors: Sequence[float], limit: float) -> float:
    """Area under the curve of recall up to a limit, 0 to 1."""
    ordered = np.array([0.0, *sorted(errors)])
    recall = np.linspace(0, 1, len(errors) + 1)
    last = int(np.searchsorted(ordered, limit))
    x, y = np.append(ordered[:last], limit), np.append(recall[:last], recall[last - 1])
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum() / limit)
