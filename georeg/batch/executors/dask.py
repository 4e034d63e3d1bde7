"""A Dask cluster: the scheduler hands jobs to workers, which supervise processes like `local` does.

Any cluster whose workers see the files under the same names will do: `--scheduler tcp://host:8786`
or a scheduler file, whatever started it (dask-jobqueue for SLURM, dask-kubernetes, dask-cuda, by
hand). Without one, a cluster on this machine is made. Jobs run in a process of their own beside the
worker, so that time and memory limits hold and a crash takes no worker down; a job whose worker
dies is done by another one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from georeg.batch.child import Child, Limits
from georeg.batch.ending import give_up
from georeg.batch.executors.protocol import Hear, Lost
from georeg.batch.job import Job
from georeg.batch.records import Record
from georeg.batch.slots import Slot, plan_slots
from georeg.errors import InputError, SettingsError

log = logging.getLogger(__name__)

_PATIENCE = 30.0  # seconds until a scheduler must answer
_LOOK = 0.2  # seconds between two looks at the clock
_FETCH = 2.0  # seconds that a record may take on its way
_MIND = 5.0  # seconds between two looks at who is there to work
_TOPIC = "georeg-events"
_PER_WORKER = 3  # jobs that may wait at each worker: few, so that stopping is quick


class Dask:
    """Jobs as tasks of a Dask cluster."""

    def __init__(
        self,
        limits: Limits,
        hear: Hear,
        scheduler: str | None = None,
        workers: int | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            limits: of every job.
            hear: told what workers say.
            scheduler: address or scheduler file; None for a cluster on this machine.
            workers: of that cluster; sized to cores and memory if None.
        """
        self._limits, self._hear = limits, hear
        self._scheduler, self._count = scheduler, workers
        self._client: Any = None
        self._cluster: Any = None
        self._jobs: dict[str, Job] = {}

    def __enter__(self) -> Dask:
        """This executor."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel what is waiting, end what is in the works, and leave the cluster."""
        client, self._client = self._client, None
        if client is None:
            return
        if client.status == "running":  # or there is nobody to hear it
            runs = sorted({job.run for job in self._jobs.values()})
            client.run(_stop_children, runs, on_error="ignore")
        client.close()
        if self._cluster is not None:
            self._cluster.close()

    def workers(self) -> str:
        """Who does the work."""
        known = self._client.scheduler_info(n_workers=-1)["workers"] if self._client else {}
        return f"Dask cluster {self._client.scheduler.address} with {len(known)} worker(s)"

    def records(self, jobs: Sequence[Job]) -> Iterator[Record | None]:
        """See `Executor`."""
        if not jobs:
            return
        client = self._connected(list(jobs))
        from distributed import as_completed

        self._jobs |= {job.id: job for job in jobs}
        waiting = list(reversed(jobs))
        by_key: dict[str, Job] = {}

        def submit() -> Any:
            job = waiting.pop()
            future = client.submit(
                work, job.to_dict(), (self._limits.timeout, self._limits.memory),
                key=f"georeg-{job.run}-{job.id}", pure=False, retries=0,
            )  # fmt: skip
            by_key[future.key] = job
            return future

        room = _PER_WORKER * max(1, sum(client.nthreads().values()))
        ended = as_completed([submit() for _ in range(min(room, len(waiting)))])
        left = len(jobs)
        minded, alone = time.monotonic(), False
        while left:
            if not ended.has_ready():
                if time.monotonic() - minded > _MIND:
                    minded, alone = time.monotonic(), self._alone(alone)
                yield None
                threading.Event().wait(_LOOK)
                continue
            future = next(ended)
            job = by_key[future.key]
            record = self._record(job, future, left)
            if record is None:
                ended.add(future)
                yield None
                continue
            del by_key[future.key]
            if waiting:
                ended.add(submit())
            left -= 1
            yield record

    def _alone(self, before: bool) -> bool:
        """Whether the cluster has no worker; said once, because the scheduler waits for ever."""
        alone = not self._client.scheduler_info(n_workers=-1)["workers"]
        if alone and not before:
            log.warning("%s: the jobs wait for one", self.workers())
        return alone

    def _record(self, job: Job, future: Any, left: int) -> Record | None:
        """What came of a job; None if the worker that knows it died, so that it is done again.

        Raises:
            Lost: the scheduler is gone.
        """
        if future.status == "cancelled":  # when the connection breaks
            raise Lost(
                f"Dask's scheduler {self._client.scheduler.address} was lost: {left} jobs are left "
                "for the next run"
            )
        if future.status == "error":
            why = " ".join(str(future.exception()).split())
            return give_up(job, "Crash", f"{job.moving}: {why}")
        # Not future.result(timeout=): given up, it leaves tasks behind whose exceptions asyncio
        # complains of on the error output when its worker or the scheduler has died. "skip" raises
        # none.
        coming = asyncio.run_coroutine_threadsafe(
            self._client.gather([future], errors="skip", asynchronous=True),
            self._client.loop.asyncio_loop,
        )
        try:
            (found,) = coming.result(_FETCH)
        except (Exception, asyncio.CancelledError):  # by its status next time
            coming.cancel()
            return None
        if found is not None:
            return Record.from_dict(found)
        return give_up(job, "Stopped", f"{job.moving}: somebody stopped the worker's process")

    def _connected(self, jobs: list[Job]) -> Any:
        """The client; connects on first use.

        Raises:
            SettingsError: Dask isn't installed.
            InputError: the scheduler doesn't answer.
        """
        if self._client is not None:
            return self._client
        try:
            from distributed import Client, LocalCluster
        except ImportError:
            raise SettingsError("--executor dask needs Dask: pip install 'georeg[dask]'") from None
        try:
            if self._scheduler is None:
                slots = plan_slots(jobs, self._count, 0)
                self._cluster = LocalCluster(
                    n_workers=len(slots), threads_per_worker=1, memory_limit=0,
                    # Any port: Dask warns that its own is taken when a second batch runs.
                    dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
                )  # fmt: skip
                client = Client(self._cluster)
            elif os.path.isfile(self._scheduler):
                client = Client(scheduler_file=self._scheduler, timeout=_PATIENCE)
            else:
                client = Client(self._scheduler, timeout=_PATIENCE)
        except (OSError, ValueError) as error:
            raise InputError(
                f"Dask's scheduler {self._scheduler} can't be reached: {error}"
            ) from None
        client.subscribe_topic(_TOPIC, self._event)
        self._client = client
        return client

    def _event(self, event: tuple[float, Any]) -> None:
        """What a worker says, by the scheduler."""
        message = event[1]
        known = isinstance(message, Mapping)
        job = self._jobs.get(str(message.get("job"))) if known else None
        if job is not None:
            self._hear(job, message)


_local = threading.local()
# Of a worker, each with the run whose job it had last: a cluster may serve several runs at once.
_children: dict[Child, str] = {}
_taking = threading.Lock()


def work(
    data: Mapping[str, Any], limits: tuple[float | None, float | None]
) -> dict[str, Any] | None:
    """The task: a job's record, as JSON. Runs in a thread of a Dask worker."""
    from distributed import get_worker

    job, worker = Job.from_dict(data), get_worker()
    child: Child | None = getattr(_local, "child", None)
    if child is None:
        # This thread lives as long as its worker, and so does the process that it starts.
        child = Child(1)
        _local.child = child
    with _taking:
        _children[child] = job.run

    def tell(event: Mapping[str, Any]) -> None:
        if event.get("event") == "log":
            worker.log_event(_TOPIC, {**event, "job": job.id})

    slot = Slot("cpu", 1)
    record = child.run(slot.fit(job), Limits(*limits), tell)
    return None if record is None else record.to_dict()


def _stop_children(runs: Sequence[str]) -> None:
    """End the processes beside a worker that work for some runs, or did last."""
    with _taking:
        for child, run in _children.items():
            if run in runs:
                child.stop()
