"""Where the outputs of a command go, looked at before any work is done."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from georeg.errors import OutputError, SettingsError
from georeg.writers.place import check_lasting, check_output, is_virtual


def report_paths(output: str, given: Sequence[str]) -> tuple[str, ...]:
    """Where the report goes: beside the output unless it is named.

    Raises:
        SettingsError: the output has no local folder that the report could go to.
    """
    if given:
        return tuple(given)
    if is_virtual(output):
        raise SettingsError(f"{output} is no local file: name one for the report with --report")
    return (os.path.splitext(output)[0] + ".report.json",)


def rpc_path(output: str, given: str | None) -> str:
    """Where refined RPCs go: beside the output unless they are named.

    Not as OUTPUT_RPC.TXT: GDAL would take them for RPCs of the orthoimage.

    Raises:
        SettingsError: the output has no local folder that they could go to.
    """
    if given is not None:
        return given
    if is_virtual(output):
        raise SettingsError(f"{output} is no local file: name one for the RPCs with --rpc-output")
    return os.path.splitext(output)[0] + ".refined_RPC.TXT"


def check_outputs(
    raster: str | None,
    texts: Mapping[str, str | None],
    inputs: Sequence[str],
    *,
    overwrite: bool,
) -> None:
    """Find out early whether all outputs may be written.

    Args:
        raster: name of the output raster.
        texts: paths of small files by option; the report is always replaced.
        inputs: files that must not be overwritten.
        overwrite: whether existing files may be replaced.

    Raises:
        SettingsError: an output is an input or another output, or exists.
        OutputError: it can't be written.
    """
    taken = {} if raster is None else {os.path.realpath(raster): "--output"}
    if raster is not None:
        check_lasting(raster)
        check_output(raster, inputs, overwrite=overwrite)
    for option, path in texts.items():
        if path is None:
            continue
        if is_virtual(path):
            raise SettingsError(f"{option} {path}: must be a local file")
        place = os.path.realpath(path)
        if place in taken:
            raise SettingsError(f"{option} and {taken[place]} are the same file: {path}")
        if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
            continue  # a pipe or /dev/stdout
        taken[place] = option
        check_output(path, inputs, overwrite=overwrite or option.startswith("--report"))


@contextmanager
def saying_what_stays(paths: Sequence[str | None]) -> Iterator[None]:
    """Name the outputs that are whole when another one can't be written: they aren't taken back.

    Args:
        paths: of all outputs.

    Raises:
        OutputError: with those that were written meanwhile.
    """
    wanted = [path for path in paths if path is not None]
    before = [_stamp(path) for path in wanted]
    try:
        yield
    except OutputError as error:
        now = zip(wanted, before, strict=True)
        whole = [path for path, old in now if _stamp(path) not in (None, old)]
        if not whole:
            raise
        raise OutputError(f"{error}; already written, and whole: {', '.join(whole)}") from error


def _stamp(path: str) -> tuple[int, int, int] | None:
    """What changes when a file is replaced; None without a file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def check_points(paths: tuple[str, ...]) -> None:
    """Look at the suffixes.

    Raises:
        SettingsError: there is no such format.
    """
    if paths:
        from georeg.writers.points import check_suffix

        for path in paths:
            check_suffix(path)
