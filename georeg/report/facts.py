"""What page and plots are made of: a report's numbers as arrays, and its pictures, encoded."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from georeg.crs import in_metres
from georeg.errors import InputError
from georeg.report.contents import COLUMNS, FORMAT
from georeg.report.pictures import Grey, Picture, Pictures

Array = npt.NDArray[np.float64]

_QUALITY = 82  # of WebP; its artefacts are well below what a matcher can tell
DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What reading the parts of a report raises where somebody has edited it."""


@dataclass(frozen=True)
class Encoded:
    """A picture as data URIs; see `Picture`.

    Attributes:
        title: of the place.
        factor: frame pixels along a side of one of its pixels.
        width: pixels.
        height: pixels.
        uris: by side: reference, before, and after where there is a fit.
    """

    title: str
    factor: float
    width: int
    height: int
    uris: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Facts:
    """Everything that is shown. Lengths in reference pixels unless said otherwise.

    Attributes:
        report: as it is stored.
        frame_xy: (N, 2) frame pixels of the listed tie points.
        before: (N, 2) how far each is off to begin with; x to the right, y downwards.
        residual: (N, 2) error of the fit; NaN without one.
        left_out: (N, 2) the same of the fit without the point's block; NaN where there is none.
        inlier: (N,) whether the fit explains it.
        counted: (N,) whether its error counts as the fit's: inliers, and what agrees with its
            neighbours.
        count: number of tie points, of which N are listed.
        width: of the frame, in its pixels.
        height: the same.
        metres: on the ground for one reference pixel; None without a CRS.
        pictures: the overview first; empty where the rasters couldn't be read.
    """

    report: Mapping[str, Any]
    frame_xy: Array
    before: Array
    residual: Array
    left_out: Array
    inlier: npt.NDArray[np.bool_]
    counted: npt.NDArray[np.bool_]
    count: int
    width: int
    height: int
    metres: float | None
    pictures: tuple[Encoded, ...]

    @property
    def verdict(self) -> Mapping[str, Any]:
        """The verdict, as it is stored."""
        verdict: Mapping[str, Any] = self.report["verdict"]
        return verdict

    @property
    def begin(self) -> str:
        """What comes before the fit; a first look, if the georeference wasn't looked at."""
        return "first look" if self.verdict.get("placed") else "before"

    @property
    def errors(self) -> Array:
        """(M, 2) errors at left-out points, those that the accuracy is made of."""
        return self.left_out[self.judged]

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """(N,) which of those that count have a known error at a left-out point."""
        return np.asarray(self.counted & np.isfinite(self.left_out).all(axis=1))

    @property
    def worth_a_look(self) -> Array | None:
        """(M, 3) frame x and y of the inliers, and their residuals' lengths; None without a fit.

        From what is listed, so that the same places are chosen when a report is read again.
        """
        if self.report["model"] is None:
            return None
        agree = self.inlier & np.isfinite(self.residual).all(axis=1)
        return np.column_stack([self.frame_xy, np.hypot(*self.residual.T)])[agree]

    @property
    def some(self) -> str:
        """'2000 of 13000 tie points, drawn at random', or nothing if all are listed."""
        listed = len(self.frame_xy)
        if listed >= self.count:
            return ""
        return f"{listed} of {self.count} tie points, drawn at random"

    def length(self, pixels: float | None) -> str:
        """A length in words: '1.25 px (12.5 m)'."""
        if pixels is None or not math.isfinite(pixels):
            return "unknown"
        metres = "" if self.metres is None else f" ({in_metres(pixels * self.metres)})"
        return f"{_short(pixels)} px{metres}"


def _short(value: float) -> str:
    return (
        f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    )


def gather(report: Mapping[str, Any], pictures: Pictures | None) -> Facts:
    """Everything that is shown, from what a run stored.

    Args:
        report: see `contents`.
        pictures: views of the rasters; None where they can't be had.

    Raises:
        InputError: this is no report, or it lacks a part.
    """
    if report.get("format") != FORMAT:
        raise InputError("this is no report of georeg, or one of a version before 0.1.0")
    try:
        frame = report["frame"]
        listed = report.get("points") or {"count": 0, "columns": list(COLUMNS), "rows": []}
        table = _table(listed)
        rows, columns = (int(n) for n in frame["shape"])
        metres, pixels = frame["metres_per_pixel"], float(frame["reference_pixels_per_pixel"])
        return Facts(
            report,
            table[:, 0:2],
            table[:, 2:4],
            table[:, 4:6],
            table[:, 6:8],
            table[:, 9] > 0,
            table[:, 10] > 0,
            int(listed["count"]),
            columns,
            rows,
            None if metres is None else float(metres) / pixels,
            () if pictures is None else tuple(map(_encode, _all(pictures))),
        )
    except DAMAGE as error:
        raise damaged(error) from None


def damaged(error: Exception) -> InputError:
    """What is said of a report that lacks a part, or has something else in its place."""
    what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return InputError(f"the report is damaged: {what}")


def _table(listed: Mapping[str, Any]) -> Array:
    """(N, 11) in the order of `COLUMNS`; null is NaN."""
    order = [listed["columns"].index(name) for name in COLUMNS]
    rows = [[math.nan if v is None else float(v) for v in row] for row in listed["rows"]]
    return np.array(rows, np.float64).reshape(len(rows), len(COLUMNS))[:, order]


def _all(pictures: Pictures) -> tuple[Picture, ...]:
    return (pictures.overview, *pictures.close_ups)


def _encode(picture: Picture) -> Encoded:
    sides = {"reference": picture.reference, "before": picture.before}
    if picture.after is not None:
        sides["after"] = picture.after
    rows, columns = picture.shape
    return Encoded(
        picture.title,
        picture.factor,
        columns,
        rows,
        {name: _uri(image) for name, image in sides.items()},
    )


def _uri(image: Grey) -> str:
    """Grey and alpha as a data URI of a WebP."""
    grey, alpha = image[..., 0], image[..., 1]
    bands = [grey, grey, grey] if alpha.all() else [grey, grey, grey, alpha]
    done, data = cv2.imencode(".webp", np.dstack(bands), [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    if not done:
        raise ValueError("a picture can't be encoded")
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode("ascii")
