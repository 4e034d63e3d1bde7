"""What made an output: software, inputs, settings. No wall-clock time goes into rasters."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from importlib import metadata
from typing import Any

from georeg import __version__
from georeg.settings import OutputSettings, Settings

_PACKAGES = (
    "numpy",
    "scipy",
    "opencv-python-headless",
    "pyogrio",
    "pyproj",
    "rasterio",
    "torch",
    "kornia",
)


def versions() -> dict[str, str]:
    """Versions of georeg and of what it stands on, without importing any of it."""
    found = {"georeg": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def python_call(
    function: str,
    files: Sequence[str | None],
    settings: Settings,
    output_settings: OutputSettings | None = None,
) -> str:
    """The call that repeats a run, with what differs from the defaults.

    Args:
        function: of the package: align.
        files: positional arguments.
        settings: how the alignment was found.
        output_settings: what the output looks like.
    """
    words = [repr(name) for name in files]
    while words and words[-1] == "None":
        words.pop()
    for name, given in (("settings", settings), ("output_settings", output_settings)):
        if given is not None and given != type(given)():
            changed = [f for f in fields(given) if getattr(given, f.name) != _default(f)]
            inner = ", ".join(f"{f.name}={getattr(given, f.name)!r}" for f in changed)
            words.append(f"{name}=georeg.{type(given).__name__}({inner})")
    return f"georeg.{function}({', '.join(words)})"


def _default(field: Field[Any]) -> Any:
    factory = field.default_factory
    return field.default if factory is MISSING else factory()


def raster_tags(info: Mapping[str, Any]) -> dict[str, str]:
    """TIFF tags for an aligned raster, from the `info` of its fit.

    The same inputs and settings give the same tags: nothing here depends on when or how fast.
    """
    verdict = _part(info, "verdict")
    accuracy = _part(verdict, "accuracy")
    reasons = verdict.get("reasons")
    tags = {
        "TIFFTAG_SOFTWARE": f"georeg {__version__}",
        "VERSION": __version__,
        "MOVING": _text(info.get("moving")),
        "REFERENCE": _text(info.get("reference")),
        "TRANSFORM": _text(info.get("transform")),
        "MATCHER": _text(info.get("matcher")),
        "SEED": _text(info.get("seed")),
        "STATUS": _text(verdict.get("status")),
        "RMSE_PX": _text(accuracy.get("rmse_px"), ".3f"),
        "RMSE_M": _text(accuracy.get("rmse_m"), ".4g"),
    }
    if not verdict.get("ok", True):
        said = reasons if isinstance(reasons, (list, tuple)) else ()
        tags["NOT_TRUSTWORTHY"] = "; ".join(map(str, said)) or "no reason given"
    return {key: value for key, value in tags.items() if value}


def _part(info: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of what people may have edited; empty if it is none."""
    part = info.get(name)
    return part if isinstance(part, Mapping) else {}


def _text(value: Any, spec: str = "") -> str:
    if value is None or (spec and not isinstance(value, (int, float))):
        return ""
    return format(value, spec) if spec else str(value)
