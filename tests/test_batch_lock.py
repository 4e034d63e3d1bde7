"""One run at a time in a folder, whatever becomes of the others."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from georeg.batch import lock as locking
from georeg.batch.lock import locked
from georeg.errors import OutputError


def test_the_lock_is_one_run_s_own(tmp_path: Path) -> None:
    with locked(str(tmp_path), "a") as lock:
        lock.check()
        with (
            pytest.raises(OutputError, match=r"worked on by run a \(process \d+"),
            locked(str(tmp_path), "b"),
        ):
            pass
    with locked(str(tmp_path), "b"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_waiting_for_the_lock(tmp_path: Path) -> None:
    ready, let_go = threading.Event(), threading.Event()

    def first() -> None:
        with locked(str(tmp_path), "a"):
            ready.set()
            let_go.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    ready.wait(10)
    with locked(str(tmp_path), "b", wait=10, check=let_go.set):
        assert locking.holds(str(tmp_path / locking.NAME), "b")
    thread.join()


def owner(**changed: Any) -> dict[str, Any]:
    known = {"run": "old", "host": "h", "machine": locking._machine(), "pid": os.getpid(),
             "process_start": locking._start_of(os.getpid()), "since": "then"}  # fmt: skip
    return {**known, **changed}


@pytest.mark.parametrize(
    ("changed", "age", "free"),
    [
        ({}, 0, False),
        ({}, 9999, False),  # it lives, however busy it is
        ({"pid": 2**22 - 1}, 0, True),
        ({"process_start": "1"}, 0, True),  # its number went to another process
        ({"machine": "elsewhere"}, 0, False),
        ({"machine": "elsewhere"}, 9999, True),
    ],
)
def test_stale_locks(tmp_path: Path, changed: dict[str, Any], age: float, free: bool) -> None:
    path = tmp_path / locking.NAME
    path.write_text(json.dumps(owner(**changed)))
    os.utime(path, (time.time() - age,) * 2)
    if free:
        with locked(str(tmp_path), "new"):
            assert locking.holds(str(path), "new")
    else:
        with pytest.raises(OutputError, match="run old"), locked(str(tmp_path), "new"):
            pass
        assert locking.holds(str(path), "old")


def test_clocks_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours is an hour ahead of the server's: a run that is at work was taken for dead."""
    path = tmp_path / locking.NAME
    path.write_text(json.dumps(owner(machine="elsewhere")))
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    with pytest.raises(OutputError, match="run old"), locked(str(tmp_path), "new"):
        pass
    assert locking.holds(str(path), "old")
    assert [p.name for p in tmp_path.iterdir()] == [locking.NAME]


@pytest.mark.parametrize(("age", "free"), [(0, False), (9999, True)])
@pytest.mark.parametrize("text", ["", '{"run": "o'])
def test_locks_without_owner(tmp_path: Path, text: str, age: float, free: bool) -> None:
    """A power cut may leave the name without the text; that blocked the folder for ever."""
    path = tmp_path / locking.NAME
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)
    if free:
        with locked(str(tmp_path), "new"):
            assert locking.holds(str(path), "new")
    else:
        with pytest.raises(OutputError, match="another run"), locked(str(tmp_path), "new"):
            pass
        assert path.read_text() == text


@pytest.mark.parametrize("attempt", range(20))
def test_only_one_takes_a_stale_lock_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempt: int
) -> None:
    """Of many that see it at once; in one of six rounds one of them removed the new lock."""
    monkeypatch.setattr(locking, "_LOOK", 0.002)
    (tmp_path / locking.NAME).write_text(json.dumps(owner(pid=2**22 - 1)))
    start, inside, most = threading.Barrier(8), [0], [0]

    def work(name: str) -> None:
        start.wait()
        with locked(str(tmp_path), name, wait=30):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            inside[0] -= 1

    threads = [threading.Thread(target=work, args=(f"r{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_taken_away_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "_BEAT", 0.01)
    with locked(str(tmp_path), "a") as lock:
        (tmp_path / locking.NAME).write_text(json.dumps(owner(run="b")))
        time.sleep(0.2)
        with pytest.raises(OutputError, match="taken over"):
            lock.check()
    assert locking.holds(str(tmp_path / locking.NAME), "b")


def test_a_stale_lock_that_can_t_be_removed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as another user's in a folder with a sticky bit; it was tried without end."""
    path = tmp_path / locking.NAME
    path.write_text(json.dumps(owner(pid=2**22 - 1)))
    unlink = os.unlink

    def only_own(name: Any) -> None:
        if str(name) == str(path):
            raise PermissionError(1, "Operation not permitted")
        unlink(name)

    monkeypatch.setattr(os, "unlink", only_own)
    with (
        pytest.raises(OutputError, match=r"run old .* can't be removed: Operation not permitted"),
        locked(str(tmp_path), "new"),
    ):
        pass
    assert [p.name for p in tmp_path.iterdir()] == [locking.NAME]


def test_disks_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT, exFAT and some file systems of networks have none: no batch could write to them."""

    def none(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", none)
    path = tmp_path / locking.NAME
    with locked(str(tmp_path), "one"):
        assert locking.holds(str(path), "one")
        assert [p.name for p in tmp_path.iterdir()] == [locking.NAME]
        with (
            pytest.raises(OutputError, match="being worked on by run one"),
            locked(str(tmp_path), "two"),
        ):
            pass
        assert locking.holds(str(path), "one")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lacking", ["disk", "system"])
def test_disks_and_systems_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    if lacking == "system":
        monkeypatch.setattr(sys, "platform", "win32")
    else:
        monkeypatch.setattr(locking, "lock_file", lambda *_, **__: None)
    path = tmp_path / locking.NAME
    path.write_text(json.dumps(owner(pid=2**22 - 1)))
    with locked(str(tmp_path), "new"):
        assert locking.holds(str(path), "new")
    assert list(tmp_path.iterdir()) == []
