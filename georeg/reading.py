"""Tiles read and worked on in threads, in order, a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from georeg.matching.protocol import Image, Mask, TileBatch
from georeg.tiling import TilePair
from georeg.views import View

T = TypeVar("T")
Progress = Callable[[float], None]

_NUMBERS = 420_000  # pixels of one side in a batch: 4 tiles of 320 px stay in a CPU's cache


def each_batch(
    pairs: Sequence[TilePair],
    moving: View,
    reference: View,
    work: Callable[[TileBatch], T],
    *,
    radius: float,
    goal: str,
    threads: int,
    numbers: int = _NUMBERS,
) -> Iterator[tuple[list[TilePair], T]]:
    """Read batches of tile pairs and work on them; results come in order.

    One thread reads while another one computes; at most one batch more than there are threads is
    in memory.

    Args:
        pairs: tiles of one size.
        moving: the moving raster.
        reference: the reference.
        work: is called in several threads at a time.
        radius: see `TileBatch`.
        goal: see `TileBatch`.
        threads: 1 or more.
        numbers: pixels of one side of a batch, about.

    Raises:
        InputError: a raster can't be decoded.
    """
    pixels = pairs[0].window.width * pairs[0].window.height if pairs else 1
    size = max(1, numbers // pixels)
    groups = [list(pairs[i : i + size]) for i in range(0, len(pairs), size)]

    def done(group: list[TilePair]) -> T:
        return work(TileBatch(*_stacked(moving, group), *_stacked(reference, group), radius, goal))

    waiting: deque[tuple[list[TilePair], Future[T]]] = deque()
    with ThreadPoolExecutor(threads, "georeg-tiles") as pool:
        try:
            for group in groups:
                waiting.append((group, pool.submit(done, group)))
                if len(waiting) > threads:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _stacked(view: View, group: Sequence[TilePair]) -> tuple[Image, Mask]:
    seen = [view.look(pair.window, pair.factor) for pair in group]
    return np.stack([image for image, _ in seen]), np.stack([mask for _, mask in seen])
