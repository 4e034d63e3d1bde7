"""'Set up engine': the plan says all, nothing happens before, and failures leave nothing."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from georeg_qgis.engine import discovery, installing
from georeg_qgis.engine.errors import EngineError
from test_engine import gone

from conftest import PLUGINS

HELLO = '{"georeg": "7.7", "protocol": 2, "commands": ["align"]}'


def wheel(folder: Path) -> None:
    """A wheel named georeg that can do no more than say hello: what is tested is pip's part."""
    files = {
        "georeg/__init__.py": "",
        "georeg/__main__.py": f"print({HELLO!r})\n",
        "georeg-7.7.dist-info/METADATA": "Metadata-Version: 2.1\nName: georeg\nVersion: 7.7\n",
        "georeg-7.7.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = ""
    with zipfile.ZipFile(folder / "georeg-7.7-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f"{name},sha256={digest.decode().rstrip('=')},{len(text)}\n"
        archive.writestr("georeg-7.7.dist-info/RECORD", record)


def choice(tmp_path: Path, **more: str) -> installing.Choice:
    wheels = tmp_path / "wheels"
    wheels.mkdir(exist_ok=True)
    base = {"folder": str(tmp_path / "engine"), "base": sys.base_prefix + "/bin/python3"}
    return installing.Choice(**{**base, "wheels": str(wheels), **more})


def test_from_wheels_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(discovery.VARIABLE, raising=False)
    wanted = choice(tmp_path)
    wheel(tmp_path / "wheels")
    said: list[str] = []
    engine = installing.install(wanted, said.append, lambda: False)
    assert engine.version == "7.7"
    assert discovery.find("", managed=wanted.folder) == engine
    steps = [line[2:] for line in said if line.startswith("$ ")]
    assert steps == [" ".join(step) for step in installing.plan(wanted).steps]
    assert all("--no-index" in step for step in steps[1:])


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    wanted = choice(tmp_path)
    with pytest.raises(EngineError, match=r"failed: .*georeg"):
        installing.install(wanted, lambda line: None, lambda: False)
    assert not os.path.exists(wanted.folder)


def test_cancelled(tmp_path: Path) -> None:
    wanted = choice(tmp_path)
    said: list[str] = []
    with pytest.raises(EngineError, match="Cancelled"):
        installing.install(wanted, said.append, lambda: len(said) > 2)
    assert not os.path.exists(wanted.folder)


def test_an_environment_of_others_is_never_touched(tmp_path: Path) -> None:
    wanted = choice(tmp_path)
    wheel(tmp_path / "wheels")
    venv.create(wanted.folder)
    (tmp_path / "engine" / "thesis.txt").write_text("years of work")
    assert "other things" in installing.plan(wanted).problem[0]
    with pytest.raises(EngineError, match="other things"):
        installing.install(wanted, lambda line: None, lambda: False)
    assert (tmp_path / "engine" / "thesis.txt").read_text() == "years of work"


def test_an_engine_is_kept_until_the_new_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(discovery.VARIABLE, raising=False)
    wanted = choice(tmp_path)
    wheel(tmp_path / "wheels")
    engine = installing.install(wanted, lambda line: None, lambda: False)
    (tmp_path / "engine" / "old.txt").write_text("")
    notes = " ".join(text for text, _ in installing.plan(wanted).notes)
    assert "is replaced when the new one works" in notes
    (tmp_path / "wheels" / "georeg-7.7-py3-none-any.whl").rename(tmp_path / "aside.whl")
    with pytest.raises(EngineError, match=r"failed: .*georeg"):
        installing.install(wanted, lambda line: None, lambda: False)
    assert discovery.find("", managed=wanted.folder) == engine
    (tmp_path / "aside.whl").rename(tmp_path / "wheels" / "georeg-7.7-py3-none-any.whl")
    assert installing.install(wanted, lambda line: None, lambda: False) == engine
    assert not (tmp_path / "engine" / "old.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engine", "wheels"]


def test_what_a_killed_qgis_left_is_cleared_away(tmp_path: Path) -> None:
    wanted = choice(tmp_path)
    wheel(tmp_path / "wheels")
    code = (
        "import os, signal, sys\n"
        "from georeg_qgis.engine import installing\n"
        f"wanted = installing.{wanted!r}\n"
        "def say(line):\n"
        "    if ' pip ' in line: os.kill(os.getpid(), signal.SIGKILL)\n"
        "installing.install(wanted, say, lambda: False)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PLUGINS, check=False)
    assert done.returncode == -signal.SIGKILL
    assert os.listdir(wanted.folder)
    assert not discovery.is_complete(wanted.folder)
    assert installing.install(wanted, lambda line: None, lambda: False).version == "7.7"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engine", "wheels"]


def test_cancelled_while_nothing_is_said(tmp_path: Path) -> None:
    """Downloading, pip is silent, and starts programs of its own."""
    base = tmp_path / "python3.11"
    base.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = -c ] && exec {sys.base_prefix}/bin/python3 "$@"\n'
        f"sleep 600 &\necho $! > {tmp_path}/pid\necho started\nwait\n"
    )
    base.chmod(0o755)
    wanted, said = choice(tmp_path, base=str(base)), []
    with pytest.raises(EngineError, match="Cancelled"):
        installing.install(wanted, said.append, lambda: "started" in said)
    assert gone(int((tmp_path / "pid").read_text()))
    assert not os.path.exists(wanted.folder)


def test_an_old_python_is_told_at_once(tmp_path: Path) -> None:
    """QGIS 3.22 for Windows has 3.9: venv takes it, and only after torch pip says no."""
    base = tmp_path / "python3.9"
    base.write_text("#!/bin/sh\necho 3.9\n")
    base.chmod(0o755)
    wanted, said = choice(tmp_path, base=str(base)), []
    with pytest.raises(EngineError, match=r"is Python 3.9: name a Python 3.10"):
        installing.install(wanted, said.append, lambda: False)
    assert said == []
    assert not os.path.exists(wanted.folder)


def test_what_the_plan_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    plan = installing.plan(choice(tmp_path, wheels="", torch="cuda"), "http://me:secret@proxy:80")
    told = " ".join(text.format(**values) for text, values in plan.notes)
    assert "GB" in told
    assert "download.pytorch.org" in told
    assert "http://proxy:80" in told
    assert "secret" not in told
    assert installing.CUDA_INDEX in plan.steps[1]
    cpu = installing.plan(choice(tmp_path, wheels=""))
    assert installing.CPU_INDEX in cpu.steps[1]
    assert not os.path.exists(tmp_path / "engine")


def test_what_cannot_be_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def problem(**more: str) -> str:
        text, values = installing.plan(choice(tmp_path, **more)).problem
        return text.format(**values)

    assert problem() == ""
    assert "whole path" in problem(folder="")
    assert "whole path" in problem(folder="engine")
    assert "no folder" in problem(wheels=str(tmp_path / "nowhere"))
    assert "Python 3.10" in problem(base="/nowhere/python")
    monkeypatch.setattr(installing, "uv_program", lambda: "")
    assert "uv is not installed" in problem(tool="uv")
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "thesis.txt").write_text("years of work")
    assert "other things" in problem()
    monkeypatch.setattr(installing, "free_gigabytes", lambda folder: 0.1)
    assert "less than" in problem(folder=str(tmp_path / "other"))
