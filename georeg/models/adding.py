"""Weights into the store: fetched from their authors, or taken from a file that the user has."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from georeg.errors import InputError, SettingsError
from georeg.models import catalogue, download, store
from georeg.models.catalogue import Entry
from georeg.models.store import Record

Agree = Callable[[Entry], bool]

_log = logging.getLogger(__name__)


def disagree(entry: Entry) -> bool:
    """Agree to nothing."""
    return False


@dataclass(frozen=True)
class Added:
    """A file in the store.

    Attributes:
        name: of its entry.
        path: where it lies.
        sha256: hexadecimal.
        new: whether it wasn't there before.
    """

    name: str
    path: Path
    sha256: str
    new: bool


def pull(
    name: str,
    *,
    mirrors: Sequence[str] = (),
    agree: Agree = disagree,
    progress: download.Progress | None = None,
    pause: float = 1.0,
) -> Added:
    """Fetch an entry's file, examine it, and put it in its place; nothing if it is there already.

    Args:
        name: of the entry.
        mirrors: base URLs to try first; the file's name is appended.
        agree: asked, once, whether the user agrees to a licence that restricts.
        progress: as `download.download`.
        pause: as `download.download`.

    Raises:
        SettingsError: no such entry, or its licence isn't agreed to.
        InputError: GEOREG_OFFLINE is set, it can only be imported, or no source has it.
        OutputError: it can't be written.
    """
    entry = catalogue.get(name)
    path = store.path_of(entry)
    check_licence(entry, agree)
    if path.is_file():
        path = store.find(name)
        record = store.record_of(entry)
        return Added(name, path, record.sha256 if record else "", new=False)
    urls = [f"{base.rstrip('/')}/{entry.file}" for base in mirrors] + list(entry.urls)
    if not urls:
        raise InputError(store.how_to_get(entry))
    if store.offline():
        raise InputError(
            f"GEOREG_OFFLINE is set: get {urls[0]} elsewhere, and run "
            f"'georeg models import FILE --as {name}'"
        )

    def check(part: Path) -> None:
        _examine(part, entry)

    part = store.part_of(entry)
    known = entry.sha256 if entry.enforced else None
    fetched = download.download(
        urls, part, limit=entry.limit, sha256=known, check=check, progress=progress, pause=pause
    )
    return _put(entry, part, Record(fetched.size, fetched.sha256, fetched.url))


def import_file(
    path: str | os.PathLike[str],
    name: str | None = None,
    *,
    agree: Agree = disagree,
    overwrite: bool = False,
) -> Added:
    """Copy a checkpoint into the store, once it is known what it is and that it is complete.

    Args:
        path: of the file.
        name: of its entry; found out from its tensors, checksum and name if None.
        agree: asked, once, whether the user agrees to a licence that restricts.
        overwrite: replace another file of the same entry.

    Raises:
        SettingsError: no such entry, several are possible, the licence isn't agreed to, or
            another file is there.
        InputError: unreadable, more than tensors, incomplete, or of no known kind.
        OutputError: it can't be written.
    """
    source = Path(path)
    entry, sha256 = identify(source, name)
    check_licence(entry, agree)
    target = store.path_of(entry)
    if entry.shipped and download.sha256_of(target) != sha256:
        raise SettingsError(f"the weights {entry.name} come with georeg: add --as {entry.name}_own")
    if target.is_file():
        if download.sha256_of(target) == sha256:
            store.find(entry.name)
            return Added(entry.name, target, sha256, new=False)
        if not overwrite:
            raise SettingsError(f"{target} exists and is another file: --overwrite replaces it")
    copy = target.with_name(f"{target.name}.import-{os.getpid()}")
    try:
        with store.writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        return _put(entry, copy, Record(copy.stat().st_size, sha256, str(source.resolve())))
    finally:
        with suppress(OSError):
            copy.unlink()


def identify(path: Path, name: str | None = None) -> tuple[Entry, str]:
    """Which entry a complete checkpoint is, and its sha256.

    Raises:
        SettingsError: no such entry, or several are possible and none was named.
        InputError: as `import_file`.
    """
    if name is not None:
        entry = catalogue.get(name)
        _examine(path, entry)
        return entry, download.sha256_of(path)
    from georeg.models.recognise import recognise

    layout = recognise(path)
    sha256 = download.sha256_of(path)
    alike = catalogue.with_layout(layout)
    by_sum = [e for e in alike if e.sha256 == sha256]
    by_name = [e for e in alike if e.is_called(str(path)) and not e.shipped]
    for found in (by_sum, by_name, [e for e in alike if not e.shipped]):
        if len(found) == 1:
            return found[0], sha256
    choices = ", ".join(e.name for e in alike)
    raise SettingsError(
        f"{path} is a complete {layout} checkpoint, but its tensors don't tell whose: "
        f"add --as NAME (one of {choices})"
    )


def check_licence(entry: Entry, agree: Agree) -> None:
    """See to it that the user agreed to the licence; that is asked once.

    Raises:
        SettingsError: not yet.
        OutputError: the agreement can't be noted.
    """
    if not entry.asks or store.agreed(entry):
        return
    if not agree(entry):
        raise SettingsError(f"{entry.licence}: add --accept-licence if you agree")
    store.agree(entry)


def _examine(path: Path, entry: Entry) -> None:
    from georeg.models.recognise import load

    load(path, entry.layout)


def _put(entry: Entry, temporary: Path, record: Record) -> Added:
    warning = store.doubt(entry, record.sha256)
    if warning is not None:
        _log.warning("%s", warning)
    path = store.put(entry, temporary, record)
    return Added(entry.name, path, record.sha256, new=True)
