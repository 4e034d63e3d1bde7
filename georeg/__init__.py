"""georeg: align georeferenced rasters of any modality.

Importing this package imports nothing heavy; the names below are loaded when they are used.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from georeg.align import align as align
    from georeg.alignment import Alignment as Alignment
    from georeg.applying import apply_fit as apply_fit
    from georeg.batch.many import align_many as align_many
    from georeg.batch.options import BatchOptions as BatchOptions
    from georeg.batch.run import BatchResult as BatchResult
    from georeg.fitfile import load_fit as load_fit
    from georeg.grid import Grid as Grid
    from georeg.raster import Raster as Raster
    from georeg.settings import OutputSettings as OutputSettings
    from georeg.settings import Settings as Settings

_WHERE = {
    "Alignment": "alignment",
    "BatchOptions": "batch.options",
    "BatchResult": "batch.run",
    "Grid": "grid",
    "OutputSettings": "settings",
    "Raster": "raster",
    "Settings": "settings",
    "align": "align",
    "align_many": "batch.many",
    "apply_fit": "applying",
    "load_fit": "fitfile",
}

__all__ = [
    "Alignment",
    "BatchOptions",
    "BatchResult",
    "Grid",
    "OutputSettings",
    "Raster",
    "Settings",
    "__version__",
    "align",
    "align_many",
    "apply_fit",
    "load_fit",
]


def __getattr__(name: str) -> Any:
    """The public names, on first use (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module 'georeg' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"georeg.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(types.ModuleType):
    """Keeps `georeg.align` the function: Python would make it the module once that is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "align" and isinstance(value, types.ModuleType):
            value = value.align
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
