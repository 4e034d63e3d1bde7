"""Level 0: where, roughly, does the moving raster lie? One small image sees the whole overlap."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from georeg import transforms
from georeg.matching.team import Team
from georeg.pairing.scene import Scene
from georeg.search import guessing
from georeg.search.searching import Guess, angle_and_scale, level, scaled
from georeg.settings import Settings
from georeg.transforms import Transform

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

log = logging.getLogger(__name__)

# Coherence of all gradients from which on they have one direction: rows and furrows have 0.9 and
# more, of 158 development images the largest is 0.49.
_COHERENT = 0.8
_ROUGH = 1.5  # pixels by which noise is smoothed first


@dataclass(frozen=True, eq=False)
class Start:
    """A first transform, claimed -> true frame pixels, and how sure it is.

    Attributes:
        transform: a similarity; an affine where the wide search found the scene to be sheared.
        margin: lead over the best separate hypothesis; see `Vote`. Chance reaches `voting.CHANCE`,
            clear scenes have 1 and more.
        factor: of level 0 against the frame.
        texture: (rows, columns) of level 0: local contrast of the weaker side, 0 where invalid.
        tried: how many hypotheses were looked at; 0 if nobody had to search.
        guesses: what those of the wide search came to; see `guessing.wide`.
        shown: (rows, columns) of level 0, True where the moving raster has data; None if that is
            everywhere.
        limited: whether it leads only because --max-shift rules out the other places.
        along: degrees clockwise from up, in which all runs that one side shows (rows, furrows);
            None if there is more to be seen.
    """

    transform: Transform
    margin: float
    factor: float
    texture: Image
    tried: int = 0
    shown: Mask | None = None
    limited: bool = False
    along: float | None = None
    guesses: tuple[Guess | None, ...] = ()


def locate(
    scene: Scene, team: Team, settings: Settings, before: Start | None = None
) -> Start | None:
    """Search the whole overlap for shift, rotation and scale.

    Args:
        scene: the rasters.
        team: the matcher.
        settings: how.
        before: what was found on other pixels of the same rasters, with the same settings.

    Returns:
        None if there is nothing to go by.
    """
    if settings.anywhere:
        search, best = guessing.wide(scene, team, before.guesses if before is not None else ())
    else:
        search, best = guessing.normal(scene, team, limited=settings.max_shift is not None)
    if best is None:
        return None
    matrix, margin = scaled(best.matrix, search.factor), best.margin
    log.info("located: %s", describe(matrix, margin))
    seen = search.reference if search.window == level(scene)[0] else None
    start = survey(scene, from_matrix(matrix), margin, seen)
    return replace(start, tried=search.tried, limited=best.limited, guesses=search.guesses)


def survey(
    scene: Scene, transform: Transform, margin: float, reference: tuple[Image, Mask] | None = None
) -> Start:
    """What level 0 shows of the overlap through a transform that is known already.

    Args:
        scene: the rasters.
        transform: claimed -> true frame pixels.
        margin: see `Start`.
        reference: the reference on level 0, if it was looked at already.
    """
    window, factor, pad = level(scene)
    reference = reference or scene.reference_view().look(window, factor)
    moving = scene.moving_view(transform).look(window, factor)
    texture = np.minimum(_texture(*reference), _texture(*moving))[pad:-pad, pad:-pad]
    ways = [way for way in (_one_way(*moving), _one_way(*reference)) if way is not None]
    return Start(
        transform, margin, factor, texture,
        shown=moving[1][pad:-pad, pad:-pad], along=ways[0] if ways else None,
    )  # fmt: skip


def from_matrix(matrix: Array) -> Transform:
    """A similarity from its (3, 3) matrix, or an affine where that shears."""
    (a, b), (c, d) = matrix[:2, :2]
    name = "similarity" if np.allclose((a, b), (d, -c), rtol=0, atol=1e-9) else "affine"
    return transforms.from_dict({"name": name, "matrix": matrix.tolist()})


def describe(matrix: Array, margin: float) -> str:
    """A similarity in words."""
    angle, scale = angle_and_scale(matrix)
    return f"rotation {angle:.2f} degrees, scale {scale:.4f}, confidence {margin:.2f}"


def _one_way(image: Image, mask: Mask) -> float | None:
    """In which direction everything runs, degrees clockwise from up; None if nothing prevails.

    By the structure tensor of the whole (Bigun and Granlund, ICCV 1987).
    """
    inside = cv2.erode(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    if not inside.any():
        return None
    smooth = cv2.GaussianBlur(np.where(mask, image, np.float32(0)), (0, 0), _ROUGH)
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, *order)[inside] for order in ((1, 0), (0, 1)))
    xx, yy, xy = (float((a * b).mean()) for a, b in ((x, x), (y, y), (x, y)))
    if np.hypot(xx - yy, 2 * xy) < _COHERENT * (xx + yy) or xx + yy <= 0:
        return None
    # Gradients lie across what they show; y runs downwards.
    return float(np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) % 180)


def _texture(image: Image, mask: Mask) -> Image:
    """Local standard deviation over 15 x 15 pixels, 0 where mostly invalid."""
    weight = cv2.blur(mask.astype(np.float32), (15, 15))
    mean = cv2.blur(image, (15, 15)) / np.maximum(weight, 1e-6)
    square = cv2.blur(image * image, (15, 15)) / np.maximum(weight, 1e-6)
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    return np.where(weight > 0.5, deviation, np.float32(0)).astype(np.float32)
