"""The packed plugin in the real application, with an empty profile, on a virtual screen."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from test_engine import gone

from conftest import PLUGINS

SCREEN = "-screen 0 1440x900x24"
PATIENCE = 900.0  # seconds; QGIS starts slowly where others work, too


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zip")
    made = subprocess.run(
        [sys.executable, str(PLUGINS / "pack.py"), str(folder)], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip())


def test_a_failure_keeps_the_zip_that_is_there(tmp_path: Path) -> None:
    """As where Debian's qtchooser offers an lrelease that isn't installed."""
    tool = tmp_path / "bin" / "lrelease"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho no Qt here >&2\nexit 1\n")
    tool.chmod(0o755)
    version = configparser.ConfigParser()
    version.read(PLUGINS / "georeg_qgis" / "metadata.txt", encoding="utf-8")
    good = tmp_path / f"georeg_qgis-{version['general']['version']}.zip"
    good.write_text("of yesterday")
    done = subprocess.run(
        [sys.executable, str(PLUGINS / "pack.py"), str(tmp_path)], capture_output=True, text=True,
        env={**os.environ, "PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}"}, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("pack.py: ")
    assert "Traceback" not in done.stderr
    assert good.read_text() == "of yesterday"


def test_what_is_in_the_zip(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
        metadata = archive.read("georeg_qgis/metadata.txt").decode()
    assert {name.partition("/")[0] for name in names} == {"georeg_qgis"}
    assert {"LICENSE", "metadata.txt", "__init__.py", "icons/georeg.svg", "i18n/georeg_de.qm",
            "help/index.html"} <= {name.partition("/")[2] for name in names}  # fmt: skip
    suffixes = {Path(name).suffix for name in names}
    assert suffixes == {".py", ".txt", ".svg", ".html", ".qm", ""}
    parser = configparser.ConfigParser()
    parser.read_string(metadata)
    wanted = ("name", "qgisMinimumVersion", "description", "about", "version", "author", "email",
              "repository", "tracker", "homepage", "tags", "icon", "category")  # fmt: skip
    assert all(parser["general"].get(key) for key in wanted)
    assert parser["general"]["category"] == "Raster"
    assert parser["general"]["hasProcessingProvider"] == "yes"
    again = subprocess.run(
        [sys.executable, str(PLUGINS / "pack.py"), str(tmp_path)], capture_output=True, text=True
    )
    assert Path(again.stdout.strip()).read_bytes() == packed.read_bytes()


def qgis(packed: Path, naip: tuple[str, str], out: Path) -> dict[str, Any]:
    """Run the application; what happened in it."""
    profile, runtime = out / "profile", out / "xdg"
    runtime.mkdir(mode=0o700)
    variables = {
        **os.environ, "QT_QPA_PLATFORM": "xcb", "XDG_RUNTIME_DIR": str(runtime),
        "HOME": str(out), "GEOREG_TEST_ZIP": str(packed), "GEOREG_TEST_MOVING": naip[0],
        "GEOREG_TEST_REFERENCE": naip[1], "GEOREG_TEST_OUT": str(out),
    }  # fmt: skip
    variables.pop("QGIS_PLUGINPATH", None)
    command = ["xvfb-run", "-a", "-s", SCREEN, "qgis.bin", "--noversioncheck", "--nologo"]
    command += ["--profiles-path", str(profile), "--code", str(PLUGINS / "tests" / "in_qgis.py")]
    with open(out / "said.txt", "w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(PATIENCE)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        said.seek(0)
        last = said.read()[-3000:]
    found: dict[str, Any] = json.loads((out / "found.json").read_text(encoding="utf-8"))
    assert "error" not in found, found["error"]
    # QGIS tells of a crash by its exit code, whatever went well before.
    assert code == 0, last
    return found


def test_from_the_zip_to_an_aligned_layer(
    packed: Path, naip: tuple[str, str], tmp_path: Path
) -> None:
    found = qgis(packed, naip, tmp_path)
    assert found["steps"][-1] == "done"
    assert found["hidden"]
    names = ("align", "batch", "check", "match", "ortho", "warp")
    assert found["algorithms"] == [f"georeg:{name}" for name in names]
    assert found["engine"].startswith("georeg ")
    assert "moved by 12" in found["said"], found["log"]
    assert (tmp_path / "panel_result.png").stat().st_size > 50_000
    # It was left while the engine worked.
    (pid,) = found["pids"]
    assert gone(pid)
    kept = os.environ.get("GEOREG_PICTURES")
    if kept:
        os.makedirs(kept, exist_ok=True)
        for path in tmp_path.glob("*.png"):
            shutil.copy(path, kept)
