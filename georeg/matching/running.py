"""What all matchers share: devices, threads, and smaller batches where memory runs out.

torch is imported when something is computed, so that all that only plans or warps does without.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from georeg.errors import OutOfDeviceMemoryError, SettingsError
from georeg.matching.protocol import Device, Matcher, Surfaces, TileBatch, TilePoints

log = logging.getLogger(__name__)

# By type, the operator with which torch says whether oneDNN can do with it on this CPU.
_HALVES = {"bfloat16": "_is_mkldnn_bf16_supported", "float16": "_is_mkldnn_fp16_supported"}

REMOTE = "dask:"
"""How the names of devices begin that are clusters."""


def pick_devices(
    name: str, *, precision: str = "auto", seed: int = 0, compiled: bool = False
) -> tuple[Device, ...]:
    """The devices of that name.

    Args:
        name: cpu, cuda:N, several of these with commas between them, cuda for all GPUs; auto is
            all GPUs, or the CPU where there are none. With `dask:` and a scheduler, that cluster.
        precision: of networks: float32, float16, bfloat16; auto is float16 on GPUs.
        seed: see `Device`.
        compiled: see `Device`.

    Raises:
        SettingsError: there is no such device.
    """
    if name.startswith(REMOTE):
        return (Device(name, precision, seed, compiled),)
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and torch.cuda.device_count():
        name = ",".join(f"cuda:{n}" for n in range(torch.cuda.device_count()))
    found = []
    for one in dict.fromkeys(name.split(",")):
        try:
            device = torch.device(one)
        except RuntimeError:
            raise SettingsError(f"device '{one}' is none of auto, cpu, cuda, cuda:N") from None
        if device.type == "cuda":
            count = torch.cuda.device_count()
            if (device.index or 0) >= count:
                raise SettingsError(f"device '{one}': this machine offers {count} CUDA device(s)")
        elif device.type != "cpu":
            raise SettingsError(f"device '{one}' is none of auto, cpu, cuda, cuda:N")
        half = "float16" if device.type == "cuda" else "float32"
        dtype = half if precision == "auto" else precision
        if device.type == "cpu" and dtype in _HALVES and not _has_instructions(dtype):
            log.warning("this CPU has no instructions for %s: float32 is far faster on it", dtype)
        found.append(Device(str(device), dtype, seed, compiled))
    if len({d.name.partition(":")[0] for d in found}) > 1:
        raise SettingsError(f"device '{name}': either the CPU or GPUs, not both")
    return tuple(found)


def device_names() -> list[dict[str, str]]:
    """Names for `--device` on this machine, and what stands behind them."""
    import torch

    found = [{"name": "cpu", "what": "CPU"}]
    for number in range(torch.cuda.device_count()):
        found.append({"name": f"cuda:{number}", "what": torch.cuda.get_device_name(number)})
    return found


def _has_instructions(dtype: str) -> bool:
    """Whether oneDNN convolves in a half type on this CPU; else torch does so number by number."""
    import torch

    asked = getattr(torch.ops.mkldnn, _HALVES[dtype], None)
    return asked is not None and bool(asked())


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


def run(
    matcher: Matcher, batch: TileBatch, shrunk: Callable[[int], None] | None = None
) -> Surfaces | TilePoints:
    """Match a batch, in halves and halves of halves where the device's memory runs out.

    Args:
        matcher: any.
        batch: any.
        shrunk: told the number of tile pairs that is tried instead.

    Raises:
        OutOfDeviceMemoryError: not even one tile pair fits.
    """
    import torch

    try:
        return matcher.match(batch)
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
        if not _is_memory(error):
            raise
        if len(batch) <= 1:
            raise OutOfDeviceMemoryError(
                f"one tile pair of {batch.moving.shape[2]} px doesn't fit into the device's "
                "memory: close other programs, or if it is a GPU, give --device cpu"
            ) from None
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(batch) // 2
    log.info("out of memory: going on with batches of %d tile pairs", half)
    if shrunk is not None:
        shrunk(half)
    parts = [
        run(matcher, batch.part(0, half), shrunk),
        run(matcher, batch.part(half, len(batch)), shrunk),
    ]
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
