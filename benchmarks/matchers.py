"""Speed and memory of the matchers: tile pairs a second by batch, type and device.

    python benchmarks/matchers.py --matchers structural minima_loftr --batches 1 8 32 \
        --dtypes float32 float16 --device auto

Every row is a process of its own. Weights come from georeg's store; where they are missing, from
the recipe of random ones in ../shared/minima (--shared), which cost the same per tile as long as
there are as many matches; without either the matcher is left out, and the table says so. Tiles
have the side that the matcher likes; both show the same texture, shifted by (16, 8) pixels.
Appends to benchmarks/results/matchers.json and writes matchers.md from all of it. On a GPU
--align also measures how busy it is during `georeg align` of a 20 000 px pair. --profile says what
one batch spends its time on, by operator, and measures nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import mean, median
from typing import Any

import cv2
import numpy as np
import torch

from georeg import __version__, matching
from georeg.choosing import weights_of
from georeg.errors import GeoregError
from georeg.matching.networks.precision import Precision
from georeg.matching.protocol import Device, Matcher, Surfaces, TileBatch, TilePoints, Weights
from georeg.models import catalogue

RESULTS = Path(__file__).parent / "results"
KEYS = ("matcher", "device", "dtype", "batch", "hardware")


def texture(side: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Noise of many scales in [0, 1]."""
    rng = np.random.default_rng(seed)
    out = np.zeros((side, side), np.float32)
    for octave in range(1, 7):
        small = rng.normal(size=(2**octave + 1,) * 2).astype(np.float32)
        out += cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC) / octave
    out += 0.3 * cv2.GaussianBlur(rng.normal(size=out.shape).astype(np.float32), (0, 0), 1.0)
    low, high = np.percentile(out, [1, 99])
    return np.asarray(np.clip((out - low) / (high - low), 0, 1), np.float32)


def batch_of(count: int, side: int) -> TileBatch:
    """Different tiles, as many as there are pairs."""
    wide = [texture(side + 16, seed) for seed in range(min(count, 8))]
    moving = np.stack([wide[i % len(wide)][8 : 8 + side, 16 : 16 + side] for i in range(count)])
    reference = np.stack([wide[i % len(wide)][:side, :side] for i in range(count)])
    whole = np.ones(moving.shape, np.bool_)
    return TileBatch(moving, whole, reference, whole, 24.0, "track")


def recipe(layout: str, shared: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Random weights of the golden outputs, by layout, as the tests make them."""
    os.environ.setdefault("GEOREG_SHARED", str(shared))
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from network_cases import golden_states

    states: dict[str, dict[str, torch.Tensor]] = golden_states(layout)
    return states


def weights(name: str, needed: tuple[str, ...], shared: Path) -> tuple[Weights | None, str]:
    """What a matcher needs, and where it is from."""
    if not needed:
        return None, "none"
    try:
        return weights_of(name, needed), "official" if name in catalogue.names() else name
    except GeoregError:
        return Weights("random", recipe(needed[0], shared)), "random"


def timed(matcher: Matcher, batch: TileBatch, gpu: bool) -> tuple[Surfaces | TilePoints, float]:
    """What it finds, and in how many seconds."""
    began = time.perf_counter()
    result = matcher.match(batch)
    if gpu:
        torch.cuda.synchronize()
    return result, time.perf_counter() - began


def one(args: argparse.Namespace) -> dict[str, Any]:
    """A row: one matcher, device, type and batch."""
    name, count, dtype = args.matchers[0], args.batches[0], args.dtypes[0]
    gpu = args.device.startswith("cuda")
    kind = matching.kind(name)
    given, source = weights(name, tuple(kind.layouts), args.shared)
    device = Device(args.device, dtype, compiled=args.compiled)
    torch.set_num_threads(1 if kind.side_by_side and not gpu else args.threads)
    if args.plain:
        Precision.tensor_cores = False  # type: ignore[method-assign, assignment]
    matcher = matching.load(name, device, given)
    batch = batch_of(count, kind.tile)
    result, first = timed(matcher, batch, gpu)
    slow = not gpu and first > 4 * args.seconds  # so that it needed no warming up
    seconds = [first] if slow else []
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    while not slow and (len(seconds) < 2 or (sum(seconds) < args.seconds and len(seconds) < 200)):
        result, last = timed(matcher, batch, gpu)
        seconds.append(last)
    found = len(result)
    peak = (
        torch.cuda.max_memory_allocated() / 1e6
        if gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    )
    speed = count / median(seconds)
    return {
        "matcher": name,
        "weights": source,
        "device": args.device.partition(":")[0],
        "dtype": dtype + " compiled" * args.compiled + " plain" * args.plain,
        "threads": torch.get_num_threads(),
        "tile": kind.tile,
        "batch": count,
        "tiles_per_s": round(speed, 3),
        "mpx_per_s": round(speed * kind.tile**2 / 1e6, 3),
        "peak_mb": round(peak),
        "found_per_tile": round(found / count),
        "unit": "templates" if isinstance(result, Surfaces) else "points",
        "hardware": hardware(gpu),
        "version": __version__,
    }


def profile(args: argparse.Namespace) -> str:
    """By operator, where one batch's time goes: a table."""
    from torch.profiler import ProfilerActivity

    name, gpu = args.matchers[0], args.device.startswith("cuda")
    kind = matching.kind(name)
    given, _ = weights(name, tuple(kind.layouts), args.shared)
    matcher = matching.load(
        name, Device(args.device, args.dtypes[0], compiled=args.compiled), given
    )
    batch = batch_of(args.batches[0], kind.tile)
    timed(matcher, batch, gpu)
    what = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * gpu
    with torch.profiler.profile(activities=what) as seen:
        timed(matcher, batch, gpu)
    by = "self_cuda_time_total" if gpu else "self_cpu_time_total"
    return str(seen.key_averages().table(sort_by=by, row_limit=40, max_name_column_width=70))


def hardware(gpu: bool) -> str:
    """In words."""
    if gpu:
        return torch.cuda.get_device_name()
    return f"{len(os.sched_getaffinity(0))} CPU cores, {platform.machine()}"


def busy(args: argparse.Namespace, matcher: str) -> dict[str, Any]:
    """How busy the GPU is while a pair of 20 000 px is matched, by nvidia-smi twice a second.

    `percent` is from the first to the last time that it did anything, `percent_of_run` from the
    start of the program to its end.
    """
    from big_pair import make
    from safetensors.torch import save_file

    folder = Path(tempfile.gettempdir()) / "georeg-cost"
    given, source = weights(matcher, tuple(matching.kind(matcher).layouts), args.shared)
    moving, reference = make(folder, args.side, alike=source == "random")
    named = []
    if source == "random" and given is not None:
        state = {k: torch.as_tensor(v).contiguous() for k, v in given.states[matcher[7:]].items()}
        save_file(state, folder / "random.safetensors")
        named = ["--weights", str(folder / "random.safetensors")]
    shares: list[float] = []
    done = threading.Event()
    ask = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]

    def watch() -> None:
        while not done.wait(0.5):
            said = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
            shares.append(float(said.split()[0]))

    report = folder / "busy.json"
    command = [
        sys.executable, "-m", "georeg", "align", str(moving), "--reference", str(reference),
        "--output", str(folder / "busy.tif"), "--report", str(report), "--matcher", matcher,
        "--overwrite", "--quiet", "--device", args.device, "--force", "--max-tiles", "4000",
        "--precision", args.dtypes[-1], *named,
    ]  # fmt: skip
    thread = threading.Thread(target=watch)
    thread.start()
    subprocess.run(command, check=True)
    done.set()
    thread.join()
    told = json.loads(report.read_text())
    at = [k for k, share in enumerate(shares) if share > 0] or [0]
    working = shares[at[0] : at[-1] + 1]
    return {
        "busy": matcher,
        "percent": round(mean(working or [0.0]), 1),
        "percent_of_run": round(mean(shares or [0.0]), 1),
        "seconds": told["seconds"],
        "shares": shares,
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown, one table per machine."""
    lines = []
    for machine in sorted({r["hardware"] for r in rows}):
        lines += [
            f"## {machine}",
            "",
            "| matcher | weights | type | threads | tile px | batch | tile pairs/s | Mpx/s "
            "| against batch 1 | peak MB | found per tile |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        mine = [r for r in rows if r["hardware"] == machine]
        for r in sorted(mine, key=lambda r: (r["matcher"], r["dtype"], r["batch"])):
            alike = ("matcher", "dtype")
            single = [s for s in mine if s["batch"] == 1 and all(s[k] == r[k] for k in alike)]
            gain = f"{r['tiles_per_s'] / single[0]['tiles_per_s']:.2f}" if single else "-"
            lines.append(
                f"| {r['matcher']} | {r['weights']} | {r['dtype']} | {r['threads']} | {r['tile']} "
                f"| {r['batch']} | {r['tiles_per_s']:.3g} | {r['mpx_per_s']:.3g} | {gain} "
                f"| {r['peak_mb']} | {r['found_per_tile']} {r['unit']} |"
            )
        lines.append("")
    return lines


def main() -> None:
    """Measure in processes of their own, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matchers", nargs="+", default=matching.available())
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--dtypes", nargs="+", default=["float32"])
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=10.0, help="that a row takes, about")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--plain", action="store_true", help="convolutions as they are in weights")
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--align", nargs="*", default=[], help="matchers to watch on a GPU")
    parser.add_argument("--side", type=int, default=20_000, help="of the pair for --align")
    parser.add_argument("--profile", action="store_true", help="the first matcher, batch and type")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args)))
        return
    if args.profile:
        print(profile(args))
        return
    path = args.out / "matchers.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    for matcher in args.matchers:
        for dtype in args.dtypes:
            for batch in args.batches:
                command = [
                    sys.executable, __file__, "--one", "--matchers", matcher, "--dtypes", dtype,
                    "--batches", str(batch), "--device", args.device, "--threads",
                    str(args.threads), "--seconds", str(args.seconds), "--shared",
                    str(args.shared), *["--compiled"] * args.compiled, *["--plain"] * args.plain,
                ]  # fmt: skip
                run = subprocess.run(command, capture_output=True, text=True)
                if run.returncode:
                    print(f"{matcher} {dtype} {batch}: {run.stderr.splitlines()[-1]}", flush=True)
                    break
                row = json.loads(run.stdout.splitlines()[-1])
                print(json.dumps(row), flush=True)
                rows = [r for r in rows if any(r[k] != row[k] for k in KEYS)] + [row]
    watched = [busy(args, matcher) for matcher in args.align]
    for found in watched:
        print(json.dumps(found), flush=True)
    lines = [
        "# Speed and memory of the matchers",
        "",
        "`python benchmarks/matchers.py`: medians; every row is a process of its own. Mpx/s: area "
        "of one side's tiles. Peak MB: of the whole process on a CPU, of the GPU's memory on a "
        "GPU. Weights 'random': the recipe of ../shared/minima, as there are no official ones "
        "where this was run. Matchers that run side by side have one thread here; `georeg align` "
        "runs as many of them as there are processors.",
        "",
        *table(rows),
        *(f"GPU busy during align with {w['busy']}: {w['percent']} %" for w in watched),
    ]
    args.out.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n")
    (args.out / "matchers.md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
