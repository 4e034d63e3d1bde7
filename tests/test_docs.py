"""What docs/ shows is run as it stands, finds the truth, and names options that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from affine import Affine

import docs_cases as cases
from georeg import transforms
from georeg.grid import apply_affine
from georeg.report.rereading import read_report
from georeg_cli.main import cli

# Options of other programs, and what starts like one.
FOREIGN = {"--check", "--index-url", "--nthreads"}
ERROR = 1.0  # metres: below a pixel of the guides' reference


@pytest.mark.parametrize("page", cases.pages())
def test_blocks_run_and_find_the_truth(page: str, tmp_path: Path) -> None:
    wanted = cases.blocks(cases.DOCS / page)
    cases.prepare(tmp_path, wanted)
    names: dict[str, Any] = {}
    for block in wanted:
        if block.language == "python":
            exec(compile(block.text, page, "exec"), names)
            continue
        code, said = cases.bash(block.text, tmp_path)
        assert code == 0, f"{block.text}\n{said}"
        assert "unexpected" not in said
    for path in tmp_path.glob("*.report.json"):
        report = read_report(str(path))
        if report["moving"] in cases.scenes().SCENES and report["verdict"]["ok"]:
            assert off(report) < ERROR, path.name


def off(report: dict[str, Any]) -> float:
    """Metres (RMS) between where the report's fit puts a scene and where it is."""
    made = cases.scenes()
    scene = made.SCENES[report["moving"]]
    at = np.linspace(0.1, 0.9, 7) * scene.side / scene.gsd
    pixels = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    matrix = made.matrix_of(scene)
    drawn = pixels @ matrix[:, :2].T + matrix[:, 2] - made.MARGIN
    true = np.array([made.WEST, made.NORTH]) + drawn * [1, -1]
    if report["placement"] is None:
        inset = (made.SIDE - scene.side) / 2
        corner = Affine.translation(made.WEST + inset, made.NORTH - inset)
        place = corner @ Affine.scale(scene.gsd, -scene.gsd)
    else:
        place = Affine(*report["placement"])
    frame = Affine(*report["frame"]["transform"])
    claimed = apply_affine(~frame @ place, pixels)
    found = apply_affine(frame, transforms.from_dict(report["model"]).forward(claimed))
    return float(np.sqrt(((found - true) ** 2).sum(axis=1).mean()))


def commands(group: click.Group, ctx: click.Context) -> list[click.Command]:
    found: list[click.Command] = []
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        inner = commands(command, ctx) if isinstance(command, click.Group) else []
        found += [command, *inner]
    return found


def test_options_that_are_named_exist() -> None:
    ctx = click.Context(cli)
    every = [cli, *commands(cli, ctx)]
    known = {name for c in every for p in c.params for name in (*p.opts, *p.secondary_opts)}
    known |= {"--help", *FOREIGN}
    texts = [cases.ROOT / "README.md", *cases.DOCS.rglob("*.md")]
    for path in texts:
        code = re.findall(r"```bash\n.*?```|`[^`\n]+`", path.read_text(encoding="utf-8"), re.DOTALL)
        named = {n for part in code for n in re.findall(r"(?<![\w-])--[a-z][a-z-]+", part)}
        assert named <= known, f"{path.name}: {sorted(named - known)}"


def test_every_page_is_in_the_navigation() -> None:
    """Pages that nobody can reach would be of no use; mkdocs warns of links, not of these."""
    listed = (cases.ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for path in cases.DOCS.rglob("*.md"):
        assert f"- {path.relative_to(cases.DOCS)}\n" in listed, path
