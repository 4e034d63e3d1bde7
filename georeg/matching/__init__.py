"""Matchers: one file each, file name = `--matcher` value.

Importing this package doesn't import torch; loading a matcher does.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from georeg.errors import SettingsError
from georeg.matching.protocol import Device, Matcher, Weights

__all__ = ["available", "check_name", "kind", "load"]

_SHARED = {
    "protocol",
    "running",
    "team",
    "symmetric",
    "pixels",
    "cells",
    "gaps",
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


def load(name: str, device: Device, weights: Weights | None = None) -> Matcher:
    """A matcher, ready to run; ours where another package took the same name.

    Args:
        name: one of `available()`.
        device: where to compute.
        weights: what it knows, if it is a trained one.

    Raises:
        SettingsError: there is no such matcher, another package's can't be loaded, or it needs
            weights.
        InputError: these aren't its weights.
    """
    made = kind(name)
    if not getattr(made, "layouts", ()):
        return cast("Matcher", made(device))
    if weights is None or not set(made.layouts) <= set(weights.states):
        raise SettingsError(f"matcher '{name}' needs weights of layout {', '.join(made.layouts)}")
    return cast("Matcher", made(device, weights))


def kind(name: str) -> Any:
    """The class of a matcher, with what can be known of it before it has weights.

    Raises:
        SettingsError: there is no such matcher, or another package's can't be loaded.
    """
    if name in _own():
        module = importlib.import_module(f"georeg.matching.{name}")
        return module.MATCHER
    # Python opens a file of every installed package to find these: only where they are wanted.
    elsewhere = next((e for e in entry_points(group=_GROUP) if e.name == name), None)
    if elsewhere is not None:
        return _from_elsewhere(elsewhere)
    raise _unknown(name)


def _unknown(name: str) -> SettingsError:
    near = difflib.get_close_matches(name, available(), 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return SettingsError(f"no matcher '{name}': {hint}Choose from auto, {', '.join(available())}")


def check_name(name: str) -> None:
    """See that a matcher is there, without importing it.

    Raises:
        SettingsError: there is none of that name.
    """
    if name not in _own() and name not in available():
        raise _unknown(name)


def _own() -> set[str]:
    names = {m.name for m in pkgutil.iter_modules(__path__)} - _SHARED
    return {n for n in names if not n.startswith("_")}


def _from_elsewhere(entry: EntryPoint) -> Any:
    """Whatever goes wrong while foreign code is imported, the user learns whose it is."""
    try:
        return entry.load()
    except Exception as error:
        raise SettingsError(
            f"matcher '{entry.name}' ({entry.value}) can't be loaded: {error}"
        ) from error
