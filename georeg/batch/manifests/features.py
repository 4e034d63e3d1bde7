"""Manifests as GeoJSON: a FeatureCollection whose properties are like the columns of a table.

STAC ItemCollections are GeoJSON, too, and Items tell themselves by their `stac_version`.
"""

from __future__ import annotations

import os
from typing import Any

from georeg.batch.entries import Entry, entry_of
from georeg.batch.manifests.stac import entries_of_items, fetch
from georeg.errors import InputError
from georeg.textfile import read_json
from georeg.writers.place import is_virtual


def read(path: str, asset: str | None = None) -> list[Entry]:
    """Entries of a FeatureCollection or ItemCollection; single Features and Items, too.

    Raises:
        InputError: it can't be read, or is neither.
    """
    data = fetch(path) if is_virtual(path) else read_json(path, "a manifest")
    features: Any = data.get("features") if data.get("type") == "FeatureCollection" else [data]
    if not isinstance(features, list) or not all(
        isinstance(f, dict) and f.get("type") == "Feature" for f in features
    ):
        raise InputError(f"{path} is neither a GeoJSON FeatureCollection nor a STAC ItemCollection")
    if features and all("stac_version" in feature for feature in features):
        return entries_of_items(features, path, asset)
    folder = os.path.dirname(os.path.abspath(path))
    return [
        entry_of(feature.get("properties") or {}, f"{path}, feature {number}", folder)
        for number, feature in enumerate(features, 1)
    ]
