"""The engine's steps in words, and as shares of the whole."""

from __future__ import annotations

from .errors import N_ as N_

# Words, and where on a bar from 0 to 100 a step begins and ends.
_STEPS: dict[str, tuple[str, float, float]] = {
    "locate": (N_("Finding roughly where the layer belongs"), 0, 15),
    "match": (N_("Looking for tie points"), 15, 65),
    "fit": (N_("Fitting the transform"), 65, 72),
    "check": (N_("Checking the result independently"), 72, 80),
    "jobs": (N_("Working through the jobs"), 0, 100),
    "write": (N_("Writing the aligned raster"), 80, 100),
}
_ELSE = (N_("Working"), 0.0, 100.0)


def stage(step: str) -> str:
    """What the engine is doing, in English; '' stands for its start."""
    if not step:
        return N_("Starting the engine")
    return _STEPS.get(step, _ELSE)[0]


def percent(step: str, share: float) -> float:
    """How far all of it is."""
    _, begin, end = _STEPS.get(step, _ELSE)
    return begin + (end - begin) * min(max(share, 0.0), 1.0)
