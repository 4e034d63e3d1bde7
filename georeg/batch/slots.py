"""How many jobs run side by side, and where: cores, memory and GPUs of this machine."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, replace

from georeg.batch.job import Job
from georeg.settings import processors

log = logging.getLogger(__name__)

_BASE = 700  # MB of a worker process with its libraries, before it does anything
_TIMES = 2  # the memory setting that a job takes at most, by and large


@dataclass(frozen=True)
class Slot:
    """Where one job at a time is done.

    Attributes:
        device: what `auto` and `cuda` mean here: cpu, or one GPU.
        threads: CPU threads of its job.
        spare: whether there are GPUs beside it, for which jobs wait that may use one.
    """

    device: str
    threads: int
    spare: bool = False

    def takes(self, job: Job) -> bool:
        """Whether a job belongs into this slot's queue."""
        wanted = job.settings.device
        if not self.device.startswith("cuda"):
            return not wanted.startswith("cuda") and not (self.spare and wanted == "auto")
        return wanted in ("auto", "cuda", self.device)

    def fit(self, job: Job) -> Job:
        """The job as it is done here: with this slot's GPU and threads, unless it has its own."""
        settings = job.settings
        if self.device.startswith("cuda") and settings.device in ("auto", "cuda"):
            settings = replace(settings, device=self.device)
        if settings.threads is None:
            settings = replace(settings, threads=self.threads)
        return replace(job, settings=settings)


def plan_slots(jobs: list[Job], workers: int | None, gpus: int) -> tuple[Slot, ...]:
    """One slot per GPU for jobs that want one, and as many for the CPU as cores and memory allow.

    Args:
        jobs: that are to be done.
        workers: number of CPU slots, of which there are no more than jobs; None to size them here.
        gpus: number of GPUs.
    """
    cores = processors()
    slots = [Slot(f"cuda:{n}", max(1, cores // gpus)) for n in range(gpus)]
    slots = [slot for slot in slots if any(slot.takes(job) for job in jobs)]
    rest = [job for job in jobs if not any(slot.takes(job) for slot in slots)]
    if rest:
        count = min(workers, len(rest)) if workers else _fitting(rest, cores)
        slots += [Slot("cpu", max(1, cores // count), bool(slots))] * count
    return tuple(slots)


def _fitting(jobs: list[Job], cores: int) -> int:
    threads = max((job.settings.threads or 1) for job in jobs)
    need = _BASE + _TIMES * max(job.settings.memory for job in jobs)
    by_cores, by_memory = max(1, cores // threads), max(1, int(available_memory() // need))
    if by_memory < by_cores:
        log.info("memory allows %d workers of %d MB side by side", by_memory, need)
    return min(by_cores, by_memory, len(jobs))


def available_memory() -> float:
    """Megabytes that are free on this machine, or in this container."""
    found = [float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))]
    with suppress(OSError, ValueError, IndexError):
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = [line.split() for line in file]
        found += [1024.0 * int(words[1]) for words in lines if words[0] == "MemAvailable:"]
    with suppress(OSError, ValueError):  # "max" where there is no limit
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            limit = float(file.read())
        with open("/sys/fs/cgroup/memory.current", encoding="ascii") as file:
            found.append(limit - float(file.read()))
    return min(found) / 2**20


def count_gpus(jobs: list[Job]) -> int:
    """GPUs that the jobs may use; asks torch only where a job wants one."""
    from georeg.matching.running import pick_devices

    if all(job.settings.device == "cpu" for job in jobs) or not _may_have_gpus():
        return 0
    return sum(device.name.startswith("cuda") for device in pick_devices("auto"))


def _may_have_gpus() -> bool:
    """Whether there is a driver of NVIDIA's or AMD's; torch takes seconds to say so."""
    if sys.platform != "linux":
        return True
    return any(map(os.path.exists, ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")))
