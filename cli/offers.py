"""What this installation offers, for programs that let people choose."""

from __future__ import annotations

from typing import Any


def offers() -> dict[str, Any]:
    """Matchers and whether they are ready, transforms, devices and other choices, as plain JSON.

    Imports torch, which takes seconds.
    """
    from georeg import settings
    from georeg.matching import available
    from georeg.matching.running import device_names
    from georeg.transforms.base import available as transforms

    return {
        "matchers": [_matcher(name) for name in available()],
        "transforms": list(transforms()),
        "devices": device_names(),
        "modalities": list(settings.MODALITIES),
        "searches": list(settings.SEARCHES),
        "resamplings": list(settings.RESAMPLINGS),
        "drivers": list(settings.DRIVERS),
    }


def _matcher(name: str) -> dict[str, Any]:
    from georeg.models import catalogue, store

    trained = name in catalogue.names()
    ready = not trained or store.present(name)
    missing = "" if ready else store.how_to_get(catalogue.get(name))
    return {"name": name, "trained": trained, "ready": ready, "missing": missing}
