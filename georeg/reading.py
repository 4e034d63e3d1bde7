"""Tiles read ahead in threads while the matcher computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from georeg.matching.protocol import TileBatch
from georeg.tiling import TilePair
from georeg.views import View

Progress = Callable[[float], None]

_AHEAD = 2  # batches that may be waiting
_NUMBERS = 1_600_000  # pixels of one side in a batch, about: 16 tiles of 320 px


def read_batches(
    pairs: Sequence[TilePair],
    moving: View,
    reference: View,
    *,
    radius: float,
    goal: str,
    threads: int = 2,
) -> Iterator[tuple[list[TilePair], TileBatch]]:
    """Batches of tile pairs in order; at most a few of them are in memory.

    Raises:
        InputError: a raster can't be decoded.
    """
    pixels = pairs[0].window.width * pairs[0].window.height if pairs else 1
    size = max(1, _NUMBERS // pixels)
    groups = [list(pairs[i : i + size]) for i in range(0, len(pairs), size)]

    def look(view: View, pair: TilePair) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        return view.look(pair.window, pair.factor)

    with ThreadPoolExecutor(max(1, threads), "georeg-read") as pool:
        waiting: deque[list[Future[tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]]]]
        waiting = deque()
        submitted = 0
        try:
            for group in groups:
                while submitted < len(groups) and len(waiting) < _AHEAD:
                    ahead = groups[submitted]
                    waiting.append(
                        [pool.submit(look, v, p) for v in (moving, reference) for p in ahead]
                    )
                    submitted += 1
                seen = [future.result() for future in waiting.popleft()]
                images = np.stack([image for image, _ in seen])
                masks = np.stack([mask for _, mask in seen])
                n = len(group)
                batch = TileBatch(images[:n], masks[:n], images[n:], masks[n:], radius, goal)
                yield group, batch
        finally:
            for futures in waiting:
                for future in futures:
                    future.cancel()
