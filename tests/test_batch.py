"""georeg batch as a program: nothing lost, nothing done twice, a clear record of what failed."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pyogrio
import pytest

import batch_cases as cases

GOOD = 4


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases.make(tmp_path_factory.mktemp("jobs"), GOOD, len(cases.KINDS))


@pytest.fixture(scope="module")
def done(manifest: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """An undisturbed run."""
    out = manifest.parent / "out"
    return out, cases.batch(manifest, out, "--metrics", manifest.parent / "georeg.prom", "--stac",
                            "--workers", 2)  # fmt: skip


Done = tuple[Path, subprocess.CompletedProcess[str]]


def test_good_ones_are_done_and_bad_ones_recorded(done: Done) -> None:
    out, run = done
    assert run.returncode == 5, run.stderr
    assert run.stdout == ""
    found = cases.records(out)
    assert len(found) == GOOD + len(cases.KINDS)
    good = {name: record for name, record in found.items() if name.startswith("good")}
    assert {record["status"] for record in good.values()} == {"done"}
    assert len(list(cases.valid_rasters(out))) == GOOD
    for record in found.values():
        if record["id"] in good:
            continue
        kind = next(k for k in cases.KINDS if record["id"].endswith(k) or k == "no_moving")
        error, said = cases.KINDS[kind]
        assert record["status"] in ("failed", "refused"), record
        assert record["error"]["kind"].startswith(error), record
        assert said in record["error"]["message"], record
        assert not (out / f"{record['id']}.tif").exists()
    assert run.stderr.splitlines()[-1].startswith(f"georeg: {GOOD} of {len(found)} jobs done, ")


def test_no_stray_file(done: Done) -> None:
    out, _ = done
    good = {
        f"good{n:03d}{suffix}" for n in range(GOOD)
        for suffix in (".tif", ".job.json", ".fit.json", ".report.json", ".item.json")
    }  # fmt: skip
    summary = {f"summary.{suffix}" for suffix in ("html", "gpkg", "csv", "jsonl")}
    left = set(cases.snapshot(out)) - good - summary
    bad = [r["id"] for r in cases.records(out).values() if not r["id"].startswith("good")]
    reports = {f"{name}.report.json" for name in bad}  # refusals have one
    assert left - reports == {f"{name}.job.json" for name in bad}


def test_summary(done: Done) -> None:
    out, _ = done
    found = cases.records(out)
    with (out / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == list(found)
    errors = [float(row["rmse_px"]) for row in rows if row["status"] == "done"]
    assert len(errors) == GOOD
    assert max(errors) < 0.5
    frame = pyogrio.raw.read(out / "summary.gpkg", layer="jobs")
    meta, _, shapes, columns = frame
    assert meta["crs"] == "EPSG:4326"
    fields = dict(zip(meta["fields"], columns, strict=True))
    assert list(fields["id"]) == list(found)
    known = np.array([shape is not None for shape in shapes])
    assert known[fields["status"] == "done"].all()
    page = (out / "summary.html").read_text()
    for record in found.values():
        assert record["id"] in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_metrics(done: Done, manifest: Path) -> None:
    text = (manifest.parent / "georeg.prom").read_text()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    label = f'folder="{done[0]}"'
    assert float(values[f'georeg_batch_jobs{{{label},status="done"}}']) == GOOD
    assert float(values[f"georeg_batch_exit_code{{{label}}}"]) == 5
    assert not any("last_success" in name for name in values)
    assert text.endswith("\n")


def test_nothing_is_done_twice(done: Done, manifest: Path) -> None:
    out, _ = done
    before = cases.snapshot(out)
    again = cases.batch(manifest, out, "--log-format", "json", "--stac")
    assert again.returncode == 5
    events = [json.loads(line) for line in again.stderr.splitlines()]
    assert [e["todo"] for e in events if e["event"] == "plan"] == [0]
    assert {e["job"] for e in events if e["event"] == "skipped"} == set(cases.records(out))
    assert len({e["run"] for e in events if e["event"] != "start"}) == 1
    after = cases.snapshot(out)
    changed = {name for name in before if before[name] != after[name]}
    assert before.keys() == after.keys()
    assert changed <= {"summary.html"}  # which names the run


def test_killed_again_and_again(done: Done, manifest: Path) -> None:
    """SIGKILL at random moments, then a run to the end: as if nothing had happened."""
    out = manifest.parent / "ou2"  # names of equal length: records know sizes of files with names
    rng = np.random.default_rng(8)
    finished: dict[str, str] = {}
    for _ in range(2):
        killed(cases.command(manifest, out, "--stac", "--log-format", "json"), rng)
        for path in sorted(out.glob("*.job.json")):
            record = json.loads(path.read_text())  # always whole
            if record["status"] == "done":
                # What was done once is not done again.
                assert finished.setdefault(record["id"], record["run"]["id"]) == record["run"]["id"]
        assert list(cases.valid_rasters(out)) is not None
    assert finished
    last = cases.batch(manifest, out, "--stac")
    assert last.returncode == 5
    found = cases.records(out)
    assert all(found[name]["run"]["id"] == run for name, run in finished.items())
    assert cases.state(out) == cases.state(done[0])


def killed(command: list[str], rng: np.random.Generator) -> None:
    """Run, and kill some moments after the first jobs have ended."""
    wanted = int(rng.integers(4, 7))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            wanted -= json.loads(line)["event"] == "job"
            if not wanted:
                break
        time.sleep(float(rng.uniform(0, 0.5)))
        process.send_signal(signal.SIGKILL)


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    """One works, the other leaves with a clear word, or waits and finds all done."""
    manifest, out = cases.make(tmp_path, 1, 1), tmp_path / "out"
    with subprocess.Popen(
        cases.command(manifest, out, "-v"), stderr=subprocess.PIPE, text=True
    ) as first:
        assert first.stderr is not None
        assert "2 of 2 jobs to do" in first.stderr.readline()
        first.send_signal(signal.SIGSTOP)  # it mustn't be done before the others look
        try:
            leaving = cases.batch(manifest, out)
            waiting = subprocess.Popen(
                cases.command(manifest, out, "--wait", 120, "--log-format", "json"),
                stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert waiting.stderr is not None
            said: list[str] = []
            while not said or (said[-1] and "waiting" not in said[-1]):
                said.append(waiting.stderr.readline())
        finally:
            first.send_signal(signal.SIGCONT)
        first.stderr.read()
        assert first.wait() == 5
    assert leaving.returncode == 1
    assert "is being worked on by run" in leaving.stderr
    assert "--wait" in leaving.stderr
    with waiting:
        events = [json.loads(line) for line in (*said, *waiting.stderr) if line]
    assert waiting.returncode == 5
    assert any("waiting" in event["message"] for event in events)
    assert [e["todo"] for e in events if e["event"] == "plan"] == [0]
