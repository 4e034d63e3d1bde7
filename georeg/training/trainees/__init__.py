"""Matchers that can be trained: one file each, file name = matcher."""

from __future__ import annotations

import importlib
import pkgutil
from typing import cast

from georeg.errors import SettingsError
from georeg.training.trainees.protocol import Kind

__all__ = ["available", "kind"]

_SHARED = {"protocol"}


def available() -> list[str]:
    """Names of all that can be trained."""
    names = {m.name for m in pkgutil.iter_modules(__path__)} - _SHARED
    return sorted(n for n in names if not n.startswith("_"))


def kind(name: str) -> Kind:
    """What makes a trainee.

    Raises:
        SettingsError: that matcher can't be trained.
    """
    if name not in available():
        raise SettingsError(
            f"matcher '{name}' can't be trained: choose from {', '.join(available())}"
        )
    module = importlib.import_module(f"georeg.training.trainees.{name}")
    return cast("Kind", module.TRAINEE)
