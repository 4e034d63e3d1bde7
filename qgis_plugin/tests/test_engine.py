"""The Qt-free way to the engine: found, asked, listened to, cancelled, and never left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import engines
import pytest
from georeg_qgis.engine import discovery, environment, protocol, running, words


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int, patience: float = 10.0) -> bool:
    end = time.monotonic() + patience
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pid)


def test_lines_become_events() -> None:
    data = {"time": "x", "level": "info", "event": "progress", "step": "match", "share": 0.25}
    line = json.dumps(data)
    event = protocol.parse(line)
    assert (event.kind, event.step, event.share) == ("progress", "match", 0.25)
    for other in ("Traceback (most recent call last):", "{}", "[1]", '{"a":', ""):
        event = protocol.parse(other + "\n")
        assert (event.kind, event.message) == ("log", other)


def test_the_bar_never_goes_back() -> None:
    steps = ("locate", "match", "fit", "check", "write")
    shares = [words.percent(step, share / 4) for step in steps for share in range(5)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 100)
    assert words.percent("match", 7) == words.percent("match", 1)
    assert words.stage("a new step") == "Working"


def test_the_engine_gets_none_of_qgis_variables() -> None:
    dirty = {
        "PATH": "/bin", "PYTHONHOME": "/q", "PYTHONPATH": "/q", "GDAL_DATA": "/q", "PROJ_LIB": "/q",
        "LD_LIBRARY_PATH": "/q", "DYLD_INSERT_LIBRARIES": "/q", "QT_PLUGIN_PATH": "/q",
        "GDAL_HTTP_PROXY": "p", "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif",
    }  # fmt: skip
    clean = environment.clean(dirty)
    assert {v for v in clean.values() if v == "/q"} == set()
    assert clean["PATH"] == "/bin"
    assert clean["GDAL_HTTP_PROXY"] == "p"  # the user's own settings of GDAL stay
    assert clean["PYTHONNOUSERSITE"] == "1"
    assert environment.clean({}, proxy="http://p:8080")["HTTPS_PROXY"] == "http://p:8080"
    mine = environment.clean({"https_proxy": "http://mine"}, proxy="http://p:8080")
    assert "HTTPS_PROXY" not in mine


def test_handshake_with_the_real_engine(python: str) -> None:
    engine = discovery.ask(python)
    assert engine.version
    assert {"align", "match", "fit", "warp", "check", "convert"} <= set(engine.commands)


def test_what_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(discovery.EngineError, match="no such file"):
        discovery.ask(str(tmp_path / "python"))
    with pytest.raises(discovery.EngineError, match="has no georeg engine"):
        discovery.ask(engines.engine(tmp_path, "", hello="Python 3.11"))
    older = json.dumps({"georeg": "0.0.1", "protocol": 1})
    with pytest.raises(discovery.EngineError, match=r"0\.0\.1.*protocol 1.*update the engine"):
        discovery.ask(engines.engine(tmp_path, "", hello=older))
    newer = json.dumps({"georeg": "9", "protocol": 99})
    with pytest.raises(discovery.EngineError, match="update the plugin"):
        discovery.ask(engines.engine(tmp_path, "", hello=newer))
    qgis = tmp_path / "qgis-bin"
    qgis.touch()
    with pytest.raises(discovery.EngineError, match="is QGIS itself"):
        discovery.ask(str(qgis))


def test_what_was_named_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    missing = str(tmp_path / "nowhere")
    monkeypatch.setenv(discovery.VARIABLE, missing)
    with pytest.raises(discovery.EngineError, match="nowhere"):
        discovery.find(python)
    monkeypatch.delenv(discovery.VARIABLE)
    with pytest.raises(discovery.EngineError, match="not set up yet"):
        discovery.find("", managed=str(tmp_path / "none"))
    assert discovery.find(python).python == python


def test_a_broken_off_installation_is_none(tmp_path: Path) -> None:
    interpreter = Path(discovery.python_in(str(tmp_path)))
    interpreter.parent.mkdir()
    interpreter.touch()
    assert not discovery.is_complete(str(tmp_path))
    Path(discovery.marker(str(tmp_path))).write_text("{}")
    assert discovery.is_complete(str(tmp_path))


def test_run(python: str, sample: tuple[str, str], tmp_path: Path) -> None:
    events: list[protocol.Event] = []
    out = str(tmp_path / "a.tif")
    arguments = ["align", sample[0], "--reference", sample[1], "-o", out, "--max-tiles", "4"]
    outcome = running.Run(discovery.ask(python), arguments).wait(events.append)
    assert outcome.ok, outcome.message
    assert os.path.isfile(out)
    assert outcome.result["verdict"]["ok"]
    shares = [words.percent(e.step, e.share) for e in events if e.kind == "progress"]
    assert shares == sorted(shares)
    assert len(shares) > 4


def test_usage_error_is_told(python: str) -> None:
    outcome = running.Run(discovery.ask(python), ["align", "/nowhere.tif"]).wait()
    assert outcome.code == 2
    assert "--reference" in outcome.message


def test_cancelled_in_order(python: str, sample: tuple[str, str], tmp_path: Path) -> None:
    out = str(tmp_path / "a.tif")
    arguments = ["align", sample[0], "--reference", sample[1], "-o", out, "--threads", "1"]
    run = running.Run(discovery.ask(python), arguments)
    seen: list[str] = []
    outcome = run.wait(lambda e: seen.append(e.step), lambda: "locate" in seen)
    assert outcome.cancelled
    assert not outcome.ok
    assert outcome.code == 143  # it ended itself
    assert os.listdir(tmp_path) == []
    assert not alive(run.pid)


def test_cancelled_when_it_is_done_already(tmp_path: Path) -> None:
    """What it wrote is there: to say that it was cancelled would not be true."""
    out = tmp_path / "a.tif"
    run = running.Run(
        discovery.ask(engines.engine(tmp_path, engines.LATE)), ["align", "--output", str(out)]
    )
    heard: list[str] = []
    outcome = run.wait(lambda e: heard.append(e.message), lambda: bool(heard))
    assert out.exists()
    assert outcome.ok
    assert not outcome.cancelled


def test_a_deaf_engine_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "GRACE", 0.3)
    run = running.Run(discovery.ask(engines.engine(tmp_path, engines.DEAF)), ["align"])
    said: list[str] = []
    outcome = run.wait(lambda e: said.append(e.message), lambda: bool(said))
    assert outcome.cancelled
    assert outcome.code < 0
    assert gone(run.pid)
    assert gone(int(said[0]))


def test_crash_is_told_with_its_last_words(tmp_path: Path) -> None:
    run = running.Run(discovery.ask(engines.engine(tmp_path, engines.CRASH)), ["align"])
    outcome = run.wait()
    assert not outcome.ok
    assert "crashed (SIGSEGV)" in outcome.message
    assert "invalid pointer" in outcome.message


def test_an_exception_without_a_word_of_its_own(tmp_path: Path) -> None:
    run = running.Run(discovery.ask(engines.engine(tmp_path, "raise KeyError('x')")), ["align"])
    assert "KeyError" in run.wait().message


def test_stop_all_ends_what_runs(tmp_path: Path) -> None:
    run = running.Run(discovery.ask(engines.engine(tmp_path, engines.DEAF)), ["align"])
    running.stop_all(patience=0.3)
    assert gone(run.pid)
    run.wait()


def test_the_engine_ends_with_whoever_started_it(
    python: str, sample: tuple[str, str], tmp_path: Path
) -> None:
    """As when QGIS crashes: nobody is left to close anything on purpose."""
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(discovery.__file__).parents[2])!r})
from georeg_qgis.engine import discovery, running
run = running.Run(discovery.ask({python!r}), ["align", {sample[0]!r}, "--reference", {sample[1]!r},
    "-o", {str(tmp_path / "a.tif")!r}, "--threads", "1"])
print(run.pid, flush=True)
run.wait(lambda e: os._exit(1) if e.kind == "progress" else None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert gone(int(done.stdout))
    assert os.listdir(tmp_path) == []
