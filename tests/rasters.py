"""Rasters of every kind with known pixels, for the tests of what is read from them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyogrio.raw
import rasterio
import shapely
from affine import Affine

TRANSFORM = Affine(10, 0, 350000, 0, -10, 5250000)


def ramp(shape: tuple[int, int] = (40, 60), dtype: str = "uint8", bands: int = 1) -> Any:
    """(bands, rows, columns) without repetition within a row or a column, never 0."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    base = 1 + x + 3 * y
    return np.stack([base + 5 * k for k in range(bands)]).astype(dtype)


def write(
    path: Path | str,
    bands: npt.NDArray[Any],
    *,
    transform: Affine | None = TRANSFORM,
    crs: Any = "EPSG:32633",
    driver: str = "GTiff",
    **more: Any,
) -> str:
    """A file of (bands, rows, columns)."""
    count, rows, columns = bands.shape
    profile = {
        "driver": driver,
        "height": rows,
        "width": columns,
        "count": count,
        "dtype": more.pop("dtype", bands.dtype.name),
        "crs": crs,
        "transform": transform,
        **more,
    }
    with rasterio.open(path, "w", **{k: v for k, v in profile.items() if v is not None}) as file:
        file.write(bands)
    return str(path)


def tile_index(path: Path, tiles: list[str], field: str = "location") -> str:
    """A GeoPackage that GDAL's driver GTI takes for a mosaic; named .gti.gpkg."""
    boxes = []
    for tile in tiles:
        with rasterio.open(tile) as file:
            boxes.append(shapely.to_wkb(shapely.box(*file.bounds)))
    pyogrio.raw.write(
        str(path),
        np.array(boxes, object),
        [np.array(tiles, object)],
        [field],
        layer="tiles",
        driver="GPKG",
        geometry_type="Polygon",
        crs="EPSG:32633",
    )
    return str(path)


class _Ranges(SimpleHTTPRequestHandler):
    """Serves files with byte ranges, as object stores do, and says nothing."""

    def log_message(self, *_: Any) -> None:
        return

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        path = Path(self.translate_path(self.path))
        if wanted is None or not path.is_file():
            super().do_GET()
            return
        content = path.read_bytes()
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last or len(content)), len(content) - 1)
        part = content[start : stop + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a local server of a folder."""
    handler = partial(_Ranges, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
