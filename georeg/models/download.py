"""One file over HTTP: resumed where it broke off, mirrors in turn, never larger than declared.

Proxies are those of the environment (http_proxy, https_proxy, no_proxy). What has arrived stays in
a `.part` file, and beside it in a `.part.json` where it came from, until the whole is there.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from georeg.errors import InputError, OutputError
from georeg.textfile import lock_file, write_text

Progress = Callable[[int, int], None]

_CHUNK = 1 << 18
_TIMEOUT = 30.0  # seconds without a byte
_TRIES = 4  # in a row without a byte
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # worth another try


@dataclass(frozen=True)
class Fetched:
    """A file that has arrived.

    Attributes:
        url: where it came from, in the end.
        size: bytes.
        sha256: hexadecimal.
    """

    url: str
    size: int
    sha256: str


class _Failed(Exception):
    """This source didn't work out."""

    def __init__(self, reason: str, *, again: bool = False, useless: bool = False) -> None:
        super().__init__(reason)
        self.again, self.useless = again, useless


def download(
    urls: Sequence[str],
    part: Path,
    *,
    limit: int,
    sha256: str | None = None,
    check: Callable[[Path], None] | None = None,
    progress: Progress | None = None,
    pause: float = 1.0,
) -> Fetched:
    """Fetch a file into `part`, going on where an earlier run was interrupted.

    Args:
        urls: sources of the same file, tried in turn.
        part: where it arrives; it is left there, complete.
        limit: most bytes to take.
        sha256: the only one to accept; any if None.
        check: raises InputError if the file isn't what it should be.
        progress: told the bytes so far and altogether (0 if unknown). What it raises ends the
            transfer, which can be resumed.
        pause: seconds before the second try; longer before each further one.

    Raises:
        InputError: no source delivered the file, or another process is fetching it.
        OutputError: it can't be written.
    """
    reasons = []
    with _opened(part) as file:
        for url in urls:
            try:
                _patiently(url, part, file, limit, sha256 is not None, progress, pause)
                return _examined(url, part, file, sha256, check)
            except _Failed as error:
                reasons.append(f"{urlsplit(url).netloc or url}: {error}")
                if error.useless:
                    _discard(part, file)
        kept = file.seek(0, os.SEEK_END)
    again = f" ({kept} bytes are kept: the same command goes on from there)" if kept else ""
    raise InputError(f"{part.stem} can't be fetched: {'; '.join(reasons)}{again}")


def sha256_of(path: Path) -> str:
    """The checksum of a file.

    Raises:
        InputError: it can't be read.
    """
    try:
        with open(path, "rb") as file:
            return _hashed(file)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from None


def _hashed(file: BinaryIO) -> str:
    found = hashlib.sha256()
    while chunk := file.read(1 << 20):
        found.update(chunk)
    return found.hexdigest()


@contextmanager
def _opened(part: Path) -> Iterator[BinaryIO]:
    """The unfinished file, for this process alone; nothing stays if nothing arrived."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("a+b")
    except OSError as error:
        raise OutputError(f"{part} can't be written: {error.strerror}") from None
    with file:
        _lock(file, part)
        try:
            yield file
        finally:
            with suppress(OSError):
                if not part.stat().st_size:
                    part.unlink()
                    _origin(part).unlink(missing_ok=True)


def _lock(file: BinaryIO, part: Path) -> None:
    try:
        lock_file(file, wait=False)
    except BlockingIOError:
        raise InputError(f"{part.stem} is being fetched by another process") from None


def _patiently(
    url: str, part: Path, file: BinaryIO, limit: int, known: bool,
    progress: Progress | None, pause: float,
) -> None:  # fmt: skip
    """Try again as long as something arrives, and a few times when nothing does."""
    idle = 0
    while True:
        before = file.seek(0, os.SEEK_END)
        try:
            _once(url, part, file, limit, known, progress)
            return
        except _Failed as error:
            idle = 0 if file.seek(0, os.SEEK_END) > before else idle + 1
            if not error.again or idle >= _TRIES:
                raise
        if idle:
            time.sleep(pause * 2 ** (idle - 1))


def _once(
    url: str, part: Path, file: BinaryIO, limit: int, known: bool, progress: Progress | None
) -> None:
    """One request for what is still missing."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise _Failed("only http and https are supported")
    have = file.seek(0, os.SEEK_END)
    headers = {"User-Agent": "georeg", "Accept-Encoding": "identity"}
    if have:
        validator = _validator(part, url)
        # With a known checksum a wrong continuation can't go unnoticed.
        if validator or known:
            headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    request = urllib.request.Request(url, headers=headers)
    try:
        # A new opener each time: the environment's proxies are read when it is made.
        with urllib.request.build_opener().open(request, timeout=_TIMEOUT) as response:
            start = have if _continues(response, have) else 0
            total = start + int(response.headers.get("Content-Length") or 0)
            total = total if total > start else 0
            if total > limit:
                raise _too_large(total, limit)
            _write(file, start, None)
            _remember(part, url, response.headers)
            _receive(response, file, start, total, limit, progress)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # nothing left to send, or another file by now
            if str(error.headers.get("Content-Range", "")).endswith(f"/{have}"):
                return
            _discard(part, file)
            raise _Failed("it can't be resumed", again=True) from None
        raise _Failed(f"HTTP {error.code} {error.reason}", again=error.code in _BUSY) from None
    except urllib.error.URLError as error:
        raise _Failed(_words(error.reason), again=True) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, (InputError, OutputError)):
            raise
        raise _Failed(_words(error), again=not isinstance(error, ValueError)) from None


def _continues(response: Any, have: int) -> bool:
    if response.status != 206:
        return False
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != have:
        raise _Failed("it sent another part than the one asked for", useless=True, again=True)
    return True


def _receive(
    response: Any, file: BinaryIO, start: int, total: int, limit: int, progress: Progress | None
) -> None:
    done = start
    if total and progress is not None:
        progress(done, total)
    _room(file, total - start)
    # read1 gives what is there, so that little is lost when the line breaks.
    while chunk := response.read1(_CHUNK):
        if done + len(chunk) > limit:
            raise _too_large(done + len(chunk), limit)
        _write(file, done, chunk)
        done += len(chunk)
        if progress is not None:
            progress(done, total)
    if done < total:
        raise _Failed(f"the transfer broke off after {done} of {total} bytes", again=True)


def _room(file: BinaryIO, more: int) -> None:
    free = shutil.disk_usage(os.path.dirname(os.path.abspath(file.name))).free
    if more > free:
        raise OutputError(
            f"{file.name} can't be written: the disk has {free >> 20} MB left, "
            f"{(more >> 20) + 1} MB are needed"
        )


def _write(file: BinaryIO, at: int, chunk: bytes | None) -> None:
    """Append a chunk; None cuts the file off there."""
    try:
        if chunk is None:
            file.truncate(at)
        else:
            file.write(chunk)
        file.flush()
    except OSError as error:
        raise OutputError(f"{file.name} can't be written: {error.strerror}") from None


def _examined(
    url: str, part: Path, file: BinaryIO, sha256: str | None, check: Callable[[Path], None] | None
) -> Fetched:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    found = _hashed(file)
    if sha256 is not None and found != sha256:
        raise _Failed(f"its sha256 is {found} rather than {sha256}", useless=True)
    if check is not None:
        try:
            check(part)
        except InputError as error:
            raise _Failed(str(error), useless=True) from None
    os.fsync(file.fileno())
    _origin(part).unlink(missing_ok=True)
    return Fetched(url, size, found)


def _too_large(size: int, limit: int) -> _Failed:
    return _Failed(f"{size} bytes or more, at most {limit} were expected: refused", useless=True)


def _discard(part: Path, file: BinaryIO) -> None:
    _write(file, 0, None)
    _origin(part).unlink(missing_ok=True)


def _origin(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _remember(part: Path, url: str, headers: Any) -> None:
    etag = headers.get("ETag") or ""
    validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")
    write_text(str(_origin(part)), json.dumps({"url": url, "validator": validator}) + "\n")


def _validator(part: Path, url: str) -> str | None:
    """What tells that the server still has the same file; None if that can't be told."""
    try:
        origin = json.loads(_origin(part).read_text(encoding="utf-8"))
        same = origin["url"] == url
        return str(origin["validator"]) if same and origin["validator"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _words(error: object) -> str:
    """The reason of a network error in a few words."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(said).split())
