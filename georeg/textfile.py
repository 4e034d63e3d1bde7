"""Small files: written whole or not at all, read with errors that help, locked for one alone."""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol, cast

from georeg.errors import InputError, OutputError, SettingsError

# Line breaks stand between values only: within strings they are written as \\n.
_NUMBERS = re.compile(r"\[\n\s*(?:(?:[-+.\deE]+|null),\n\s*)*(?:[-+.\deE]+|null)\n\s*\]")

LONGEST = 255  # bytes of a file's name, on all usual file systems

Name = str | os.PathLike[str]
"""Of a file, as callers from Python give it."""


class _Scalar(Protocol):
    """A NumPy scalar, without importing NumPy."""

    def item(self) -> Any: ...


def kind_of(value: object) -> str:
    """The type of a value with its article, for messages."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def name_of(value: Any, what: str) -> str:
    """The name of a file as callers from Python give it: a str, or a path object.

    Args:
        value: the name.
        what: it names, for messages: 'raster'.

    Raises:
        SettingsError: it is something else.
    """
    name = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(name, str):
        raise SettingsError(
            f"{kind_of(value)} is no {what}: give the name of a file, as str or Path"
        )
    return name


def unspeakable(name: str) -> str:
    """Why GDAL can't be told a name, which it takes in UTF-8 only; empty if it can."""
    coding = sys.getfilesystemencoding()
    if not name.isascii() and coding != "utf-8":
        return f"the locale has file names in {coding}: set PYTHONUTF8=1"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "it is not valid UTF-8: rename it"
    return ""


def read_text(path: str) -> str:
    """A text file in UTF-8, with or without byte order mark.

    Raises:
        InputError: missing, unreadable or no text.
    """
    try:
        with open(path, encoding="utf-8-sig", newline=None) as file:
            return file.read()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file in UTF-8") from None
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from None


def read_json(path: str, what: str) -> dict[str, Any]:
    """A JSON object from a file.

    Args:
        path: of the file.
        what: it should be, for messages: 'a fit file'.

    Raises:
        InputError: missing, unreadable or no JSON object.
    """
    try:
        data = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not {what}: {error}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path} is not {what}")
    return data


def write_json(path: str, data: Mapping[str, Any], *, overwrite: bool = True) -> None:
    """A JSON file, whole or not at all; NaN and infinity become null.

    Lists of numbers are kept on one line.

    Raises:
        OutputError: it can't be written.
        SettingsError: it exists and may not be overwritten.
    """
    text = json.dumps(finite(data), indent=1, ensure_ascii=False) + "\n"
    text = _NUMBERS.sub(lambda found: f"[{' '.join(found[0][1:-1].split())}]", text)
    write_text(path, text, overwrite=overwrite)


def is_page(path: str) -> bool:
    """Whether a name asks for a page of HTML."""
    return path.lower().endswith((".html", ".htm"))


def write_text(path: str, text: str, *, overwrite: bool = True) -> None:
    """A text file in UTF-8, whole or not at all; pipes and devices are written to as they are.

    Raises:
        OutputError: it can't be written.
        SettingsError: it exists and may not be overwritten.
    """
    with prepared(path, text, overwrite=overwrite):
        pass


def write_bytes(path: str, data: bytes, *, overwrite: bool = True) -> None:
    """A small file, whole or not at all; pipes and devices are written to as they are.

    Raises:
        OutputError: it can't be written.
        SettingsError: it exists and may not be overwritten.
    """
    with _prepared(path, data, overwrite=overwrite):
        pass


@contextmanager
def prepared(path: str, text: str, *, overwrite: bool = True) -> Iterator[None]:
    """A text file in UTF-8 that goes with another file: it takes its room first, and appears last.

    If what is done meanwhile fails, nothing is left of it. Pipes and devices are written to last.

    Raises:
        OutputError: it can't be written.
        SettingsError: it exists and may not be overwritten.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise OutputError(f"{path} can't be written: a name in it is not valid UTF-8") from None
    with _prepared(path, data, overwrite=overwrite):
        yield


@contextmanager
def _prepared(path: str, data: bytes, *, overwrite: bool) -> Iterator[None]:
    if _is_stream(path):
        # Renaming onto /dev/stdout or /dev/null would replace the device by a file.
        yield
        _write(path, path, data)
        return
    if not overwrite and os.path.lexists(path):
        raise SettingsError(f"{path} exists: give another name, or --overwrite")
    target = followed(path)
    temporary = beside(target, f".georeg-{os.getpid()}")
    try:
        _write(temporary, path, data)
        yield
        try:
            replace_file(temporary, target)
        except OSError as error:
            raise OutputError(f"{path} can't be written: {error.strerror}") from None
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def same_file(one: str, other: str) -> bool:
    """Whether two names are of one file, whether it is there or not."""
    try:
        if os.path.realpath(one) == os.path.realpath(other):
            return True
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return one == other


def followed(path: str) -> str:
    """What a name leads to where it is a link, which is to stay one; the name itself elsewhere."""
    return os.path.realpath(path) if os.path.islink(path) else path


def replace_file(path: str, target: str) -> None:
    """Put a file in another one's place, whose owner and permissions stay, as `cp` keeps them.

    Raises:
        OSError: it can't be put there.
    """
    with suppress(OSError):  # nothing is there, or the file system knows no permissions
        known = os.stat(target)
        with suppress(OSError, AttributeError):  # root only, and not on Windows
            os.chown(path, known.st_uid, known.st_gid)
        os.chmod(path, stat.S_IMODE(known.st_mode))
    os.replace(path, target)


def beside(path: str, suffix: str) -> str:
    """The path with a suffix; of a name that is too long with it, as much as there is room for."""
    folder, name = os.path.split(path)
    room = LONGEST - len(suffix)
    return os.path.join(folder, os.fsdecode(os.fsencode(name)[:room]) + suffix)


def _is_stream(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _write(path: str, name: str, data: bytes) -> None:
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise OutputError(f"{name} can't be written: {error.strerror}") from None


def finite(value: Any) -> Any:
    """The same with plain numbers for JSON; NaN and infinity become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if hasattr(value, "item"):
        return finite(cast("_Scalar", value).item())
    return value


def lock_file(file: Any, *, wait: bool) -> None:
    """Lock an open file, until it is closed; nothing where the system or its disks know no locks.

    Args:
        file: anything with a descriptor, or that itself.
        wait: for another one to let go.

    Raises:
        BlockingIOError: another one holds it, and nobody wants to wait.
    """
    if sys.platform == "win32":
        return
    fcntl = importlib.import_module("fcntl")
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return  # file systems that know none
