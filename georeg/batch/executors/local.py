"""Worker processes on this machine: one queue for the CPU's slots, and one per GPU."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence

from georeg.batch.child import Child, Limits
from georeg.batch.executors.protocol import Hear
from georeg.batch.job import Job
from georeg.batch.records import Record
from georeg.batch.slots import Slot, count_gpus, plan_slots

_LOOK = 0.2  # seconds between two looks at the clock


class Local:
    """Jobs in processes of their own, which may die without harm to others."""

    def __init__(self, limits: Limits, hear: Hear, workers: int | None = None) -> None:
        """Start nothing yet.

        Args:
            limits: of every job.
            hear: told what workers say.
            workers: on the CPU; sized to cores and memory if None.
        """
        self._limits, self._hear, self._count = limits, hear, workers
        self._ending = threading.Event()
        self._children: list[Child] = []
        self._threads: list[threading.Thread] = []
        self._slots: tuple[Slot, ...] = ()
        self._anywhere: set[str] = set()

    def __enter__(self) -> Local:
        """This executor."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers, and wait for their threads."""
        self._ending.set()
        for child in self._children:
            child.stop()
        for thread in self._threads:
            thread.join(5.0)

    def workers(self) -> str:
        """Who does the work."""
        devices = [slot.device for slot in self._slots]
        kinds = [f"{devices.count(d)} on {d}" for d in dict.fromkeys(devices)]
        return f"{len(devices)} worker process{'es' * (len(devices) != 1)} ({', '.join(kinds)})"

    def records(self, jobs: Sequence[Job]) -> Iterator[Record | None]:
        """See `Executor`."""
        if not jobs:
            return
        self._slots = plan_slots(list(jobs), self._count, count_gpus(list(jobs)))
        # Jobs that want a GPU that isn't there go anywhere, to fail with that reason.
        self._anywhere = {
            job.id for job in jobs if not any(slot.takes(job) for slot in self._slots)
        }
        waiting: deque[Job] = deque(jobs)
        taking = threading.Lock()
        ended: queue.SimpleQueue[Record | BaseException] = queue.SimpleQueue()
        for slot in self._slots:
            child = Child(slot.threads)
            thread = threading.Thread(
                target=self._work, args=(slot, child, waiting, taking, ended),
                name="georeg-slot", daemon=True,
            )  # fmt: skip
            self._children.append(child)
            self._threads.append(thread)
            thread.start()
        left = len(jobs)
        while left:
            try:
                found = ended.get(timeout=_LOOK)
            except queue.Empty:
                yield None
                continue
            if isinstance(found, BaseException):
                raise found
            left -= 1
            yield found

    def _work(
        self,
        slot: Slot,
        child: Child,
        waiting: deque[Job],
        taking: threading.Lock,
        ended: queue.SimpleQueue[Record | BaseException],
    ) -> None:
        """One slot's thread: takes jobs that fit until there are none."""
        try:
            while not self._ending.is_set():
                with taking:
                    mine = (j for j in waiting if slot.takes(j) or j.id in self._anywhere)
                    job = next(mine, None)
                    if job is None:
                        break
                    waiting.remove(job)

                def tell(event: object, job: Job = job) -> None:
                    self._hear(job, event)  # type: ignore[arg-type]

                record = child.run(slot.fit(job), self._limits, tell)
                if record is not None:
                    ended.put(record)
        except BaseException as error:
            ended.put(error)
        finally:
            child.stop()
