"""A signal in the middle of the work: the right exit code, one line, and nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli_cases import pair, snapshot


def test_stopped_by_the_end_of_standard_input(tmp_path: Path) -> None:
    """So QGIS cancels, and leaves nothing behind when it ends."""
    moving, reference = pair(tmp_path / "in", 500)
    before = snapshot(tmp_path)
    command = [
        sys.executable, "-m", "georeg", "align", moving, "--reference", reference,
        "-o", str(tmp_path / "a.tif"), "--log-format", "json", "--stop-with-stdin",
        "--resolution", "2", "--threads", "1",
    ]  # fmt: skip
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None
        assert process.stdin is not None
        for line in process.stderr:
            if json.loads(line)["event"] == "progress":
                process.stdin.close()
                break
        rest = [json.loads(line) for line in process.stderr]
        code = process.wait(60)
    assert code == 128 + signal.SIGTERM
    assert [event["kind"] for event in rest if event["event"] == "error"] == ["Stopped"]
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("step", ["locate", "match", "write"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped(tmp_path: Path, number: signal.Signals, step: str) -> None:
    moving, reference = pair(tmp_path / "in", 500)
    out = tmp_path / "out"
    out.mkdir()
    before = snapshot(tmp_path)
    command = [
        sys.executable, "-m", "georeg", "align", moving, "--reference", reference,
        "-o", str(out / "a.tif"), "--fit", str(out / "f.json"), "--points", str(out / "p.csv"),
        "--log-format", "json", "--resolution", "2", "--threads", "1",
    ]  # fmt: skip

    def hear() -> None:
        """Jobs in the background of a script ignore SIGINT, and so would what they start."""
        signal.signal(number, signal.SIG_DFL)

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=hear) as process:
        assert process.stderr is not None
        for line in process.stderr:
            event = json.loads(line)
            if event["event"] == "progress" and event["step"] == step:
                process.send_signal(number)
                break
        rest = [json.loads(line) for line in process.stderr]
        code = process.wait(60)
    assert code == 128 + number
    errors = [event for event in rest if event["event"] == "error"]
    assert len(errors) == 1
    assert number.name in errors[0]["message"]
    assert snapshot(tmp_path) == before
