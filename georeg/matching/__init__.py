"""Matchers: one file each, file name = `--matcher` value.

Importing this package doesn't import torch; loading a matcher does.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import cast

from georeg.errors import SettingsError
from georeg.matching.protocol import Device, Matcher

__all__ = ["available", "load"]

_SHARED = {"protocol", "running", "pixels", "cells", "mind", "orientation", "correlation"}
_GROUP = "georeg.matchers"


def available() -> list[str]:
    """Names of all matchers: the files here, and entry points of other packages."""
    names = {m.name for m in pkgutil.iter_modules(__path__)} - _SHARED
    names |= {e.name for e in entry_points(group=_GROUP)}
    return sorted(n for n in names if not n.startswith("_"))


def load(name: str, device: Device) -> Matcher:
    """A matcher, ready to run.

    Args:
        name: one of `available()`, or auto.
        device: where to compute.

    Raises:
        SettingsError: there is no such matcher.
    """
    if name == "auto":
        name = "structural"
    if name not in available():
        raise SettingsError(f"no matcher '{name}': choose from auto, {', '.join(available())}")
    for entry in entry_points(group=_GROUP):
        if entry.name == name:
            return cast("Matcher", entry.load()(device))
    module = importlib.import_module(f"georeg.matching.{name}")
    return cast("Matcher", module.MATCHER(device))
