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
    from georeg.align import fit_matches as fit_matches
    from georeg.align import measure as measure
    from georeg.alignment import Alignment as Alignment
    from georeg.alignment import write_report as write_report
    from georeg.applying import apply_fit as apply_fit
    from georeg.batch.many import align_many as align_many
    from georeg.batch.options import BatchOptions as BatchOptions
    from georeg.batch.result import BatchResult as BatchResult
    from georeg.comparing import compare_fits as compare_fits
    from georeg.errors import BatchError as BatchError
    from georeg.errors import ClusterError as ClusterError
    from georeg.errors import GeoregError as GeoregError
    from georeg.errors import InputError as InputError
    from georeg.errors import NoOverlapError as NoOverlapError
    from georeg.errors import OutputError as OutputError
    from georeg.errors import PointsError as PointsError
    from georeg.errors import RefusedError as RefusedError
    from georeg.errors import SettingsError as SettingsError
    from georeg.fitfile import FitFile as FitFile
    from georeg.fitfile import load_fit as load_fit
    from georeg.grid import Grid as Grid
    from georeg.matches import Matches as Matches
    from georeg.ortho.orthorectify import orthorectify as orthorectify
    from georeg.raster import Raster as Raster
    from georeg.settings import OrthoSettings as OrthoSettings
    from georeg.settings import OutputSettings as OutputSettings
    from georeg.settings import Settings as Settings
    from georeg.writers.points import PointTable as PointTable
    from georeg.writers.points import read_points as read_points
    from georeg.writers.points import write_points as write_points
    from georeg.writers.sides import Sides as Sides
    from georeg.writers.sides import open_side as open_side

_WHERE = {
    "Alignment": "alignment",
    "BatchError": "errors",
    "BatchOptions": "batch.options",
    "BatchResult": "batch.result",
    "ClusterError": "errors",
    "FitFile": "fitfile",
    "GeoregError": "errors",
    "Grid": "grid",
    "InputError": "errors",
    "Matches": "matches",
    "NoOverlapError": "errors",
    "OrthoSettings": "settings",
    "OutputError": "errors",
    "OutputSettings": "settings",
    "PointTable": "writers.points",
    "PointsError": "errors",
    "Raster": "raster",
    "RefusedError": "errors",
    "Settings": "settings",
    "SettingsError": "errors",
    "Sides": "writers.sides",
    "align": "align",
    "align_many": "batch.many",
    "apply_fit": "applying",
    "compare_fits": "comparing",
    "fit_matches": "align",
    "load_fit": "fitfile",
    "measure": "align",
    "open_side": "writers.sides",
    "orthorectify": "ortho.orthorectify",
    "read_points": "writers.points",
    "write_points": "writers.points",
    "write_report": "alignment",
}

__all__ = [
    "Alignment",
    "BatchError",
    "BatchOptions",
    "BatchResult",
    "ClusterError",
    "FitFile",
    "GeoregError",
    "Grid",
    "InputError",
    "Matches",
    "NoOverlapError",
    "OrthoSettings",
    "OutputError",
    "OutputSettings",
    "PointTable",
    "PointsError",
    "Raster",
    "RefusedError",
    "Settings",
    "SettingsError",
    "Sides",
    "__version__",
    "align",
    "align_many",
    "apply_fit",
    "compare_fits",
    "fit_matches",
    "load_fit",
    "measure",
    "open_side",
    "orthorectify",
    "read_points",
    "write_points",
    "write_report",
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
