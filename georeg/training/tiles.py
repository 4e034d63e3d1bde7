"""How well a matcher does on tiles: where the truth is known, how far off is what it says?"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from georeg.grid import Window
from georeg.matching.protocol import Matcher, Surfaces, TileBatch, TilePoints
from georeg.search.peaks import read_peaks
from georeg.tiling import TilePair, plan
from georeg.training.truth import TruePair, project

Array = npt.NDArray[np.float64]

_GOALS = {"track": (12.0, 8.0), "refine": (6.0, 3.0)}  # radius, and most pixels of displacement


@dataclass(frozen=True, eq=False)
class TileErrors:
    """Distances from the truth in reference pixels.

    Attributes:
        places: (K,) of the best match of every template; of every point where a matcher has no
            templates.
        points: (N,) of the tie points that the engine would take.
        sigma: (N,) what the matcher says of them.
        score: (N,) likewise.
    """

    places: Array
    points: Array
    sigma: Array
    score: Array


def tile_errors(pair: TruePair, matcher: Matcher, goal: str = "track") -> TileErrors:
    """Match a pair through its true mapping and a random displacement, always the same one.

    Args:
        pair: with its truth.
        matcher: any.
        goal: 'track' (up to 8 px off, searched within 12) or 'refine' (3 px, 6).
    """
    radius, most = _GOALS[goal]
    seed = zlib.crc32(f"{pair.group}/{pair.name}/{goal}".encode())
    shift = np.random.default_rng(seed).uniform(-most, most, 2)
    parts = [
        _errors(matcher.match(batch), tiles, shift) for batch, tiles in _batches(
            pair, matcher, shift, radius, goal
        )
    ]  # fmt: skip
    names = ("places", "points", "sigma", "score")
    return TileErrors(*(np.concatenate([getattr(p, n) for p in parts] or [[]]) for n in names))


def _batches(
    pair: TruePair, matcher: Matcher, shift: Array, radius: float, goal: str
) -> Iterator[tuple[TileBatch, TilePair]]:
    """Tiles one by one, of which the moving side shows everything `shift` further up and left."""
    reference, reference_mask = _grey(pair.reference), pair.reference_mask
    rows, columns = reference.shape
    back = np.array([[1, 0, -shift[0]], [0, 1, -shift[1]], [0, 0, 1.0]])
    moving, moving_mask = _warped(pair, back @ pair.matrix, (rows, columns))
    pairs = plan(
        (rows, columns), 1.0, tile=matcher.tile, limit=matcher.limit, margin=matcher.reach,
        most=10_000, texture=np.ones((1, 1), np.float32), texture_factor=float(max(rows, columns)),
        to_moving=lambda xy: xy, to_reference=lambda xy: xy,
    )  # fmt: skip
    for tile in pairs:
        sides: list[npt.NDArray[np.float32]] = []
        masks: list[npt.NDArray[np.bool_]] = []
        for image, mask in ((moving, moving_mask), (reference, reference_mask)):
            cut, seen = _cut(image, mask, tile.window)
            sides.append(cut[None])
            masks.append(seen[None])
        yield TileBatch(sides[0], masks[0], sides[1], masks[1], radius, goal), tile


def _errors(found: Surfaces | TilePoints, tile: TilePair, shift: Array) -> TileErrors:
    if isinstance(found, TilePoints):
        points = found.select(tile.counts(found.moving_xy))
        off = np.hypot(*(points.reference_xy - points.moving_xy - shift).T)
        return TileErrors(off, off, points.sigma, points.score)
    surfaces = found.select(tile.counts(found.center))
    none = np.zeros(0)
    if not len(surfaces):
        return TileErrors(none, none, none, none)
    best = read_peaks(surfaces)
    off = np.hypot(*(best.reference_xy - best.moving_xy - shift).T)
    score = np.nan_to_num(surfaces.score, nan=-1.0)
    row, column = np.divmod(score.reshape(len(score), -1).argmax(axis=1), score.shape[-1])
    coarse = (np.stack([column, row], axis=1) - surfaces.radius) * surfaces.step
    places = np.hypot(*(coarse - shift).T)
    # Where the peak is one, its place between the steps counts.
    key = {(x, y): k for k, (x, y) in enumerate(surfaces.center.tolist())}
    places[[key[x, y] for x, y in best.moving_xy.tolist()]] = off
    return TileErrors(places, off, best.sigma, best.score)


def _grey(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image
    return np.asarray(grey.astype(np.float32) / 255)


def _warped(
    pair: TruePair, matrix: Array, shape: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    rows, columns = shape
    x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    back = np.asarray(np.linalg.inv(matrix), np.float64)
    place = project(back, np.stack([x.ravel(), y.ravel()], axis=1)) - 0.5
    maps = place.astype(np.float32).reshape(rows, columns, 2)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    image = _grey(pair.moving)
    if scale < 0.9:  # what gets smaller is blurred first
        sigma = 0.5 * float(np.sqrt(scale**-2 - 1))
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)
    out = cv2.remap(image, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR)
    seen = cv2.remap(
        pair.moving_mask.astype(np.float32), maps[..., 0], maps[..., 1], cv2.INTER_LINEAR
    )
    return np.asarray(out), np.asarray(seen > 0.999)


def _cut(
    image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], window: Window
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """A window that may reach beyond the image; 0 where invalid."""
    out = np.zeros((window.height, window.width), np.float32)
    seen = np.zeros(out.shape, np.bool_)
    inner = window.intersect(Window(0, 0, image.shape[1], image.shape[0]))
    there = (
        slice(inner.y - window.y, inner.y - window.y + inner.height),
        slice(inner.x - window.x, inner.x - window.x + inner.width),
    )
    here = (slice(inner.y, inner.y + inner.height), slice(inner.x, inner.x + inner.width))
    seen[there] = mask[here]
    out[there] = np.where(mask[here], image[here], 0)
    return out, seen
