"""A STAC Item beside an aligned raster: what it is, where, how it was made, how good it is.

STAC 1.1.0 with the extensions Projection, Processing, File and Accuracy. Written without a
library: pystac is needed to read catalogues only.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from georeg import __version__
from georeg.batch.job import Job
from georeg.crs import crs_name
from georeg.raster import Raster
from georeg.textfile import write_json
from georeg.writers.place import is_virtual

_SCHEMAS = "https://stac-extensions.github.io"
EXTENSIONS = (
    f"{_SCHEMAS}/projection/v2.0.0/schema.json",
    f"{_SCHEMAS}/processing/v1.2.0/schema.json",
    f"{_SCHEMAS}/file/v2.1.0/schema.json",
    f"{_SCHEMAS}/accuracy/v1.0.0-beta.1/schema.json",
)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_GEOTIFF = "image/tiff; application=geotiff"


def write_item(path: str, job: Job, result: Mapping[str, Any]) -> None:
    """Write the Item of a job's output.

    Args:
        path: of the file.
        job: that was done.
        result: of its record: verdict, footprint.

    Raises:
        OutputError: it can't be written.
        InputError: the output can't be read again.
    """
    with Raster(job.output) as raster:
        header, tags = raster.header, raster.dataset().tags()
    grid = header.grid
    ring = result.get("footprint")
    properties: dict[str, Any] = {
        **_times(job, tags.get("TIFFTAG_DATETIME")),
        "proj:shape": list(header.shape),
        "processing:software": {"georeg": __version__},
        "processing:lineage": _lineage(job, result),
        **_accuracy(result.get("verdict") or {}),
    }
    if grid is not None:
        properties["proj:transform"] = list(grid.transform)[:6]
        properties["proj:bbox"] = list(grid.bounds())
    if header.crs is not None:
        name = crs_name(header.crs)
        code = name if ":" in name else None
        properties["proj:code"] = code
        if code is None:
            properties["proj:wkt2"] = header.crs.to_wkt()
    used = EXTENSIONS if any(k.startswith("accuracy:") for k in properties) else EXTENSIONS[:-1]
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(used),
        "id": job.id,
        "geometry": None if ring is None else {"type": "Polygon", "coordinates": [ring]},
        "properties": properties,
        "links": _links(job, path),
        "assets": {"data": _asset(job, path)},
    }
    if ring is not None:
        x, y = zip(*ring, strict=True)
        item["bbox"] = [min(x), min(y), max(x), max(y)]
    write_json(path, item)


def _times(job: Job, tag: str | None) -> dict[str, Any]:
    """When the moving raster was taken: by its own Item or header, else by its file's age."""
    known = _utc(str(job.facts.get("datetime") or ""))
    if known:
        return {"datetime": known}
    if tag:
        try:
            when = datetime.strptime(tag.strip("\0 "), "%Y:%m:%d %H:%M:%S")
            return {"datetime": f"{when.isoformat()}Z"}
        except ValueError:
            pass
    local = os.path.isfile(job.moving)
    age = os.path.getmtime(job.moving) if local else 0.0
    when = datetime.fromtimestamp(int(age), timezone.utc).replace(tzinfo=None)
    return {
        "datetime": f"{when.isoformat()}Z",  # an Item must have one
        "georeg:datetime_of": "the moving raster's file" if local else "unknown",
    }


def _utc(text: str) -> str | None:
    """A time as RFC 3339 has it, in UTC, which is also what times without a zone are taken for."""
    if _RFC_3339.fullmatch(text):
        return text
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if when.tzinfo is not None:
        when = when.astimezone(timezone.utc).replace(tzinfo=None)
    return f"{when.isoformat()}Z"


def _lineage(job: Job, result: Mapping[str, Any]) -> str:
    return (
        f"{os.path.basename(job.moving)} aligned to {os.path.basename(job.reference)} "
        f"by georeg {__version__}: {result.get('sentence')}"
    )


def _accuracy(verdict: Mapping[str, Any]) -> dict[str, float]:
    """The Accuracy extension's fields, in metres; north and east count as positive."""
    found = verdict.get("accuracy") or {}
    pixels, metres = found.get("rmse_px"), found.get("rmse_m")
    if not pixels or metres is None:
        return {}
    size = metres / pixels
    return {
        "accuracy:geometric_rmse": round(metres, 6),
        "accuracy:geometric_x_bias": round(found["mean_x_px"] * size, 6),
        "accuracy:geometric_y_bias": round(-found["mean_y_px"] * size, 6),
    }


def _links(job: Job, path: str) -> list[dict[str, str]]:
    links = [{"rel": "self", "href": os.path.abspath(path), "type": "application/geo+json"}]
    for name, item in (
        (job.moving, job.facts.get("href")),
        (job.reference, job.facts.get("reference_href")),
    ):
        kind = "application/geo+json" if item else "application/octet-stream"
        links.append({"rel": "derived_from", "href": str(item or name), "type": kind})
    return links


def _asset(job: Job, path: str) -> dict[str, Any]:
    """The raster, by a relative name where it lies beside the Item."""
    asset: dict[str, Any] = {
        "href": job.output,
        "type": _GEOTIFF + ("; profile=cloud-optimized" * (job.output_settings.driver == "COG")),
        "roles": ["data"],
    }
    if is_virtual(job.output):
        return asset
    if os.path.dirname(job.output) == os.path.dirname(path):
        asset["href"] = f"./{os.path.basename(job.output)}"
    digest = hashlib.sha256()
    with open(job.output, "rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    asset["file:size"] = os.path.getsize(job.output)
    asset["file:checksum"] = f"1220{digest.hexdigest()}"  # multihash: sha2-256, 32 bytes
    return asset
