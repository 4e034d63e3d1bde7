"""Batches: nothing lost, nothing done twice, and what a second worker brings.

    python benchmarks/batch.py --data /work/shared/data/pairs/naip --jobs 200 --kills 20

Real jobs: windows of NAIP images of four dates, aligned to the same window of another date; every
tenth job is bad, in each way that tests/batch_cases.py knows. One undisturbed run; one that is
killed (SIGKILL) at random moments, so many times, and then run to its end: the two end states are
compared file by file. Then good jobs on a Dask cluster of separate processes on loopback, with one
worker and with two. Writes benchmarks/results/batch.md and .json.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import rasterio
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import batch_cases as cases
import scenes

RESULTS = Path(__file__).parent / "results"


def make(folder: Path, data: Path, count: int, side: int) -> tuple[Path, Path]:
    """Manifests of all jobs and of the good ones only."""
    dates = sorted(data.glob("naip_*.tif"))
    inputs = folder / "in"
    inputs.mkdir(parents=True)
    rng = random.Random(8)
    bad = count // 10
    rows: list[dict[str, str]] = []
    for number in range(count - bad):
        one, other = rng.sample(dates, 2)
        with rasterio.open(one) as file:
            x, y = rng.randrange(file.width - side), rng.randrange(file.height - side)
        names = [
            cut(path, inputs / f"{number:03d}_{path.stem}.tif", x, y, side) for path in (one, other)
        ]
        rows.append({"id": f"good{number:03d}", "moving": names[0], "reference": names[1]})
    good = write(folder / "good.csv", rows)
    pair = scenes.make_pair(inputs / "pair", scenes.shift(3.3, -2.1), cases.SHAPE, seed=5)
    kinds = list(cases.KINDS)
    for number in range(bad):
        row = cases.bad_row(kinds[number % len(kinds)], number, inputs, pair)
        rows.insert(rng.randrange(len(rows)), row)
    return write(folder / "jobs.csv", rows), good


def cut(source: Path, target: Path, x: int, y: int, side: int) -> str:
    window = Window(x, y, side, side)
    with rasterio.open(source) as file:
        place = {"width": side, "height": side, "transform": file.window_transform(window)}
        with rasterio.open(target, "w", **{**file.profile, **place}) as part:
            part.write(file.read(window=window))
    return str(target)


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    names = ["id", "moving", "reference", "max-tiles", "trnsform"]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def killed(manifest: Path, out: Path, kills: int, between: float) -> dict[str, Any]:
    """SIGKILL at random moments, then a run to the end."""
    rng = random.Random(9)
    done: dict[str, str] = {}
    twice = 0
    for _ in range(kills):
        with subprocess.Popen(
            cases.command(manifest, out, "--workers", 2), stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(rng.uniform(0.2, between))
            process.send_signal(signal.SIGKILL)
        time.sleep(0.2)
        for path in out.glob("*.job.json") if out.exists() else ():
            record = json.loads(path.read_text())  # always whole
            if record["status"] in ("done", "refused", "failed"):
                first = done.setdefault(record["id"], record["run"]["id"])
                twice += first != record["run"]["id"]
    before = len(done)
    last = cases.batch(manifest, out, "--workers", 2)
    found = cases.records(out)
    twice += sum(found[name]["run"]["id"] != run for name, run in done.items())
    return {"exit_code": last.returncode, "done_before_the_last_run": before, "done_twice": twice}


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """A scheduler and workers, each a process of its own, on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "dask"]
    commands = [[*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]]
    commands += [
        [*dask, "worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard",
         "--memory-limit", "0", "--local-directory", tempfile.gettempdir()]
    ] * workers  # fmt: skip
    processes = [subprocess.Popen(command, **quiet) for command in commands]  # type: ignore[call-overload]
    try:
        from distributed import Client

        for _ in range(60):
            try:
                with Client(address, timeout=2) as client:
                    client.wait_for_workers(workers, timeout=60)
                    break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def throughput(manifest: Path, folder: Path, workers: int, warm: Path) -> float:
    """Jobs in a second; workers have their libraries loaded before the clock starts."""
    for name in (f"warm{workers}", f"dask{workers}"):
        shutil.rmtree(folder / name, ignore_errors=True)
    with cluster(workers) as address:
        how = ("--executor", "dask", "--scheduler", address)
        cases.batch(warm, folder / f"warm{workers}", *how)
        began = time.perf_counter()
        out = folder / f"dask{workers}"
        run = cases.batch(manifest, out, *how)
        seconds = time.perf_counter() - began
        if run.returncode:
            print(run.stderr[-2000:])
    return len(cases.records(out)) / seconds


def unattended(args: argparse.Namespace, folder: Path, jobs: Path, result: dict[str, Any]) -> None:
    """One undisturbed run, and one that is killed again and again."""
    result |= {
        "jobs": args.jobs, "kills": args.kills, "cores": os.cpu_count(),
        "python": platform.python_version(), "load_before": os.getloadavg()[0],
    }  # fmt: skip
    began = time.perf_counter()
    run = cases.batch(jobs, folder / "one", "--workers", 2)
    result["seconds"] = round(time.perf_counter() - began, 1)
    result["exit_code"] = run.returncode
    found = cases.records(folder / "one")
    result["statuses"] = dict(Counter(r["status"] for r in found.values()))
    result["good_not_done"] = sorted(
        f"{n}: {r['error']['message']}" for n, r in found.items()
        if n.startswith("good") and r["status"] != "done"
    )  # fmt: skip
    result["reasons"] = dict(
        Counter(r["error"]["kind"] for r in found.values() if r["status"] != "done")
    )
    save(result)
    if args.kills:
        result["killed"] = killed(jobs, folder / "two", args.kills, args.between)
        one, two = cases.state(folder / "one"), cases.state(folder / "two")
        result["killed"]["different_files"] = sorted(
            name for name in one.keys() | two.keys() if one.get(name) != two.get(name)
        )
        result["files"] = len(one)
        save(result)


def head(manifest: Path, target: Path, count: int) -> Path:
    target.write_text("".join(manifest.read_text().splitlines(keepends=True)[: count + 1]))
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--between", type=float, default=12.0, help="most seconds between kills")
    parser.add_argument("--scaling-jobs", type=int, default=100)
    parser.add_argument(
        "--only-dask", action="store_true", help="keep what was measured before of the rest"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of one worker, then two")
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    folder = Path(args.folder or tempfile.mkdtemp(prefix="georeg-batch-"))
    shutil.rmtree(folder, ignore_errors=True)
    jobs, good = make(folder, args.data, args.jobs, args.side)
    result = json.loads((RESULTS / "batch.json").read_text()) if args.only_dask else {}
    if not args.only_dask:
        unattended(args, folder, jobs, result)
    if args.scaling_jobs:
        some = head(good, folder / "some.csv", args.scaling_jobs)
        warm = head(good, folder / "warm.csv", 4)
        load = os.getloadavg()[0]
        # In turns: a machine that others use too is now faster, now slower.
        rates = [[throughput(some, folder, n, warm) for n in (1, 2)] for _ in range(args.rounds)]
        ratios = [two / one for one, two in rates]
        result["dask"] = {
            "jobs": args.scaling_jobs, "one_worker": median(r[0] for r in rates),
            "two_workers": median(r[1] for r in rates), "ratio": median(ratios),
            "ratios": ratios, "load_before": load,
        }  # fmt: skip
        local = cases.batch(some, folder / "local", "--workers", 2)
        a, b = cases.state(folder / "local"), cases.state(folder / "dask2")
        result["dask"]["different_from_local"] = sorted(
            n for n in a.keys() | b.keys() if n.endswith(".tif") and a.get(n) != b.get(n)
        )
        result["dask"]["local_exit_code"] = local.returncode
        save(result)
    if args.folder is None:
        shutil.rmtree(folder)


def save(result: dict[str, Any]) -> None:
    """Both files; what has been measured so far."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "batch.json").write_text(json.dumps(result, indent=1) + "\n")
    lines = [
        "# Batches",
        "",
        "`python benchmarks/batch.py --data .../pairs/naip` on "
        f"{result['cores']} cores, load {result['load_before']:.1f} before.",
        "",
        "| what | found |",
        "|---|---|",
        f"| jobs, every tenth bad | {result['jobs']} |",
        f"| undisturbed run | {result['seconds']} s, exit code {result['exit_code']} |",
        f"| statuses | {said(result['statuses'])} |",
        f"| good jobs not done | {len(result['good_not_done'])} |",
        f"| recorded reasons | {said(result['reasons'])} |",
    ]
    if "killed" in result:
        found = result["killed"]
        lines += [
            f"| SIGKILL at random moments | {result['kills']} times |",
            f"| jobs ended before the last run | {found['done_before_the_last_run']} |",
            f"| jobs done twice | {found['done_twice']} |",
            f"| files that differ from the undisturbed run | {len(found['different_files'])} of "
            f"{result['files']} |",
        ]
    if "dask" in result:
        found = result["dask"]
        lines += [
            f"| Dask, one worker | {found['one_worker']:.2f} jobs/s |",
            f"| Dask, two workers | {found['two_workers']:.2f} jobs/s, {found['ratio']:.2f} times "
            f"as many (median of {', '.join(f'{r:.2f}' for r in found['ratios'])}) |",
            "| rasters that differ from the local executor's | "
            f"{len(found['different_from_local'])} of {found['jobs']} |",
        ]
    (RESULTS / "batch.md").write_text("\n".join(lines) + "\n")


def said(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.items())


if __name__ == "__main__":
    main()
