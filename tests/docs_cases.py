"""What the documentation shows, run: fenced blocks that are marked, beside their rasters."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from cli_cases import run

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SAMPLE = ("moving.tif", "reference.tif")
_KEPT = tempfile.TemporaryDirectory(prefix="georeg-tests-")  # removed when the tests end
_PROGRAM = """\
#!{python} -IS
import json, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect("{address}")
stream = server.makefile("rw", encoding="utf-8")
stream.write(json.dumps(sys.argv[1:]) + "\\n")
stream.flush()
code, out, err = json.loads(stream.readline())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""
_BLOCK = re.compile(r"<!-- run(?:: ([^>]*?))? -->\n```(bash|python)\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block to run.

    Attributes:
        language: bash or python.
        text: of it.
        rasters: of docs/examples/scenes.py that must be there.
    """

    language: str
    text: str
    rasters: tuple[str, ...]


def pages() -> list[str]:
    """Pages with something to run, from docs/ on."""
    return sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md") if blocks(path))


def blocks(path: Path) -> list[Block]:
    """What a page wants to be run, in order."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(language, body, tuple((names or "").split()))
        for names, language, body in _BLOCK.findall(text)
    ]


def scenes() -> ModuleType:
    """docs/examples/scenes.py."""
    name = "docs_scenes"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, DOCS / "examples" / "scenes.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def prepare(folder: Path, wanted: list[Block]) -> None:
    """The rasters that a page's blocks need, and the sample pair."""
    for name in SAMPLE:
        shutil.copy(ROOT / "sample_data" / name, folder)
    for name in dict.fromkeys(name for block in wanted for name in block.rasters):
        shutil.copy(_drawn(name), folder)


@cache
def _drawn(name: str) -> Path:
    scenes().make(Path(_KEPT.name), (name,))
    return Path(_KEPT.name, name)


def bash(text: str, folder: Path) -> tuple[int, str]:
    """A block as a user's shell runs it; `georeg` is run by this process, which has torch loaded.

    Returns:
        The exit code, and all that was written to stderr.
    """
    with tempfile.TemporaryDirectory() as tools, socket.socket(socket.AF_UNIX) as server:
        address = str(Path(tools, "socket"))
        server.bind(address)
        server.listen()
        server.settimeout(0.02)
        program = Path(tools, "georeg")
        program.write_text(_PROGRAM.format(python=sys.executable, address=address))
        program.chmod(0o755)
        log = Path(tools, "stderr")
        with log.open("wb") as stderr:
            shell = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=folder, stdout=subprocess.DEVNULL, stderr=stderr,
                env=os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
            )  # fmt: skip
            while shell.poll() is None:
                with suppress(TimeoutError):
                    _serve(server.accept()[0], folder)
        return shell.returncode, log.read_text()


def _serve(caller: socket.socket, folder: Path) -> None:
    with caller, caller.makefile("rw", encoding="utf-8") as stream, inside(folder):
        result = run(*json.loads(stream.readline()))
        stream.write(json.dumps([result.code, result.out, result.err]) + "\n")


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
