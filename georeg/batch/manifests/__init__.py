"""What a batch is made of: one file per format of manifest."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence

from georeg.batch.entries import Entry
from georeg.batch.manifests.listing import list_rasters
from georeg.batch.manifests.stac import Query, search
from georeg.errors import InputError

_BY_SUFFIX = {
    ".csv": "table",
    ".tsv": "table",
    ".toml": "tables",
    ".geojson": "features",
    ".json": "features",
}


def read_manifest(
    name: str, asset: str | None = None, query: Query | None = None, output_dir: str = ""
) -> list[Entry]:
    """Entries of a manifest by its suffix, or one for each raster of a folder, glob or file.

    `.csv`, `.toml`, `.geojson`; `.json` is GeoJSON or a STAC ItemCollection.

    Args:
        name: of the manifest, folder, pattern or raster, or the address of a STAC API.
        asset: key of the asset of STAC Items.
        query: what to ask the API for; the name is one only if there is a query.
        output_dir: where outputs go; if it lies in the folder, what is in it is no input.

    Raises:
        InputError: it is missing or malformed, or names no raster.
        SettingsError: a package is missing.
    """
    if query is not None and not query.empty:
        return search(name, query, asset)
    suffix = os.path.splitext(name.partition("?")[0])[1].lower()
    if suffix in _BY_SUFFIX and not os.path.isdir(name):
        module = importlib.import_module(f"georeg.batch.manifests.{_BY_SUFFIX[suffix]}")
        found: list[Entry] = module.read(name, asset)
        return found
    return list_rasters(name, output_dir)


def read_manifests(
    names: Sequence[str],
    asset: str | None = None,
    query: Query | None = None,
    output_dir: str = "",
) -> list[Entry]:
    """Entries of several manifests.

    Raises:
        InputError: as `read_manifest`, or there are none.
    """
    entries = [entry for name in names for entry in read_manifest(name, asset, query, output_dir)]
    if not entries:
        raise InputError(f"{', '.join(names)}: no jobs in it")
    return entries
