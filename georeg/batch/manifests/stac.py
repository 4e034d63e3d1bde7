"""STAC: Items of an ItemCollection, or found by an API, as jobs."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from georeg.batch.entries import Entry
from georeg.errors import InputError, SettingsError
from georeg.writers.place import is_virtual

_PREFERRED = ("data", "visual", "image", "analytic", "B04", "red", "pan")
_RASTERS = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff")
_SUFFIXES = (".tif", ".tiff", ".jp2")  # where no type is told, which STAC leaves free
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Query:
    """What to ask a STAC API for.

    Attributes:
        collections: ids of collections.
        bbox: (west, south, east, north) in degrees.
        datetime: an instant or interval: 2024-01-01/2024-06-30.
        most: items at most.
    """

    collections: tuple[str, ...] = ()
    bbox: tuple[float, ...] | None = None
    datetime: str | None = None
    most: int | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is asked for."""
        return not self.collections and self.bbox is None and self.datetime is None


def search(url: str, query: Query, asset: str | None = None) -> list[Entry]:
    """Items that an API finds, oldest first.

    Raises:
        SettingsError: pystac-client isn't installed.
        InputError: the API can't be asked, or finds nothing.
    """
    try:
        from pystac_client import Client
        from pystac_client.exceptions import APIError
    except ImportError:
        raise SettingsError("a STAC API needs pystac-client: pip install 'georeg[stac]'") from None
    try:
        found = Client.open(url, timeout=_PATIENCE).search(
            collections=list(query.collections) or None,
            bbox=None if query.bbox is None else list(query.bbox),
            datetime=query.datetime,
            max_items=query.most,
        )
        items = list(found.items_as_dicts())
    except (APIError, OSError, ValueError, KeyError, NotImplementedError) as error:
        raise InputError(f"{url} can't be asked: {' '.join(str(error).split())[:300]}") from None
    if not items:
        raise InputError(f"{url} has no Items for this query")
    items.sort(key=lambda item: (str((item.get("properties") or {}).get("datetime")), item["id"]))
    return entries_of_items(items, url, asset)


def fetch(url: str) -> dict[str, Any]:
    """A JSON object from the web.

    Raises:
        InputError: it can't be had, or is none.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url}: a manifest must be a local file or on the web")
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
            data = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise InputError(f"{url} can't be read: {error}") from None
    if not isinstance(data, dict):
        raise InputError(f"{url} is no JSON object")
    return data


def entries_of_items(
    items: Sequence[Mapping[str, Any]], source: str, asset: str | None = None
) -> list[Entry]:
    """One entry for each Item.

    Args:
        items: STAC Items as JSON.
        source: path or URL of what they come from, for messages and relative names.
        asset: key of the asset to align; the first one that looks like a raster of data if None.
    """
    return [_entry(item, source, asset) for item in items]


def _entry(item: Mapping[str, Any], source: str, asset: str | None) -> Entry:
    name = str(item.get("id", "?"))
    properties = item.get("properties") or {}
    where = f"{source}, item {name}"
    links = {link.get("rel"): link.get("href") for link in item.get("links") or ()}
    home = str(links.get("self") or source)
    facts = {
        "datetime": properties.get("datetime") or properties.get("start_datetime"),
        "cloud_cover": properties.get("eo:cloud_cover"),
        "href": home if links.get("self") else f"{source}#{name}",
        "item": name,
    }
    facts = {key: value for key, value in facts.items() if value is not None}
    assets = item.get("assets") or {}
    found = _asset(assets, asset)
    if found is None:
        wanted = f"no asset '{asset}'" if asset else "no asset that is known to be a raster"
        wanted += f": name one (--asset): {', '.join(assets)}" if assets else ""
        return Entry("", where, id=_plain(name), facts=facts, problem=f"{where}: {wanted}")
    return Entry(_href(str(found), home, source), where, id=_plain(name), facts=facts)


def _plain(name: str) -> str:
    return name.replace("/", "_").replace("\\", "_")


def _asset(assets: Mapping[str, Any], key: str | None) -> Any:
    """The href of an asset; None if there is no such asset."""
    if key is not None:
        return (assets.get(key) or {}).get("href")
    rasters = {
        name: asset for name, asset in assets.items()
        if _is_raster(asset) and not {"thumbnail", "overview"} & set(asset.get("roles") or ())
    }  # fmt: skip
    for name in _PREFERRED:
        if name in rasters:
            return rasters[name].get("href")
    data = [a for a in rasters.values() if "data" in (a.get("roles") or ())] or [*rasters.values()]
    return data[0].get("href") if data else None


def _is_raster(asset: Mapping[str, Any]) -> bool:
    kind = asset.get("type")
    if kind:
        return str(kind).startswith(_RASTERS)
    return str(asset.get("href")).partition("?")[0].lower().endswith(_SUFFIXES)


def _href(href: str, home: str, source: str) -> str:
    """An absolute name of an asset."""
    if is_virtual(href) or os.path.isabs(href):
        return href
    if home.startswith(("http://", "https://")):
        return urljoin(home, href)
    folder = os.path.dirname(os.path.abspath(home if os.path.isabs(home) else source))
    return os.path.normpath(os.path.join(folder, href))
