"""How far the truth of the development pairs itself can be relied on.

    python benchmarks/truth.py

Each pair is warped by its truth, so that it should be aligned, and aligned again. Where the fit
and its tie points agree among themselves and not with the truth, it's the truth that is off. How:
by one shift of the whole pair, or as if the homography counted from the corner of the first pixel
instead of its centre; the columns 'less one shift' and 'corner' tell. As a look that owes nothing
to georeg, patches of plain gradients are searched for as well. Results go to
benchmarks/results/truth.md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from georeg.align import measure
from georeg.errors import GeoregError
from georeg.settings import Settings
from georeg.training.truth import TruePair, project, read_index

RESULTS = Path(__file__).parent / "results"
PATCH, REACH = 96, 8  # pixels
HALF = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])


def warped(pair: TruePair) -> tuple[Any, Any]:
    """The moving image on the reference's pixels by the truth, and where it is valid."""
    matrix = np.linalg.inv(HALF) @ pair.matrix @ HALF
    size = pair.reference.shape[1::-1]
    image = cv2.warpPerspective(pair.moving, matrix, size, flags=cv2.INTER_CUBIC)
    valid = cv2.warpPerspective(pair.moving_mask.astype(np.float32), matrix, size) > 0.999
    return image, valid


def stored(image: Any, mask: Any, path: Path) -> str:
    """As a file with an alpha band."""
    colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    cv2.imwrite(str(path), np.dstack([colour, np.where(mask, 255, 0).astype(np.uint8)]))
    return str(path)


class ByFit(NamedTuple):
    """What a fit makes of a pair, in pixels of the reference.

    Attributes:
        near, fair: shares of the tie points at which the fit is within 1.5 and 3 px of the truth.
        own: median residual of its own tie points.
        error: median distance of the fit from the truth.
        corner: the same if the homography is taken from corners of pixels, not from centres.
        unshifted: the same, less the median displacement.
        x, y: the median displacement, truth to fit.
    """

    near: float
    fair: float
    own: float
    error: float
    corner: float
    unshifted: float
    x: float
    y: float


def by_fit(pair: TruePair, folder: Path) -> ByFit | None:
    """How far from the truth a fit is, and how."""
    image, valid = warped(pair)
    moving = stored(image, valid, folder / "moving.png")
    reference = stored(pair.reference, pair.reference_mask, folder / "reference.png")
    try:
        found = measure(moving, reference, Settings(georef=False, threads=1))
    except GeoregError:
        return None
    if found.fit is None:
        return None
    matches, rest = found.matches, found.residuals
    fitted = matches.reference_xy + rest
    off = fitted - matches.moving_xy
    distance = np.hypot(*off.T)
    back: Any = np.linalg.inv(pair.matrix)
    source = project(back, matches.moving_xy)
    corner = fitted - project(np.linalg.inv(HALF) @ pair.matrix @ HALF, source)
    shift = np.median(off, axis=0)
    return ByFit(
        float((distance < 1.5).mean()),
        float((distance < 3).mean()),
        float(np.median(np.hypot(*rest[found.inlier].T))),
        float(np.median(distance)),
        float(np.median(np.hypot(*corner.T))),
        float(np.median(np.hypot(*(off - shift).T))),
        float(shift[0]),
        float(shift[1]),
    )


def gradients(image: Any) -> Any:
    """Strength of the slopes of a slightly smoothed image."""
    grey = image if image.ndim == 2 else image.mean(axis=2)
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.2)
    return cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))


def by_patches(pair: TruePair) -> list[float]:
    """How far from the truth patches of gradients fit best, pixels; only what is clear."""
    image, valid = warped(pair)
    valid = valid & pair.reference_mask
    one, two = gradients(image), gradients(pair.reference)
    inner = slice(REACH, PATCH - REACH)
    found = []
    for y in range(0, valid.shape[0] - PATCH + 1, PATCH):
        for x in range(0, valid.shape[1] - PATCH + 1, PATCH):
            here = (slice(y, y + PATCH), slice(x, x + PATCH))
            if valid[here].all():
                score = cv2.matchTemplate(two[here], one[here][inner, inner], cv2.TM_CCOEFF_NORMED)
                best, at = cv2.minMaxLoc(score)[1::2]
                if best > 0.35:
                    found.append(float(np.hypot(at[0] - REACH, at[1] - REACH)))
    return found


def main() -> None:
    """Measure all pairs, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    args = parser.parse_args()
    fits: dict[str, list[ByFit]] = defaultdict(list)
    patches: dict[str, list[float]] = defaultdict(list)
    index = args.shared / "data/pairs/crossmodal/index.json"
    for entry in read_index(str(index)):
        pair = entry.read()
        patches[pair.group] += by_patches(pair)
        with tempfile.TemporaryDirectory() as folder:
            found = by_fit(pair, Path(folder))
        if found is not None:
            fits[pair.group].append(found)
        print(pair.group, pair.name, found, flush=True)
    lines = [
        "# How far the truth of the development pairs can be relied on",
        "",
        "`python benchmarks/truth.py`: pairs warped by their truth and aligned again (structural). "
        "Places: the tie points. Patches: 96 px of gradients that correlate by more than 0.35 "
        "within 8 px, whole pixels.",
        "",
        "| pairs | n | fit within 1.5 px of the truth | within 3 px | residual of its own tie "
        "points, median px | patches | of them 1 px or more off | 2 px or more |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for group, rows in fits.items():
        near, fair, own = np.mean(rows, axis=0)[:3]
        away = np.array(patches[group])
        shares = [f"{(away >= d).mean():.0%}" if len(away) else "-" for d in (1, 2)]
        lines.append(
            f"| {group} | {len(rows)} | {near:.1%} | {fair:.1%} | {own:.2f} | {len(away)}"
            f" | {shares[0]} | {shares[1]} |"
        )
    near, fair, own = np.mean([np.mean(rows, axis=0) for rows in fits.values()], axis=0)[:3]
    lines.append(f"| **all groups** | | {near:.1%} | {fair:.1%} | {own:.2f} | | | |")
    lines += [
        "",
        "How the fit and the truth differ: medians over the pairs, px. 'Corner': if the homography "
        "is read as one between positions from the corner of the first pixel. 'Less': if each "
        "pair's median displacement is taken off. Displacement: mean and standard deviation.",
        "",
        "| pairs | median error | corner | less one shift a pair | displacement x | y |",
        "|---|---|---|---|---|---|",
    ]
    for group, rows in fits.items():
        error, corner, unshifted = np.median(rows, axis=0)[3:6]
        mean, spread = (f(np.array(rows)[:, 6:], axis=0) for f in (np.mean, np.std))
        lines.append(
            f"| {group} | {error:.2f} | {corner:.2f} | {unshifted:.2f}"
            f" | {mean[0]:+.1f} ± {spread[0]:.1f} | {mean[1]:+.1f} ± {spread[1]:.1f} |"
        )
    (RESULTS / "truth.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
