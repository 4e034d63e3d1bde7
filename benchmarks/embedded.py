"""Attempts at the embedded matcher: networks of any width and age over the development pairs.

    georeg train --recipe embedded --root ../shared/data/train --seed 1 --output /tmp/seed1
    python benchmarks/embedded.py structural seed1=/tmp/seed1/embedded.safetensors

Each argument is 'structural' or NAME=FILE, the file being weights or a checkpoint (last.pt) of
`georeg train`. Where the best place of every template lies is compared with the truth, as
`georeg evaluate` does; rows are kept in benchmarks/results/embedded_attempts.json and .md.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from georeg.matching.embedded import EmbeddedMatcher
from georeg.matching.protocol import Device, Matcher, Weights
from georeg.matching.structural import StructuralMatcher
from georeg.training.tiles import tile_errors
from georeg.training.truth import read_index

RESULTS = Path(__file__).parent / "results"
LIMITS = (1.5, 3.0, 5.0)


def matcher_of(path: str) -> tuple[Matcher, int]:
    """The matcher, and how many parameters its network has."""
    if not path:
        return StructuralMatcher(), 0
    state: dict[str, Any]
    if path.endswith(".safetensors"):
        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=False)
        state = state.get("net", state)
    state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    learned = sum(v.numel() for k, v in state.items() if "running" not in k)
    return EmbeddedMatcher(Device(), Weights("attempt", {"embedded": state})), learned


def shares(matcher: Matcher, index: Path) -> dict[str, list[float]]:
    """Percent of templates within the limits, by group of pairs."""
    groups: dict[str, list[list[float]]] = defaultdict(list)
    for entry in read_index(str(index)):
        pair = entry.read()
        away = tile_errors(pair, matcher).places
        groups[pair.group].append([100 * float(np.mean(away < limit)) for limit in LIMITS])
    return {name: [round(v, 2) for v in np.mean(rows, axis=0)] for name, rows in groups.items()}


def table(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Markdown: a row per attempt, groups of pairs weighted alike."""
    groups = list(next(iter(rows.values()))["groups"])
    lines = [
        "| attempt | parameters | all: 1.5 / 3 / 5 px | " + " | ".join(groups) + " |",
        "|---" * (3 + len(groups)) + "|",
    ]
    for name, row in rows.items():
        whole = np.mean([row["groups"][g] for g in groups], axis=0)
        cells = [" / ".join(f"{v:.1f}" for v in whole)]
        cells += [" / ".join(f"{v:.0f}" for v in row["groups"][g][:2]) for g in groups]
        lines.append(f"| {name} | {row['parameters'] or '-'} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Measure what is named, and write the table of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attempts", nargs="*")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    path = RESULTS / "embedded_attempts.json"
    rows = json.loads(path.read_text()) if path.exists() else {}
    index = args.shared / "data/pairs/crossmodal/index.json"
    for attempt in args.attempts:
        name, _, file = attempt.partition("=")
        matcher, learned = matcher_of(file)
        rows[name] = {"parameters": learned, "groups": shares(matcher, index)}
        print(json.dumps({name: rows[name]}), flush=True)
        path.write_text(json.dumps(rows, indent=1) + "\n")
    lines = [
        "# Attempts at the embedded matcher",
        "",
        "`python benchmarks/embedded.py structural NAME=FILE ...`: templates whose best place is "
        "within 1.5, 3 and 5 px of the truth, percent; by group within 1.5 and 3 px. What each "
        "attempt is stands in docs/embedded.md.",
        "",
        *table(rows),
    ]
    (RESULTS / "embedded_attempts.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
