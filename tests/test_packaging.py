"""The wheel, built and unzipped: what people install, not what lies in the repository."""

from __future__ import annotations

import configparser
import email
import io
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from email.message import Message
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import georeg

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("georeg", "cli", "sample_data")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy, so that nothing is left in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-index"]
    how = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    run = subprocess.run([*pip, *how], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return zipfile.ZipFile(next(folder.glob("georeg-*.whl")))


@pytest.fixture(scope="module")
def names(wheel: zipfile.ZipFile) -> set[str]:
    return set(wheel.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile, names: set[str]) -> Message:
    (name,) = (n for n in names if n.endswith(".dist-info/METADATA"))
    return email.message_from_string(wheel.read(name).decode())


def test_two_packages_and_nothing_else(names: set[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"georeg", "georeg_cli"}
    assert len(top) == 3


def test_every_module_is_there(names: set[str]) -> None:
    where = {"georeg": "georeg", "cli": "georeg_cli", "sample_data": "georeg_cli/_sample"}
    for source, target in where.items():
        for path in (ROOT / source).rglob("*.py"):
            assert f"{target}/{path.relative_to(ROOT / source).as_posix()}" in names


def test_type_markers(names: set[str]) -> None:
    assert {"georeg/py.typed", "georeg_cli/py.typed"} <= names


def test_data_of_the_engine(names: set[str]) -> None:
    layouts = {f"georeg/models/layouts/{p.name}" for p in ROOT.glob("georeg/models/layouts/*.json")}
    page = {f"georeg/report/{name}" for name in ("page.html.j2", "page.css", "page.js")}
    page.add("georeg/batch/summary.html.j2")
    assert layouts | page | {"georeg/ratings.json"} <= names


def test_sample_pair(wheel: zipfile.ZipFile) -> None:
    for name in ("moving.tif", "reference.tif", "truth.json"):
        ours = (ROOT / "sample_data" / name).read_bytes()
        assert wheel.read(f"georeg_cli/_sample/{name}") == ours


def test_entry_points(wheel: zipfile.ZipFile, names: set[str]) -> None:
    (name,) = (n for n in names if n.endswith("entry_points.txt"))
    found = configparser.ConfigParser()
    found.read_file(io.StringIO(wheel.read(name).decode()))
    assert dict(found["console_scripts"]) == {"georeg": "georeg_cli.main:main"}
    assert dict(found["rasterio.rio_plugins"]) == {"georeg": "georeg_cli.main:cli"}


def test_metadata(metadata: Message) -> None:
    assert metadata["Version"] == georeg.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    extras = {"dask", "s3", "stac", "xarray", "train", "plot", "docs", "dev"}
    assert set(metadata.get_all("Provides-Extra", [])) == extras
    needed = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    assert any(r.startswith("torch>=") for r in needed)


def brought(lines: Iterable[str], extras: set[str], found: set[str]) -> set[str]:
    """Names of what these requirements, for any of the extras, install in the end."""
    for line in lines:
        one = Requirement(line)
        if one.marker and not any(one.marker.evaluate({"extra": e}) for e in extras | {""}):
            continue
        key = f"{one.name.lower()}{sorted(one.extras)}"
        if key not in found:
            found.add(key)
            with suppress(PackageNotFoundError):  # an extra's that isn't installed here
                brought(requires(one.name) or [], one.extras, found)
    return {key.partition("[")[0] for key in found}


def test_nothing_brings_torchvision(metadata: Message) -> None:
    """PyPI's torchvision doesn't fit the CPU's torch; so the extras, too, do without."""
    lines = metadata.get_all("Requires-Dist", [])
    names = brought(lines, set(metadata.get_all("Provides-Extra", [])), set())
    assert {"torch", "filelock", "pytest"} <= names
    assert "torchvision" not in names


def test_runs_from_the_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Both packages and the sample, with nothing of the repository in reach."""
    wheel.extractall(tmp_path)
    code = (
        "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f)]\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import georeg, georeg_cli.demo as demo\n"
        "print(georeg.__file__); print(demo.sample())"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", code] if sys.version_info >= (3, 11)
        else [sys.executable, "-c", code],
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert run.stdout.splitlines() == [
        str(tmp_path / "georeg" / "__init__.py"),
        str(tmp_path / "georeg_cli" / "_sample"),
    ]


def test_the_github_action_installs_what_there_is() -> None:
    """From the repository: georeg isn't on PyPI."""
    text = (ROOT / "packaging" / "github-action.yml").read_text(encoding="utf-8")
    (line,) = (
        line.strip() for line in text.splitlines() if "pip install" in line and "georeg" in line
    )
    assert line == 'pip install "georeg[s3,stac] @ ${SOURCE:-git+https://github.com/georeg/georeg}"'
    assert Requirement("georeg[s3,stac] @ git+https://github.com/georeg/georeg").extras == {
        "s3",
        "stac",
    }
