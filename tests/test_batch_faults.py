"""Full disks, read-only folders, limits, crashes: the reason is recorded, nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyogrio
import pytest

import batch_cases as cases
import scenes
from cli_cases import snapshot
from georeg.batch.child import resident
from georeg.batch.job import Job
from georeg.batch.notices import notify
from georeg.batch.options import BatchOptions
from georeg.batch.records import DONE, FAILED, load_record, record_of
from georeg.batch.result import BatchResult
from georeg.batch.run import Event, run_batch
from georeg.settings import OutputSettings, Settings

QUICK = Settings(transform="shift", threads=1, device="cpu")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> scenes.Pair:
    return scenes.make_pair(
        tmp_path_factory.mktemp("pair"), scenes.shift(3.3, -2.1), cases.SHAPE, seed=5
    )


def jobs_in(folder: Path, pair: scenes.Pair, count: int = 1) -> list[Job]:
    return [
        Job(f"job{n}", pair.moving, pair.reference, str(folder / f"job{n}.tif"),
            str(folder / f"job{n}.tif"), QUICK, OutputSettings(driver="GTiff"))
        for n in range(count)
    ]  # fmt: skip


def run(jobs: list[Job], folder: Path, **how: object) -> BatchResult:
    return run_batch(jobs, str(folder), BatchOptions(workers=1, **how))  # type: ignore[arg-type]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "georeg-batch", str(folder)],
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_then_space(small_disk: Path, pair: scenes.Pair) -> None:
    """The reason is recorded as one outside of the job, so that the next run does it."""
    big = replace(jobs_in(small_disk, pair)[0], output_settings=OutputSettings(
        driver="GTiff", resolution=(0.1,),
    ))  # fmt: skip
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(700_000))
    first = run([big], small_disk)
    assert first.exit_code == 5
    assert "summary" in first.trouble or not first.trouble
    (record,) = first.records
    assert record.status == "failed"
    assert record.error is not None
    assert record.error["kind"] == "OutputError"
    assert record.error["passing"]
    assert "MB left" in record.message
    assert not (small_disk / "job0.tif").exists()
    assert not list(small_disk.glob(".georeg*"))
    ballast.unlink()
    small = replace(big, output_settings=OutputSettings(driver="GTiff"))
    second = run([small], small_disk)
    assert second.counts["done"] == 1


def test_disk_full_to_the_last_byte(small_disk: Path, pair: scenes.Pair) -> None:
    """Not even the lock fits: one clear error, no traceback, nothing left behind."""
    manifest = small_disk.parent / "jobs.csv"
    manifest.write_text(f"moving,reference\n{pair.moving},{pair.reference}\n")
    with (small_disk / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    result = cases.batch(manifest, small_disk)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "No space left" in result.stderr
    assert set(snapshot(small_disk)) == {"ballast"}


def test_read_only_folder(small_disk: Path, pair: scenes.Pair) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    manifest = small_disk.parent / "jobs.csv"
    manifest.write_text(f"moving,reference\n{pair.moving},{pair.reference}\n")
    result = cases.batch(manifest, small_disk)
    assert result.returncode == 1
    assert "Read-only file system" in result.stderr
    assert snapshot(small_disk) == {}


def test_one_read_only_folder_of_several(
    small_disk: Path, tmp_path: Path, pair: scenes.Pair
) -> None:
    """The other jobs are done; the record can't be written, but the summary knows."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    out = tmp_path / "out"
    good, bad = jobs_in(out, pair)[0], replace(jobs_in(small_disk, pair)[0], id="bad")
    third = replace(good, id="no_gpu", output=str(out / "g.tif"), base=str(out / "g.tif"),
                    settings=replace(QUICK, device="cuda:77"))  # fmt: skip
    result = run([bad, good, third], out)
    assert [record.status for record in result.records] == ["failed", "done", "failed"]
    assert "cuda:77" in result.records[2].message
    assert "Read-only file system" in result.records[0].message or "can't be written" in (
        result.records[0].message
    )


def test_quota(tmp_path: Path, pair: scenes.Pair) -> None:
    """A limit on the size of files, as quotas are: EFBIG instead of ENOSPC."""
    manifest, out = tmp_path / "jobs.csv", tmp_path / "out"
    manifest.write_text(f"moving,reference,resolution\n{pair.moving},{pair.reference},0.1\n")
    line = " ".join(map(repr, cases.command(manifest, out, "--driver", "GTiff")))
    # Python would leave a part of a module's bytecode behind, where the next process finds it.
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        ["bash", "-c", f"ulimit -f 300; exec {line}"], capture_output=True, text=True, env=env
    )
    assert result.returncode == 5, result.stderr
    (record,) = cases.records(out).values()
    assert record["status"] == "failed"
    assert not list(out.glob("*.tif"))
    assert not list(out.glob(".georeg*"))


def test_metrics_without_a_place(tmp_path: Path, pair: scenes.Pair) -> None:
    """Said before the work, and not after it."""
    metrics = tmp_path / "missing" / "georeg.prom"
    result = cases.batch_here(pair.moving, tmp_path / "out", "--reference", pair.reference,
                              "--metrics", metrics)  # fmt: skip
    assert result.code == 1, result.err
    assert f"{metrics} can't be written: there is no folder" in result.err
    assert not list((tmp_path / "out").iterdir())


def test_outputs_in_the_memory_of_workers(tmp_path: Path, pair: scenes.Pair) -> None:
    """They were done, and nowhere."""
    result = cases.batch_here(pair.moving, "/vsimem/out", "--reference", pair.reference,
                              "--state", tmp_path)  # fmt: skip
    assert result.code == 2, result.err
    assert "/vsimem/out/moving.tif would be gone with this process" in result.line
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_not_utf_8(tmp_path: Path, pair: scenes.Pair) -> None:
    """GDAL can't open it; the other jobs are done, and what came of all of them is said."""
    inputs = tmp_path / "in"
    inputs.mkdir()
    shutil.copy(pair.moving, inputs / "good.tif")
    shutil.copy(pair.moving, os.fsencode(inputs) + b"/gr\xfcn.tif")
    out = tmp_path / "out"
    words = "--reference", pair.reference, "--metrics", tmp_path / "georeg.prom"
    result = cases.batch(inputs, out, *words)
    assert result.returncode == 5, result.stderr
    assert "opened by its name: it is not valid UTF-8: rename it" in result.stderr
    found = cases.records(out)
    name = "gr\udcfcn"
    assert {key: record["status"] for key, record in found.items()} == {
        "good": "done", name: "failed"
    }  # fmt: skip
    assert found[name]["error"]["exit_code"] == 4
    meta, _, _, columns = pyogrio.raw.read(out / "summary.gpkg", layer="jobs")
    ids = columns[meta["fields"].tolist().index("id")]
    assert ids.tolist() == ["good", "gr\\udcfcn"]
    assert "gr\\udcfcn" in (out / "summary.html").read_text(encoding="utf-8")
    assert 'status="failed"} 1' in (tmp_path / "georeg.prom").read_text(encoding="utf-8")
    again = cases.batch(inputs, out, *words)
    assert "failed last time" in again.stderr


def test_timeout(tmp_path: Path, pair: scenes.Pair) -> None:
    os.mkfifo(tmp_path / "pipe.tif")  # opening it takes forever
    (slow,) = jobs_in(tmp_path, pair)
    slow = replace(slow, moving=str(tmp_path / "pipe.tif"))
    result = run([slow], tmp_path, timeout=2)
    assert result.records[0].error is not None
    assert result.records[0].error["kind"] == "Timeout"
    assert "--timeout of 2 s" in result.records[0].message
    assert not list(tmp_path.glob(".georeg*"))
    assert not (tmp_path / "job0.tif").exists()


def test_memory_limit_and_crash(tmp_path: Path, pair: scenes.Pair) -> None:
    """A limit that no job keeps; and a worker that dies without a word."""
    result = run(jobs_in(tmp_path, pair), tmp_path, memory_limit=60)
    (record,) = result.records
    assert record.error is not None
    assert record.error["kind"] == "MemoryLimit"
    assert "more than the --memory-limit of 60 MB" in record.message
    killed: list[int] = []

    def tell(event: Event) -> None:
        if event.event == "log" and "located" in event.message and not killed:
            (pid,) = workers_of(os.getpid())
            assert (resident(pid) or 0) > 60
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    again = run_batch(
        jobs_in(tmp_path, pair, 2), str(tmp_path), BatchOptions(workers=1, retry=True), tell=tell
    )
    assert killed
    assert [r.status for r in again.records] == ["failed", "done"]
    assert "SIGKILL" in again.records[0].message


def workers_of(parent: int) -> list[int]:
    """Process numbers of our workers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
            line = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(words[1]) == parent and b"georeg.batch.worker" in line:
            found.append(int(path.parent.name))
    return found


def test_modules_in_the_working_folder(tmp_path: Path, pair: scenes.Pair) -> None:
    """Workers import what the program does, and not what lies where it was started."""
    for name in ("georeg", "queue", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(f'{__file__} was imported')\n")
    program = (
        f"import sys; sys.path[:] = {[path for path in sys.path if path]!r}; "
        "from georeg_cli.main import main; main()"
    )
    words = ("batch", pair.moving, "-o", "out", *cases.QUICK, "--reference", pair.reference)
    result = subprocess.run(
        [sys.executable, "-I", "-c", program, *words], cwd=tmp_path, capture_output=True, text=True
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def test_workers_die_with_their_parent(tmp_path: Path, pair: scenes.Pair) -> None:
    manifest = tmp_path / "jobs.csv"
    manifest.write_text(f"moving,reference\n{pair.moving},{pair.reference}\n")
    with subprocess.Popen(
        cases.command(manifest, tmp_path / "out", "-v"), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "located" in line or "to do" in line:
                break
        for _ in range(100):
            pids = workers_of(process.pid)
            if pids:
                break
            time.sleep(0.05)
        assert pids
        process.kill()
    for _ in range(100):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return
        time.sleep(0.05)
    raise AssertionError("a worker outlived its parent")


def test_terminated_in_order(tmp_path: Path, pair: scenes.Pair) -> None:
    """SIGTERM: exit code 143, no lock, no half files, and the job in flight is not a failure."""
    manifest, out = tmp_path / "jobs.csv", tmp_path / "out"
    rows = "".join(f"{n},{pair.moving},{pair.reference}\n" for n in range(9))
    manifest.write_text(f"id,moving,reference\n{rows}")
    with subprocess.Popen(
        cases.command(manifest, out, "-v", "--workers", 1), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "located" in line:
                process.send_signal(signal.SIGTERM)
                break
        rest = process.stderr.read()
    assert process.returncode == 143, rest
    assert not list(out.glob(".georeg*"))
    statuses = {load_record(str(p)).status for p in out.glob("*.job.json")}  # type: ignore[union-attr]
    assert statuses <= {"started", "done"}
    assert "started" in statuses


def test_fail_fast(tmp_path: Path, pair: scenes.Pair) -> None:
    jobs = [replace(j, moving=str(tmp_path / "no.tif")) for j in jobs_in(tmp_path, pair, 6)]
    result = run(jobs, tmp_path, max_failures=1)
    assert result.counts["failed"] >= 2
    assert result.counts["not run"] >= 1
    assert result.exit_code == 5


def test_notify(tmp_path: Path, pair: scenes.Pair) -> None:
    """The command hears what came out; that it fails itself is no matter."""
    heard = tmp_path / "heard"
    (job,) = jobs_in(tmp_path, pair)
    result = BatchResult("run", str(tmp_path), (record_of(job, FAILED),), frozenset(), 1.0)
    notify(f"(echo $GEOREG_EXIT_CODE $GEOREG_FAILED; cat) > {heard}; exit 3", result)
    first, second = heard.read_text().splitlines()
    assert first == "5 1"
    assert json.loads(second)["message"] == "0 of 1 jobs done, 1 failed"


def test_notify_says_what_no_text_is(
    tmp_path: Path, pair: scenes.Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """A byte of another encoding in its last words ended a batch that was done with exit code 1."""
    (job,) = jobs_in(tmp_path, pair)
    result = BatchResult("run", str(tmp_path), (record_of(job, DONE),), frozenset(), 1.0)
    notify("printf 'caf\\351 closed' >&2; exit 3", result)
    assert "the command ended with code 3: caf\N{REPLACEMENT CHARACTER} closed" in caplog.text
