"""A matcher at work: how many tiles at a time, in how many threads, on which device."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from georeg import matching
from georeg.matching.protocol import Device, Surfaces, TileBatch, TilePoints
from georeg.matching.team import Gauge, Team
from matcher_cases import Hungry, batch_of, shifted

SIDE = 8
MB = 1_000_000


class Meter(Gauge):
    """Stands where a GPU's memory is read: so many bytes, and so many per pixel pair."""

    def __init__(self, total: int, per_pixel: float) -> None:
        self.bytes, self.per_pixel = total, per_pixel
        self.pixels = 0
        self.looks = 0

    @property
    def total(self) -> int:
        return self.bytes

    @contextmanager
    def peak(self) -> Iterator[list[int]]:
        found: list[int] = []
        self.looks += 1
        yield found
        found.append(int(self.per_pixel * self.pixels))


class Watched(Hungry):
    """Notes how many batches it is given at a time."""

    def __init__(self, meter: Meter | None = None, most: int = 10**6) -> None:
        super().__init__(most, torch.OutOfMemoryError("CUDA out of memory"))
        self.meter = meter
        self.now = self.highest = 0
        self.lock = threading.Lock()

    def match(self, batch: TileBatch) -> Surfaces | TilePoints:
        with self.lock:
            self.now += 1
            self.highest = max(self.highest, self.now)
        if self.meter is not None:
            self.meter.pixels = batch.moving.size
        time.sleep(0.01)
        try:
            return super().match(batch)
        finally:
            with self.lock:
                self.now -= 1


class Large(Watched):
    side_by_side: ClassVar[bool] = False


def tiles(count: int) -> TileBatch:
    return batch_of([(np.full((SIDE, SIDE), i / 20, np.float32),) * 2 for i in range(count)])


def at_once(team: Team, jobs: int) -> list[Any]:
    with ThreadPoolExecutor(8) as pool:
        return [f.result() for f in [pool.submit(team.match, tiles(2)) for _ in range(jobs)]]


def test_small_matchers_run_side_by_side_in_one_thread_each() -> None:
    matcher = Watched()
    before = torch.get_num_threads()
    with Team([(matcher, Device())], threads=3) as team:
        assert torch.get_num_threads() == 1
        assert (team.at_once, team.readers) == (3, 0)
        assert len(at_once(team, 12)) == 12
    assert torch.get_num_threads() == before
    assert 1 < matcher.highest <= 3
    assert team.size(320 * 320) == 4
    assert team.size(1300 * 1300) == 1


def test_large_networks_run_one_at_a_time_in_all_threads() -> None:
    matcher = Large()
    before = torch.get_num_threads()
    with Team([(matcher, Device())], threads=2) as team:
        assert torch.get_num_threads() == 2
        assert team.at_once == 1
        assert team.readers == 2
        at_once(team, 6)
    assert torch.get_num_threads() == before
    assert matcher.highest == 1
    assert team.size(640 * 640) == 1


def test_threads_come_back_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), Team([(Watched(), Device())], threads=2):
        raise KeyError
    assert torch.get_num_threads() == before


def test_batches_fill_the_memory_that_the_first_one_showed() -> None:
    meter = Meter(total=100 * MB, per_pixel=5000.0)
    team = Team([(Large(meter), Device())], gauge=meter)
    pixels = SIDE * SIDE
    assert team.size(pixels) == 2  # nothing is known yet
    team.match(tiles(2))
    fits = int(0.8 * 100 * MB / 2 / (5000 * pixels))
    assert team.size(pixels) == fits == 125
    # Once is enough: the size doesn't depend on what else happens.
    meter.per_pixel = 9000.0
    team.match(tiles(2))
    assert meter.looks == 1
    assert team.size(pixels) == fits
    assert team.size(4 * pixels) == 2  # of larger tiles nothing is known


def test_waiting_tiles_take_no_more_than_was_allowed() -> None:
    meter = Meter(total=10**12, per_pixel=1.0)
    team = Team([(Large(meter), Device())], memory=1, gauge=meter)
    team.match(tiles(2))
    size = team.size(SIDE * SIDE)
    assert size > 1
    assert size * SIDE * SIDE * 10 * (team.at_once + 1) <= 1 * MB


def test_no_tile_is_lost_where_memory_runs_out_and_batches_stay_smaller() -> None:
    meter = Meter(total=100 * MB, per_pixel=10_000.0)
    matcher = Large(meter, most=5)
    team = Team([(matcher, Device())], gauge=meter)
    team.match(tiles(2))
    assert team.size(SIDE * SIDE) == 62
    found = team.match(tiles(20))
    assert found.tile.tolist() == list(range(20))
    assert team.size(SIDE * SIDE) == 5  # 20 -> 10 -> 5
    matcher.sizes.clear()
    team.match(tiles(5))
    assert matcher.sizes == [5]


def test_several_devices_take_batches_from_one_queue() -> None:
    one, two = Large(), Large()
    team = Team([(one, Device("cpu")), (two, Device("cpu"))], threads=4)
    found = at_once(team, 12)
    assert [f.tile.tolist() for f in found] == [[0, 1]] * 12
    assert len(one.sizes) + len(two.sizes) == 12
    assert min(len(one.sizes), len(two.sizes)) >= 2
    assert one.highest == two.highest == 1


def test_a_matcher_that_fails_leaves_its_place() -> None:
    matcher = Hungry(0, RuntimeError("expected scalar type Half"))
    team = Team([(matcher, Device())], threads=1)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="Half"):
            team.match(tiles(1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_measures_itself() -> None:
    device = Device("cuda:0")
    with Team([(matching.load("structural", device), device)], threads=2) as team:
        batch = batch_of([shifted(seed=n) for n in range(2)])
        pixels = 320 * 320
        assert team.size(pixels) == 2
        first = team.match(batch)
        assert team.size(pixels) > 2
        again = [team.match(batch) for _ in range(3)]
    for other in again:
        assert isinstance(first, Surfaces)
        assert isinstance(other, Surfaces)
        assert np.array_equal(first.score, other.score, equal_nan=True)
