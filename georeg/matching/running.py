"""What all matchers share: device and threads, and smaller batches where memory runs out.

torch is imported when something is computed, so that all that only plans or warps does without.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from georeg.errors import OutOfDeviceMemoryError, SettingsError
from georeg.matching.protocol import Device, Matcher, Surfaces, TileBatch, TilePoints

log = logging.getLogger(__name__)

_GPU = threading.Lock()


def pick_device(name: str, seed: int = 0) -> Device:
    """The device of that name; the first GPU, or the CPU, for 'auto'.

    Raises:
        SettingsError: there is no such device.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingsError(f"device '{name}' is none of auto, cpu, cuda, cuda:N") from None
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise SettingsError(f"device '{name}': this machine offers {count} CUDA device(s)")
    elif device.type != "cpu":
        raise SettingsError(f"device '{name}' is none of auto, cpu, cuda, cuda:N")
    return Device(str(device), seed=seed)


@contextmanager
def one_thread_each(device: Device) -> Iterator[None]:
    """On a CPU, many small computations run side by side, each in one thread.

    That is faster than one after the other in many threads each, and far faster where others use
    the processors too. torch's own number of threads comes back afterwards.
    """
    import torch

    before = torch.get_num_threads()
    if device.name == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run(matcher: Matcher, batch: TileBatch) -> Surfaces | TilePoints:
    """Match a batch, in halves and halves of halves where the device's memory runs out.

    Raises:
        OutOfDeviceMemoryError: not even one tile pair fits.
    """
    import torch

    # Threads take turns on a GPU: one computes while the others read.
    turn = _GPU if str(getattr(matcher, "device", "")).startswith("cuda") else nullcontext()
    try:
        with turn:
            return matcher.match(batch)
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
        if not _is_memory(error):
            raise
        if len(batch) <= 1:
            raise OutOfDeviceMemoryError(
                f"one tile pair of {batch.moving.shape[2]} px doesn't fit into the device's "
                "memory: use smaller tiles, or --device cpu"
            ) from None
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(batch) // 2
    log.info("out of memory: going on with batches of %d tile pairs", half)
    parts = [run(matcher, batch.part(0, half)), run(matcher, batch.part(half, len(batch)))]
    return join(parts, [0, half])


def _is_memory(error: BaseException) -> bool:
    """Whether memory ran out; torch's CPU allocator and cuFFT say so in words only."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    words = str(error).lower()
    return any(w in words for w in ("out of memory", "can't allocate memory", "cufft_alloc_failed"))


def join(parts: list[Surfaces | TilePoints], starts: list[int]) -> Surfaces | TilePoints:
    """The results of consecutive parts of a batch as those of the whole."""
    surfaces = [
        replace(p, tile=p.tile + o)
        for p, o in zip(parts, starts, strict=True)
        if isinstance(p, Surfaces)
    ]
    if surfaces:
        return Surfaces.concat(surfaces)
    return TilePoints.concat(
        [
            replace(p, tile=p.tile + o)
            for p, o in zip(parts, starts, strict=True)
            if isinstance(p, TilePoints)
        ]
    )
