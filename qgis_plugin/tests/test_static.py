"""What can be said of the plugin's sources without running them: Qt 6, imports, translations."""

from __future__ import annotations

import ast
import configparser
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import translations

from conftest import PLUGINS

PLUGIN = PLUGINS / "georeg_qgis"
FILES = sorted(PLUGIN.rglob("*.py"))
# QGIS 3.22 for Windows brings Python 3.9.
TREES = {p: ast.parse(p.read_text(encoding="utf-8"), feature_version=(3, 9)) for p in FILES}
RENAMED = {"exec_", "exec_loop"}  # gone in PyQt 6


def imports(tree: ast.AST) -> Iterator[tuple[str, list[str], int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, [], 0
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", [alias.name for alias in node.names], node.level


def chains(tree: ast.AST) -> Iterator[list[str]]:
    """Names with all their attributes: Qt.CheckState.Checked."""
    inner = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    for node in ast.walk(tree):
        parts: list[str] = []
        at: Any = node
        if id(node) in inner or not isinstance(node, ast.Attribute):
            continue
        while isinstance(at, ast.Attribute):
            parts.insert(0, at.attr)
            at = at.value
        if isinstance(at, ast.Name):
            yield [at.id, *parts]


def origins(tree: ast.AST) -> dict[str, str]:
    """Names from qgis, and the modules that they come from."""
    return {
        name: module
        for module, names, level in imports(tree)
        if module.startswith("qgis") and not level
        for name in names
    }


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_only_pyqgis_and_the_standard_library(path: Path) -> None:
    for module, _, level in imports(TREES[path]):
        top = module.partition(".")[0]
        assert level or top in sys.stdlib_module_names | {"qgis"}, module
    if "engine" in path.parts:
        assert not origins(TREES[path]), "the way to the engine is Qt-free"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_scoped_enums_only(path: Path) -> None:
    """Qt.Checked works with PyQt 5 alone, Qt.CheckState.Checked with both."""
    import importlib

    known = origins(TREES[path])
    for chain in chains(TREES[path]):
        assert not RENAMED & set(chain), chain
        if known.get(chain[0], "qgis.PyQt") == "qgis.PyQt" or chain[0][:1] != "Q":
            continue
        at = getattr(importlib.import_module(known[chain[0]]), chain[0])
        for depth, name in enumerate(chain[1:], 1):
            if not hasattr(at, name):
                break  # an attribute of an object
            owner, at = at, getattr(at, name)
            unscoped = isinstance(at, int) and type(at).__name__ in dir(owner)
            assert not unscoped, f"{'.'.join(chain)}: say {type(at).__qualname__}.{name}"
            assert depth < 4


def test_pyqt6_has_all_names() -> None:
    """In another process: PyQt 5 and PyQt 6 don't live together."""
    wanted: set[tuple[str, ...]] = set()
    for tree in TREES.values():
        known = {n: m for n, m in origins(tree).items() if m.startswith("qgis.PyQt.")}
        wanted |= {(m.rpartition(".")[2], n) for n, m in known.items()}
        wanted |= {
            (known[c[0]].rpartition(".")[2], *c)
            for c in chains(tree)
            if c[0] in known and c[1][:1].isupper()
        }
    code = (
        "import importlib, json, sys\n"
        "for module, *names in json.load(sys.stdin):\n"
        "    at = importlib.import_module('PyQt6.' + module)\n"
        "    for name in names:\n"
        "        if not hasattr(at, name): print(module, *names); break\n"
        "        at = getattr(at, name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(sorted(wanted)), capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(wanted) > 40
    assert done.stdout.splitlines() == []


def test_translations_are_complete() -> None:
    files = sorted((PLUGIN / "i18n").glob("*.ts"))
    assert [path.name for path in files] == ["georeg_de.ts"]
    assert [problem for path in files for problem in translations.problems(path)] == []


def test_help_in_both_languages_has_the_same_places() -> None:
    places = [
        re.findall(r'id="(\w+)"', (PLUGIN / "help" / name).read_text(encoding="utf-8"))
        for name in ("index.html", "index_de.html")
    ]
    assert places[0] == places[1]
    assert {"align", "match", "warp", "check", "ortho", "batch", "engine"} <= set(places[0])


def test_metadata_and_licence() -> None:
    parser = configparser.ConfigParser()
    parser.read(PLUGIN / "metadata.txt", encoding="utf-8")
    general = parser["general"]
    project = (PLUGINS.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{general["version"]}"' in project
    assert (general["qgisMinimumVersion"], general["qgisMaximumVersion"]) == ("3.22", "4.99")
    assert (PLUGIN / general["icon"]).is_file()
    for said in ("GB", "PyPI", "NOT part"):  # the repository asks what is installed, and how large
        assert said in general["about"]
    licence = (PLUGIN / "LICENSE").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in licence
    assert "Version 2, June 1991" in licence


def test_files_are_small() -> None:
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {name: count for name, count in lines.items() if count > 500}
