"""Matchers: one file each, file name = `--matcher` value.

Importing this package doesn't import torch; loading a matcher does.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from georeg.errors import SettingsError
from georeg.matching.protocol import Device, Matcher

__all__ = ["available", "load"]

_SHARED = {
    "protocol",
    "running",
    "pixels",
    "cells",
    "mind",
    "networks",
    "orientation",
    "correlation",
    "subpixel",
}
_GROUP = "georeg.matchers"


def available() -> list[str]:
    """Names of all matchers: the files here, and entry points of other packages."""
    return sorted(_own() | {e.name for e in entry_points(group=_GROUP)})


def load(name: str, device: Device) -> Matcher:
    """A matcher, ready to run; ours where another package took the same name.

    Args:
        name: one of `available()`, or auto.
        device: where to compute.

    Raises:
        SettingsError: there is no such matcher, or another package's can't be loaded.
    """
    if name == "auto":
        name = "structural"
    if name not in available():
        near = difflib.get_close_matches(name, available(), 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise SettingsError(
            f"no matcher '{name}': {hint}Choose from auto, {', '.join(available())}"
        )
    if name in _own():
        module = importlib.import_module(f"georeg.matching.{name}")
        return cast("Matcher", module.MATCHER(device))
    return _from_elsewhere(next(e for e in entry_points(group=_GROUP) if e.name == name), device)


def _own() -> set[str]:
    names = {m.name for m in pkgutil.iter_modules(__path__)} - _SHARED
    return {n for n in names if not n.startswith("_")}


def _from_elsewhere(entry: EntryPoint, device: Device) -> Matcher:
    """Whatever goes wrong while foreign code is imported, the user learns whose it is."""
    try:
        kind = entry.load()
    except Exception as error:
        raise SettingsError(
            f"matcher '{entry.name}' ({entry.value}) can't be loaded: {error}"
        ) from error
    return cast("Matcher", kind(device))
