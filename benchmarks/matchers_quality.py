"""How well each matcher aligns the development cases: the table behind `--matcher auto`.

    python benchmarks/matchers_quality.py --shared ../shared --jobs 2 \
        --matchers structural sift aliked_lightglue --only simil --most 5

Runs `georeg align` over the harness's cases whose names contain --only, and writes
benchmarks/results/matchers_quality.md and .json and, with --rate, the shares of successes into
georeg/ratings.json. Matchers whose weights aren't in georeg's store can't be run here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from eval_dev import RESULTS, build, run

from georeg import __version__

RATINGS = Path(__file__).parents[1] / "georeg" / "ratings.json"
# What the other side than the optical one shows, for georeg's --modality.
OTHER = {
    "SAR": "sar", "Infrared": "infrared", "nirvis": "infrared", "Map": "map", "Depth": "dem",
}  # fmt: skip
SUCCESS = 3.0  # pixels


def chosen(cases: Path, only: str, most: int) -> Path:
    """A folder with links to the first cases of every set whose names contain `only`."""
    folder = Path(tempfile.mkdtemp(prefix="georeg-some-cases-"))
    counts: dict[str, int] = defaultdict(int)
    for case in sorted(cases.iterdir()):
        kind = case.name.split("__")[0]
        if only in case.name and counts[kind] < most:
            counts[kind] += 1
            (folder / case.name).symlink_to(case.resolve())
    return folder


def other(kind: str) -> str:
    """mmim_SAR_Optical -> sar."""
    return next((name for word, name in OTHER.items() if word in kind), "optical")


def success(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Percent of the cases aligned within the limit, by modality of the other side."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["error"] != "unrelated":
            groups[other(row["modality"])].append(row)
            groups["all"].append(row)
    return {
        name: round(100 * sum(r.get("median", 99) <= SUCCESS for r in found) / len(found), 1)
        for name, found in sorted(groups.items())
    }


def table(results: dict[str, list[dict[str, Any]]]) -> list[str]:
    """A row per matcher and modality."""
    lines = [
        "| matcher | other side | n | < 1 px | < 2 px | < 3 px | refused | silent > 3 px "
        "| median px | median s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for matcher, rows in results.items():
        groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            kind = "unrelated" if row["error"] == "unrelated" else other(row["modality"])
            groups[kind].append(row)
        for name, found in sorted(groups.items()):
            errors = [r["median"] for r in found if "median" in r]
            counts = [sum(e <= limit for e in errors) for limit in (1, 2, 3)]
            middle = f"{median(errors):.2f}" if errors else "-"
            silent = sum(r["verdict"] == "SILENT FAILURE" for r in found)
            seconds = median(r["seconds"] for r in found)
            lines.append(
                f"| {matcher} | {name} | {len(found)} | {counts[0]} | {counts[1]} | {counts[2]} "
                f"| {len(found) - len(errors)} | {silent} | {middle} | {seconds:.1f} |"
            )
    return lines


def main() -> None:
    """Run and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cases", type=Path, default=Path(tempfile.gettempdir()) / "georeg-cases")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="simil")
    parser.add_argument("--most", type=int, default=1000, help="cases of a set")
    parser.add_argument("--matchers", nargs="*", default=["structural", "sift"], help="to run")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds a case may take")
    parser.add_argument("--rate", action="store_true", help="write georeg/ratings.json")
    args = parser.parse_args()
    build(args.shared, args.cases)
    cases = chosen(args.cases, args.only, args.most)
    path = RESULTS / "matchers_quality.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for matcher in args.matchers:
        found = Path(tempfile.gettempdir()) / f"georeg-quality-{matcher}.json"
        known[matcher] = run(
            args.shared, cases, matcher, f"--matcher {matcher}",
            jobs=args.jobs, only="", found=found, timeout=args.timeout,
        )  # fmt: skip
        path.write_text(json.dumps(known, indent=0) + "\n")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, no GPU"
    lines = [
        "# Quality of the matchers over the development cases",
        "",
        f"`python benchmarks/matchers_quality.py --jobs {args.jobs} --only '{args.only}' "
        f"--most {args.most} --matchers {' '.join(known)}`, {machine}, georeg {__version__}. Other "
        "side: than the optical one. Errors are medians over a dense grid, in reference pixels. "
        "MINIMA's matchers are missing: their weights can't be had on the machines that build "
        "georeg. Seconds: align and warp, start-up included, other work beside.",
        "",
        *table(known),
    ]
    (RESULTS / "matchers_quality.md").write_text("\n".join(lines) + "\n")
    if args.rate:
        ratings = json.loads(RATINGS.read_text())
        for row in ratings:
            if row["matcher"] in known:
                row["success"] = success(known[row["matcher"]])
        RATINGS.write_text(json.dumps(ratings, indent=1) + "\n")


if __name__ == "__main__":
    main()
