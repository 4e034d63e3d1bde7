"""What docs/ shows is run as it stands, finds the truth, and names options that exist."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from affine import Affine

import docs_cases as cases
import georeg
from cli_cases import run
from georeg import errors, transforms
from georeg.batch.records import Record
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
            with cases.inside(tmp_path):
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


@pytest.mark.filterwarnings("error")
def test_the_guides_rasters_are_made_without_a_warning(tmp_path: Path) -> None:
    """The first command of the guides told of a missing georeference, which is as it should be."""
    cases.scenes().make(tmp_path, ("old_map.png",))
    assert (tmp_path / "old_map.png").stat().st_size > 1000


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


def test_what_the_python_page_tells_of_can_be_imported_as_it_says() -> None:
    """From `georeg`, or from the module that the heading names."""
    text = (cases.DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    told = re.findall(r"^::: ([\w.]+)(\n    options: .*)?$", text, re.MULTILINE)
    assert len(told) > 30
    for path, options in told:
        if path == "georeg.errors":
            names = [n for n, e in vars(errors).items() if isinstance(e, type)]
            assert set(names) - set(georeg.__all__) == {"OutOfDeviceMemoryError"}
            continue
        module, _, name = path.rpartition(".")
        found = getattr(importlib.import_module(module), name)
        if "show_root_full_path: true" not in options:
            assert name in georeg.__all__, f"{name}: georeg has none; the page must say where it is"
            assert getattr(georeg, name) is found
    assert set(georeg.__all__) - {path.rpartition(".")[2] for path, _ in told} <= {
        "__version__", *vars(errors),
    }  # fmt: skip


def test_every_key_of_reports_is_told(tmp_path: Path) -> None:
    """Programs read them; six of the report's had no word."""
    told = set(re.findall(r"`(\w+)`", (cases.DOCS / "formats.md").read_text(encoding="utf-8")))
    cases.prepare(tmp_path, [cases.Block("bash", "", ("2020.tif", "satellite.tif"))])
    with cases.inside(tmp_path):
        found = georeg.align("2020.tif", "satellite.tif", report_path="report.json")
        checked = run("check", "2020.tif", "--reference", "satellite.tif", "--json")
        assert found.fit is not None
        found.fit.save("fit.json")
        compared = run("check", "fit.json", "--reference", "fit.json", "--json")
    report = read_report(str(tmp_path / "report.json"))
    numbers, fits = json.loads(checked.out), json.loads(compared.out)
    keys = {*report, *numbers, *numbers["error"], *fits, *Record.__dataclass_fields__}
    assert keys <= told, sorted(keys - told)
