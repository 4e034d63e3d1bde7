"""Folders that datasets and training runs are written to: one at a time, with room on the disk."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from georeg.errors import OutputError
from georeg.models.store import writing
from georeg.textfile import lock_file

_BLOCK = 512  # bytes, in which systems count what files take


@contextmanager
def alone(folder: str, *, wait: bool = False) -> Iterator[None]:
    """Work in a folder that no other process works in; it is made, and goes if it stays empty.

    Args:
        folder: locked by the system, so that a process that is killed lets go.
        wait: for another one to end.

    Raises:
        OutputError: it can't be made, or another process works in it.
    """
    new = not os.path.isdir(folder)
    with writing(Path(folder)):
        os.makedirs(folder, exist_ok=True)
    try:
        if sys.platform == "win32":  # where folders can't be opened
            yield
            return
        file = os.open(folder, os.O_RDONLY)
        try:
            try:
                lock_file(file, wait=wait)
            except BlockingIOError:
                raise OutputError(f"{folder} is being worked on by another process") from None
            yield
        finally:
            os.close(file)
    finally:
        if new:
            with suppress(OSError):
                os.rmdir(folder)


def check_room(folder: str, size: int) -> None:
    """See to it that a disk has room.

    Raises:
        OutputError: it hasn't.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OutputError(
            f"{folder} can't be written: the disk has {free >> 20} MB left, "
            f"{(size >> 20) + 1} MB are needed"
        )


def take_room(folder: str, names: Sequence[str]) -> None:
    """Have the disk keep room for all of some files in a folder, holes and all.

    A process that writes to a mapped file on a full disk is killed without a word (SIGBUS).

    Raises:
        OutputError: there isn't room.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    found = {path: os.stat(path) for path in (os.path.join(folder, name) for name in names)}
    check_room(folder, sum(max(0, s.st_size - _BLOCK * s.st_blocks) for s in found.values()))
    for path, stat in found.items():
        with writing(Path(path)), open(path, "r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, stat.st_size)
            except OSError as error:
                # Some file systems can't do that at all.
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise
