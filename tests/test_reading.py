"""Tiles read and worked on in threads: in order, bounded, and errors come through."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scenes
from georeg.errors import InputError
from georeg.grid import Window
from georeg.matching.protocol import TileBatch
from georeg.pairing.reading import each_batch
from georeg.pairing.views import View
from georeg.radiometry import fit_radiometry
from georeg.raster import Raster
from georeg.tiling import TilePair

SIDE = 64


class Numbered:
    """Stands where a `View` stands: every tile is filled with its own x position."""

    def __init__(self, *, fails_at: int | None = None, delay: float = 0.0) -> None:
        self.fails_at, self.delay = fails_at, delay
        self.seen: list[int] = []
        self.lock = threading.Lock()

    def look(self, window: Window, factor: float = 1.0) -> tuple[Any, Any]:
        time.sleep(self.delay * (window.x % 3))
        with self.lock:
            self.seen.append(window.x)
        if window.x == self.fails_at:
            raise InputError("tile.tif can't be decoded")
        return np.full(window.shape, window.x, np.float32), np.ones(window.shape, np.bool_)


def tiles(count: int, side: int = SIDE) -> list[TilePair]:
    """Tile pairs at x = 0, 1, 2..."""
    out = []
    for x in range(count):
        window = Window(x, 0, side, side)
        out.append(TilePair(1.0, window, window, window, window))
    return out


def itself(batch: TileBatch) -> TileBatch:
    return batch


@dataclass
class Four:
    """Stands where a `Team` stands: four tiles to a batch, and any work."""

    match: Any
    at_once: int
    readers: int

    def size(self, pixels: int) -> int:
        return 4


def batches(
    pairs: list[TilePair],
    moving: Any,
    reference: Any,
    threads: int = 2,
    work: Any = itself,
    readers: int = 0,
) -> Any:
    worker = Four(work, threads, readers)
    return each_batch(pairs, moving, reference, worker, radius=5.0, goal="track")


def running() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("georeg-tiles")]


@pytest.mark.parametrize("readers", [0, 1, 3])
@pytest.mark.parametrize("threads", [1, 3])
def test_batches_come_in_order_and_are_complete(threads: int, readers: int) -> None:
    pairs = tiles(10)
    views = Numbered(delay=0.003), Numbered(delay=0.001)
    got = list(batches(pairs, *views, threads, readers=readers))
    assert [len(batch) for _, batch in got] == [4, 4, 2]
    assert [p for group, _ in got for p in group] == pairs
    for group, batch in got:
        expected = [p.window.x for p in group]
        assert batch.moving[:, 5, 7].tolist() == expected
        assert batch.reference[:, 0, 0].tolist() == expected
        assert batch.moving.shape == batch.reference_mask.shape == (len(group), SIDE, SIDE)
        assert (batch.radius, batch.goal) == (5.0, "track")


def test_reads_only_a_little_ahead() -> None:
    """What is in memory doesn't grow with the number of tiles."""
    view = Numbered()
    stream = batches(tiles(100), view, Numbered())
    next(stream)
    time.sleep(0.1)
    assert len(view.seen) <= 4 * (2 + 1)
    stream.close()


def test_reads_the_next_batch_while_the_caller_computes() -> None:
    view = Numbered()
    stream = batches(tiles(12), view, Numbered())
    next(stream)
    deadline = time.monotonic() + 10
    while len(view.seen) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(view.seen) >= 8
    stream.close()


@pytest.mark.parametrize("readers", [0, 2])
@pytest.mark.parametrize("fails_at", [0, 6, 9])
def test_an_error_in_a_reader_reaches_the_caller(fails_at: int, readers: int) -> None:
    with pytest.raises(InputError, match=r"tile\.tif can't be decoded"):
        list(batches(tiles(10), Numbered(), Numbered(fails_at=fails_at), readers=readers))
    assert not running()


@pytest.mark.parametrize("readers", [0, 2])
def test_stopping_early_ends_the_threads(readers: int) -> None:
    view = Numbered(delay=0.001)
    stream = batches(tiles(400), view, Numbered(), readers=readers)
    next(stream)
    assert running()
    stream.close()
    assert not running()
    assert len(view.seen) < 40


def test_an_error_of_the_work_reaches_the_caller() -> None:
    def work(batch: TileBatch) -> None:
        if batch.moving[0, 0, 0] == 8:
            raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        list(batches(tiles(40), Numbered(), Numbered(), work=work))
    assert not running()


def test_the_size_of_batches_may_follow_from_the_first_one() -> None:
    """With threads of their own for reading, the first batch is done before others are cut."""
    sizes: list[int] = []

    class Growing(Four):
        def size(self, pixels: int) -> int:
            return 5 if sizes else 2

    def work(batch: TileBatch) -> int:
        time.sleep(0.02)
        sizes.append(len(batch))
        return len(batch)

    pairs = tiles(13)
    stream = each_batch(
        pairs, Numbered(), Numbered(), Growing(work, 2, 2), radius=5.0, goal="track"
    )
    assert [count for _, count in stream] == [2, 5, 5, 1]


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order_whoever_is_first(threads: int) -> None:
    def work(batch: TileBatch) -> int:
        time.sleep(0.01 * (int(batch.moving[0, 0, 0]) % 3))
        return int(batch.moving[:, 0, 0].sum())

    got = list(batches(tiles(30), Numbered(), Numbered(), threads, work))
    assert [total for _, total in got] == [sum(p.window.x for p in group) for group, _ in got]
    assert len(got) == 8


def test_an_error_of_the_caller_ends_the_threads() -> None:
    def work() -> None:
        stream = batches(tiles(100), Numbered(), Numbered())
        try:
            for _ in stream:
                raise KeyboardInterrupt
        finally:
            stream.close()

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not running()


def test_no_tiles_no_batches() -> None:
    assert list(batches([], Numbered(), Numbered())) == []


def test_a_truncated_file_is_an_input_error_with_its_name(tmp_path: Path) -> None:
    """The real thing: GDAL fails in the thread, in the middle of the work."""
    image = np.random.default_rng(0).integers(1, 255, (600, 600)).astype(np.uint8)
    whole = scenes.write(
        tmp_path / "whole.tif", image, tiled=True, blockxsize=64, blockysize=64, compress="deflate"
    )
    broken = tmp_path / "broken.tif"
    broken.write_bytes(Path(whole).read_bytes()[:200_000])
    pairs = [
        TilePair(1.0, w, w, w, w) for w in (Window(0, y, 200, 200) for y in range(0, 600, 200))
    ]
    with Raster(whole) as one, Raster(str(broken)) as two:
        look = fit_radiometry(one, "optical", (1,))
        views = [View(raster, look, lambda xy: xy) for raster in (one, two)]
        with pytest.raises(InputError, match=r"broken\.tif can't be decoded"):
            list(batches(pairs, *views))
    assert not running()
