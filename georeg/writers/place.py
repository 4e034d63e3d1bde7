"""Putting outputs in place: whole or not at all, never over an input."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rasterio.shutil

from georeg.errors import GeoregError, OutputError, SettingsError
from georeg.inputs.opening import GDAL_ERRORS, check_memory, check_name
from georeg.textfile import followed, replace_file, same_file, unspeakable

# What GDAL looks for beside a raster, and SQLite beside a GeoPackage that another program has open:
# left over from a predecessor, these would describe it, or its edits would be played into it.
_SIDECARS = (".aux.xml", ".ovr", ".msk", "-wal", "-shm", "-journal")
_LITTLE = 16  # MB, with the unfinished file still on the disk
_MORE = 2**20  # bytes that a file can take, or else it is in the way of a limit
# Folders in the works, so that a process that must go at once can leave nothing behind.
_unfinished: set[str] = set()


def is_virtual(name: str) -> bool:
    """Whether a name belongs to GDAL (/vsis3/..., s3://...) and not to the file system."""
    return name.startswith("/vsi") or "://" in name


def check_lasting(output: str) -> None:
    """See that an output outlives the process: callers from Python may want GDAL's memory.

    Raises:
        SettingsError: it wouldn't.
    """
    if output.startswith("/vsimem/"):
        raise SettingsError(f"{output} would be gone with this process: give the name of a file")


def exists(name: str) -> bool:
    """Whether there is something of that name, wherever it is.

    Raises:
        OutputError: the cloud doesn't let us look.
    """
    if not is_virtual(name):
        return os.path.lexists(name)
    try:
        return bool(rasterio.shutil.exists(name))
    except GDAL_ERRORS as error:
        # With credentials, GDAL raises where S3 says that there is no such object.
        if "NotFound" in type(error).__name__ or "does not exist" in str(error):
            return False
        raise OutputError(f"{name} can't be looked for: {_reason(error)}") from None


def check_output(output: str, inputs: Sequence[str] = (), *, overwrite: bool = False) -> None:
    """Find out early whether an output may be written.

    Raises:
        InputError: GDAL can't name an input.
        SettingsError: it is one of the inputs, or exists and may not be overwritten.
        OutputError: its folder is missing or not writable, it is a folder, or GDAL can't name it.
    """
    for name in inputs:
        check_name(name)  # or an output that is called after it would be blamed
        if same_file(output, name):
            raise SettingsError(f"output {output} is the input {name}: give it another name")
    reason = unspeakable(output if is_virtual(output) else os.path.abspath(output))
    if reason:
        raise OutputError(f"{output!a} can't be written by its path: {reason}")
    if is_virtual(output):
        if not overwrite and exists(output):
            raise _exists(output)
        return
    if os.path.isdir(output):
        raise OutputError(f"{output} can't be written: it is a folder")
    if os.path.exists(output) and not stat.S_ISREG(os.stat(output).st_mode):
        raise OutputError(f"{output} can't be written: it is not a regular file")
    place = followed(output)
    folder = os.path.dirname(place) or "."
    try:
        os.stat(place)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass
    except OSError as error:  # a name that is too long, a folder that nobody may look into
        raise OutputError(f"{output} can't be written: {error.strerror}") from None
    if not os.path.isdir(folder):
        raise OutputError(f"{output} can't be written: there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{output} can't be written: no permission to write into {folder}")
    if not overwrite and os.path.lexists(output):
        raise _exists(output)


def _exists(output: str) -> SettingsError:
    return SettingsError(f"{output} exists: give another name, or --overwrite")


@contextmanager
def placed(
    output: str, inputs: Sequence[str] = (), *, overwrite: bool = False
) -> Iterator[tuple[str, str]]:
    """A hidden folder to work in, and in it the path that becomes the output on success.

    Whatever happens, the folder is removed; nothing else is touched unless all went well. The
    folder lies beside the output, on the same file system, so that the last step is a rename; links
    stay links, and what they point to is replaced. Outputs that only GDAL can reach are copied from
    the system's temporary folder. What is replaced hands on its permissions.

    Yields:
        The folder's path, and the path of the file to write.

    Raises:
        SettingsError, OutputError: as `check_output`; or the output can't be put in place.
    """
    check_output(output, inputs, overwrite=overwrite)
    virtual = is_virtual(output)
    parent, prefix = _workplace(output)
    folder = os.path.join(parent, prefix + uuid.uuid4().hex)
    # Known before it exists: a signal may arrive between any two instructions.
    _unfinished.add(folder)
    try:
        with writing(output):
            os.mkdir(folder, 0o700)
        path = os.path.join(folder, "output" + os.path.splitext(output)[1])
        yield folder, path
        if not overwrite and exists(output):  # somebody else was faster
            raise _exists(output)
        with writing(output):
            if virtual:
                rasterio.shutil.copyfiles(path, output)
            else:
                _replace(path, output)
    except OutputError as error:
        if not os.path.isdir(folder):
            text = "its folder was removed meanwhile"
            raise OutputError(f"{output} can't be written: {text}") from error
        # GDAL's words for a full disk are "Write error at scanline 0".
        free = shutil.disk_usage(parent).free // 2**20
        reason = f"the disk has only {free} MB left" if free < _LITTLE else _hindrance(folder)
        if not reason or reason in str(error):
            raise
        raise OutputError(f"{error} ({reason})") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _unfinished.discard(folder)


def _hindrance(folder: str) -> str:
    """Why the unfinished files in a folder can't grow (a quota, a limit); empty where they can."""
    try:
        with os.scandir(folder) as files:
            for file in files:
                with open(file.path, "ab") as more:
                    more.write(bytes(_MORE))
    except OSError as error:
        return error.strerror or ""
    return ""


def _workplace(output: str) -> tuple[str, str]:
    """Where an output is made: a folder, and how the hidden folders in it begin."""
    whole = output if is_virtual(output) else os.path.abspath(followed(output))
    key = hashlib.blake2b(os.fsencode(whole), digest_size=6).hexdigest()
    parent = tempfile.gettempdir() if is_virtual(output) else os.path.dirname(whole)
    return parent, f".georeg-{key}-"


def clear_leftovers(outputs: Sequence[str]) -> None:
    """Remove what processes that were killed left of these outputs; nobody may be writing them."""
    wanted: dict[str, set[str]] = {}
    for output in outputs:
        parent, prefix = _workplace(output)
        wanted.setdefault(parent, set()).add(prefix)
    for parent, prefixes in wanted.items():
        names = os.listdir(parent) if os.path.isdir(parent) else []
        for name in names:
            if name.startswith(".georeg-") and name[: name.rfind("-") + 1] in prefixes:
                shutil.rmtree(os.path.join(parent, name), ignore_errors=True)


def abandon() -> None:
    """Remove whatever is unfinished: for a process that is told to end, at its very end."""
    while _unfinished:
        shutil.rmtree(_unfinished.pop(), ignore_errors=True)


def _replace(path: str, output: str) -> None:
    target = followed(output)
    _sync(path)
    replace_file(path, target)
    for suffix in _SIDECARS:
        if target != output and os.path.isfile(output + suffix):
            os.remove(output + suffix)  # GDAL looks beside the link as well as beside its target
        if os.path.isfile(path + suffix):
            # Rare: a CRS that GeoTIFF can't express. Without it the output would have none.
            if target != output:
                shutil.copyfile(path + suffix, output + suffix)
            os.replace(path + suffix, target + suffix)
        elif os.path.isfile(target + suffix):
            os.remove(target + suffix)
    _sync(os.path.dirname(os.path.abspath(target)))


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(output: str) -> Iterator[None]:
    """Turn errors of GDAL and the operating system into OutputError.

    Raises:
        OutputError: with the first line of the reason.
        MemoryError: it is a lack of memory.
    """
    try:
        yield
    except GeoregError:
        raise
    except (*GDAL_ERRORS, OSError) as error:
        check_memory(error)
        raise OutputError(f"{output} can't be written: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # rasterio raises a summary; the cause is in GDAL's error below it.
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
