"""A Dask cluster of separate processes on loopback: the same bytes as local, nothing lost."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import batch_cases as cases
import scenes
from georeg.align import align
from georeg.batch.deciding import decide
from georeg.batch.doing import do
from georeg.batch.job import Job
from georeg.batch.options import BatchOptions
from georeg.batch.records import DONE, FAILED
from georeg.batch.result import BatchResult
from georeg.batch.run import Event, run_batch
from georeg.errors import InputError
from georeg.matching import load
from georeg.matching.protocol import Device, TileBatch
from georeg.remote import Remote
from georeg.settings import OutputSettings, Settings

pytest.importorskip("distributed", reason="Dask isn't installed")

# Nanny processes start workers anew; here a worker that is killed stays dead.
WORKER = ("worker", "--no-nanny", "--nthreads", "1", "--no-dashboard", "--memory-limit", "0")


@dataclass
class Cluster:
    """A scheduler and workers, each a process of its own."""

    address: str
    stack: ExitStack
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add_worker(self, folder: Path) -> subprocess.Popen[bytes]:
        process = self.stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *WORKER, self.address, "--local-directory", folder],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
        self.stack.callback(process.kill)
        self.workers.append(process)
        return process

    def kill_scheduler(self) -> None:
        self.scheduler.kill()
        self.scheduler.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with started(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    """A scheduler and two workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with ExitStack() as stack:
        command = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
        stack.callback(process.kill)
        made = Cluster(f"tcp://127.0.0.1:{port}", stack, process)
        for number in range(2):
            made.add_worker(folder / f"worker{number}")
        wait_for(made.address, 2)
        yield made


def wait_for(address: str, workers: int) -> None:
    from distributed import Client

    for _ in range(120):
        try:
            with Client(address, timeout=2) as client:
                client.wait_for_workers(workers, timeout=60)
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("no cluster")


def test_tiles_of_one_pair_are_spread(cluster: Cluster, tmp_path: Path) -> None:
    """The same tie points, and bytes, as here; both workers matched some of the tiles."""
    from distributed import Client

    pair = scenes.make_pair(tmp_path / "in", scenes.waves(2.0, 400, 6.0, 4.0), (420, 740))
    made = {}
    for name, device in (("here", "cpu"), ("there", f"dask:{cluster.address}")):
        out = str(tmp_path / f"{name}.tif")
        found = align(pair.moving, pair.reference, out, Settings(threads=1, device=device),
                      OutputSettings(driver="GTiff"))  # fmt: skip
        assert found.verdict.ok
        made[name] = (found, Path(out).read_bytes())
    np.testing.assert_array_equal(
        made["here"][0].matches.reference_xy, made["there"][0].matches.reference_xy
    )
    assert made["here"][1] == made["there"][1]
    with Client(cluster.address) as client:
        loaded = client.run(lambda: len(__import__("georeg.remote").remote._matchers))
    assert list(loaded.values()) == [1, 1]


def test_a_scheduler_that_is_lost_while_tiles_are_matched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was an unexpected FutureCancelledError, a bug to be reported."""
    blank = np.zeros((1, 64, 64), np.float32)
    batch = TileBatch(blank, blank > 1, blank, blank > 1, 1.0)
    with started(tmp_path) as made:
        remote = Remote(partial(load, "structural"), "any", Device(f"dask:{made.address}"))
        submit = remote._client.submit
        monkeypatch.setattr(remote._client, "submit", lambda *_, **__: submit(time.sleep, 60))
        timer = threading.Timer(1.0, made.kill_scheduler)
        timer.start()
        with pytest.raises(InputError, match=r"dask:tcp://127.* was lost while it had tiles"):
            remote.match(batch)
        timer.join()


def test_two_batches_on_one_cluster(cluster: Cluster, tmp_path: Path) -> None:
    """The first one to end takes its own processes along, and none of the other's."""
    pair = scenes.make_pair(tmp_path / "in", scenes.shift(3.3, -2.1), cases.SHAPE, seed=5)

    def batch(name: str, count: int, tell: Callable[[Event], None] | None = None) -> BatchResult:
        folder = tmp_path / name
        jobs = [
            Job(f"{name}{n}", pair.moving, pair.reference, str(folder / f"{n}.tif"),
                str(folder / f"{n}.tif"), Settings(transform="shift", threads=1),
                OutputSettings(driver="GTiff"))
            for n in range(count)
        ]  # fmt: skip
        how = BatchOptions(executor="dask", scheduler=cluster.address)
        return run_batch(jobs, str(folder), how, tell=tell)

    first = threading.Event()
    with ThreadPoolExecutor(1) as other:
        long = other.submit(
            batch, "long", 12, lambda event: first.set() if event.event == "job" else None
        )
        assert first.wait(120)
        short = batch("short", 1)
        assert not long.done()
    assert short.counts["done"] == 1
    assert [record.message for record in long.result().bad] == []


def test_same_bytes_as_local_and_a_killed_worker_loses_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    pair = scenes.make_pair(tmp_path / "in", scenes.shift(3.3, -2.1), cases.SHAPE, seed=5)

    def jobs(folder: Path) -> list[Job]:
        names = [pair.moving] * 3 + [str(tmp_path / "no.tif")]
        return [
            Job(f"job{n}", name, pair.reference, str(folder / f"job{n}.tif"),
                str(folder / f"job{n}.tif"), Settings(transform="shift", threads=1),
                OutputSettings(driver="GTiff"))
            for n, name in enumerate(names)
        ]  # fmt: skip

    killed: list[str] = []

    def tell(event: Event) -> None:
        if event.event == "log" and "located" in event.message and not killed:
            # The worker is in the middle of this job.
            victim = next(w for w in cluster.workers if parent_of_worker(w.pid))
            os.kill(victim.pid, signal.SIGKILL)
            killed.append(event.job)

    by_dask = run_batch(
        jobs(tmp_path / "dso"), str(tmp_path / "dso"),
        BatchOptions(executor="dask", scheduler=cluster.address), tell=tell,
    )  # fmt: skip
    local = run_batch(jobs(tmp_path / "loc"), str(tmp_path / "loc"), BatchOptions(workers=1))
    assert killed
    assert local.counts == by_dask.counts
    assert by_dask.counts["done"] == 3
    assert cases.state(tmp_path / "dso") == cases.state(tmp_path / "loc")


def test_a_lost_cluster_leaves_jobs_for_the_next_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No worker is said; without a scheduler the run ends in order, and no job has failed."""
    pair = scenes.make_pair(tmp_path / "in", scenes.shift(3.3, -2.1), cases.SHAPE, seed=5)
    out = tmp_path / "out"
    jobs = [
        Job(f"job{n}", pair.moving, pair.reference, str(out / f"{n}.tif"), str(out / f"{n}.tif"),
            Settings(transform="shift", threads=1), OutputSettings(driver="GTiff"))
        for n in range(4)
    ]  # fmt: skip
    said: list[str] = []
    with started(tmp_path / "cluster") as made:

        def tell(event: Event) -> None:
            said.append(event.message)
            if event.event == "job":
                for worker in made.workers:
                    worker.kill()

        def check() -> None:
            if "with 0 worker(s): the jobs wait for one" in caplog.text:
                made.kill_scheduler()

        how = BatchOptions(executor="dask", scheduler=made.address)
        broken = run_batch(jobs, str(out), how, tell=tell, check=check)
    assert broken.counts["failed"] == 0
    assert 1 <= broken.counts["done"] < 4
    assert broken.exit_code == 5
    assert (out / "summary.html").exists()
    assert any("scheduler" in line and "was lost" in line for line in said)
    again = run_batch(jobs, str(out), BatchOptions(workers=1))
    assert again.counts["done"] == 4
    assert len(again.skipped) >= broken.counts["done"]


def parent_of_worker(pid: int) -> bool:
    """Whether a Dask worker has a process of ours beside it."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
            line = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(words[1]) == pid and b"georeg.batch.worker" in line:
            return True
    return False


def test_a_record_that_is_late_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Asked again later; when its task is lost, asyncio has no exception to complain of."""
    from distributed import Client
    from distributed import Event as Gate

    from georeg.batch.child import Limits
    from georeg.batch.executors import dask

    monkeypatch.setattr(dask, "_FETCH", 0.1)
    executor = dask.Dask(Limits(), lambda *_: None)
    job = Job("x", "a.tif", "b.tif", "x.tif", "x.tif")
    with Client(n_workers=1, processes=False, dashboard_address=":0") as client:
        executor._client = client
        gate = Gate("late", client=client)
        late = client.submit(lambda: Gate("late").wait())
        late._state.finish()  # as when the worker that has it dies and the client hears it later
        assert executor._record(job, late, 1) is None
        client.cancel([late])
        gate.set()
        time.sleep(0.5)
    gc.collect()
    assert "never retrieved" not in caplog.text


def test_no_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from georeg.batch.executors import dask
    from georeg.errors import InputError

    monkeypatch.setattr(dask, "_PATIENCE", 1.0)
    job = Job("x", "a.tif", "b.tif", str(tmp_path / "x.tif"), str(tmp_path / "x.tif"))
    with pytest.raises(InputError, match="can't be reached"):
        run_batch(
            [job], str(tmp_path), BatchOptions(executor="dask", scheduler="tcp://127.0.0.1:9")
        )


def test_no_scheduler_to_match_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--device dask:`: the job counted as failed for good, and an older output went."""
    from georeg import remote

    monkeypatch.setattr(remote, "_PATIENCE", 1.0)
    pair = scenes.make_pair(tmp_path, scenes.shift(3, 2), cases.SHAPE)
    settings, out = Settings(transform="shift", threads=1), str(tmp_path / "x.tif")
    job = Job("x", pair.moving, pair.reference, out, out, settings)
    done = do(job)
    assert done.status == DONE, done.message
    lost = replace(job, settings=replace(settings, device="dask:tcp://127.0.0.1:9", seed=1))
    record = do(lost)
    assert record.status == FAILED
    assert "can't be reached" in record.message
    assert decide(lost).todo
    assert os.path.exists(out)
