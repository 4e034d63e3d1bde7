"""Where weights lie: a folder of the platform's cache, or GEOREG_MODEL_DIR.

Beside every file FILE lies FILE.json with its size, its sha256 when it was first seen, and where
it came from. A file appears under its name whole or not at all.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from georeg.errors import InputError, OutputError, SettingsError
from georeg.models import catalogue
from georeg.models.catalogue import Entry
from georeg.models.download import sha256_of
from georeg.textfile import write_json

_NO = ("", "0", "false", "no", "off")
_AGREED = "licences.json"
# A folder that can't be: nothing is found in it, and what can't be written there says what to do.
_NOWHERE = Path(os.devnull, "no home folder: set GEOREG_MODEL_DIR")


@dataclass(frozen=True)
class Record:
    """What was known of a file when it was first seen.

    Attributes:
        size: bytes.
        sha256: hexadecimal.
        source: URL or path that it came from.
    """

    size: int
    sha256: str
    source: str


def folder() -> Path:
    """Where the weights lie; it needn't exist."""
    chosen = os.environ.get("GEOREG_MODEL_DIR")
    if chosen:
        return Path(os.path.expanduser(chosen))
    home = _home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "georeg" / "models"


def _home() -> Path:
    """Of the user; of one whom the system doesn't know (in containers), none that can be."""
    try:
        return Path.home()
    except RuntimeError:
        return _NOWHERE


def offline() -> bool:
    """Whether GEOREG_OFFLINE forbids the network."""
    return os.environ.get("GEOREG_OFFLINE", "").strip().lower() not in _NO


def path_of(entry: Entry) -> Path:
    """Where an entry's file lies, or would."""
    if entry.shipped:
        return Path(__file__).with_name("shipped") / entry.file
    return folder() / entry.file


def present(name: str) -> bool:
    """Whether an entry can be used: its file and those that it needs are there.

    Raises:
        SettingsError: there is no such entry.
    """
    entry = catalogue.get(name)
    usable = path_of(entry).is_file() and (not entry.asks or agreed(entry))
    return usable and all(present(other) for other in entry.needs)


def find(name: str) -> Path:
    """The file of an entry. Its sha256 is recorded when it is first found.

    Raises:
        SettingsError: there is no such entry.
        InputError: it isn't there (the message has the command that gets it), it isn't the file
            that was put there, or its licence wasn't agreed to.
    """
    entry = catalogue.get(name)
    path = path_of(entry)
    if not path.is_file() or (entry.asks and not agreed(entry)):
        raise InputError(how_to_get(entry))
    record = record_of(entry)
    if record is None:
        keep_record(entry, Record(path.stat().st_size, sha256_of(path), "found in place"))
    elif record.size != path.stat().st_size:
        raise InputError(
            f"{path} has changed since it was put there: run 'georeg models verify {name}'"
        )
    return path


def find_all(name: str) -> dict[str, Path]:
    """The files of an entry and of those that it needs, by name.

    Raises:
        SettingsError, InputError: as `find`, for the first one that is missing.
    """
    found = {name: find(name)}
    for other in catalogue.get(name).needs:
        found |= find_all(other)
    return found


def how_to_get(entry: Entry) -> str:
    """One line with the command that gets an entry."""
    if entry.shipped:
        return f"{path_of(entry)} is missing: it comes with georeg, install georeg again"
    if entry.urls:
        size, licence = entry.megabytes, entry.licence.partition(":")[0]
        return (
            f"the weights {entry.name} are missing: run 'georeg models pull {entry.name}' "
            f"({size}, {licence})"
        )
    return (
        f"the weights {entry.name} are missing: get the file ({entry.page}) and run "
        f"'georeg models import FILE --as {entry.name}' ({entry.licence})"
    )


def record_of(entry: Entry) -> Record | None:
    """What was noted about an entry's file; None if nothing, or nothing legible."""
    try:
        data = json.loads(_record_path(entry).read_text(encoding="utf-8"))
        return Record(int(data["size"]), str(data["sha256"]), str(data["source"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep_record(entry: Entry, record: Record) -> None:
    """Note what is known of an entry's file; in a folder that can't be written, nothing is."""
    if not entry.shipped and os.access(folder(), os.W_OK):
        data = {"size": record.size, "sha256": record.sha256, "source": record.source}
        write_json(str(_record_path(entry)), data)


def put(entry: Entry, temporary: Path, record: Record) -> Path:
    """Move a complete file of the same folder to its place.

    Raises:
        OutputError: it can't be moved.
    """
    path = path_of(entry)
    with writing(path):
        # The old record must not vouch for the new file, should this be the end.
        _record_path(entry).unlink(missing_ok=True)
        os.replace(temporary, path)
        keep_record(entry, record)
    return path


def verify(name: str) -> str | None:
    """Compare an entry's file with what is known of it; returns None if all is well.

    Returns:
        A warning, if the checksum isn't the published file's; not an error.

    Raises:
        SettingsError: there is no such entry.
        InputError: missing, or changed since it was put there.
    """
    entry = catalogue.get(name)
    path = path_of(entry)
    if not path.is_file():
        raise InputError(how_to_get(entry))
    record, found = record_of(entry), sha256_of(path)
    if record is not None and record.sha256 != found:
        raise InputError(
            f"{path} has changed: its sha256 is {found}, when it was put there {record.sha256}; "
            f"run 'georeg models remove {name}' and get it again"
        )
    if record is None:
        keep_record(entry, Record(path.stat().st_size, found, "found in place"))
    return doubt(entry, found)


def doubt(entry: Entry, sha256: str) -> str | None:
    """What to think of a checksum: None if it is as known or nothing is known."""
    if entry.sha256 in (None, sha256):
        return None
    return (
        f"{entry.name}: its sha256 is {sha256}, that of the published file is said to be "
        f"{entry.sha256}; its tensors are complete"
    )


def remove(name: str) -> list[Path]:
    """Delete an entry's file, its record, and what an interrupted transfer left of it.

    Returns:
        What was deleted.

    Raises:
        SettingsError: there is no such entry, or it comes with georeg.
        OutputError: a file can't be deleted.
    """
    entry = catalogue.get(name)
    if entry.shipped:
        raise SettingsError(f"the weights {name} come with georeg and stay where they are")
    path = path_of(entry)
    part = part_of(entry)
    gone = []
    for one in (path, _record_path(entry), part, part.with_name(part.name + ".json")):
        with writing(one):
            if one.is_file():
                one.unlink()
                gone.append(one)
    return gone


def part_of(entry: Entry) -> Path:
    """Where an unfinished transfer of an entry lies."""
    path = path_of(entry)
    return path.with_name(path.name + ".part")


def agreed(entry: Entry) -> bool:
    """Whether the user agreed to an entry's licence, in its present words."""
    return _agreements().get(entry.name) == entry.licence


def agree(entry: Entry) -> None:
    """Note that the user agrees to an entry's licence.

    Raises:
        OutputError: it can't be written.
    """
    path = folder() / _AGREED
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_json(str(path), {**_agreements(), entry.name: entry.licence})


def _agreements() -> dict[str, Any]:
    try:
        data = json.loads((folder() / _AGREED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _record_path(entry: Entry) -> Path:
    path = path_of(entry)
    return path.with_name(path.name + ".json")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into OutputError.

    Raises:
        OutputError: with its reason.
    """
    try:
        yield
    except (InputError, OutputError):
        raise
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror}") from None
