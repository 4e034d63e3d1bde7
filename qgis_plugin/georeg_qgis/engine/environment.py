"""The environment variables of the engine's process.

QGIS sets variables for its own Python, GDAL, PROJ and Qt. In another Python with other builds of
these libraries they do harm: it would find QGIS' modules, or read a proj.db of another version.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_DROPPED = (
    "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "VIRTUAL_ENV",
    "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA",
    "LD_LIBRARY_PATH", "LD_PRELOAD", "QT_PLUGIN_PATH", "QT_QPA_PLATFORM_PLUGIN_PATH",
    "PIP_USER", "PIP_TARGET", "PIP_PREFIX",
)  # fmt: skip
_PREFIXES = ("DYLD_",)


def clean(
    environ: Mapping[str, str] | None = None, proxy: str = "", **extra: str
) -> dict[str, str]:
    """The variables that the engine gets.

    Args:
        environ: of this process, if not given.
        proxy: URL of QGIS' proxy; variables that are set already win.
        extra: more of them.
    """
    source = os.environ if environ is None else environ
    kept = {
        name: value
        for name, value in source.items()
        if name not in _DROPPED and not name.startswith(_PREFIXES)
    }
    kept.update(PYTHONUTF8="1", PYTHONUNBUFFERED="1", PYTHONNOUSERSITE="1")
    for name in ("HTTPS_PROXY", "HTTP_PROXY") if proxy else ():
        if not (kept.get(name) or kept.get(name.lower())):
            kept[name] = proxy
    kept.update(extra)
    return kept
