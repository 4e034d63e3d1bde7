"""A matcher at work: on one device or several, with as many threads and tiles as suit it.

On a CPU small matchers run side by side, each in one thread; large networks run one batch at a
time in all threads. On a GPU two batches are under way at a time, each on a stream of its own, so
that one computes while the other's tiles are read and copied; several GPUs take batches from the
same queue. The size of batches follows from the memory that the first one took, not from what
happens to be free: equal runs have equal batches, and so equal bytes.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from georeg.matching.protocol import Device, Matcher, Surfaces, TileBatch, TilePoints
from georeg.matching.running import run

log = logging.getLogger(__name__)

_CACHE = 420_000  # pixels of one side in a batch: 4 tiles of 320 px stay in a CPU's cache
_BYTES = 10  # of a pixel pair on its way: two float images and two masks
_PROBE = 2  # tile pairs from which is learned what memory one takes
_AT_ONCE = 2  # batches under way on a GPU
_FILL = 0.8  # share of a GPU's memory that they may take together


@dataclass(frozen=True, eq=False)
class _Place:
    """Where one batch at a time is matched; `stream` is None on a CPU."""

    matcher: Matcher
    device: Device
    stream: Any = None


class Gauge:
    """What memory a GPU has, and what a computation on it takes at most."""

    def __init__(self, device: Device) -> None:
        """Of this GPU."""
        self.device = device.name

    @property
    def total(self) -> int:
        """Bytes."""
        import torch

        return int(torch.cuda.get_device_properties(self.device).total_memory)

    @contextmanager
    def peak(self) -> Iterator[list[int]]:
        """Appends the bytes that were in use at most, beyond those before."""
        import torch

        found: list[int] = []
        torch.cuda.synchronize(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        yield found
        torch.cuda.synchronize(self.device)
        found.append(int(torch.cuda.max_memory_allocated(self.device)) - before)


class Team:
    """One matcher per device, the threads that feed them, and the size of their batches.

    A context: inside, torch has as many threads as suit the matcher.

    Attributes:
        matcher: the first device's.
        at_once: batches that may be matched at a time.
        readers: threads that read tiles ahead; 0 if those that match read for themselves.
    """

    def __init__(
        self,
        matchers: Sequence[tuple[Matcher, Device]],
        *,
        threads: int = 1,
        memory: int = 256,
        gauge: Gauge | None = None,
    ) -> None:
        """Assign the matchers.

        Args:
            matchers: the same matcher on each of the devices.
            threads: CPU threads to use.
            memory: megabytes of tiles that may wait to be matched.
            gauge: tells about the GPU's memory; the first GPU's own if None.
        """
        self.matcher, device = matchers[0]
        self.threads, self.memory = threads, memory
        gpu = device.name.startswith("cuda")
        self._gauge = gauge or (Gauge(device) if gpu else None)
        self._side_by_side = not gpu and bool(getattr(self.matcher, "side_by_side", True))
        self.readers = 0 if self._side_by_side else max(1, threads)
        self._free: queue.SimpleQueue[_Place] = queue.SimpleQueue()
        places = [
            _Place(matcher, where, _stream(where))
            for _ in range(threads if self._side_by_side else _AT_ONCE if gpu else 1)
            for matcher, where in matchers
        ]
        self.at_once = len(places)
        for place in places:
            self._free.put(place)
        self._torch_threads = 0
        self._per_pixel: dict[int, float] = {}  # bytes on a GPU, by the pixels of a tile
        self._most: dict[int, int] = {}  # tile pairs that fitted after memory ran out

    def __enter__(self) -> Team:
        """Set torch's number of threads."""
        import torch

        self._torch_threads = torch.get_num_threads()
        if self._gauge is None:
            torch.set_num_threads(1 if self._side_by_side else self.threads)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Set it back."""
        import torch

        torch.set_num_threads(self._torch_threads)

    def size(self, pixels: int) -> int:
        """How many tile pairs of so many pixels a side's tile make the next batch."""
        if self._gauge is None:
            return max(1, _CACHE // pixels) if self._side_by_side else 1
        per_pixel = self._per_pixel.get(pixels)
        if per_pixel is None:
            return _PROBE
        fits = int(_FILL * self._gauge.total / _AT_ONCE / (per_pixel * pixels))
        waits = int(self.memory * 1e6 / (_BYTES * pixels * (self.at_once + 1)))
        return max(1, min(fits, waits, self._most.get(pixels, fits)))

    def match(self, batch: TileBatch) -> Surfaces | TilePoints:
        """Match a batch where there is room; waits for it. May be called in several threads.

        Raises:
            OutOfDeviceMemoryError: not even one tile pair fits.
        """
        place = self._free.get()
        try:
            with ExitStack() as stack:
                if place.stream is not None:
                    import torch

                    stack.enter_context(torch.cuda.device(place.device.name))
                    stack.enter_context(torch.cuda.stream(place.stream))
                return self._matched(place, batch)
        finally:
            self._free.put(place)

    def _matched(self, place: _Place, batch: TileBatch) -> Surfaces | TilePoints:
        pixels = int(batch.moving[0].size) if len(batch) else 0

        def shrink(count: int) -> None:
            self._most[pixels] = min(count, self._most.get(pixels, count))

        if self._gauge is None or not pixels or pixels in self._per_pixel:
            return run(place.matcher, batch, shrink)
        with self._gauge.peak() as peak:
            found = run(place.matcher, batch, shrink)
        self._per_pixel[pixels] = max(1.0, peak[0] / (len(batch) * pixels))
        log.debug("a tile pair takes %.0f MB", self._per_pixel[pixels] * pixels / 1e6)
        return found


def _stream(device: Device) -> Any:
    if not device.name.startswith("cuda"):
        return None
    import torch

    return torch.cuda.Stream(device.name)  # type: ignore[no-untyped-call]
