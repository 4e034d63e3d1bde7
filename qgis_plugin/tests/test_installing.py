"""'Set up engine': the plan says all, nothing happens before, and failures leave nothing."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import zipfile
from pathlib import Path

import pytest
from georeg_qgis.engine import discovery, installing
from georeg_qgis.engine.errors import EngineError

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
    assert "no folder" in problem(wheels=str(tmp_path / "nowhere"))
    assert "Python 3.10" in problem(base="/nowhere/python")
    monkeypatch.setattr(installing, "uv_program", lambda: "")
    assert "uv is not installed" in problem(tool="uv")
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "thesis.txt").write_text("years of work")
    assert "other things" in problem()
    monkeypatch.setattr(installing, "free_gigabytes", lambda folder: 0.1)
    assert "less than" in problem(folder=str(tmp_path / "other"))
