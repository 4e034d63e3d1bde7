"""The evaluation harness over the development cases, through the command line.

    python benchmarks/eval_dev.py --shared ../shared --jobs 2

Builds the cases from ../shared/data once, runs `georeg align --fit` and `georeg warp --fit` over
each of them with ../shared/eval/run.py, and writes benchmarks/results/eval_dev.md and .json.
`--swapped` does so with every pair's images in each other's role and flipped at the diagonal, which
nobody ever tuned anything to, and writes eval_swapped.md and .json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from georeg import __version__

RESULTS = Path(__file__).parent / "results"
GEOREG = f"{sys.executable} -m georeg"
COMMAND = (
    f"{GEOREG} align {{moving}} --reference {{reference}} --output {{wd}}/aligned.tif "
    f"--fit {{wd}}/fit.json --report {{reports}}/$(basename $(dirname {{moving}})).json "
    f"--overwrite -q {{more}} && {GEOREG} warp {{coords}} --fit {{wd}}/fit.json --output {{out}} -q"
)
# Other people's tools on 36 cases of the same kinds and mostly the same pairs (9 MMIM pairs and 4
# errors each), measured for ../shared/notes/peers.md, section 1: cases below 2 px (below 1 px).
PEERS = """\
| tool | shift 9.4 px | 40 px, 1.5 degrees, 1 % | non-rigid 4 px | 2x GSD, other CRS | silent | \
refused |
|---|---|---|---|---|---|---|
| AROSICS global | 7/9 (5) | 0/9 (0) | 0/9 (0) | 0/9 (0) | 5 | 24 |
| AROSICS local | 6/9 (4) | 1/9 (0) | 0/9 (0) | 0/9 (0) | 5 | 23 |
| SIFT + homography | 4/9 (2) | 4/9 (4) | 0/9 (0) | 4/9 (2), reprojected by a script | 9 | 14 |"""
PAIRS = "data/pairs/crossmodal/index.json"
ERRORS = ("shift", "simil", "nonrigid", "grid")


def cell(rows: list[dict[str, Any]]) -> str:
    """Cases below 2 px of all, below 1 px in brackets."""
    found = [r["median"] for r in rows if "median" in r]
    return f"{sum(m <= 2 for m in found)}/{len(rows)} ({sum(m <= 1 for m in found)})"


def by_kind(rows: list[dict[str, Any]]) -> list[str]:
    """A row per kind of pair, rigid errors apart from the non-rigid one."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["error"] != "unrelated":
            rigid = "non-rigid" if row["error"] == "nonrigid" else "rigid"
            groups[row["modality"], rigid].append(row)
    lines = [
        "| pairs | error | n | < 1 px | < 2 px | < 3 px | refused | silent > 3 px | median px |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (kind, error), found in sorted(groups.items()):
        medians = [r["median"] for r in found if "median" in r]
        counts = [sum(m <= limit for m in medians) for limit in (1, 2, 3)]
        refused = sum("median" not in r for r in found)
        silent = sum(r["verdict"] == "SILENT FAILURE" for r in found)
        middle = f"{median(medians):.2f}" if medians else "-"
        lines.append(
            f"| {kind} | {error} | {len(found)} | {counts[0]} | {counts[1]} | {counts[2]} "
            f"| {refused} | {silent} | {middle} |"
        )
    return lines


def report(rows: list[dict[str, Any]], name: str) -> list[str]:
    """The tables of one run."""
    seconds = median(r["seconds"] for r in rows)
    unrelated = [r for r in rows if r["error"] == "unrelated"]
    kept = sum(r["verdict"] == "ok" for r in unrelated)
    mmim = defaultdict(list)
    for row in rows:
        if row["modality"].startswith("mmim") and "CrossSeason" not in row["modality"]:
            mmim[row["error"]].append(row)
    every = [r for e in ERRORS for r in mmim[e]]
    verdicts = Counter("median" in r for r in every)
    silent = sum(r["verdict"] == "SILENT FAILURE" for r in every)
    cells = " | ".join(cell(mmim[e]) for e in ERRORS)
    return [
        f"## {name}",
        "",
        f"Median {seconds:.1f} s wall a case (two processes, align and warp), at most "
        f"{max(r['peak_mb'] for r in rows)} MB. Unrelated places refused: {kept} of "
        f"{len(unrelated)}.",
        "",
        *by_kind(rows),
        "",
        "What the verdict weighs:",
        "",
        *evidence(rows),
        "",
        "MMIM without cross-season in the form of the table of peers:",
        "",
        f"| {name} | {cells} | {silent} | {verdicts[False]} |",
        "|---|---|---|---|---|---|---|",
        "",
    ]


def evidence(rows: list[dict[str, Any]]) -> list[str]:
    """What the verdict weighs, of right, wrong and unrelated alignments (`criteria.trusted`)."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if "evidence" not in row:
            continue
        if row["error"] == "unrelated":
            kind = "unrelated places"
        else:
            kind = "below 3 px" if row.get("fit_px", 99) <= 3 else "above 3 px, or refused"
        groups.setdefault(kind, []).append(row)
    lines = [
        "| cases | n | margin + hits: least | median | most | accepted |",
        "|---|---|---|---|---|---|",
    ]
    for kind, found in sorted(groups.items()):
        values = [r["evidence"] for r in found]
        accepted = sum(r["accepted"] for r in found)
        lines.append(
            f"| {kind} | {len(found)} | {min(values):.2f} | {median(values):.2f} "
            f"| {max(values):.2f} | {accepted} |"
        )
    return lines


def weighed(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The row with the evidence that its report states."""
    path = folder / f"{row['case']}.json"
    if not path.exists():
        return row
    verdict = json.loads(path.read_text())["verdict"]
    check = verdict["check"]
    if check is None:
        return row
    known = {"evidence": round(verdict["confidence"] + check["hits"], 3), "hits": check["hits"]}
    known["places"] = check["independent_places"]
    known["accepted"] = verdict["ok"]
    if "median" in row:
        known["fit_px"] = row["median"]
    return {**row, **known}


def build(shared: Path, cases: Path, index: Path | None = None) -> None:
    """The harness's cases of an index of pairs (the development pairs if none is given), once."""
    if not cases.exists():
        index = index or shared / PAIRS
        made = [sys.executable, str(shared / "eval/cases.py"), str(index), str(cases)]
        subprocess.run([*made, "--unrelated", "39"], check=True)


def swapped(index: Path, folder: Path) -> Path:
    """An index of the same pairs in each other's role and with x and y exchanged, and its images.

    Args:
        index: of the pairs.
        folder: for the images and the new index, which is returned.
    """
    flip = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1.0]])
    folder.mkdir(parents=True, exist_ok=True)
    pairs = json.loads(index.read_text())
    for number, pair in enumerate(pairs):
        names = [f"{number}_{role}.png" for role in ("moving", "reference")]
        for name, other in zip(names, ("reference", "moving"), strict=True):
            image = cv2.imread(str(index.parent / pair[other]))
            if image is None:
                raise SystemExit(f"{pair[other]} can't be read")
            cv2.imwrite(str(folder / name), cv2.transpose(image))
        pair["moving"], pair["reference"] = names
        back = np.linalg.inv(np.array(pair["moving_to_reference"]))
        pair["moving_to_reference"] = (flip @ back @ flip).tolist()
    made = folder / "index.json"
    made.write_text(json.dumps(pairs))
    return made


def run(
    shared: Path, cases: Path, name: str, options: str, *, jobs: int, only: str, found: Path,
    timeout: float = 300.0,
) -> list[dict[str, Any]]:  # fmt: skip
    """One row per case, of so many seconds at most; they are stored in `found`, too."""
    folder = Path(tempfile.mkdtemp(prefix="georeg-reports-"))
    command = COMMAND.replace("{more}", options).replace("{reports}", str(folder))
    harness = [sys.executable, str(shared / "eval/run.py"), str(cases), "--name", name]
    harness += ["--cmd", command, "--jobs", str(jobs), "--json", str(found), "--only", only]
    subprocess.run([*harness, "--timeout", str(timeout)], check=True)
    data = json.loads(found.read_text())
    kept = ("case", "modality", "error", "verdict", "median", "p90", "seconds", "peak_mb")
    rows = [weighed({k: r[k] for k in kept if k in r}, folder) for r in data["rows"]]
    found.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    return rows


def main() -> None:
    """Run and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cases", type=Path, default=Path(tempfile.gettempdir()) / "georeg-cases")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--matchers", nargs="+", default=["auto"])
    parser.add_argument("--swapped", action="store_true")
    args = parser.parse_args()
    stem, index = "eval_dev", None
    if args.swapped:
        stem, args.cases = "eval_swapped", args.cases.with_name(f"{args.cases.name}-swapped")
        if not args.cases.exists():
            pairs = args.cases.with_name(f"{args.cases.name}-pairs")
            index = swapped(args.shared / PAIRS, pairs)
    build(args.shared, args.cases, index)
    RESULTS.mkdir(exist_ok=True)
    texts = []
    for matcher in args.matchers:
        rows = run(
            args.shared, args.cases, matcher, f"--matcher {matcher}",
            jobs=args.jobs, only=args.only, found=RESULTS / f"{stem}_{matcher}.json",
        )  # fmt: skip
        texts += report(rows, f"georeg --matcher {matcher}")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, no GPU"
    lines = [
        "# Development cases of the evaluation harness"
        + (", roles exchanged and flipped" if args.swapped else ""),
        "",
        f"`python benchmarks/eval_dev.py --jobs {args.jobs} --matchers {' '.join(args.matchers)}"
        f"{' --swapped' if args.swapped else ''}`, "
        f"{machine}, georeg {__version__}. Errors are medians over a dense grid, in reference "
        "pixels. The truth of MMIM pairs has 1.2-1.7 px of noise (cross-season 4.5 px); srif map "
        "and optical pairs show real building lean and relief that their truth doesn't follow, and "
        "some truths are off by a shift of the whole pair; srif infrared ones by half a pixel's "
        "turn (truth.md).",
        "",
        *texts,
    ]
    if not args.swapped:
        said = "Cases below 2 px (below 1 px); figures of ../shared/notes/peers.md, 36 cases."
        lines += ["## Peers", "", said, "", PEERS, ""]
    (RESULTS / f"{stem}.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
