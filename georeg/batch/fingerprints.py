"""Whether an input is still the one that a job was done with.

A local file is told by its size and the time of its last change, and where that time differs
(copied, touched) by its contents: a checksum of all of it, or of pieces spread evenly over it
where it is large. The files that GDAL reads along with it (sources of mosaics, world files,
headers) are told by size and time. What only GDAL can reach is told by its header and a few blocks
of pixels.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any

import numpy as np

from georeg.errors import InputError
from georeg.grid import Window
from georeg.inputs.opening import GDAL_ERRORS, open_dataset
from georeg.inputs.tileindex import tiles
from georeg.raster import Raster
from georeg.writers.place import is_virtual

Fingerprint = Mapping[str, Any]

_WHOLE = 256 * 2**20  # bytes: larger files are sampled
_PIECE = 2**20
_PIECES = 64
_SIDE = 64  # pixels of the blocks of a remote raster
_OF_VIEWERS = (".aux.xml", ".ovr")  # written by who only looks: statistics, overviews


def fingerprint(name: str) -> Fingerprint | None:
    """What tells one version of an input from another; None if there is no such input."""
    if not name or _is_special(name):
        return None
    if is_virtual(name) or not os.path.isfile(name):
        return _of_raster(name)
    try:
        state = os.stat(name)
        found = {
            "size": state.st_size,
            "mtime_ns": state.st_mtime_ns,
            "blake2b": _contents(name, state.st_size),
        }
    except OSError:
        return None
    along = _along(name)
    return {**found, "along": along} if along else found


def unchanged(name: str, known: Fingerprint | None) -> bool:
    """Whether an input is still what its fingerprint says; reads it only where that is unsure."""
    if known is not None and "mtime_ns" in known:
        try:
            state = os.stat(name)
        except OSError:
            return False
        if state.st_size != known["size"]:
            return False
        try:
            same = (
                state.st_mtime_ns == known["mtime_ns"]
                or _contents(name, state.st_size) == known["blake2b"]
            )
        except OSError:  # the job will say what is wrong with it
            return False
        # Opened only where there were such files: most rasters are one file.
        return same and ("along" not in known or _along(name) == known["along"])
    now = fingerprint(name)
    return now is not None and known is not None and dict(now) == dict(known)


def _is_special(name: str) -> bool:
    """Pipes and devices: opening one may take forever."""
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _contents(path: str, size: int) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        if size <= _WHOLE:
            while chunk := file.read(_PIECE):
                digest.update(chunk)
        else:
            for start in np.linspace(0, size - _PIECE, _PIECES).astype(np.int64).tolist():
                file.seek(start)
                digest.update(file.read(_PIECE))
    return digest.hexdigest()


def _along(name: str) -> str:
    """Checksum of names, sizes and times of what GDAL reads along; empty if there is nothing."""
    try:
        with closing(open_dataset(name)) as dataset:
            others = sorted({*dataset.files, *tiles(dataset)[0], *_worlds(name)} - {name})
    except GDAL_ERRORS + (InputError,):  # weights and fits, or the job will say what is wrong
        return ""
    digest, count = hashlib.blake2b(digest_size=16), 0
    for other in others:
        if not other.endswith(_OF_VIEWERS):
            with suppress(OSError, ValueError):
                state = os.stat(other)
                count += 1
                digest.update(repr((other, state.st_size, state.st_mtime_ns)).encode())
    return digest.hexdigest() if count else ""


def _worlds(name: str) -> list[str]:
    """World files that not all drivers name (PNM)."""
    return [os.path.splitext(name)[0] + suffix for suffix in (".wld", ".WLD")]


def _of_raster(name: str) -> Fingerprint | None:
    try:
        with Raster(name) as raster:
            header = raster.header
            digest = hashlib.blake2b(digest_size=16)
            rows, columns = header.shape
            for share in (0.0, 0.25, 0.5, 0.75, 1.0):
                x, y = int(share * max(0, columns - _SIDE)), int(share * max(0, rows - _SIDE))
                window = Window(x, y, min(_SIDE, columns), min(_SIDE, rows))
                pixels = raster.read(window)
                digest.update(pixels.data.tobytes() + pixels.mask.tobytes())
            georef = None if header.georef is None else header.georef.to_dict()
            return {
                "shape": list(header.shape),
                "dtypes": list(header.dtypes),
                "georef": repr(georef),
                "blocks": digest.hexdigest(),
            }
    except InputError:
        return None
