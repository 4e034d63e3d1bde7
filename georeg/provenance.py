"""What made an output: software, inputs, settings. No wall-clock time goes into rasters."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from georeg import __version__

_PACKAGES = ("numpy", "scipy", "opencv-python-headless", "pyproj", "rasterio", "torch", "kornia")


def versions() -> dict[str, str]:
    """Versions of georeg and of what it stands on, without importing any of it."""
    found = {"georeg": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def raster_tags(info: Mapping[str, Any]) -> dict[str, str]:
    """TIFF tags for an aligned raster, from the `info` of its fit.

    The same inputs and settings give the same tags: nothing here depends on when or how fast.
    """
    verdict = info.get("verdict", {})
    accuracy = verdict.get("accuracy") or {}
    tags = {
        "TIFFTAG_SOFTWARE": f"georeg {__version__}",
        "VERSION": __version__,
        "MOVING": str(info.get("moving", "")),
        "REFERENCE": str(info.get("reference", "")),
        "TRANSFORM": str(info.get("transform", "")),
        "MATCHER": str(info.get("matcher", "")),
        "SEED": str(info.get("seed", "")),
        "STATUS": str(verdict.get("status", "")),
    }
    if accuracy:
        tags["RMSE_PX"] = f"{accuracy['rmse_px']:.3f}"
        if accuracy.get("rmse_m") is not None:
            tags["RMSE_M"] = f"{accuracy['rmse_m']:.4g}"
    if verdict and not verdict.get("ok", True):
        tags["NOT_TRUSTWORTHY"] = "; ".join(verdict.get("reasons", ()))
    return {key: value for key, value in tags.items() if value}
