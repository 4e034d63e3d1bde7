"""The layers of docs/architecture.md, and the habits of the code."""

from __future__ import annotations

import ast
import functools
import gc
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import georeg_cli
from georeg import matching, synthesis
from georeg.transforms import base

ROOT = Path(__file__).resolve().parents[1]
ENGINE, CLI = ROOT / "georeg", ROOT / "cli"
ROOMS = {path.parent.name for path in ENGINE.glob("*/__init__.py")}
FILES = sorted([*ENGINE.rglob("*.py"), *CLI.rglob("*.py")])


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Parsed when a test asks: pytest-xdist's other processes import this file, too."""
    text = path.read_text(encoding="utf-8")
    # Python 3.11.7 gives up with a SystemError if, in between, the garbage collector ends something
    # that has a traceback written, which parses, too (github.com/python/cpython/issues/106905).
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        gc.enable()


def name_of(path: Path) -> str:
    """The module's name; the folder cli/ is installed as georeg_cli."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    parts[0] = {"cli": "georeg_cli"}.get(parts[0], parts[0])
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All of a file that is run, whether on import or later; not what is for type checkers only."""
    found: list[ast.AST] = [tree_of(path)]
    for node in found:  # which grows meanwhile
        found += [child for child in ast.iter_child_nodes(node) if not is_for_types(child)]
    return tuple(found[1:])


def imports(path: Path) -> set[str]:
    """Full names of the modules that a file imports anywhere."""
    own = name_of(path)
    package = own if path.name == "__init__.py" else own.rpartition(".")[0]
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = package.rsplit(".", node.level - 1)[0] if node.level else ""
            origin = ".".join(part for part in (parent, node.module) if part)
            for alias in node.names:
                full = f"{origin}.{alias.name}"
                found.add(full if full in MODULES else origin)
    return found - {own}


@functools.cache
def graph() -> dict[str, set[str]]:
    """What every module imports."""
    return {name: imports(path) for name, path in MODULES.items()}


def room(name: str) -> str:
    """georeg.matching.mind -> matching, georeg.grid -> grid."""
    return name.split(".")[1]


def layers() -> dict[str, int]:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```layers\n(.*?)```", text, re.DOTALL)
    return {name: row for row, line in enumerate(block.splitlines()) for name in line.split()}


def test_every_module_has_a_layer() -> None:
    present = {room(name) for name in MODULES if name.startswith("georeg.")} - {"__main__"}
    listed = set(layers())
    assert not present - listed, "give these a layer in docs/architecture.md"
    assert not listed - present, "these layers of docs/architecture.md are gone"


def test_modules_import_downwards() -> None:
    rows = layers()
    wrong = [
        f"{name} imports {other}"
        for name, others in graph().items()
        if name.startswith("georeg.") and name != "georeg.__main__"
        for other in others
        if other.startswith("georeg.")
        and room(name) != room(other)
        and {room(name), room(other)} <= rows.keys()  # or the test above fails
        and rows[room(other)] >= rows[room(name)]
    ]
    assert not wrong


def test_nothing_goes_in_circles() -> None:
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"circle: {' -> '.join((*way, name))}"
        if name not in done:
            for other in graph()[name] & MODULES.keys():
                visit(other, (*way, name))
            done.add(name)

    for name in graph():
        # The package's __init__ and the rooms' import their members when those are asked for.
        visit(name, ())


@pytest.mark.parametrize("strict", ["matching", "synthesis", "transforms"])
def test_rooms_that_know_only_errors_and_themselves(strict: str) -> None:
    own = f"georeg.{strict}"
    for name, others in graph().items():
        if name.startswith(own):
            ours = {other for other in others if other.startswith("georeg")}
            ours -= {"georeg", "georeg.errors"}
            assert all(other.startswith(own) for other in ours), name


def test_weights_know_errors_and_small_files_only() -> None:
    allowed = {"georeg", "georeg.errors", "georeg.quietly", "georeg.settings", "georeg.textfile"}
    for name, others in graph().items():
        if name.startswith("georeg.models"):
            ours = {o for o in others if o.startswith("georeg") and o not in allowed}
            assert all(other.startswith("georeg.models") for other in ours), name


def test_only_main_looks_up_to_the_command_line() -> None:
    up = {
        name for name, others in graph().items() if any(o.startswith("georeg_cli") for o in others)
    }
    up = {name for name in up if not name.startswith("georeg_cli")}
    assert up == {"georeg.__main__"}


def test_command_line_imports_itself_relatively() -> None:
    for path in CLI.rglob("*.py"):
        for node in nodes(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                assert name.partition(".")[0] not in ("cli", "georeg_cli"), path.name


@pytest.mark.parametrize(
    ("library", "places"),
    [
        (
            "torch",
            (
                "georeg.matching.",
                "georeg.synthesis.",
                "georeg.training.",
                "georeg.models.recognise",
            ),
        ),
        ("kornia", ("georeg.matching.", "georeg.training.trainees.")),
        (
            "rasterio",
            ("georeg.inputs.opening", "georeg.raster", "georeg.warping", "georeg.writers."),
        ),
        ("pyogrio", ("georeg.inputs.tileindex", "georeg.writers.")),
        ("click", ("georeg_cli.",)),
        ("dask", ("georeg.batch.executors.dask", "georeg.xarray")),
        ("distributed", ("georeg.batch.executors.dask", "georeg.remote")),
        ("pystac_client", ("georeg.batch.manifests.stac",)),
        ("xarray", ("georeg.xarray",)),
        ("jinja2", ("georeg.batch.summary", "georeg.report.")),
        ("rich", ("georeg_cli.",)),
        ("resvg_py", ("georeg.report.",)),
    ],
)
def test_libraries_stay_in_their_rooms(library: str, places: tuple[str, ...]) -> None:
    users = {
        name for name, others in graph().items() if library in {o.partition(".")[0] for o in others}
    }
    # `georeg --show-versions` asks rasterio for GDAL's version.
    users -= {"georeg_cli.main"} if library == "rasterio" else set()
    assert not {name for name in users if not name.startswith(places)}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_habits(path: Path) -> None:
    """No print, no assert, no bare try, no star, nothing done on import."""
    for node in nodes(path):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Assert), where
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("print", "eval", "exec"), where
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), where
    on_import = (ast.For, ast.While, ast.With, ast.Try, ast.Delete, ast.Raise, ast.Match)
    for node in tree_of(path).body:
        where = f"{path.name}:{node.lineno}"
        assert not isinstance(node, on_import), where
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant), where
        if isinstance(node, ast.If):
            allowed = ("TYPE_CHECKING", "__name__ == '__main__'")
            test = ast.unparse(node.test)
            assert test in allowed or test.startswith("sys.version_info"), where


def test_dataclasses_are_frozen() -> None:
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                for decorator in map(ast.unparse, node.decorator_list):
                    if decorator.startswith("dataclass"):
                        assert "frozen=True" in decorator, f"{path.name}: {node.name}"


def test_files_are_small() -> None:
    lines = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert statistics.median(lines.values()) < 250
    others = ("benchmarks", "docs", "packaging", "qgis_plugin", "sample_data", "tests")
    for path in (path for folder in others for path in (ROOT / folder).rglob("*.py")):
        lines[str(path)] = len(path.read_text(encoding="utf-8").splitlines())
    assert not {name: n for name, n in lines.items() if n > 500}


def loaded(code: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter has after running a line."""
    # pytest may have found the packages by a path that a new interpreter doesn't know.
    found = [ROOT, Path(next(iter(georeg_cli.__path__))).parent]
    paths = os.pathsep.join([*map(str, found), *filter(None, [os.environ.get("PYTHONPATH")])])
    line = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", line],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in json.loads(run.stdout.splitlines()[-1])}


HEAVY = {"torch", "kornia", "rasterio", "scipy", "cv2", "numpy", "pyproj", "shapely", "rich"}
HELP = """
from georeg_cli.main import cli
try:
    cli.main({args}, prog_name="georeg")
except SystemExit as end:
    if end.code:
        raise
"""


def test_the_package_imports_nothing_heavy() -> None:
    assert not loaded("import georeg, georeg.settings, georeg.errors") & HEAVY


def test_help_imports_nothing_heavy() -> None:
    assert not loaded(HELP.format(args=["--help"])) & HEAVY


@pytest.mark.parametrize("command", ["align", "check", "plot", "warp", "info", "models"])
def test_help_of_a_command_imports_neither_torch_nor_rasterio(command: str) -> None:
    assert not loaded(HELP.format(args=[command, "--help"])) & {"torch", "kornia", "rasterio"}


def test_weights_are_listed_without_torch() -> None:
    assert not loaded(HELP.format(args=["models", "list"])) & {"torch", "kornia", "rasterio"}


def test_every_module_imports_on_its_own_without_torch() -> None:
    """But for the matchers, the data engine and training, whose business it is."""
    for_torch = {"torch", "kornia"}
    users = {
        n for n, others in graph().items() if {o.partition(".")[0] for o in others} & for_torch
    }
    names = sorted(set(MODULES) - users - {"georeg.__main__", "georeg_cli.__main__"})
    rooms = ("georeg.matching.", "georeg.synthesis.", "georeg.training.")
    names = [n for n in names if not n.startswith(rooms)]
    names += ["georeg.matching.protocol", "georeg.synthesis.protocol"]
    assert not loaded(f"import {', '.join(names)}") & for_torch


def test_file_names_are_option_values() -> None:
    for name in matching.available():
        assert (ENGINE / "matching" / f"{name}.py").exists()
    for name in synthesis.available():
        assert (ENGINE / "synthesis" / f"{name}.py").exists()
    for name in base.available():
        assert base.load(name).name == name


@pytest.mark.parametrize("name", matching.available())
def test_files_that_are_offered_are_matchers(name: str) -> None:
    defined = {
        target.id
        for node in tree_of(ENGINE / "matching" / f"{name}.py").body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    assert "MATCHER" in defined


def test_the_command_line_offers_what_the_engine_has() -> None:
    """It once offered the matchers' shared modules, too."""
    from georeg_cli.options import matchers, transforms

    assert list(matchers()) == ["auto", *matching.available()]
    assert list(transforms()) == ["auto", *base.available()]
