"""One run at a time in a folder: a lock file with its owner and a heartbeat.

The file is made by linking a whole one into place, which works on network file systems, too (where
there are no links, it is written in place: until it is whole it is a lock without an owner). A run
that was killed leaves it behind: it is stale at once if its process is known to be gone, and
after a while without heartbeat if it runs on another machine. Lock files are removed under the
system's own lock on them, so that of several who see a stale one only one does.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any

from georeg.errors import OutputError
from georeg.textfile import lock_file

log = logging.getLogger(__name__)

NAME = ".georeg-batch.lock"
_BEAT = 5.0  # seconds between two heartbeats
_STALE = 120.0  # seconds without one after which another machine's run counts as dead
_LOOK = 0.5  # seconds between two looks while waiting


class Lock:
    """A lock that is held."""

    def __init__(self, path: str, run: str) -> None:
        """Store."""
        self.path, self.run = path, run
        self._lost = threading.Event()
        self._end = threading.Event()
        self._beater = threading.Thread(target=self._beat, name="georeg-lock", daemon=True)

    def check(self) -> None:
        """Make sure that the lock is still ours.

        Raises:
            OutputError: somebody took it away.
        """
        if self._lost.is_set():
            raise OutputError(
                f"{self.path} was taken over by another run, which took this one for dead"
            )

    def begin(self) -> None:
        """Start the heartbeat."""
        self._beater.start()

    def release(self) -> None:
        """Stop, and give the lock back if it is ours."""
        self._end.set()
        self._beater.join(_BEAT)
        with _alone_with(self.path) as there:
            if there and holds(self.path, self.run):
                os.unlink(self.path)

    def _beat(self) -> None:
        while not self._end.wait(_BEAT):
            if not holds(self.path, self.run):
                self._lost.set()
                return
            try:
                os.utime(self.path)
            except OSError as error:
                log.warning("no heartbeat in %s: %s", self.path, error.strerror)


def holds(path: str, run: str) -> bool:
    """Whether a lock is a run's own."""
    owner = read_owner(path)
    return owner is not None and owner.get("run") == run


@contextmanager
def locked(
    folder: str, run: str, *, wait: float = 0.0, check: Callable[[], None] | None = None
) -> Iterator[Lock]:
    """Hold the lock of a folder.

    Args:
        folder: that nobody else may work in.
        run: id of this run.
        wait: seconds to wait for another run to end.
        check: called while waiting; may raise.

    Raises:
        OutputError: another run holds it, or the folder isn't writable.
    """
    path = os.path.join(folder, NAME)
    deadline = time.monotonic() + wait
    said = False
    while not _take(path, run):
        owner = read_owner(path)
        if _dead(path, owner):
            _put_away(path, owner)
            continue
        if time.monotonic() >= deadline:
            raise OutputError(
                f"{folder} is being worked on by {_who(owner)}: try again later, or --wait for it"
            )
        if not said:
            log.warning("%s is being worked on by %s: waiting", folder, _who(owner))
            said = True
        if check is not None:
            check()
        time.sleep(_LOOK)
    lock = Lock(path, run)
    lock.begin()
    try:
        yield lock
    finally:
        lock.release()


def _take(path: str, run: str) -> bool:
    """Put a lock file of ours in place, if there is none."""
    temporary = f"{path}.{uuid.uuid4().hex}"
    owner = {
        "run": run,
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": os.getpid(),
        "process_start": _start_of(os.getpid()),
        "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    try:
        try:
            _write(temporary, owner)
            try:
                os.link(temporary, path)
            except FileExistsError:
                raise
            except OSError:  # FAT and exFAT have no links, nor have some file systems of networks
                _write(path, owner)
            return True
        except FileExistsError:
            return False
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror}") from None


def _write(path: str, owner: Mapping[str, Any]) -> None:
    """A new file.

    Raises:
        FileExistsError: there is one already.
        OSError: it can't be written.
    """
    with open(path, "x", encoding="utf-8") as file:
        json.dump(owner, file)
        file.flush()
        os.fsync(file.fileno())  # or a power cut leaves the name without the text


def read_owner(path: str) -> Mapping[str, Any] | None:
    """What a lock file says about its owner; None if there is no such file."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _dead(path: str, owner: Mapping[str, Any] | None) -> bool:
    """Whether the owner is surely gone, or silent for long; None if the file doesn't tell it."""
    if owner is not None and owner.get("machine") == _machine():
        start = _start_of(int(owner.get("pid") or 0))
        return start is None or start != owner.get("process_start")
    try:
        return _now_there(path) - os.stat(path).st_mtime > _STALE
    except OSError:
        return False


def _now_there(path: str) -> float:
    """What time it is where a lock lies: heartbeats have that clock, and ours may be off by hours.

    Raises:
        OSError: nothing can be written there.
    """
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), prefix=f"{NAME}.now.") as file:
        file.write(b"?")
        file.flush()
        os.fsync(file.fileno())  # or a network's file system may answer for the server
        return os.fstat(file.fileno()).st_mtime


def _put_away(path: str, owner: Mapping[str, Any] | None) -> None:
    """Remove a stale lock, unless it has become somebody else's meanwhile.

    Raises:
        OutputError: it may not be removed.
    """
    with _alone_with(path) as there:
        if there and read_owner(path) == owner:
            try:
                os.unlink(path)
            except OSError as error:
                raise OutputError(
                    f"{path} of {_who(owner)}, which is gone, can't be removed: {error.strerror}"
                ) from None
            log.warning("took over the lock of %s, which is gone", _who(owner))


@contextmanager
def _alone_with(path: str) -> Iterator[bool]:
    """Nobody else removes a lock file meanwhile; False if it is gone, or another one by now.

    By the system's lock on the file. Without that two that saw the same stale lock might each
    remove one: the stale one, and the first one's new one.
    """
    if sys.platform == "win32":  # where open files can't be removed
        yield os.path.exists(path)
        return
    try:
        file = os.open(path, os.O_RDONLY)  # enough to remove it, and maybe it is another user's
    except FileNotFoundError:
        yield False
        return
    except OSError as error:
        raise OutputError(f"{path} can't be read: {error.strerror}") from None
    try:
        lock_file(file, wait=True)
        try:
            there = os.path.samestat(os.fstat(file), os.stat(path))
        except OSError:
            there = False
        yield there
    finally:
        os.close(file)


def clear_leftovers(folder: str) -> None:
    """Remove temporary lock files of runs that were killed while they took it.

    Only for the lock's holder; another run that is just trying will find the lock taken.
    """
    for name in os.listdir(folder):
        if not name.startswith(f"{NAME}."):
            continue
        path = os.path.join(folder, name)
        owner = read_owner(path)
        if owner is None or _dead(path, owner):
            with suppress(FileNotFoundError):
                os.unlink(path)


def _who(owner: Mapping[str, Any] | None) -> str:
    if owner is None:
        return "another run"
    return (
        f"run {owner.get('run')} (process {owner.get('pid')} on {owner.get('host')} "
        f"since {owner.get('since')})"
    )


def _machine() -> str:
    """This machine since it was started, and this container: whose process numbers these are."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            parts.append(file.read().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _start_of(pid: int) -> str | None:
    """When a process was started, so that its number can't be mistaken; None if it is gone."""
    with suppress(OSError, IndexError):
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
        return None if words[0] == "Z" else words[19]
    if os.path.isdir("/proc/self"):
        return None
    try:
        os.kill(pid, 0)
    except OSError:
        return None
    return "unknown"
