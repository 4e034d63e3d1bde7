"""Tiles read and matched in threads, in order, a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Protocol, TypeVar

import numpy as np

from georeg.matching.protocol import Image, Mask, TileBatch
from georeg.pairing.views import View
from georeg.tiling import TilePair

T = TypeVar("T", covariant=True)
Side = tuple[Image, Mask]


class Worker(Protocol[T]):
    """Who works on batches; see `Team`."""

    at_once: int
    readers: int

    def size(self, pixels: int) -> int:
        """How many tile pairs of so many pixels make the next batch."""
        ...

    def match(self, batch: TileBatch) -> T:
        """Is called in `at_once` threads at a time."""
        ...


def each_batch(
    pairs: Sequence[TilePair],
    moving: View,
    reference: View,
    worker: Worker[T],
    *,
    radius: float,
    goal: str,
) -> Iterator[tuple[list[TilePair], T]]:
    """Read batches of tile pairs and have them worked on; results come in order.

    While some batches are worked on, the next one is read; at most one batch more than are
    worked on at a time is in memory.

    Args:
        pairs: tiles of one size.
        moving: the moving raster.
        reference: the reference.
        worker: what to do with them, and how many at a time.
        radius: see `TileBatch`.
        goal: see `TileBatch`.

    Raises:
        InputError: a raster can't be decoded.
    """
    pixels = pairs[0].window.width * pairs[0].window.height if pairs else 1
    waiting: deque[tuple[list[TilePair], Future[T]]] = deque()

    def look(pair: TilePair) -> tuple[Side, Side]:
        return moving.look(pair.window, pair.factor), reference.look(pair.window, pair.factor)

    def done(group: list[TilePair], ahead: list[Future[tuple[Side, Side]]]) -> T:
        seen = [future.result() for future in ahead] or [look(pair) for pair in group]
        one, two = ([pair[side] for pair in seen] for side in (0, 1))
        return worker.match(TileBatch(*_stacked(one), *_stacked(two), radius, goal, len(pairs) > 1))

    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(worker.at_once, "georeg-tiles"))
        readers = None
        if worker.readers:
            readers = stack.enter_context(ThreadPoolExecutor(worker.readers, "georeg-tiles-read"))
        reading: list[Future[tuple[Side, Side]]] = []
        first = finished = 0
        try:
            while first < len(pairs) or waiting:
                # Where batches follow from what the first one took, that one goes alone.
                ahead = worker.at_once if finished or readers is None else 0
                if first < len(pairs) and len(waiting) <= ahead:
                    group = list(pairs[first : first + worker.size(pixels)])
                    tiles = [readers.submit(look, pair) for pair in group] if readers else []
                    reading = [f for f in reading if not f.done()] + tiles
                    waiting.append((group, pool.submit(done, group, tiles)))
                    first += len(group)
                    continue
                group, future = waiting.popleft()
                yield group, future.result()
                finished += 1
        finally:
            for tile in reading:
                tile.cancel()
            for _, future in waiting:
                future.cancel()


def _stacked(sides: Sequence[Side]) -> Side:
    return np.stack([image for image, _ in sides]), np.stack([mask for _, mask in sides])
